"""Mails to a company's people about what changes there: a new person, a method, an Auto-Pay mapping."""

from django.db.models import Q
from django.urls import reverse
from django_subatomic.db import transaction_required

from payers.models import PayerAccess, PayerCompany
from wisepay import outbox
from wisepay.mail import send_email
from wisepay.models import User


def list_company_people(company_id: int) -> list[User]:
    """Everybody who sees the whole company."""
    rows = PayerAccess.objects.filter(company=company_id, state="active", scope=PayerAccess.Scope.COMPANY)
    return [access.user for access in rows.select_related("user").order_by("pk") if access.user.is_active]


@transaction_required
def enqueue_company_emails(
    company_id: int, handler: str, *, key: str, but: int | None = None, also: int | None = None, **ids: int | str
) -> None:
    """Enqueue a mail by `handler` to each of the company's people; `key` names what happened.

    `but` is the id of a user who knows already, `also` of one who is told whatever they see of the company.
    The handler is given the ids and `recipient_id`.
    """
    people = {user.pk for user in list_company_people(company_id)}
    for recipient in sorted((people | ({also} if also else set())) - {but}):
        outbox.enqueue(f"{key}:{recipient}"[:200], handler, run_after=None, recipient_id=recipient, **ids)


def send_company_email(
    company: PayerCompany, *, recipient_id: int, subject: str, lines: list[str], path: str, message_id: str
) -> None:
    """Send one of the company's people what changed there, a paragraph a line, with a link to the page about it.

    Nothing to somebody who has no access any more.
    """
    is_theirs = Q(payer_accesses__company=company, payer_accesses__state="active")
    recipient = User.objects.filter(is_theirs, pk=recipient_id, is_active=True).first()
    if recipient is None:
        return
    send_email(
        "company_news",
        recipient.email,
        {"company": company, "lines": lines, "link": company.merchant.build_public_url(path)},
        subject=subject,
        message_id=f"{message_id}-{recipient.reference}",
        sender=company.merchant,
    )


def send_new_person_email(access: PayerAccess, *, recipient_id: int) -> None:
    """Send who has access to the company now, and what to do if nobody knows them."""
    if access.state != "active":
        return
    company, person = access.company, access.user
    sees = "everything of" if access.scope == PayerAccess.Scope.COMPANY else "their own payments for"
    uses = " They can pay with methods that are shared with the company." if sees == "everything of" else ""
    send_company_email(
        company,
        recipient_id=recipient_id,
        subject=f"{person} can now pay for {company.name}",
        lines=[
            f"{person} ({person.email}) has access to {company.name} at {company.merchant.name} now and sees {sees} "
            f"{company.name}.{uses}",
            f"If you don't know them, tell {company.merchant.name}: they can remove the access.",
        ],
        path=reverse("payers:my_details"),
        message_id=f"person-{access.reference}-{access.state_at.timestamp():.0f}-{access.scope}",
    )
