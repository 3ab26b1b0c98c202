"""Orders about billing terms: which there are, what they cover of the books' own, and reading those."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django_subatomic.db import transaction

from accounting.autopay.settings import schedule_planning
from accounting.ledger_session import ledger_session
from accounting.models import AutoPayMapping, BillingTerm, LedgerTerm
from connections.models import Tier
from connections.services import get_connection
from merchants.models import Merchant
from wisepay import outbox
from wisepay.errors import Disconnected

WITHOUT_TERM = ("", "Invoices without any")


class TermInUse(Exception):
    """Mappings stand on it, so it can't be removed."""


def save_term(
    merchant: Merchant, term: BillingTerm | None, *, covers: Collection[LedgerTerm], now: datetime, **columns: Any
) -> BillingTerm:
    """The term with these columns, covering exactly these of the books; everything is planned by it."""
    with transaction():
        saved = term or BillingTerm(merchant=merchant, created_at=now)
        for name, value in columns.items():
            setattr(saved, name, value)
        saved.save()
        kept = [one.pk for one in covers]
        LedgerTerm.objects.filter(merchant=merchant, billing_term=saved).exclude(pk__in=kept).update(billing_term=None)
        LedgerTerm.objects.filter(merchant=merchant, pk__in=kept).update(billing_term=saved)
        schedule_planning(merchant, now=now)
    return saved


def remove_term(term: BillingTerm, *, now: datetime) -> None:
    """Nothing is charged under it any more. Raises TermInUse while mappings name it."""
    with transaction():
        BillingTerm.objects.select_for_update().get(pk=term.pk)
        if AutoPayMapping.objects.filter(term=term).exclude(state="ended").exists():
            raise TermInUse
        LedgerTerm.objects.filter(billing_term=term).update(billing_term=None)
        BillingTerm.objects.filter(pk=term.pk).update(is_active=False)
        schedule_planning(term.merchant, now=now)


def schedule_terms_import(merchant: Merchant, *, now: datetime) -> None:
    """Refresh Billing Terms: read them soon."""
    outbox.schedule(f"terms:{merchant.pk}", "accounting.read_terms", now=now, merchant_id=merchant.pk)


def import_ledger_terms(merchant: Merchant, *, now: datetime) -> None:
    """Read the books' terms. A merchant that is not connected has nothing to read; raises Retry or Unavailable."""
    try:
        connection = get_connection(merchant, tier=Tier.WISE_PAY)
        with ledger_session(connection, priority="interactive", now=now) as ledger:
            found = ledger.read_terms()
    except Disconnected:
        return
    save_ledger_terms(merchant, connection.organisation_id, [(term.id, term.name) for term in found], now=now)


def save_ledger_terms(merchant: Merchant, organisation_id: str, found: list[tuple[str, str]], *, now: datetime) -> None:
    """Keep what was read: new ones cover nothing yet, those that are gone are forgotten.

    An invoice may be without any, so that is one of them too.
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
