"""Bring a payment at PSA where its money says it should be: plan it, write it, look for it, take it back."""

from datetime import datetime, timedelta

from django_subatomic.db import transaction

from connections.rate_limiter.limiter import Priority
from payments.models import Attempt
from psa.invoice_payments import plan_invoice_payments
from psa.models import PsaConnection, PsaPayment
from psa.protocol import Psa
from psa.records import compute_wanted_amount, get_wanted_amount, record_step
from psa.removal import finish_removal, record_partly, record_stuck, remove_payment
from psa.scheduling import schedule_processing
from psa.session import open_psa_session
from psa.writing import resolve_payment, write_payment
from wisepay.clock import get_local_date
from wisepay.leases import hold_lease

UNWRITTEN = ("planned", "waiting", "undecided", "unconfirmed", "refused")
WAIT_FOR_INVOICE = timedelta(days=30)  # after that the books alone have it
NEVER_CAME = "Invoice {number} did not come to ConnectWise PSA within 30 days."
SENT_ELSEWHERE = (
    "Another ConnectWise PSA was connected while this was being written to {where}. Look there whether it stands on "
    "the invoice, then say what was done."
)
WENT_BACK = "The money went back before it was written."


def plan_psa_payment(attempt: Attempt, *, now: datetime) -> None:
    """Plan to write an attempt to PSA, and have it done, where it is ours to write: a quote's whole, or its parts."""
    payment = attempt.payment
    if not payment.is_quote:
        plan_invoice_payments(attempt, now=now)
        return
    connection = PsaConnection.objects.filter(merchant=payment.merchant_id).first()
    if connection is None or connection.state == "never":
        return
    amount = compute_wanted_amount(attempt, connection)
    paid_at = payment.paid_at or attempt.submitted_at or now
    if not connection.writes_what_was_paid(paid_at) or amount == 0:
        return
    with transaction():
        row, _ = PsaPayment.objects.get_or_create(
            attempt=attempt,
            ledger_invoice=None,
            defaults={
                "connection": connection,
                "merchant": payment.merchant,
                "payment": payment,
                "amount": amount,
                "currency": payment.currency,
                "paid_on": get_local_date(paid_at, payment.merchant.zone),
                "state": "planned",
                "state_at": now,
            },
        )
        schedule_processing(row, now=now)


def process_psa_payment(
    row_id: int, *, now: datetime, is_confirmed: bool = False, priority: Priority = "company"
) -> PsaPayment:
    """Take the row as far as it goes now. Raises Retry, Unavailable, Rejected or Disconnected.

    `is_confirmed`: a person said that the merchant's first payment shall be written.
    """
    rows = PsaPayment.objects.filter(pk=row_id)
    with hold_lease(rows, now=now, busy="another worker has this payment", after=10):
        row = rows.select_related(
            "connection__merchant", "merchant", "payment__company", "ledger_invoice__company"
        ).get()
        was_confirmed = row.connection.confirmed_at is not None
        take_next_step(row, is_confirmed=is_confirmed, priority=priority, now=now)
    if row.state == "written" and not was_confirmed:
        release_unconfirmed(row.connection, now=now)
    return row


def take_next_step(row: PsaPayment, *, is_confirmed: bool, priority: Priority, now: datetime) -> None:
    """Compare what should stand at PSA with what does, and do what is missing."""
    wanted = get_wanted_amount(row)
    if row.state in UNWRITTEN and wanted == 0:
        record_step(row, "cancelled", reason=WENT_BACK, now=now)
    elif row.state == "waiting" and row.ledger_invoice_id and row.created_at <= now - WAIT_FOR_INVOICE:
        record_step(row, "cancelled", reason=NEVER_CAME.format(number=row.ledger_invoice), now=now)
    elif row.state in ("removed", "cancelled") and wanted:
        record_step(row, "planned", reason="", psa_payment_id=None, times_sent=0, amount=wanted, now=now)
    elif row.state in UNWRITTEN and wanted != row.amount:
        record_step(row, row.state, reason=row.explanation, amount=wanted, now=now)
    if row.is_in_other_psa:
        leave_other_psa(row, wanted=wanted, now=now)
    if row.state in ("planned", "waiting", "sending", "removing") or needs_change(row, wanted):
        with open_psa_session(row.connection, priority=priority, now=now) as psa:
            carry_out(psa, row, wanted=wanted, is_confirmed=is_confirmed, now=now)


def leave_other_psa(row: PsaPayment, *, wanted: int, now: datetime) -> None:
    """Forget ids of the PSA that was connected before; what stands there, or may, is for a person to see to."""
    if row.state in UNWRITTEN:
        row.invoice_id, row.invoice_number, row.psa_company = None, "", ""
        record_step(row, row.state, reason=row.explanation, organisation_id="", is_chosen=False, now=now)
    elif row.state == "sending":
        record_step(row, "unclear", reason=SENT_ELSEWHERE.format(where=row.organisation_id), now=now)
    elif row.state == "removing" or (row.state in ("written", "present") and wanted != row.amount):
        record_stuck(row, f"it stands in {row.organisation_id}, which is not connected any more.", now=now)


def needs_change(row: PsaPayment, wanted: int) -> bool:
    """Whether something that is written, or was written by somebody else, no longer is as it should be."""
    if row.is_in_other_psa:
        return False
    return row.state == "stuck" or (row.state in ("written", "present") and wanted != row.amount)


def carry_out(psa: Psa, row: PsaPayment, *, wanted: int, is_confirmed: bool, now: datetime) -> None:
    """Make the calls of the row's next step."""
    if row.state in ("planned", "waiting"):
        write_payment(psa, row, is_confirmed=is_confirmed, now=now)
    elif row.state == "sending":
        resolve_payment(psa, row, now=now)
    elif row.state == "removing":
        finish_removal(psa, row, now=now)
    else:
        correct_written(psa, row, wanted=wanted, now=now)
        return
    if row.state == "written" and get_wanted_amount(row) != row.amount:
        correct_written(psa, row, wanted=get_wanted_amount(row), now=now)


def correct_written(psa: Psa, row: PsaPayment, *, wanted: int, now: datetime) -> None:
    """Take back what is written if all of it went back; a part of it is for a person, and so is others' writing."""
    if wanted == row.amount:
        if row.state == "stuck" and not row.candidates:
            record_step(row, "written" if row.psa_payment_id else "present", reason="", now=now)
    elif row.psa_payment_id is None:
        record_stuck(row, "somebody else wrote the payment.", now=now)
    elif wanted == 0:
        remove_payment(psa, row, now=now)
    else:
        record_partly(row, wanted=wanted, now=now)


def release_unconfirmed(connection: PsaConnection, *, now: datetime) -> None:
    """Have the merchant's other payments written that waited for the first one."""
    with transaction():
        rows = PsaPayment.objects.filter(connection=connection, state="unconfirmed")
        reasons = dict.fromkeys(rows.values_list("pk", flat=True), "the first one is written")
        for row in PsaPayment.move_all_to(reasons, "planned", now=now, by="psa"):
            schedule_processing(row, now=now)
