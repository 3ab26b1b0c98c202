"""Payment Sync: what was paid or credited in the ledger since a date, and what that changed here.

A sync reads the mirror through the Company connection, and then does in order everything that follows from a reading.
Its lines are computed from the present state, so the same sync again shows the same and changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet
from django_subatomic.db import transaction

from accounting.autopay.settings import schedule_planning
from accounting.credits.matching import update_company_matches
from accounting.mirror.jobs import complete_job, record_job_errors, start_job, update_progress
from accounting.mirror.kinds import MIRRORED_KINDS
from accounting.mirror.reader import sync_kinds
from accounting.models import (
    AutoPaySettings,
    CreditMatch,
    LedgerApplication,
    LedgerCredit,
    LedgerInvoice,
    PaymentSync,
    Posting,
    ScheduledPayment,
)
from accounting.posting.services import PF_INVOICE_PATTERN
from connections.availability import find_working_connection
from connections.models import Tier
from connections.services import register_waiting_work_counter
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import Payment
from wisepay.clock import format_date, get_local_date
from wisepay.errors import Disconnected
from wisepay.models import User
from wisepay.money import Money

DEFAULT_PERIOD = timedelta(days=30)  # of the first sync, unless a date is given
NOT_CONNECTED = "The accounting package is not connected."


@dataclass(frozen=True, slots=True)
class PaymentSyncLine:
    """A payment or credit that the ledger applied to an invoice; `effects` are sentences about what it changed here."""

    application: LedgerApplication
    invoice: LedgerInvoice
    amount: Money
    payment: Payment | None
    effects: tuple[str, ...]


@register_waiting_work_counter
def count_running_syncs(merchant: Merchant) -> dict[str, int]:
    """Count the sync that runs, which waits for the Company connection."""
    return {Tier.COMPANY: PaymentSync.objects.filter(merchant=merchant, state="running").count()}


def get_default_since(merchant: Merchant, *, now: datetime) -> datetime:
    """The start of the last sync that finished, else a month ago."""
    finished = PaymentSync.objects.filter(merchant=merchant, state="finished").order_by("-pk").first()
    return finished.created_at if finished else now - DEFAULT_PERIOD


def start_payment_sync(merchant: Merchant, *, since: datetime, by: User | None, now: datetime) -> PaymentSync:
    """Start a sync, unless one is running; answers the one to watch."""
    return start_job(PaymentSync, merchant, by=by, now=now, since=since)


def sync_payments(sync: PaymentSync, *, now: datetime) -> None:
    """Read the mirror, match credits, plan automatic payments, count. Raises Retry or Unavailable."""
    if sync.state != "running":
        return
    with record_job_errors(sync, now=now):
        connection = find_working_connection(sync.merchant, tier=Tier.COMPANY)
        if connection is None:
            raise Disconnected(NOT_CONNECTED)
        update_progress(sync, organisation_id=connection.organisation_id)
        sync_kinds(connection, priority="company", now=now, kinds=list(MIRRORED_KINDS))
        sync.refresh_from_db()
        apply_sync(sync, now=now)
        complete_job(sync, now=now, event="accounting.payment_sync.finished", **count_results(sync))


def apply_sync(sync: PaymentSync, *, now: datetime) -> None:
    """Update the credit matches of the companies concerned, and plan the merchant's automatic payments."""
    concerned = list_applications(sync).exclude(invoice__company=None).values("invoice__company")
    companies = PayerCompany.objects.filter(pk__in=concerned, payments__credit_notes__isnull=False).distinct()
    for company in companies.select_related("merchant").order_by("pk"):
        update_company_matches(company, now=now)
    if AutoPaySettings.objects.filter(merchant=sync.merchant).exists():
        with transaction():
            schedule_planning(sync.merchant, now=now)


def count_results(sync: PaymentSync) -> dict[str, int]:
    """The columns of the sync that count what it found."""
    rows = list_applications(sync)
    invoices = set(rows.values_list("invoice", flat=True))
    paid = rows.filter(invoice__status=LedgerInvoice.InvoiceStatus.PAID)
    return {
        "payments": rows.filter(kind=LedgerApplication.ApplicationKind.PAYMENT).count(),
        "credits": rows.filter(kind=LedgerApplication.ApplicationKind.CREDIT).count(),
        "invoices": paid.values("invoice").distinct().count(),
        "cancelled": list_cancelled_payments(invoices, sync.since).count(),
    }


def list_applications(sync: PaymentSync) -> QuerySet[LedgerApplication]:
    """What the ledger applied to invoices since the sync's date, by its date or because it was not known before.

    Our own PF invoices, which quotes are paid through, are left out.
    """
    day = get_local_date(sync.since, sync.merchant.zone)
    earlier = PaymentSync.objects.filter(merchant=sync.merchant, state="finished", created_at__lte=sync.since)
    is_recent = Q(on__gte=day)
    if earlier.exists():
        is_recent |= Q(read_at__gt=sync.since)
    else:
        is_recent |= is_old_credit_used_since(sync)
    rows = LedgerApplication.objects.filter(is_recent, merchant=sync.merchant)
    if sync.organisation_id:
        rows = rows.filter(organisation_id=sync.organisation_id)
    return rows.exclude(invoice__number__regex=PF_INVOICE_PATTERN).order_by("-on", "-pk")


def is_old_credit_used_since(sync: PaymentSync) -> Q:
    """The condition that a credit with an older day was put to its invoice since the sync's date.

    Ledgers tell such a credit with the day of its note: only the changes of the invoice and of the note say when.
    """
    note = LedgerCredit.objects.filter(
        merchant=sync.merchant, organisation_id=OuterRef("organisation_id"), ledger_id=OuterRef("source_id")
    )
    return Q(
        ~Exists(note.filter(changed_at__lt=sync.since)),
        kind=LedgerApplication.ApplicationKind.CREDIT,
        invoice__changed_at__gte=sync.since,
    )


def list_cancelled_payments(invoices: Iterable[int], since: datetime) -> QuerySet[ScheduledPayment]:
    """Scheduled payments of these invoices that were cancelled automatically since then."""
    rows = ScheduledPayment.objects.filter(invoice__in=list(invoices), state="cancelled", state_at__gte=since)
    return rows.filter(resolved_by=None).order_by("pk")


def build_sync_lines(sync: PaymentSync, rows: Iterable[LedgerApplication]) -> list[PaymentSyncLine]:
    """The line of each of these applications. Five queries at any number of rows."""
    applications = list(rows)
    keys = {row.invoice_id for row in applications}
    invoices = LedgerInvoice.objects.select_related("company", "merchant").in_bulk(list(keys))
    sources = {row.source_id for row in applications}
    organisations = {invoice.organisation_id for invoice in invoices.values()}
    postings = Posting.objects.filter(merchant=sync.merchant, kind=Posting.Kind.INVOICE_PAYMENT)
    postings = postings.filter(sent_to__in=organisations, ledger_id__in=sources)
    paid = {posting.ledger_id: posting for posting in postings.select_related("payment")}
    matches = CreditMatch.objects.filter(invoice__in=keys, state="applied").select_related("note__payment")
    credited = {(match.note.ledger_id, match.invoice_id): match for match in matches}
    notes = LedgerCredit.objects.filter(
        merchant=sync.merchant, organisation_id__in=organisations, ledger_id__in=sources
    )
    numbers = dict(notes.values_list("ledger_id", "number"))
    cancelled: dict[int, list[ScheduledPayment]] = {}
    for scheduled in list_cancelled_payments(keys, sync.since).select_related("merchant", "invoice"):
        cancelled.setdefault(scheduled.invoice_id, []).append(scheduled)
    return [
        build_sync_line(
            row,
            invoices[row.invoice_id],
            paid,
            credited.get((row.source_id, row.invoice_id)),
            cancelled,
            numbers.get(row.source_id) or row.remark,
        )
        for row in applications
    ]


def build_sync_line(
    row: LedgerApplication,
    invoice: LedgerInvoice,
    paid: dict[str, Posting],
    match: CreditMatch | None,
    cancelled: dict[int, list[ScheduledPayment]],
    credit: str,
) -> PaymentSyncLine:
    """The line of one application; `credit` is the number of its credit note."""
    posting = paid.get(row.source_id) if row.kind == LedgerApplication.ApplicationKind.PAYMENT else None
    payment = posting.payment if posting else (match.note.payment if match else None)
    effects = [get_origin(row, posting, match, credit)]
    is_paid = invoice.status == LedgerInvoice.InvoiceStatus.PAID
    effects.append("Not outstanding any more." if is_paid else f"{invoice.due_money} still outstanding.")
    for scheduled in cancelled.get(invoice.pk, []):
        day = get_local_date(scheduled.run_at, scheduled.merchant.zone)
        effects.append(f"Scheduled payment of {scheduled.money} on {format_date(day)} cancelled.")
    return PaymentSyncLine(row, invoice, Money(row.amount, invoice.currency), payment, tuple(effects))


def get_origin(row: LedgerApplication, posting: Posting | None, match: CreditMatch | None, credit: str) -> str:
    """Who applied the payment or credit, as a sentence."""
    if posting is not None:
        return "Paid with Wise-Pay, and the books agree."
    if match is not None:
        return f"Credit of {match.note.payment.purpose}, synced."
    if row.kind == LedgerApplication.ApplicationKind.CREDIT:
        return f"Credited in the accounting package{f' by {credit}' if credit else ''}."
    return "Paid elsewhere."
