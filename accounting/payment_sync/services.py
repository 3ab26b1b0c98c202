"""Payment Sync: what was paid or credited in the books since a date, matched by id, and what that changed here.

A sync lets the mirror read, through the Company connection, and then everything that follows from a reading is done
in order; the lines are told from what is so now, so the same sync again says the same and changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction

from accounting.autopay.settings import schedule_planning
from accounting.credits.matching import update_company_matches
from accounting.mirror.reader import sync_kinds
from accounting.mirror.services import find_connection
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
from accounting.posting.numbers import PF_INVOICE_PATTERN
from connections.models import Tier
from connections.waiting_work import register_waiting_work_counter
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import Payment
from wisepay import outbox
from wisepay.dates import format_date, get_local_date
from wisepay.errors import Disconnected, Unavailable
from wisepay.models import User
from wisepay.money import Money

SYNCED_KINDS = ("contacts", "invoices", "credits")
DEFAULT_PERIOD = timedelta(days=30)  # as far back as the first sync looks if nobody says how far
MAX_WAIT = 120.0  # seconds that a person may be kept waiting for a limit before they are told
NOT_CONNECTED = "The accounting package is not connected."


@dataclass(frozen=True, slots=True)
class PaymentSyncLine:
    """Money or a credit that the books put to an invoice, and what that means here, in sentences."""

    application: LedgerApplication
    invoice: LedgerInvoice
    amount: Money
    payment: Payment | None
    effects: tuple[str, ...]


@register_waiting_work_counter
def count_running_syncs(merchant: Merchant) -> dict[str, int]:
    """The sync that is running waits for the Company connection."""
    return {Tier.COMPANY: PaymentSync.objects.filter(merchant=merchant, state="running").count()}


def get_latest_sync(merchant: Merchant) -> PaymentSync | None:
    """The newest one, whatever became of it."""
    return PaymentSync.objects.filter(merchant=merchant).select_related("requested_by").order_by("-pk").first()


def get_default_since(merchant: Merchant, *, now: datetime) -> datetime:
    """Since the last sync that finished, else a month back."""
    finished = PaymentSync.objects.filter(merchant=merchant, state="finished").order_by("-pk").first()
    return finished.created_at if finished else now - DEFAULT_PERIOD


def start_payment_sync(merchant: Merchant, *, since: datetime, by: User | None, now: datetime) -> PaymentSync:
    """The sync that is running, or else a new one that a worker begins."""
    with transaction():
        Merchant.objects.select_for_update(of=("self",), no_key=True).get(pk=merchant.pk)
        latest = get_latest_sync(merchant)
        if latest is not None and latest.is_stale(now):
            latest.move_to("failed", now=now, by="books", error="It did not finish in time.")
        elif latest is not None and latest.state == "running":
            return latest
        fresh = PaymentSync.objects.create(
            merchant=merchant, since=since, requested_by=by, state="running", state_at=now, created_at=now
        )
        outbox.enqueue(f"payment_sync:{fresh.pk}", "accounting.run_payment_sync", sync_id=fresh.pk)
    return fresh


def sync_payments(sync: PaymentSync, *, now: datetime) -> None:
    """Read, match, plan, count. What goes wrong is written on the sync; a short limit is waited out (Retry)."""
    if sync.state != "running":
        return
    connection = find_connection(sync.merchant, tier=Tier.COMPANY)
    if connection is None:
        record_sync_failure(sync, NOT_CONNECTED, now=now)
        return
    try:
        PaymentSync.objects.filter(pk=sync.pk).update(organisation_id=connection.organisation_id)
        sync_kinds(connection, priority="company", now=now, kinds=SYNCED_KINDS)
    except Unavailable as error:
        if (error.retry_after or 0) <= MAX_WAIT and not sync.is_stale(now):
            PaymentSync.objects.filter(pk=sync.pk).update(error=str(error)[:300])
            raise
        record_sync_failure(sync, f"{error}. Try again later.", now=now)
        return
    except Disconnected as error:
        record_sync_failure(sync, str(error), now=now)
        return
    sync.refresh_from_db()
    apply_sync(sync, now=now)
    record_sync_result(sync, now=now)


def record_sync_failure(sync: PaymentSync, reason: str, *, now: datetime) -> None:
    """It ends without everything; what was read stays."""
    with transaction():
        sync.move_to("failed", now=now, by="books", reason=reason, error=reason[:300])


def apply_sync(sync: PaymentSync, *, now: datetime) -> None:
    """Bring the credits of the companies in question to what was read, and plan the automatic payments anew."""
    touched = list_applications(sync).exclude(invoice__company=None).values("invoice__company")
    companies = PayerCompany.objects.filter(pk__in=touched, payments__credit_notes__isnull=False).distinct()
    for company in companies.select_related("merchant").order_by("pk"):
        update_company_matches(company, now=now)
    if AutoPaySettings.objects.filter(merchant=sync.merchant).exists():
        with transaction():
            schedule_planning(sync.merchant, now=now)


def record_sync_result(sync: PaymentSync, *, now: datetime) -> None:
    """Count what there is."""
    rows = list_applications(sync)
    paid = rows.filter(invoice__status=LedgerInvoice.InvoiceStatus.PAID).values("invoice").distinct().count()
    invoices = set(rows.values_list("invoice", flat=True))
    counts: dict[str, Any] = {
        "payments": rows.filter(kind=LedgerApplication.ApplicationKind.PAYMENT).count(),
        "credits": rows.filter(kind=LedgerApplication.ApplicationKind.CREDIT).count(),
        "invoices": paid,
        "cancelled": list_cancelled_payments(invoices, sync.since).count(),
    }
    with transaction():
        sync.move_to("finished", now=now, by="books", error="", **counts)


def list_applications(sync: PaymentSync) -> QuerySet[LedgerApplication]:
    """What the books put to invoices since the sync's date, by the books' day or because it was not known before.

    Our own PF invoices, which quotes are paid through, are left out.
    """
    day = get_local_date(sync.since, sync.merchant.zone)
    earlier = PaymentSync.objects.filter(merchant=sync.merchant, state="finished", created_at__lte=sync.since)
    new = Q(read_at__gt=sync.since) if earlier.exists() else Q()
    rows = LedgerApplication.objects.filter(Q(on__gte=day) | new if new else Q(on__gte=day), merchant=sync.merchant)
    if sync.organisation_id:
        rows = rows.filter(organisation_id=sync.organisation_id)
    return rows.exclude(invoice__number__regex=PF_INVOICE_PATTERN).order_by("-on", "-pk")


def list_cancelled_payments(invoices: Iterable[int], since: datetime) -> QuerySet[ScheduledPayment]:
    """Scheduled payments of these invoices that ended without a charge."""
    rows = ScheduledPayment.objects.filter(invoice__in=list(invoices), state="cancelled", state_at__gte=since)
    return rows.filter(resolved_by=None).order_by("pk")


def build_sync_lines(sync: PaymentSync, rows: Iterable[LedgerApplication]) -> list[PaymentSyncLine]:
    """These applications with what they mean here. Five queries at any number of rows."""
    found = list(rows)
    keys = {row.invoice_id for row in found}
    invoices = LedgerInvoice.objects.select_related("company", "merchant").in_bulk(list(keys))
    sources = {row.source_id for row in found}
    books = {invoice.organisation_id for invoice in invoices.values()}
    made = Posting.objects.filter(merchant=sync.merchant, kind=Posting.Kind.INVOICE_PAYMENT, sent_to__in=books)
    mine = made.filter(ledger_id__in=sources)
    paid = {posting.ledger_id: posting for posting in mine.select_related("payment")}
    matches = CreditMatch.objects.filter(invoice__in=keys, state="applied").select_related("note__payment")
    credited = {(match.note.ledger_id, match.invoice_id): match for match in matches}
    used = LedgerCredit.objects.filter(merchant=sync.merchant, organisation_id__in=books, ledger_id__in=sources)
    numbers = dict(used.values_list("ledger_id", "number"))
    ended: dict[int, list[ScheduledPayment]] = {}
    for scheduled in list_cancelled_payments(keys, sync.since).select_related("merchant", "invoice"):
        ended.setdefault(scheduled.invoice_id, []).append(scheduled)
    return [
        build_sync_line(
            row,
            invoices[row.invoice_id],
            paid,
            credited.get((row.source_id, row.invoice_id)),
            ended,
            numbers.get(row.source_id) or row.remark,
        )
        for row in found
    ]


def build_sync_line(
    row: LedgerApplication,
    invoice: LedgerInvoice,
    paid: dict[str, Posting],
    match: CreditMatch | None,
    ended: dict[int, list[ScheduledPayment]],
    credit: str,
) -> PaymentSyncLine:
    """One application; `credit` is what people call the credit of one."""
    posting = paid.get(row.source_id) if row.kind == LedgerApplication.ApplicationKind.PAYMENT else None
    payment = posting.payment if posting else (match.note.payment if match else None)
    done = [get_origin(row, posting, match, credit)]
    is_paid = invoice.status == LedgerInvoice.InvoiceStatus.PAID
    done.append("Not outstanding any more." if is_paid else f"{invoice.due_money} still outstanding.")
    for scheduled in ended.get(invoice.pk, []):
        day = get_local_date(scheduled.run_at, scheduled.merchant.zone)
        done.append(f"Scheduled payment of {scheduled.money} on {format_date(day)} cancelled.")
    return PaymentSyncLine(row, invoice, Money(row.amount, invoice.currency), payment, tuple(done))


def get_origin(row: LedgerApplication, posting: Posting | None, match: CreditMatch | None, credit: str) -> str:
    """Where the money or the credit came from."""
    if posting is not None:
        return "Paid with Wise-Pay, and the books agree."
    if match is not None:
        return f"Credit of {match.note.payment.purpose}, synced."
    if row.kind == LedgerApplication.ApplicationKind.CREDIT:
        return f"Credited in the accounting package{f' by {credit}' if credit else ''}."
    return "Paid elsewhere."
