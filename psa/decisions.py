"""What a person decides about a payment at PSA: write the first one, choose the invoice, settle it by hand."""

from datetime import datetime

from django_subatomic.db import transaction

from psa.joins import confirm_join
from psa.mirror import upsert_invoices
from psa.models import PsaConnection, PsaPayment
from psa.processing import process_psa_payment
from psa.protocol import Psa, RemoteInvoice
from psa.scheduling import schedule_processing
from psa.session import open_psa_session
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.leases import LEASE
from wisepay.models import User
from wisepay.outbox import Retry
from wisepay.states import IllegalTransition

RETRIABLE = ("planned", "waiting", "undecided", "refused", "unconfirmed")
LATER = "ConnectWise PSA did not answer. It goes on automatically; look here again in some minutes."


class DecisionRefused(Exception):
    """The decision can't be carried out; the message says why and what to do."""


def start_again(
    row: PsaPayment, *, by: User, now: datetime, is_confirmed: bool = False, reason: str = ""
) -> PsaPayment:
    """Take the payment as far as it goes, now, for a person. Raises DecisionRefused.

    A worker goes on with it if this process dies.
    """
    try:
        with transaction():
            locked = row.lock()
            if locked.state in RETRIABLE and locked.state != "planned":
                locked.move_locked_to("planned", now=now, by=by.email, reason=reason or "again", decided_by=by)
            schedule_processing(row, now=now + LEASE)
    except IllegalTransition as error:
        raise DecisionRefused("Somebody else decided this meanwhile. Look at it again.") from error
    try:
        return process_psa_payment(row.pk, is_confirmed=is_confirmed, priority="interactive", now=now)
    except Disconnected as error:
        raise DecisionRefused(f"{error} Connect it again, and it goes on automatically.") from error
    except Rejected as error:
        raise DecisionRefused(f"ConnectWise PSA refused: {error.message}") from error
    except (Unavailable, Retry) as error:
        with transaction():
            schedule_processing(row, now=now)
        raise DecisionRefused(LATER) from error


def choose_invoice(
    row: PsaPayment, *, by: User, now: datetime, number: str = "", invoice_id: int | None = None
) -> PsaPayment:
    """Choose the invoice of this number, or one of those that are shown, and write the payment on it.

    Raises DecisionRefused.
    """
    if row.state not in RETRIABLE:
        raise DecisionRefused("The invoice of this payment can't be changed any more.")
    if invoice_id is not None and invoice_id not in {one.get("id") for one in row.candidates}:
        raise DecisionRefused("Choose one of the invoices that are shown.")
    try:
        with open_psa_session(row.connection, priority="interactive", now=now) as psa:
            chosen = read_chosen(psa, row, number=number, invoice_id=invoice_id)
    except (Disconnected, Unavailable) as error:
        raise DecisionRefused(f"{error} Please try again.") from error
    except Rejected as error:
        raise DecisionRefused(f"ConnectWise PSA refused: {error.message}") from error
    with transaction():
        PsaConnection.objects.select_for_update(no_key=True).get(pk=row.connection_id)  # as those who join invoices
        if row.lock().state not in RETRIABLE:
            raise DecisionRefused("Somebody else decided this meanwhile. Look at it again.")
        PsaPayment.objects.filter(pk=row.pk).update(
            invoice_id=chosen.id, invoice_number=chosen.number, psa_company=chosen.company_name, is_chosen=True
        )
        if row.ledger_invoice is not None and chosen.number.strip() == row.ledger_invoice.number:
            upsert_invoices(row.connection, [chosen], now=now)
            confirm_join(row.connection, chosen.id, row.ledger_invoice)
    return start_again(row, by=by, now=now, reason=f"invoice {chosen.number} chosen")


def read_chosen(psa: Psa, row: PsaPayment, *, number: str, invoice_id: int | None) -> RemoteInvoice:
    """Read the invoice that a person names. Raises DecisionRefused where the number names none, or several."""
    if invoice_id is not None:
        return psa.get_invoice(invoice_id, currency=row.currency)
    found = psa.find_invoices(number, currency=row.currency)
    if len(found) == 1:
        return found[0]
    count = "no invoice" if not found else f"{len(found)} invoices"
    raise DecisionRefused(f"There is {count} with the number {number} in ConnectWise PSA.")


def assign_payment(row: PsaPayment, psa_payment_id: int, *, by: User, now: datetime) -> None:
    """Say which of several payments on the invoice is this money. Raises DecisionRefused."""
    if psa_payment_id not in {one.get("id") for one in row.candidates} or row.state != "unclear":
        raise DecisionRefused("Choose one of the payments that are shown.")
    with transaction():
        row.move_to(
            "written",
            now=now,
            by=by.email,
            reason="chosen by hand",
            psa_payment_id=psa_payment_id,
            decided_by=by,
            candidates=[],
        )
        schedule_processing(row, now=now)


def settle_payment(row: PsaPayment, *, note: str, by: User, now: datetime) -> None:
    """Close a payment that a person saw to by hand in PSA. Raises DecisionRefused."""
    try:
        with transaction():
            row.move_to("settled", now=now, by=by.email, reason=f"by hand: {note}", note=note[:300], decided_by=by)
    except IllegalTransition as error:
        raise DecisionRefused("This payment can't be settled by hand now.") from error
