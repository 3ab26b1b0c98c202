"""Under which billing term an invoice of the books is by what PSA says of it: that goes before the books' own terms."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django_subatomic.db import transaction_required

from accounting.autopay.charging import register_charge_obstacle
from accounting.autopay.decision_context import register_invoice_terms
from accounting.models import BillingTerm, LedgerInvoice
from merchants.models import Merchant
from psa.agreements.models import PsaBillingTerm
from psa.joins import Match
from psa.models import PsaConnection, PsaInvoice
from psa.scheduling import schedule_poll

CLOCKS_APART = timedelta(minutes=5)  # of the books' clock and ours
FRESH = timedelta(hours=1)  # what was read of PSA longer ago says nothing of what would be charged
NOT_READ_YET = "It waits until ConnectWise PSA was read, whose billing term may say otherwise."


@register_invoice_terms
def list_invoice_terms(merchant: Merchant, companies: Sequence[int] | None = None) -> dict[int, int | None]:
    """The billing term of each open invoice, of all companies or of some, whose term in PSA a person decided about."""
    connection = find_connection_in_use(merchant.pk)
    return name_invoices(connection, read_decisions(connection), companies) if connection else {}


def find_connection_in_use(merchant_id: int) -> PsaConnection | None:
    """The merchant's PSA, if people said what its billing terms mean here."""
    rows = PsaConnection.objects.filter(merchant=merchant_id, state__in=["connected", "broken"], uses_terms=True)
    return rows.first()


@register_charge_obstacle
@transaction_required
def find_unread(invoice: LedgerInvoice, *, now: datetime) -> str:
    """Why an invoice that has just come to the books is not charged yet: PSA was not read since, and is read now."""
    connection = find_connection_in_use(invoice.merchant_id)
    since = min(invoice.changed_at, invoice.read_at) + CLOCKS_APART
    if connection is None or (connection.polled_at is not None and connection.polled_at >= since):
        return ""
    if list_joined(connection).filter(ledger_invoice=invoice).exists():
        return ""
    schedule_poll(connection, now=now)
    return NOT_READ_YET


def are_invoices_known(connection: PsaConnection, *, now: datetime) -> bool:
    """Whether PSA's invoices were read lately, so that it can be said what a change of terms would charge."""
    read_at = connection.polled_at if connection.invoices_read_at else None
    return read_at is not None and read_at >= now - FRESH


def list_chosen_terms(
    connection: PsaConnection,
    chosen: Mapping[PsaBillingTerm, BillingTerm | None],
    undecided: Sequence[PsaBillingTerm] = (),
) -> dict[int, int | None]:
    """The same once these decisions are saved, and those of `undecided` taken back."""
    fresh = {row.term_id: term.pk if term else None for row, term in chosen.items()}
    gone = {row.term_id for row in undecided}
    kept = {key: term for key, term in read_decisions(connection).items() if key not in gone}
    return name_invoices(connection, kept | fresh)


def read_decisions(connection: PsaConnection) -> dict[int, int | None]:
    """The billing term that each decided one of PSA means, by PSA's id; None for no automatic payments."""
    rows = PsaBillingTerm.objects.filter(merchant=connection.merchant_id, organisation_id=connection.organisation_id)
    return dict(rows.exclude(decided_at=None).values_list("term_id", "billing_term_id"))


def name_invoices(
    connection: PsaConnection, terms: Mapping[int, int | None], companies: Sequence[int] | None = None
) -> dict[int, int | None]:
    """The billing term of each open invoice of the books that is joined to one of PSA under one of these terms."""
    if connection.pk is None or not terms:
        return {}
    rows = list_joined(connection).filter(term_id__in=terms)
    rows = rows.filter(ledger_invoice__status="open", ledger_invoice__due__gt=0)
    rows = rows if companies is None else rows.filter(ledger_invoice__company__in=companies)
    return {key: terms[term] for key, term in rows.values_list("ledger_invoice_id", "term_id") if key is not None}


def list_joined(connection: PsaConnection) -> QuerySet[PsaInvoice]:
    """PSA's invoices that are joined; one whose number the books have changed since is not, unless a person said so."""
    is_same = Q(match=Match.JOINED, number=F("ledger_invoice__number")) | Q(match=Match.CONFIRMED)
    return PsaInvoice.objects.filter(is_same, connection=connection, is_gone=False)
