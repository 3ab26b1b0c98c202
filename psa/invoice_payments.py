"""Payments of the books' invoices on the same invoices of PSA: what is planned, and which invoice it goes on."""

from datetime import datetime, timedelta

from django_subatomic.db import transaction, transaction_required

from accounting.models import LedgerInvoice, PaymentAllocation
from payments.models import Attempt
from psa.invoices import Found, find_equal_payment, find_obstacle
from psa.joins import Match, find_joined, list_same_number
from psa.mirror import mark_gone, store_one
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from psa.protocol import Psa, RemoteInvoice, RemotePayment
from psa.records import compute_part_amount
from psa.scheduling import schedule_processing
from wisepay.clock import get_local_date
from wisepay.errors import NotThere
from wisepay.money import Money

FRESH = timedelta(hours=1)  # what PSA's invoices were like before that is read again before money goes on one
LONGEST_NUMBER = 40  # of an invoice that can be PSA's
NOT_IN_PSA = (
    "There is no invoice {number} in ConnectWise PSA. If it was made in the books alone, there is nothing to do; if it "
    "comes to PSA within 30 days, it is found automatically."
)
SEVERAL = (
    "{count} invoices of ConnectWise PSA, or several of the books, have the number {number}, and the companies do not "
    "tell which belong together. Choose the one that was paid."
)
DIFFERENT = (
    "Invoice {number} of ConnectWise PSA is of another company and has another total than the one in the books. "
    "Compare them, and choose it if it is the same."
)


def plan_invoice_payments(attempt: Attempt, *, now: datetime) -> None:
    """Plan to write each part of an attempt on its invoice, and have what is planned already follow the attempt."""
    payment = attempt.payment
    connection = PsaConnection.objects.filter(merchant=payment.merchant_id).first()
    if connection is None or connection.state == "never":
        return
    with transaction():
        for row in PsaPayment.objects.filter(attempt=attempt):
            schedule_processing(row, now=now)
        if not connection.writes_what_was_paid(payment.paid_at or attempt.submitted_at or now):
            return
        parts = list(PaymentAllocation.objects.filter(payment=payment).select_related("invoice").order_by("pk"))
        for part in parts:
            amount = compute_part_amount(attempt, part, connection)
            if amount:
                plan_part(connection, attempt, part, amount=amount, now=now)


@transaction_required
def plan_part(
    connection: PsaConnection, attempt: Attempt, part: PaymentAllocation, *, amount: int, now: datetime
) -> None:
    """Plan one part, once."""
    paid_at = attempt.payment.paid_at or attempt.submitted_at or now
    row, is_new = PsaPayment.objects.get_or_create(
        attempt=attempt,
        allocation=part,
        ledger_invoice=part.invoice,
        defaults={
            "connection": connection,
            "merchant": attempt.payment.merchant,
            "payment": attempt.payment,
            "amount": amount,
            "currency": attempt.payment.currency,
            "paid_on": get_local_date(paid_at, attempt.payment.merchant.zone),
            "state": "planned",
            "state_at": now,
            "created_at": now,
        },
    )
    if is_new:
        schedule_processing(row, now=now)


def find_invoice_of_books(psa: Psa, row: PsaPayment, *, now: datetime) -> Found:
    """Find PSA's invoice that is the paid one of the books; one call where it is known. Raises what the verbs raise."""
    invoice = row.ledger_invoice
    if invoice is None:
        raise ValueError(f"{row} is for no invoice of the books")
    joined = find_joined(row.connection, invoice)
    if joined is None and must_look(row, invoice):
        for one in psa.find_invoices(invoice.number, currency=row.currency):
            store_one(row.connection, one, now=now)
        joined = find_joined(row.connection, invoice)
    if joined is not None:
        return examine_joined(psa, row, joined, now=now)
    same = list(list_same_number(row.connection, invoice.number)) if invoice.number else []
    if not same:
        return Found(is_waiting=True, reason=NOT_IN_PSA.format(number=invoice.number or "without a number"))
    is_different = len(same) == 1 and same[0].match == Match.DIFFERENT
    words = DIFFERENT if is_different else SEVERAL
    reason = words.format(count=len(same), number=invoice.number)
    return Found(reason=reason, candidates=tuple(build_remote(one, one.balance) for one in same))


def must_look(row: PsaPayment, invoice: LedgerInvoice) -> bool:
    """Whether PSA is asked for the number: not once the poll has read everything since, unless a person asks."""
    if not 0 < len(invoice.number.strip()) <= LONGEST_NUMBER:
        return False
    polled = row.connection.polled_at if row.connection.invoices_read_at else None
    return row.decided_by_id is not None or polled is None or polled <= row.created_at


def examine_joined(psa: Psa, row: PsaPayment, joined: PsaInvoice, *, now: datetime) -> Found:
    """Read the payments on an invoice that is known, and say whether ours can go on it; what stands in the way is
    believed only of the invoice as it is now.
    """
    try:
        payments = tuple(psa.list_payments(joined.invoice_id, currency=row.currency))
        invoice = recompute(joined, row, payments, now=now)
        equal = find_equal_payment(row, invoice, payments) if invoice else None
        if invoice is None or (equal is None and find_obstacle(row, invoice)):
            invoice = psa.get_invoice(joined.invoice_id, currency=row.currency)
            store_one(row.connection, invoice, now=now)
            equal = find_equal_payment(row, invoice, payments)
    except NotThere:
        mark_gone(row.connection, joined.invoice_id)
        raise
    reason = "" if equal else find_obstacle(row, invoice)
    is_paid = bool(reason) and invoice.balance is not None and invoice.balance.amount <= 0
    candidates = (invoice,) if reason else ()
    return Found(None if reason else invoice, payments, equal, reason, candidates, is_paid=is_paid)


def recompute(
    joined: PsaInvoice, row: PsaPayment, payments: tuple[RemotePayment, ...], *, now: datetime
) -> RemoteInvoice | None:
    """The invoice with its balance after the payments that stand on it now; None where that can't be told.

    What was owed and what was paid are of one reading: the payments that came since take off the rest. Where payments
    went since, the smaller balance counts.
    """
    amounts = [payment.amount for payment in payments]
    is_fresh = max(joined.read_at, row.connection.polled_at or joined.read_at) > now - FRESH
    if not is_fresh or joined.balance is None or joined.paid is None or None in amounts:
        return None
    if joined.currency != row.currency:
        return None
    paid_now = sum(amount.amount for amount in amounts if amount is not None)
    return build_remote(joined, min(joined.balance, joined.balance + joined.paid - paid_now))


def build_remote(one: PsaInvoice, balance: int | None) -> RemoteInvoice:
    """A stored invoice as the PSA's verbs answer it."""
    return RemoteInvoice(
        id=one.invoice_id,
        number=one.number,
        kind=one.kind,
        company_id=one.company_id,
        company_name=one.company_name,
        order_id=0,
        is_closed=one.is_closed,
        currency=one.currency,
        balance=Money(balance, one.currency) if balance is not None and one.currency else None,
    )
