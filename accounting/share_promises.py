"""What payments of invoices promise to the books: each part once, over what is left of it after refunds.

The books are brought to what is so now, whatever order the news comes in: a payment there cannot be changed, so one
over another amount is taken back and made anew under the next number. Of a bank debit nothing is said to the books
before it settles.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from accounting.hand_tasks import open_task
from accounting.models import CreditNote, Posting, Share
from accounting.numbers import refund_number, share_number
from accounting.promises import HEARD, UNHEARD, cancel, locked, promise, unmake_note, unmake_payment
from accounting.services import arm_drain
from payments.models import Attempt, Payment, Refund

Kind = Posting.Kind


def has_shares(payment: Payment) -> bool:
    """Whether a payment is for invoices of the books."""
    return not payment.is_quote and payment.shares.exists()


def post_payment(payment: Payment, *, now: datetime) -> None:
    """Promise the payment of every invoice of a paid payment. The same again is nothing."""
    with transaction.atomic(durable=True):
        settle_shares(held_payment(payment), now=now)
        arm_drain(payment.merchant, now=now)


def reverse_payment(attempt: Attempt, *, now: datetime) -> None:
    """Take the money of a reversed attempt off its invoices, and what was left of it as credit out of the books."""
    with transaction.atomic(durable=True):
        payment, current = locked(attempt)
        settle_shares(payment, now=now)
        if current.state == "reversed":
            unmake_note(current, now=now)
            unmake_payment(payment, current, now=now)
        arm_drain(payment.merchant, now=now)


def post_refund(refund: Refund, *, now: datetime) -> None:
    """Promise that the payments of the invoices, or what was left as credit, become smaller by a refund."""
    with transaction.atomic(durable=True):
        payment, attempt = locked(refund.attempt)
        current = refund.lock()
        if current.state == "succeeded" and attempt.state == "succeeded":
            take_refund_from_credit(attempt, current, now=now)
        settle_shares(payment, now=now)
        arm_drain(payment.merchant, now=now)


def held_payment(payment: Payment) -> Payment:
    """The payment, locked, with the merchant and the company that were read before."""
    held = payment.lock()
    held.merchant, held.company = payment.merchant, payment.company
    return held


# ---- steps of an open transaction, under the payment's lock -----------------------------------------


def settle_shares(payment: Payment, *, now: datetime) -> None:
    """Promise what the books lack of a payment's parts and take back what they hold too much. The same is nothing."""
    shares = list(payment.shares.select_related("invoice").order_by("pk"))
    attempt = payment.attempts.filter(state="succeeded").first()
    if attempt is not None:
        attempt.payment = payment
    wanted = wanted_amounts(shares, attempt)
    for place, share in enumerate(shares, 1):
        share.payment = payment
        if share.outcome == Share.Outcome.INVOICE:
            settle_share(share, wanted[share.pk], attempt, place=place, now=now)
        elif share.outcome == Share.Outcome.BY_HAND and wanted[share.pk] != share.amount:
            ask_for_hand(share, place=place, now=now)


def wanted_amounts(shares: Sequence[Share], attempt: Attempt | None) -> dict[int, int]:
    """What each part should stand at by its key: refunds are taken off the last parts first, nothing paid is nothing.

    What was left as credit is not touched by the refunds that come here.
    """
    if attempt is None:
        return {share.pk: 0 for share in shares}
    back = refunded_from_shares(attempt)
    wanted: dict[int, int] = {}
    for share in reversed(shares):
        taken = 0 if share.outcome == Share.Outcome.CREDIT else min(back, share.amount)
        wanted[share.pk] = share.amount - taken
        back -= taken
    return wanted


def refunded_from_shares(attempt: Attempt) -> int:
    """Minor units that went back of an attempt, without what was taken out of a credit."""
    rows = Refund.objects.filter(attempt=attempt, state="succeeded").exclude(postings__kind=Kind.REFUND)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def settle_share(share: Share, wanted: int, attempt: Attempt | None, *, place: int, now: datetime) -> None:
    """Bring one part to `wanted` minor units in the books."""
    mine = list(Posting.objects.select_for_update(of=("self",)).filter(share=share).order_by("pk"))
    versions = [posting for posting in mine if posting.kind == Kind.INVOICE_PAYMENT]
    current = standing_version(mine)
    if current is not None and not (attempt and wanted == current.amount and current.attempt_id == attempt.pk):
        take_back(current, share, now=now)
        current = None
    if current is None and wanted and attempt is not None:
        number = share_number(share, place=place, nth=len(versions) + 1)
        on = share.payment.paid_at or now
        promise(Kind.INVOICE_PAYMENT, number, attempt, now=now, on=on, share=share, amount=wanted)


def standing_version(postings: Sequence[Posting]) -> Posting | None:
    """The part's payment that is to be in the books, if one is."""
    removed = {p.number for p in postings if p.kind == Kind.INVOICE_PAYMENT_REMOVAL and p.state != "cancelled"}
    made = [p for p in postings if p.kind == Kind.INVOICE_PAYMENT and p.state != "cancelled"]
    return next((p for p in reversed(made) if p.number not in removed), None)


def take_back(made: Posting, share: Share, *, now: datetime) -> None:
    """Let a payment of an invoice not be, or be no more."""
    if made.state in UNHEARD:
        cancel(made, now=now, reason="it is to be another amount, or none")
    elif made.state in HEARD and made.attempt is not None:
        attempt = made.attempt
        attempt.payment = share.payment
        promise(Kind.INVOICE_PAYMENT_REMOVAL, made.number, attempt, now=now, on=now, share=share, amount=made.amount)


def ask_for_hand(share: Share, *, place: int, now: datetime) -> None:
    """Money went back of a part that a person booked: only they know what they made."""
    number = share_number(share, place=place, nth=1)
    booked = Posting.objects.filter(share=share, kind=Kind.INVOICE_PAYMENT, state="cancelled").order_by("pk").last()
    if booked is None or booked.attempt is None:
        return
    attempt = booked.attempt
    attempt.payment = share.payment
    posting = promise(Kind.INVOICE_PAYMENT_REMOVAL, number, attempt, now=now, on=now, share=share, amount=share.amount)
    if posting.state == "pending":
        reason = "A person booked it by hand."
        posting.move_to("sent", now=now, by="books", reason=reason)
        posting.move_to("rejected", now=now, by="books", reason=reason, error=reason)
        open_task(posting, facts=None, now=now)


def take_refund_from_credit(attempt: Attempt, refund: Refund, *, now: datetime) -> None:
    """Take a refund out of what was left as credit, where that is enough for it; else the parts become smaller."""
    note = CreditNote.objects.filter(attempt=attempt).exclude(state__in=("removed", "voided")).first()
    if note is None:
        return
    taken = Posting.objects.filter(attempt=attempt, kind=Kind.REFUND).exclude(state="cancelled")
    total = taken.exclude(refund=refund).aggregate(total=Sum("amount"))["total"] or 0
    if refund.amount <= note.amount - total:
        number = refund_number(refund)
        promise(Kind.REFUND, number, attempt, now=now, on=refund.created_at, refund=refund)
