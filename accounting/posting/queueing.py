"""Create, number and cancel postings, and lock what they are about."""

from datetime import datetime

from django_subatomic.db import transaction_required

from accounting.models import CreditMatch, CreditNote, PaymentAllocation, Posting
from accounting.models.posting_kinds import KIND_TRAITS, Kind
from accounting.posting.manual_tasks import close_manual_task
from payments.models import Attempt, Payment, Refund

STEM_LENGTH = 12


# The longer ones were created before there was a second ledger.
PF_INVOICE_PATTERN = rf"^{KIND_TRAITS[Kind.INVOICE].prefix}-[0-9A-Z]{{12}}([0-9A-Z]{{8}})?$"


def build_invoice_number(payment: Payment) -> str:
    """The number of the payment's only PF invoice."""
    return _build_stem(Kind.INVOICE, payment)


def build_payment_number(payment: Payment, *, nth: int) -> str:
    """The number of the ledger payment of the payment's `nth` credited attempt."""
    return _add_ordinal(_build_stem(Kind.PAYMENT, payment), nth)


def build_credit_note_number(payment: Payment, *, nth: int) -> str:
    """The number of the payment's `nth` credit note."""
    return _add_ordinal(_build_stem(Kind.CREDIT_NOTE, payment), nth)


def build_invoice_payment_number(allocation: PaymentAllocation, *, position: int, nth: int) -> str:
    """The number of a part's `nth` payment of its invoice; `position` counts the parts of the payment from 1."""
    return _add_ordinal(f"{_build_stem(Kind.INVOICE_PAYMENT, allocation.payment)}/{position}", nth)


def build_refund_number(refund: Refund) -> str:
    """The number of a refund out of a credit note."""
    return _build_stem(Kind.REFUND, refund)


def build_credit_allocation_number(match: CreditMatch, *, nth: int) -> str:
    """The number of the `nth` allocation of a credit to its invoice."""
    return _add_ordinal(_build_stem(Kind.ALLOCATION, match), nth)


def _build_stem(kind: Kind, row: Payment | Refund | CreditMatch) -> str:
    return f"{KIND_TRAITS[kind].prefix}-{row.reference[:STEM_LENGTH].upper()}"


def _add_ordinal(stem: str, nth: int) -> str:
    return stem if nth == 1 else f"{stem}-{nth}"


PostingsByKind = dict[str, Posting]

ACTOR = "books"


@transaction_required
def lock_payment_and_attempt(attempt: Attempt) -> tuple[Payment, Attempt]:
    """The payment and the attempt as they are now, locked in that order."""
    payment = attempt.payment.lock()
    payment.merchant, payment.company = attempt.payment.merchant, attempt.payment.company
    current = attempt.lock()
    current.payment = payment
    return payment, current


@transaction_required
def lock_postings_by_kind(**of: Attempt | Refund | Payment) -> PostingsByKind:
    """The postings of an attempt, a refund or a payment by kind, locked."""
    rows = Posting.objects.select_for_update(of=("self",)).filter(**of)
    return {p.kind: p for p in rows.order_by("pk")}


@transaction_required
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
    """Create the posting of that kind and number, or answer the one that is there, which stays as it is.

    `on` becomes a date of the merchant's zone; `amount` is in minor units, by default the refund's or the attempt's.
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


@transaction_required
def create_credit_note(payment: Payment, attempt: Attempt, *, now: datetime, amount: int | None = None) -> CreditNote:
    """Create the attempt's credit note under the payment's next number, or answer the one that is there.

    `amount` is in minor units, by default the whole attempt's.
    """
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


@transaction_required
def cancel_posting(posting: Posting, *, now: datetime, reason: str, by: str = ACTOR) -> None:
    """Cancel a posting that is not in the ledger and not needed any more, and close its task."""
    posting.move_to("cancelled", now=now, by=by, reason=reason, error="")
    close_manual_task(posting, now=now)
