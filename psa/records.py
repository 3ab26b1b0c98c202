"""What a payment at PSA should be by what became of its money, and recording its steps."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Sum
from django.urls import reverse
from django_subatomic.db import transaction_if_not_already, transaction_required

from accounting.models import LedgerApplication, PaymentAllocation, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.invoice_payments import get_target_amounts
from merchants.models import EventNotification
from merchants.services import notify_merchant
from payments.models import Attempt
from psa.models import TASK_STATES, DebitTiming, PsaConnection, PsaPayment

TITLES = {
    "undecided": "Choose the invoice in ConnectWise PSA",
    "unconfirmed": "Write the first payment to ConnectWise PSA",
    "refused": "ConnectWise PSA refused a payment",
    "unclear": "Say which payment in ConnectWise PSA is ours",
    "stuck": "Take a payment back in ConnectWise PSA by hand",
}


def get_wanted_amount(row: PsaPayment) -> int:
    """Minor units of the row's money that should stand on the invoice now."""
    if row.books_payment_id:
        return read_books_amounts([row])[row.pk]
    attempt = Attempt.objects.select_related("payment").get(pk=row.attempt_id or 0)
    if row.allocation_id is not None:
        part = PaymentAllocation.objects.select_related("payment").get(pk=row.allocation_id)
        # A part that was put to another invoice is a row of its own.
        return compute_part_amount(attempt, part, row.connection) if part.invoice_id == row.ledger_invoice_id else 0
    return compute_wanted_amount(attempt, row.connection)


def compute_wanted_amount(attempt: Attempt, connection: PsaConnection) -> int:
    """Minor units that the merchant has of an attempt, less what went back; a debit counts as the settings say."""
    if attempt.is_settling and connection.writes_debits == DebitTiming.SUBMITTED:
        return attempt.amount
    if attempt.state != "succeeded":
        return 0
    # Refunds that moved here from an attempt before a won dispute are in the amount already.
    refunds = attempt.refunds.filter(state="succeeded", created_at__gte=attempt.created_at)
    refunded = refunds.aggregate(all=Sum("amount"))["all"] or 0
    return max(attempt.amount - int(refunded), 0)


def compute_part_amount(attempt: Attempt, part: PaymentAllocation, connection: PsaConnection) -> int:
    """Minor units of an attempt that belong on one invoice, as the books have them: refunds reduce the last parts."""
    if part.outcome == PaymentAllocation.Outcome.CREDIT or not compute_wanted_amount(attempt, connection):
        return 0
    if attempt.state != "succeeded":
        return part.amount
    parts = list(PaymentAllocation.objects.filter(payment=attempt.payment_id).order_by("pk"))
    return get_target_amounts(parts, attempt)[part.pk]


def read_books_amounts(rows: Sequence[PsaPayment]) -> dict[int, int]:
    """Minor units of payments that were made in the books, as they have them now; 0 for one that is ours after all.

    By the rows' keys; `ledger_invoice` is loaded. Two statements.
    """
    applications = LedgerApplication.objects.filter(
        invoice__in={row.ledger_invoice_id for row in rows},
        ledger_id__in={row.books_payment_id for row in rows},
        kind=LedgerApplication.ApplicationKind.PAYMENT,
    )
    found = {(one.invoice_id, one.ledger_id): one for one in applications}
    ids = {key for one in found.values() for key in (one.ledger_id, one.source_id)} - {""}  # "": it is not sent yet
    ours = Posting.objects.filter(
        merchant__in={row.merchant_id for row in rows}, kind=Kind.INVOICE_PAYMENT, ledger_id__in=ids
    )
    posted = set(ours.values_list("merchant", "sent_to", "ledger_id"))
    amounts = dict.fromkeys((row.pk for row in rows), 0)
    for row in rows:
        one = found.get((row.ledger_invoice_id or 0, row.books_payment_id))
        if one is None or row.ledger_invoice is None:
            continue
        organisation = row.ledger_invoice.organisation_id
        keys = {(row.merchant_id, organisation, key) for key in (one.ledger_id, one.source_id)}
        amounts[row.pk] = one.amount if keys.isdisjoint(posted) else 0
    return amounts


def record_step(row: PsaPayment, state: str, *, reason: str, now: datetime, by: str = "psa", **changes: Any) -> None:
    """Move the row, or give it another reason where it is; a new task is told to the merchant's people."""
    columns = {"explanation": reason[:300], "opportunity_id": row.opportunity_id, "psa_company": row.psa_company[:120]}
    columns |= {"invoice_id": row.invoice_id, "invoice_number": row.invoice_number[:40], **changes}
    with transaction_if_not_already():
        is_new = row.state != state and row.move_to(state, now=now, by=by, reason=reason, **columns)
        if not is_new:
            PsaPayment.objects.filter(pk=row.pk).update(**columns)
            for name, value in columns.items():
                setattr(row, name, value)
        if is_new and state in TASK_STATES:
            notify_of_task(row, now=now)


@transaction_required
def notify_of_task(row: PsaPayment, *, now: datetime) -> None:
    """Notify the merchant's people of what only they can do."""
    notify_merchant(
        row.merchant,
        event=EventNotification.Event.BOOKS_TASK,
        key=f"psa:{row.pk}:{row.state}:{now.isoformat()}",
        title=TITLES[row.state],
        body=f"{row.money} of {row.payer_name} for {row.purpose}: {row.explanation}",
        path=reverse("psa:payment", args=[row.merchant.reference, row.reference]),
        now=now,
    )
