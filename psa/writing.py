"""Write a payment to PSA in three phases, and find out what became of one whose answer was lost."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.db.models import F
from django_subatomic.db import transaction, transaction_required

from psa.invoice_payments import find_invoice_of_books
from psa.invoices import Found, describe_candidates, describe_payments, find_invoice, list_known_ids
from psa.models import BUSY_STATES, PsaConnection, PsaInvoice, PsaPayment
from psa.protocol import Psa, RemotePayment
from psa.records import get_wanted_amount, record_step
from wisepay.errors import NotPermitted, NotThere, Rejected, Unavailable, retry_refusals
from wisepay.outbox import Retry

SLOW_WRITE = timedelta(minutes=2)  # in which a write whose answer was lost may still land
RECENT = timedelta(minutes=10)  # more than reading an invoice may take
FIRST_LOOK, BUSY_PAUSE = 5.0, 30.0  # seconds
NOT_OURS = (
    "Payments to ConnectWise PSA are not written by Wise-Pay at the moment. The connection's settings say who does."
)
UNCONFIRMED = (
    "It would be the first payment that Wise-Pay writes to this ConnectWise PSA, on invoice {number}. Look at the "
    "invoice there, then write it: what PSA answers is shown."
)
PRESENT = (
    "A payment of {money} of {day} stands on invoice {number} already, entered by {who}. It was not written again."
)
PAID_ALREADY = "Invoice {number} is paid in ConnectWise PSA already. Nothing was written."
UNCLEAR = (
    "The answer of ConnectWise PSA was lost, and {count} payments of {money} have come to invoice {number} since. Say "
    "which one is this money; if one is too many, delete it there."
)
MISSING_RIGHT = "The API member may not do this ({what}). Give its security role the right, then try again."


def write_payment(psa: Psa, row: PsaPayment, *, is_confirmed: bool, now: datetime) -> None:
    """Find the invoice and write the payment on it, or record what is in the way.

    Raises Unavailable or Disconnected, with everything to go on from committed, and Retry.
    """
    if not row.connection.writes_payments or (row.books_payment_id and not row.connection.syncs_payments):
        record_step(row, row.state, reason=NOT_OURS, now=now)
        return
    try:
        found = find_any_invoice(psa, row, now=now)
    except NotThere as error:
        raise Retry("the invoice was deleted while it was read", after=FIRST_LOOK) from error
    except NotPermitted as error:
        record_step(row, "refused", reason=MISSING_RIGHT.format(what=error.message), now=now)
        return
    except Rejected as error:
        record_step(row, "refused", reason=f"ConnectWise PSA refused: {error.message}", now=now)
        return
    if not record_findings(row, found, is_confirmed=is_confirmed, now=now):
        return
    record_intention(row, found, now=now)
    send_payment(psa, row, now=now)


def find_any_invoice(psa: Psa, row: PsaPayment, *, now: datetime) -> Found:
    """Find the invoice to write on: the one that a person chose, that of the books' number, or that of the quote."""
    if row.ledger_invoice_id is None or (row.is_chosen and row.invoice_id is not None):
        return find_invoice(psa, row)
    return find_invoice_of_books(psa, row, now=now)


def record_findings(row: PsaPayment, found: Found, *, is_confirmed: bool, now: datetime) -> bool:
    """Record what was found; answer whether the payment can be written now."""
    if found.equal is not None:
        record_present(row, found, now=now)
        return False
    if found.is_paid and row.books_payment_id:
        # PSA was told of it some other way; nobody has to do anything.
        record_step(row, "present", reason=PAID_ALREADY.format(number=found.candidates[0].number), now=now)
        return False
    if found.invoice is None:
        state = "waiting" if found.is_waiting else "undecided"
        record_step(row, state, reason=found.reason, candidates=describe_candidates(found.candidates), now=now)
        return False
    row.invoice_id, row.invoice_number = found.invoice.id, found.invoice.number
    row.psa_company = row.psa_company or found.invoice.company_name
    if row.connection.confirmed_at is None and not is_confirmed:
        record_step(row, "unconfirmed", reason=UNCONFIRMED.format(number=found.invoice.number), now=now)
        return False
    return True


def record_present(row: PsaPayment, found: Found, *, now: datetime) -> None:
    """Record that the money stands on the invoice already: by an earlier try of ours, or by somebody else.

    Raises Retry while another payment of ours is on its way to the invoice: it may be that one.
    """
    equal, invoice = found.equal, found.invoice
    if equal is None or invoice is None:
        raise ValueError("no equal payment was found")
    if PsaPayment.objects.filter(connection=row.connection_id, invoice_id=invoice.id, state__in=BUSY_STATES).exists():
        raise Retry("it may be another payment of ours, which is on its way", after=BUSY_PAUSE)
    is_ours = row.times_sent and row.invoice_id == invoice.id and equal.id not in row.payments_before
    row.invoice_id, row.invoice_number = invoice.id, invoice.number
    if is_ours:
        record_written(row, equal, now=now)
        return
    words = {"money": row.money, "day": equal.paid_on or "an unknown day", "number": invoice.number}
    reason = PRESENT.format(**words, who=equal.applied_by or "somebody else")
    record_step(row, "present", reason=reason, answer=equal.answer, now=now)


def record_intention(row: PsaPayment, found: Found, *, now: datetime) -> None:
    """Phase 1: commit what is about to be written, and which payments stood there. Raises Retry while others write."""
    invoice = found.invoice
    if invoice is None:
        raise ValueError("there is no invoice to write on")
    try:
        with transaction():
            PsaConnection.objects.select_for_update(no_key=True).get(pk=row.connection_id)
            if is_invoice_busy(row, invoice.id, found.payments, now=now):
                raise Retry("another payment is being written on the invoice", after=BUSY_PAUSE)
            record_step(
                row,
                "sending",
                reason="",
                candidates=[],
                invoice_id=invoice.id,
                invoice_number=invoice.number,
                payments_before=[payment.id for payment in found.payments],
                sent_at=now,
                missed_at=None,
                times_sent=row.times_sent + 1,
                now=now,
            )
    except IntegrityError as error:
        raise Retry("another payment is being written on the invoice", after=BUSY_PAUSE) from error


@transaction_required
def is_invoice_busy(row: PsaPayment, invoice_id: int, seen: Sequence[RemotePayment], *, now: datetime) -> bool:
    """Whether another payment of ours is on its way to the invoice, or has come there since it was read."""
    others = PsaPayment.objects.filter(connection=row.connection_id, invoice_id=invoice_id).exclude(pk=row.pk)
    unseen = others.filter(state="written", sent_at__gte=now - RECENT).exclude(psa_payment_id__in=[p.id for p in seen])
    return others.filter(state__in=BUSY_STATES).exists() or unseen.exists()


def send_payment(psa: Psa, row: PsaPayment, *, now: datetime) -> None:
    """Phases 2 and 3: send it, and commit the answer. A lost answer leaves it as it is, to be looked for.

    Raises Unavailable, Disconnected or Retry.
    """
    try:
        written = psa.create_payment(row.get_invoice_id(), amount=row.money, paid_on=row.paid_on)
    except Rejected as error:
        record_refusal(row, error, now=now)
    except Unavailable as error:
        if not error.maybe_done:
            record_step(row, "planned", reason="", now=now)
            raise
        raise Retry(f"the answer was lost: {error}", after=FIRST_LOOK) from error
    else:
        record_written(row, written, now=now)
        if row.times_sent > 1:
            check_single(psa, row, now=now)


def record_refusal(row: PsaPayment, error: Rejected, *, now: datetime) -> None:
    """Record that PSA refused the payment. Raises Retry when its invoice was deleted: there may be another one."""
    if isinstance(error, NotThere):
        record_step(row, "planned", reason="The invoice was deleted.", invoice_id=None, is_chosen=False, now=now)
        raise Retry("the invoice is gone", after=FIRST_LOOK) from error
    if isinstance(error, NotPermitted):
        reason = MISSING_RIGHT.format(what=f"Finance › Invoicing: add; {error.message}")
    else:
        reason = f"ConnectWise PSA refused the payment on invoice {row.invoice_number}: {error.message}"
    record_step(row, "refused", reason=reason, now=now)


def record_written(row: PsaPayment, written: RemotePayment, *, now: datetime) -> None:
    """Record that the payment stands on the invoice; the merchant's first one lets the others go on."""
    with transaction():
        record_step(row, "written", reason="", psa_payment_id=written.id, answer=written.answer, now=now)
        PsaConnection.objects.filter(pk=row.connection_id, confirmed_at=None).update(confirmed_at=now)
        read = PsaInvoice.objects.filter(connection=row.connection_id, invoice_id=row.get_invoice_id())
        read.update(balance=F("balance") - row.amount, paid=F("paid") + row.amount)


def check_single(psa: Psa, row: PsaPayment, *, now: datetime) -> None:
    """After it was sent twice: look whether the first one has landed as well, and have a person delete one."""
    new: list[RemotePayment] = []
    with suppress(NotThere), retry_refusals():
        new = list_new_payments(row, read_payments(psa, row))
    if len(new) > 1:
        words = UNCLEAR.format(count=len(new), money=row.money, number=row.invoice_number)
        record_step(row, "stuck", reason=words, candidates=describe_payments(new), now=now)


def resolve_payment(psa: Psa, row: PsaPayment, *, now: datetime) -> None:
    """Find out what became of a payment whose answer was lost, by what stands on the invoice now.

    One new payment of that amount is ours. None, and none again when a slow write would have landed: it is written
    again. More: a person decides. Raises Unavailable, Disconnected or Retry.
    """
    try:
        with retry_refusals():
            payments = read_payments(psa, row)
    except NotThere as error:
        record_step(row, "planned", reason="The invoice was deleted.", invoice_id=None, is_chosen=False, now=now)
        raise Retry("the invoice is gone", after=FIRST_LOOK) from error
    new = list_new_payments(row, payments)
    if len(new) == 1 and is_near(row, new[0]):
        record_written(row, new[0], now=now)
    elif new:
        words = UNCLEAR.format(count=len(new), money=row.money, number=row.invoice_number)
        record_step(row, "unclear", reason=words, candidates=describe_payments(new), now=now)
    elif row.missed_at is None or row.sent_at is None or now < max(row.missed_at, row.sent_at) + SLOW_WRITE:
        wait_for_slow_write(row, now=now)
    else:
        end_lost_payment(row, now=now)


def wait_for_slow_write(row: PsaPayment, *, now: datetime) -> None:
    """Look again when a slow write would have landed. Raises Retry."""
    if row.missed_at is None:
        PsaPayment.objects.filter(pk=row.pk, state="sending").update(missed_at=now)
        row.missed_at = now
    wait = row.missed_at + SLOW_WRITE - now
    raise Retry("the payment is not there yet", after=max(wait.total_seconds(), 1.0))


def end_lost_payment(row: PsaPayment, *, now: datetime) -> None:
    """It never arrived: plan it again, or leave it if the money has gone back meanwhile. Raises Retry."""
    if get_wanted_amount(row) == 0:
        record_step(row, "cancelled", reason="The money went back before it was written.", now=now)
        return
    record_step(row, "planned", reason="", now=now)
    raise Retry("the payment never arrived", after=1)


def read_payments(psa: Psa, row: PsaPayment) -> list[RemotePayment]:
    """The payments on the row's invoice."""
    return psa.list_payments(row.get_invoice_id(), currency=row.currency)


def list_new_payments(row: PsaPayment, payments: Sequence[RemotePayment]) -> list[RemotePayment]:
    """Those of our amount that were not there before, and are no other money of ours."""
    before = {*row.payments_before, *list_known_ids(row, row.invoice_id or 0)}
    return [payment for payment in payments if payment.id not in before and payment.amount == row.money]


def is_near(row: PsaPayment, payment: RemotePayment) -> bool:
    """Whether a payment has our day, or the one beside it: which zone PSA's days are in is not known."""
    return payment.paid_on is None or abs(payment.paid_on - row.paid_on) <= timedelta(days=1)
