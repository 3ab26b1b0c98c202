"""Create and cancel postings, and lock what they are about. Steps of an open transaction."""

from datetime import datetime

from accounting.models import CreditMatch, CreditNote, PaymentAllocation, Posting
from accounting.posting.manual_tasks import close_manual_task
from accounting.posting.numbers import build_credit_note_number
from payments.models import Attempt, Payment, Refund

Kind = Posting.Kind


PostingsByKind = dict[str, Posting]


NOT_IN_LEDGER = ("pending", "rejected")


MAYBE_IN_LEDGER = ("sent", "posted")


ACTOR = "books"


def lock_payment_and_attempt(attempt: Attempt) -> tuple[Payment, Attempt]:
    """The payment and the attempt as they are now, locked in that order."""
    payment = attempt.payment.lock()
    payment.merchant, payment.company = attempt.payment.merchant, attempt.payment.company
    current = attempt.lock()
    current.payment = payment
    return payment, current


def lock_postings_by_kind(**of: Attempt | Refund | Payment) -> PostingsByKind:
    """The postings of something by kind, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(**of)
    return {p.kind: p for p in rows.order_by("pk")}


def create_posting(
    kind: str,
    number: str,
    attempt: Attempt,
    *,
    now: datetime,
    on: datetime,
    refund: Refund | None = None,
    allocation: PaymentAllocation | None = None,
    match: CreditMatch | None = None,
    amount: int | None = None,
) -> Posting:
    """The posting of that kind and number, made on first sight with the amount and the merchant's day.

    The amount is the refund's or the attempt's if none is given.
    """
    payment = attempt.payment
    posting, _ = Posting.objects.get_or_create(
        merchant=payment.merchant,
        kind=kind,
        number=number,
        defaults={
            "company": payment.company,
            "payment": payment,
            "attempt": attempt,
            "refund": refund,
            "payment_allocation": allocation,
            "match": match,
            "amount": amount or (refund.amount if refund else attempt.amount),
            "on": on.astimezone(payment.merchant.zone).date(),
            "state": "pending",
            "state_at": now,
        },
    )
    return posting


def create_credit_note(payment: Payment, attempt: Attempt, *, now: datetime, amount: int | None = None) -> CreditNote:
    """The attempt's credit note, with the payment's next number; over the whole attempt if no amount is given."""
    note, _ = CreditNote.objects.get_or_create(
        attempt=attempt,
        defaults={
            "merchant": payment.merchant,
            "payment": payment,
            "number": build_credit_note_number(payment, nth=payment.credit_notes.count() + 1),
            "amount": amount or attempt.amount,
            "currency": payment.currency,
            "state": "pending",
            "state_at": now,
        },
    )
    return note


def cancel_posting(posting: Posting, *, now: datetime, reason: str, by: str = ACTOR) -> None:
    """Nobody needs it any more, and nobody has heard of it."""
    posting.move_to("cancelled", now=now, by=by, reason=reason, error="")
    close_manual_task(posting, now=now)
