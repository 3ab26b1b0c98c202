"""Mails that tell a company's people of an Auto-Pay mapping: proposed, switched on, switched off."""

from collections.abc import Sequence

from django.urls import reverse
from django_subatomic.db import transaction_required

from accounting.models import AutoPayMapping
from payers.company_emails import enqueue_company_emails, send_company_email


@transaction_required
def enqueue_mapping_news(
    mapping: AutoPayMapping, *, news: str, but: int | None, others: Sequence[AutoPayMapping] = ()
) -> None:
    """Enqueue the mails that tell the company's people of a mapping: `proposed`, `active` or `ended`.

    `others` are of the same methods for other terms, and are told of in the same mail.
    """
    enqueue_company_emails(
        mapping.company_id,
        "accounting.email_mapping_news",
        key=f"mapping:{mapping.pk}:{news}",
        but=but,
        also=mapping.primary_method.owner_id,
        mapping_id=mapping.pk,
        news=news,
        others=",".join(str(other.pk) for other in others),
    )


def send_mapping_news(
    mapping: AutoPayMapping, *, news: str, recipient_id: int, others: Sequence[AutoPayMapping] = ()
) -> None:
    """Send one of the company's people what became of a mapping, and of those that are told of with it.

    Nothing when it has changed again meanwhile: that is told by another mail, or by the one about what took its place.
    """
    if mapping.state != news:
        return
    company, merchant = mapping.company, mapping.merchant
    methods = f"{mapping.primary_method}{f', then {mapping.secondary_method}' if mapping.secondary_method else ''}"
    terms = " and ".join(str(one.term or "all billing terms") for one in (mapping, *others))
    invoices = f"the invoices of {company} under {terms}"
    if mapping.agreed is not None:
        invoices = (
            f"{mapping.agreed.money} {mapping.agreed.frequency} for invoices of {company}, as agreed with a quote,"
        )
    what = f"{invoices} to {methods}"
    subjects = {
        "proposed": f"{merchant.name} proposes automatic payments for {company.name}",
        "active": f"Automatic payments of {company.name} are switched on",
        "ended": f"Automatic payments of {company.name} are switched off",
    }
    lines = {
        "proposed": f"{merchant} proposes to charge {what}. Nothing is charged before one of you accepts.",
        "active": f"{merchant} charges {what} automatically from now on.",
        "ended": f"{merchant} does not charge {what} automatically any more. What was scheduled is cancelled.",
    }
    send_company_email(
        company,
        recipient_id=recipient_id,
        subject=subjects[news],
        lines=[lines[news]],
        path=reverse("autopay:my_mappings"),
        message_id=f"mapping-{mapping.reference}-{news}",
    )
