"""Payment Sync's side at PSA: what was paid in the books, and not with Wise-Pay, is written on PSA's invoices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.models import LedgerApplication, PaymentAllocation, PaymentSync, Posting
from accounting.models.posting_kinds import Kind
from accounting.payment_sync.services import list_applications
from merchants.models import Merchant
from psa.joins import JOINED
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from psa.records import get_wanted_amount
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
    wanted = [row for row in list_elsewhere_paid(sync) if not explain_skip(connection, row)]
    for begin in range(0, len(wanted), CHUNK):
        with transaction():
            for application in wanted[begin : begin + CHUNK]:
                count += plan_application(connection, application, now=now)
    with transaction():
        schedule_changed(connection, now=now)
    return count


def list_elsewhere_paid(sync: PaymentSync) -> QuerySet[LedgerApplication]:
    """The payments that a sync found in the books and that Wise-Pay did not post."""
    rows = list_applications(sync).filter(kind=LedgerApplication.ApplicationKind.PAYMENT)
    ours = Posting.objects.filter(merchant=sync.merchant, kind=Kind.INVOICE_PAYMENT).exclude(ledger_id="")
    ids = ours.values("ledger_id")
    return rows.exclude(source_id__in=ids).exclude(ledger_id__in=ids).select_related("invoice__company")


def explain_skip(connection: PsaConnection, application: LedgerApplication) -> str:
    """Why a payment of the books is not planned; empty where it is."""
    joined = PsaInvoice.objects.filter(connection=connection, ledger_invoice=application.invoice_id, is_gone=False)
    if not joined.filter(match__in=JOINED).exists():
        return NOT_JOINED
    return PERHAPS_OURS if may_be_ours(application) else ""


def may_be_ours(application: LedgerApplication) -> bool:
    """Whether a payment with Wise-Pay, of that amount and about that day, is not found in the books by its number.

    It was booked by hand, or its posting is on its way.
    """
    invoice = application.invoice
    merchant_zone = invoice.merchant.zone
    parts = PaymentAllocation.objects.filter(invoice=invoice, amount=application.amount)
    parts = parts.exclude(payment__paid_at=None).select_related("payment")
    known = set(invoice.applications.values_list("source_id", flat=True))
    known |= set(invoice.applications.values_list("ledger_id", flat=True))
    for part in parts:
        day = get_local_date(part.payment.paid_at or part.created_at, merchant_zone)
        posted = set(part.postings.filter(kind=Kind.INVOICE_PAYMENT).values_list("ledger_id", flat=True))
        if abs(day - application.on) <= SAME_MONEY_WITHIN and not posted & known:
            return True
    return False


@transaction_required
def plan_application(connection: PsaConnection, application: LedgerApplication, *, now: datetime) -> bool:
    """Plan one payment of the books; answer whether it is new."""
    row, is_new = PsaPayment.objects.get_or_create(
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
    if is_new or row.state == "waiting":
        schedule_processing(row, now=now)
    return is_new


@transaction_required
def schedule_changed(connection: PsaConnection, *, now: datetime) -> None:
    """Have those brought up to date which the books show otherwise by now."""
    rows = PsaPayment.objects.filter(connection=connection, state__in=STANDING).exclude(books_payment_id="")
    for row in rows.select_related("connection", "ledger_invoice"):
        if get_wanted_amount(row) != row.amount:
            schedule_processing(row, now=now)


def build_report(connection: PsaConnection, applications: Iterable[LedgerApplication]) -> list[ReportLine]:
    """A line for each payment of the books."""
    rows: Sequence[LedgerApplication] = list(applications)
    found = PsaPayment.objects.filter(connection=connection, ledger_invoice__in=[row.invoice_id for row in rows])
    by_key = {(row.ledger_invoice_id, row.books_payment_id): row for row in found.exclude(books_payment_id="")}
    return [build_line(connection, row, by_key.get((row.invoice_id, row.ledger_id))) for row in rows]


def build_line(connection: PsaConnection, application: LedgerApplication, row: PsaPayment | None) -> ReportLine:
    """The line of one payment of the books."""
    return ReportLine(application, row, "" if row else explain_skip(connection, application) or NOT_PLANNED)
