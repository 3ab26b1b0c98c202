"""Take a payment back from PSA's invoice when the money went back."""

from datetime import datetime

from psa.mirror import upsert_invoices
from psa.models import PsaPayment
from psa.protocol import Psa
from psa.records import record_step
from wisepay.errors import NotPermitted, NotThere, Rejected, Unavailable, retry_refusals
from wisepay.money import Money
from wisepay.outbox import Retry

LOOK_AGAIN = 5.0  # seconds after a lost answer
BY_HAND = (
    "The money went back, and {why} Take {money} off invoice {number} in ConnectWise PSA by hand, then say so here."
)
PARTLY = (
    "{back} of {money} went back. ConnectWise PSA's payments can't be made smaller from here: correct the payment on "
    "invoice {number} to {rest} there, then say so here."
)


def remove_payment(psa: Psa, row: PsaPayment, *, now: datetime) -> None:
    """Take the payment back; a lost answer leaves it `removing`, and it is looked for. Raises Unavailable or Retry."""
    record_step(row, "removing", reason="", now=now)
    finish_removal(psa, row, now=now, is_first=True)


def finish_removal(psa: Psa, row: PsaPayment, *, now: datetime, is_first: bool = False) -> None:
    """Delete the payment if it is there still. Raises Unavailable, Disconnected or Retry."""
    if row.invoice_id is None or row.psa_payment_id is None:
        raise ValueError(f"{row} was never written")
    if not is_first and not is_payment_there(psa, row):
        record_removed(psa, row, now=now)
        return
    try:
        psa.delete_payment(row.invoice_id, row.psa_payment_id)
    except NotThere:
        pass  # whoever deleted it, it is gone
    except NotPermitted as error:
        record_stuck(
            row, f"the API member may not delete payments (Finance › Invoicing: delete): {error.message}", now=now
        )
        return
    except Rejected as error:
        record_stuck(row, f"ConnectWise PSA refused to delete the payment: {error.message}", now=now)
        return
    except Unavailable as error:
        if not error.maybe_done:
            raise
        raise Retry(f"the answer was lost: {error}", after=LOOK_AGAIN) from error
    record_removed(psa, row, now=now)


def is_payment_there(psa: Psa, row: PsaPayment) -> bool:
    """Whether the payment stands on its invoice; not on one that was deleted. Raises Unavailable."""
    try:
        with retry_refusals():
            found = psa.list_payments(row.invoice_id or 0, currency=row.currency)
    except NotThere:
        return False
    return any(payment.id == row.psa_payment_id for payment in found)


def record_removed(psa: Psa, row: PsaPayment, *, now: datetime) -> None:
    """Record that the payment is gone, with the invoice's balance as it is now."""
    try:
        invoice = psa.get_invoice(row.invoice_id or 0, currency=row.currency)
        balance = invoice.balance
        if row.ledger_invoice_id is not None:
            upsert_invoices(row.connection, [invoice], now=now)
    except (Rejected, Unavailable):
        balance = None
    words = f"Invoice {row.invoice_number} has a balance of {balance} again." if balance else ""
    record_step(row, "removed", reason=words, now=now)


def record_stuck(row: PsaPayment, why: str, *, now: datetime) -> None:
    """Record that a person has to take the payment back."""
    reason = BY_HAND.format(why=f"{why.rstrip('.')}.", money=row.money, number=row.invoice_number)
    record_step(row, "stuck", reason=reason, now=now)


def record_partly(row: PsaPayment, *, wanted: int, now: datetime) -> None:
    """Record that a person has to make the payment smaller."""
    back, rest = Money(row.amount - wanted, row.currency), Money(wanted, row.currency)
    reason = PARTLY.format(back=back, money=row.money, number=row.invoice_number, rest=rest)
    record_step(row, "stuck", reason=reason, now=now)
