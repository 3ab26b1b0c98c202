"""Outbox handlers of the PSA floor: follow a payment's events, and write, look for or take back at PSA."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from django_subatomic.db import transaction

from accounting.mirror.store import mirror_listener
from accounting.models import PaymentAllocation, PaymentSync
from merchants.models import Merchant
from payments.models import Attempt, Refund
from psa.books_payments import plan_books_payments
from psa.callbacks import poll_after_callback, read_changed_invoice, register_callbacks
from psa.joins import join_invoices
from psa.models import PsaConnection, PsaPayment
from psa.processing import plan_psa_payment, process_psa_payment
from psa.scheduling import schedule_processing
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected
from wisepay.outbox import handler

NOT_CONNECTED = "ConnectWise PSA is not connected. It is written once it is connected again."


@handler("psa.follow_attempt")
def follow_attempt(*, attempt_id: int, now: datetime, **_: object) -> None:
    """Plan an attempt that succeeded or is on its way, or have what was planned follow what became of it."""
    row = PsaPayment.objects.filter(attempt=attempt_id, ledger_invoice=None).first()
    if row is None:
        attempt = Attempt.objects.select_related("payment__merchant", "payment__company").get(pk=attempt_id)
        plan_psa_payment(attempt, now=now)
        return
    with transaction():
        schedule_processing(row, now=now)


@handler("psa.follow_refund")
def follow_refund(*, refund_id: int, now: datetime, **_: object) -> None:
    """Have a payment at PSA follow a refund, or a refund that failed after all."""
    follow_attempt(attempt_id=Refund.objects.get(pk=refund_id).attempt_id, now=now)


@handler("psa.follow_allocation")
def follow_allocation(*, allocation_id: int, now: datetime, **_: object) -> None:
    """Have what stands at PSA follow a part of a payment that a person put to another invoice, or left as credit."""
    payment = PaymentAllocation.objects.get(pk=allocation_id).payment_id
    attempts = Attempt.objects.select_related("payment__merchant", "payment__company").filter(payment=payment)
    for attempt in attempts.order_by("pk"):
        plan_psa_payment(attempt, now=now)


@handler("psa.follow_payment_sync")
def follow_payment_sync(*, sync_id: int, now: datetime, **_: object) -> None:
    """Write to PSA what a Payment Sync found to be paid in the books, where the merchant wants it."""
    plan_books_payments(PaymentSync.objects.select_related("merchant").get(pk=sync_id), now=now)


@mirror_listener
def note_changed_invoices(
    merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int], now: datetime
) -> None:
    """Have invoices of PSA joined to what is new in the books."""
    connection = PsaConnection.objects.filter(merchant=merchant, state__in=["connected", "broken"]).first()
    if connection is not None and connection.uses_invoices and invoice_ids:
        outbox.schedule(f"psa:join:{connection.pk}", "psa.join_invoices", now=now, connection_id=connection.pk)


@handler("psa.join_invoices")
def join(*, connection_id: int, now: datetime, **_: object) -> None:
    """Join invoices of PSA that are not joined yet."""
    join_invoices(get_connection_to_psa(connection_id), now=now)


@handler("psa.write_payment")
def write_payment(*, psa_payment_id: int, now: datetime, **_: object) -> None:
    """Take a payment's next step at PSA; without a connection it waits until a person connects again."""
    try:
        process_psa_payment(psa_payment_id, now=now)
    except Disconnected:
        PsaPayment.objects.filter(pk=psa_payment_id, state="planned").update(explanation=NOT_CONNECTED)


def get_connection_to_psa(connection_id: int) -> PsaConnection:
    """A connection with its merchant."""
    return PsaConnection.objects.select_related("merchant").get(pk=connection_id)


@handler("psa.register_callbacks")
def register(*, connection_id: int, now: datetime, **_: object) -> None:
    """Have PSA call us; without the right to, the poll alone finds what changed."""
    with suppress(Disconnected, Rejected):
        register_callbacks(get_connection_to_psa(connection_id), now=now)


@handler("psa.read_invoice")
def read_invoice(*, connection_id: int, invoice_id: int, now: datetime, **_: object) -> None:
    """Read an invoice that a callback named."""
    with suppress(Disconnected):
        read_changed_invoice(get_connection_to_psa(connection_id), invoice_id, now=now)


@handler("psa.poll_invoices")
def poll_invoices(*, connection_id: int, now: datetime, **_: object) -> None:
    """Ask for what changed, after a callback that could not be checked."""
    with suppress(Disconnected):
        poll_after_callback(get_connection_to_psa(connection_id), now=now)
