"""Payment Sync's side at PSA: what was paid in the books, and not with Wise-Pay, is written on PSA's invoices."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import batched

from django.db.models import Prefetch, QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.models import LedgerApplication, PaymentAllocation, PaymentSync, Posting
from accounting.models.posting_kinds import Kind
from accounting.payment_sync.services import list_applications
from merchants.models import Merchant
from psa.joins import JOINED
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from psa.records import read_books_amounts
from psa.scheduling import schedule_processing
from wisepay.clock import get_local_date
from wisepay.money import Money

SAME_MONEY_WITHIN = timedelta(days=3)
CHUNK = 500  # payments planned in one transaction
STANDING = ("written", "present", "stuck")
NOT_JOINED = "Its invoice is not joined to one in ConnectWise PSA."
PERHAPS_OURS = (
    "A payment of this amount was made with Wise-Pay, and the books do not say yet which one it is. Sync again later."
)
NOT_PLANNED = "Not written yet: sync again."


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A payment of the books, what of it is at PSA, and why nothing is if so."""

    application: LedgerApplication
    row: PsaPayment | None
    words: str

    @property
    def money(self) -> Money:
        """What was paid."""
        return Money(self.application.amount, self.application.invoice.currency)


def find_syncing_connection(merchant: Merchant | int) -> PsaConnection | None:
    """The connection of a merchant whose payments in the books are written to PSA."""
    rows = PsaConnection.objects.filter(merchant=merchant, state__in=["connected", "broken"])
    return rows.filter(syncs_payments=True, written_by="us").select_related("merchant").first()


def plan_books_payments(sync: PaymentSync, *, now: datetime) -> int:
    """Plan what a Payment Sync found to be paid elsewhere, once, and take back what is gone from the books.

    Answers how many are planned anew.
    """
    connection = find_syncing_connection(sync.merchant)
    if connection is None:
        return 0
    count = 0
    found = list(list_elsewhere_paid(sync))
    reasons = explain_skips(connection, found)
    known = list_known_rows(connection, found)
    wanted = [row for row in found if row.pk not in reasons]
    for chunk in batched(wanted, CHUNK):
        with transaction():
            for application in chunk:
                row = known.get((application.invoice_id, application.ledger_id))
                count += plan_application(connection, application, known=row, now=now)
    with transaction():
        schedule_changed(connection, now=now)
    return count


def list_elsewhere_paid(sync: PaymentSync) -> QuerySet[LedgerApplication]:
    """The payments that a sync found in the books and that Wise-Pay did not post."""
    rows = list_applications(sync).filter(kind=LedgerApplication.ApplicationKind.PAYMENT)
    ours = Posting.objects.filter(merchant=sync.merchant, kind=Kind.INVOICE_PAYMENT).exclude(ledger_id="")
    ids = ours.values("ledger_id")
    return rows.exclude(source_id__in=ids).exclude(ledger_id__in=ids).select_related("invoice__company")


def list_joined_ids(connection: PsaConnection, applications: Iterable[LedgerApplication]) -> set[int]:
    """The keys of those invoices of the books that are joined to one of PSA. One statement."""
    ids = {row.invoice_id for row in applications}
    rows = PsaInvoice.objects.filter(connection=connection, ledger_invoice__in=ids, is_gone=False, match__in=JOINED)
    return {key for key in rows.values_list("ledger_invoice", flat=True) if key is not None}


def explain_skips(connection: PsaConnection, applications: Sequence[LedgerApplication]) -> dict[int, str]:
    """Why payments of the books are not planned, by their keys; those without a reason are. Four statements."""
    joined = list_joined_ids(connection, applications)
    perhaps = list_perhaps_ours(connection, [row for row in applications if row.invoice_id in joined])
    return {row.pk: NOT_JOINED for row in applications if row.invoice_id not in joined} | dict.fromkeys(
        perhaps, PERHAPS_OURS
    )


def list_perhaps_ours(connection: PsaConnection, applications: Sequence[LedgerApplication]) -> set[int]:
    """The keys of those for which there is a payment with Wise-Pay that the books don't show by its number.

    It has the same amount and about the same day: it was booked by hand, or its posting is on its way. At most three
    statements.
    """
    invoices = {row.invoice_id for row in applications}
    known: dict[int, set[str]] = defaultdict(set)
    rows = LedgerApplication.objects.filter(invoice__in=invoices)
    for invoice, source_id, ledger_id in rows.values_list("invoice", "source_id", "ledger_id"):
        known[invoice] |= {source_id, ledger_id}
    posted = Prefetch("postings", Posting.objects.filter(kind=Kind.INVOICE_PAYMENT).exclude(ledger_id=""))
    parts = PaymentAllocation.objects.filter(invoice__in=invoices).exclude(payment__paid_at=None)
    ours: dict[tuple[int, int], list[date]] = defaultdict(list)
    for part in parts.select_related("payment").prefetch_related(posted):
        if not {posting.ledger_id for posting in part.postings.all()} & known[part.invoice_id]:
            paid_at = part.payment.paid_at or part.created_at
            ours[part.invoice_id, part.amount].append(get_local_date(paid_at, connection.merchant.zone))
    return {
        row.pk
        for row in applications
        if any(abs(day - row.on) <= SAME_MONEY_WITHIN for day in ours[row.invoice_id, row.amount])
    }


def list_known_rows(
    connection: PsaConnection, applications: Iterable[LedgerApplication]
) -> dict[tuple[int | None, str], PsaPayment]:
    """What was planned already of payments of the books, by their invoice and their id. One statement."""
    found = PsaPayment.objects.filter(
        connection=connection, ledger_invoice__in={row.invoice_id for row in applications}
    )
    return {(row.ledger_invoice_id, row.books_payment_id): row for row in found.exclude(books_payment_id="")}


@transaction_required
def plan_application(
    connection: PsaConnection, application: LedgerApplication, *, known: PsaPayment | None, now: datetime
) -> bool:
    """Plan one payment of the books, unless it is `known`; answer whether it is new."""
    row, is_new = (known, False) if known is not None else create_row(connection, application, now=now)
    if is_new or row.state == "waiting":
        schedule_processing(row, now=now)
    return is_new


@transaction_required
def create_row(connection: PsaConnection, application: LedgerApplication, *, now: datetime) -> tuple[PsaPayment, bool]:
    """The row of one payment of the books; somebody else may just have made it."""
    return PsaPayment.objects.get_or_create(
        connection=connection,
        ledger_invoice=application.invoice,
        books_payment_id=application.ledger_id,
        defaults={
            "merchant": connection.merchant,
            "amount": application.amount,
            "currency": application.invoice.currency,
            "paid_on": application.on,
            "state": "planned",
            "state_at": now,
            "created_at": now,
        },
    )


@transaction_required
def schedule_changed(connection: PsaConnection, *, now: datetime) -> None:
    """Have those brought up to date which the books show otherwise by now. Three statements, and two for each."""
    found = PsaPayment.objects.filter(connection=connection, state__in=STANDING).exclude(books_payment_id="")
    rows = list(found.select_related("ledger_invoice"))
    amounts = read_books_amounts(rows)
    for row in rows:
        if amounts[row.pk] != row.amount:
            schedule_processing(row, now=now)


def build_report(connection: PsaConnection, applications: Iterable[LedgerApplication]) -> list[ReportLine]:
    """A line for each payment of the books."""
    rows: Sequence[LedgerApplication] = list(applications)
    known, reasons = list_known_rows(connection, rows), explain_skips(connection, rows)
    return [build_line(row, known.get((row.invoice_id, row.ledger_id)), reasons.get(row.pk, "")) for row in rows]


def build_line(application: LedgerApplication, row: PsaPayment | None, reason: str) -> ReportLine:
    """The line of one payment of the books."""
    return ReportLine(application, row, "" if row else reason or NOT_PLANNED)
