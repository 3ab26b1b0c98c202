"""Billing terms, the ledger's own terms that they cover, and importing those."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from accounting.autopay.settings import schedule_planning
from accounting.ledger_session import open_ledger_session
from accounting.models import AutoPayMapping, BillingTerm, LedgerTerm
from accounting.unreadable import replace_unreadable
from connections.availability import get_connection
from connections.models import Connection, Tier
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from wisepay import outbox
from wisepay.errors import Disconnected, retry_refusals

WITHOUT_TERM = ("", "Invoices without any")


class TermInUse(Exception):
    """Mappings use the term, so it can't be removed."""


def save_term(
    merchant: Merchant, term: BillingTerm | None, *, covers: Collection[LedgerTerm], now: datetime, **columns: Any
) -> BillingTerm:
    """Save the term with these columns, covering exactly these ledger terms, and schedule planning."""
    with transaction():
        saved = term or BillingTerm(merchant=merchant, created_at=now)
        for name, value in columns.items():
            setattr(saved, name, value)
        saved.save()
        covered = [one.pk for one in covers]
        rows = list_current_terms(merchant)
        rows.filter(billing_term=saved).exclude(pk__in=covered).update(billing_term=None)
        rows.filter(pk__in=covered).update(billing_term=saved)
        schedule_planning(merchant, now=now)
    return saved


def list_current_terms(merchant: Merchant) -> QuerySet[LedgerTerm]:
    """The terms of the connected organisation; those of a former one wait until it is connected again."""
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).exclude(organisation_id="").first()
    rows = LedgerTerm.objects.filter(merchant=merchant)
    return rows.filter(organisation_id=connection.organisation_id) if connection else rows


def remove_term(term: BillingTerm, *, now: datetime) -> None:
    """Deactivate the term: nothing is charged under it any more. Raises TermInUse while mappings use it."""
    with transaction():
        BillingTerm.objects.select_for_update().get(pk=term.pk)
        if AutoPayMapping.objects.filter(term=term).exclude(state="ended").exists():
            raise TermInUse
        LedgerTerm.objects.filter(billing_term=term).update(billing_term=None)
        BillingTerm.objects.filter(pk=term.pk).update(is_active=False)
        schedule_planning(term.merchant, now=now)


def schedule_terms_import(merchant: Merchant, *, now: datetime) -> None:
    """Schedule importing the ledger's terms."""
    outbox.schedule(f"terms:{merchant.pk}", "accounting.read_terms", now=now, merchant_id=merchant.pk)


def import_ledger_terms(merchant: Merchant, *, now: datetime) -> None:
    """Import the ledger's terms, if the merchant is connected. A refusal is retried. Raises Retry, Unavailable."""
    try:
        connection = get_connection(merchant, tier=Tier.WISE_PAY)
        with retry_refusals(), open_ledger_session(connection, priority="interactive", now=now) as ledger:
            found = ledger.read_terms()
            faults = ledger.unreadable.get("terms", [])
    except Disconnected:
        return
    replace_unreadable(merchant, connection.organisation_id, "terms", faults, now=now)
    save_ledger_terms(merchant, connection.organisation_id, [(term.id, term.name) for term in found], now=now)


def save_ledger_terms(merchant: Merchant, organisation_id: str, found: list[tuple[str, str]], *, now: datetime) -> None:
    """Save the terms that were read: new ones are covered by no billing term yet; removed ones are deleted.

    Invoices without any term are one of the terms too.
    """
    found = [*found, WITHOUT_TERM]
    rows = [
        LedgerTerm(merchant=merchant, organisation_id=organisation_id, term_id=pk, name=name[:120], read_at=now)
        for pk, name in found
    ]
    with transaction():
        LedgerTerm.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", "term_id"],
            update_fields=["name", "read_at"],
        )
        gone = LedgerTerm.objects.filter(merchant=merchant).exclude(
            organisation_id=organisation_id, term_id__in=[pk for pk, _ in found]
        )
        gone.filter(billing_term=None).delete()
        here = LedgerTerm.objects.filter(merchant=merchant, organisation_id=organisation_id)
        here.filter(term_id__in=[pk for pk, _ in found], is_gone=True).update(is_gone=False)
        lost = list(here.exclude(term_id__in=[pk for pk, _ in found]).filter(is_gone=False).order_by("name"))
        here.filter(pk__in=[term.pk for term in lost]).update(is_gone=True)
        if lost:
            notify_lost_terms(merchant, lost, now=now)


@transaction_required
def notify_lost_terms(merchant: Merchant, lost: list[LedgerTerm], *, now: datetime) -> None:
    """Notify of the ledger's own terms that a billing term covers and that stand there no more."""
    names = ", ".join(f"“{term.name}” (of {term.billing_term})" for term in lost)
    notify_merchant(
        merchant,
        event=EventNotification.Event.BOOKS_TASK,
        key=f"terms-gone:{merchant.pk}:{now.isoformat()}",
        title="The accounting package needs a person",
        body=f"Deleted or made inactive there: {names}. New invoices can't have it, so nothing of them is charged "
        "automatically. Let the billing term cover another one.",
        path=reverse("autopay:settings", args=[merchant.reference]),
        now=now,
    )
