"""Tasks for a person: opened when the books refuse what only a hand can clear, closed when it was done."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import models, transaction
from django.urls import reverse

from accounting.desks import LEFT, match_of, note_of, payment_of, share_of
from accounting.ledgers import guide_for
from accounting.ledgers.guides import Guide
from accounting.ledgers.words import Allocated, NoteFacts
from accounting.models import HandTask, Posting, Share
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from wisepay import outbox
from wisepay.models import User

Kind = Posting.Kind
Words = tuple[str, list[str]]
REMOVALS = (Kind.PAYMENT_REMOVAL, Kind.REFUND_REMOVAL, Kind.INVOICE_PAYMENT_REMOVAL)
LOOK_EVERY = timedelta(minutes=15)  # a look is one call of a budget that payments need too
AFTERWARDS = "Nothing else is needed: it is looked at again within a quarter of an hour, and then goes on by itself."
BY_HAND = "If you book it by hand instead, press Done here afterwards, so that it is not booked twice."


def open_task(posting: Posting, *, facts: NoteFacts | None, now: datetime) -> HandTask:
    """The open task about a refused posting, with steps from what the books say now. A step of an open transaction."""
    task = explain_task(posting, EXPLAINED[posting.kind](posting, facts, guide_for(posting.merchant)), now=now)
    arm_look(posting.merchant, now=now + LOOK_EVERY)
    return task


def explain_task(posting: Posting, words: Words, *, now: datetime) -> HandTask:
    """The open task about a posting, in these words; the merchant's people are told once. A step of a transaction."""
    title, steps = words
    task, is_new = HandTask.objects.update_or_create(
        posting=posting,
        state="open",
        defaults={"title": title[:160], "steps": steps},
        create_defaults={
            "title": title[:160],
            "steps": steps,
            "merchant": posting.merchant,
            "company": posting.company,
            "payment": payment_of(posting),
            "kind": posting.kind,
            "state_at": now,
        },
    )
    if is_new:
        notify_merchant(
            posting.merchant,
            event=EventNotification.Event.BOOKS_TASK,
            key=f"task:{task.pk}",
            title="The accounting package needs a person",
            body=f"{title}. {steps[0]}",
            path=reverse("accounting:postings", args=[posting.merchant.reference]),
            now=now,
        )
    return task


def close_task(posting: Posting, *, now: datetime) -> None:
    """What the posting's open task asked for was done, or is needed no more. A step of an open transaction."""
    for task in HandTask.objects.filter(posting=posting, state="open"):
        task.move_to("done", now=now, by="books", reason="it went through" if posting.state == "posted" else "needless")


def finish_by_hand(task: HandTask, *, by: User, now: datetime) -> bool:
    """Somebody did it themselves: the task is done and the posting will not be tried again. False if it was done."""
    with transaction.atomic(durable=True):
        posting = task.posting.lock()
        if not task.move_to("done", now=now, by=by.email, reason="by hand", done_by=by):
            return False
        if posting.state == "sent" and posting.error == LEFT:
            posting.advance("rejected", now=now, by=by.email, reason="seen to by hand")
        if posting.state in ("rejected", "pending"):
            posting.advance("cancelled", now=now, by=by.email, reason="done by hand", error="")
        if posting.kind == Kind.INVOICE_PAYMENT:
            Share.objects.filter(pk=share_of(posting).pk).update(outcome=Share.Outcome.BY_HAND)
    return True


def open_tasks(merchant: Merchant) -> models.QuerySet[HandTask]:
    """The merchant's open tasks, oldest first."""
    return HandTask.objects.filter(merchant=merchant, state="open").select_related("company", "payment").order_by("pk")


def arm_look(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker see whether something was undone."""
    outbox.arm(f"look:{merchant.pk}", "accounting.look_at_tasks", now=now, merchant_id=merchant.pk)


def release(task: HandTask, facts: NoteFacts | None, *, now: datetime) -> bool:
    """Try the task's posting again if nothing stands in its way as far as we see. A step of an open transaction."""
    posting = task.posting.lock()
    if posting.state != "rejected" or needs_hand(posting, facts):
        return False
    return posting.advance("pending", now=now, by="books", reason="looked again", error="")


def needs_hand(posting: Posting, facts: NoteFacts | None, *, refusal: str = "") -> bool:
    """Whether only a person can clear what the books refused; everything else is retried as it is."""
    if posting.kind in (Kind.ALLOCATION, Kind.ALLOCATION_REMOVAL):
        return True
    if posting.kind in REMOVALS:
        return "reconciled" in refusal.lower()
    if posting.kind == Kind.INVOICE_PAYMENT:
        return bool(refusal) or not takes(posting)
    if posting.kind == Kind.APPROVAL:
        return facts is None or facts.status in ("removed", "voided")
    if facts is None or facts.status in ("removed", "voided"):
        return False
    if posting.kind == Kind.REFUND:
        return facts.status != "draft" and facts.remaining < posting.money
    return posting.kind == Kind.VOID and not facts.is_untouched


def takes(posting: Posting) -> bool:
    """Whether an invoice takes its payment, as it was last read."""
    invoice = share_of(posting).invoice
    return invoice.is_payable and invoice.due >= (posting.amount or 0)


# ---- the steps, in the accounting package's own words -----------------------------------------------


def void_words(posting: Posting, facts: NoteFacts | None, guide: Guide) -> Words:
    """A used credit cannot be voided: allocations come off first, then refunds."""
    first = f"In {guide.package} open {guide.note} {posting.number} of {posting.company} over {posting.money}."
    off = [
        f"{unapplied(a, guide)} Invoice {a.invoice} is owed again by that amount."
        for a in (facts.allocations if facts else ())
    ]
    back = [
        guide.unrefund.format(amount=r.amount, on=f"{r.on:%d %b %Y}", reference=r.reference or "none")
        for r in (facts.refunds if facts else ())
    ]
    return f"Free {guide.note} {posting.number}, so that it can be voided", [first, *off, *back, AFTERWARDS]


def refund_words(posting: Posting, facts: NoteFacts | None, guide: Guide) -> Words:
    """There is less credit left than went back."""
    number, note = posting.number, facts.number if facts else ""
    steps = [f"{posting.money} went back to {posting.company}. In {guide.package} open {guide.note} {note}."]
    if facts is not None:
        steps.append(f"Of it {facts.remaining} are unused, which is less than what went back.")
        steps += [
            f"{unapplied(a, guide)} Once the refund is there, allocate what is left again." for a in facts.allocations
        ]
    by_hand = f"By hand: {guide.refund.format(amount=posting.money, reference=number)} {BY_HAND}"
    return f"Make room for a refund of {posting.money} on {guide.note} {note}", [*steps, AFTERWARDS, by_hand]


def unapplied(used: Allocated, guide: Guide) -> str:
    """How one allocation is taken off."""
    return guide.unapply.format(amount=used.amount, invoice=used.invoice, on=f"{used.on:%d %b %Y}")


def payment_removal_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """A reconciled payment cannot be deleted."""
    opened = f"In {guide.package} open invoice {posting.number}."
    return f"Take the payment of {posting.money} off PF invoice {posting.number}", [
        f"The bank took {posting.money} back from {posting.company}. {opened}",
        *guide.unreconcile,
        "The invoice is then awaiting payment.",
        AFTERWARDS,
    ]


def invoice_payment_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """The invoice does not take the money: somebody paid, voided or changed it meanwhile."""
    invoice = share_of(posting).invoice
    return f"Decide about {posting.money} that {posting.company} paid for invoice {invoice}", [
        f"{posting.money} was paid, but Xero did not put it to invoice {invoice}: {posting.error or 'no reason given'}",
        "Under Unprocessed Payments put it to another invoice of this payer, or leave it as credit.",
        f"Or make invoice {invoice} payable again in Xero, and press Retry there.",
        f"By hand: record the payment in Xero on the clearing account, reference {posting.number}. {BY_HAND}",
    ]


def invoice_payment_removal_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """A reconciled payment cannot be deleted, and one that a person booked is for that person."""
    invoice = share_of(posting).invoice
    return f"Take the payment of {posting.money} off invoice {invoice}", [
        f"Money of payment {posting.number} went back to {posting.company}. In Xero open invoice {invoice}.",
        f"Open its payment of {posting.money} and choose Options, then Unreconcile if it is reconciled.",
        "Choose Options again, then Remove & Redo, and record again what was not given back, if anything.",
        BY_HAND,
    ]


def refund_removal_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """A reconciled refund cannot be deleted."""
    return f"Take back the refund {posting.number}", [
        f"The refund of {posting.money} to {posting.company} failed at the gateway.",
        f"In {guide.package} search for the reference {posting.number} and open the refund.",
        *guide.unreconcile,
        AFTERWARDS,
    ]


def approval_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """The draft is not there any more, and its number cannot be used twice."""
    return f"Make the credit of {posting.money} for {posting.company}", [
        f"Draft {guide.note} {posting.number} was deleted in {guide.package}, and then its bank debit settled.",
        f"In {guide.package} make a {guide.note} for {posting.company} over {posting.money} on the prepayments "
        f"account, without tax, with the reference {posting.number}, and approve it.",
        "Then press Done here.",
    ]


def allocation_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """The invoice or the credit does not take part: closed, changed, of another contact, or its month is locked."""
    note, invoice = note_of(posting), match_of(posting).invoice
    return f"Apply credit {note} to invoice {invoice}", [
        f"Xero did not put {posting.money} of credit {note} to invoice {invoice}: {posting.error or 'no reason given'}",
        f"See in Xero that invoice {invoice} is approved and not paid, is made out to {posting.company}, "
        "and that its month is not locked. Then press Retry.",
        f"By hand: open credit note {note} in Xero, choose Allocate credit, and enter {posting.money} at invoice "
        f"{invoice}. That is noticed by itself.",
        "If the credit does not belong there, choose Dismiss under Credits to apply.",
    ]


def allocation_removal_words(posting: Posting, _: NoteFacts | None, guide: Guide) -> Words:
    """What was applied in a month that is locked since stays until a person opens it."""
    note, invoice = note_of(posting), match_of(posting).invoice
    return f"Take credit {note} off invoice {invoice}", [
        f"Xero did not take {posting.money} of credit {note} off invoice {invoice}: "
        f"{posting.error or 'no reason given'}",
        f"In Xero open credit note {note}, and next to its allocation to invoice {invoice} click the cross.",
        "That is noticed by itself. If a lock date stands in the way, move it first, and press Retry.",
    ]


EXPLAINED: dict[str, Callable[[Posting, NoteFacts | None, Guide], Words]] = {
    Kind.VOID: void_words,
    Kind.REFUND: refund_words,
    Kind.PAYMENT_REMOVAL: payment_removal_words,
    Kind.REFUND_REMOVAL: refund_removal_words,
    Kind.APPROVAL: approval_words,
    Kind.INVOICE_PAYMENT: invoice_payment_words,
    Kind.INVOICE_PAYMENT_REMOVAL: invoice_payment_removal_words,
    Kind.ALLOCATION: allocation_words,
    Kind.ALLOCATION_REMOVAL: allocation_removal_words,
}
ABOUT_NOTES = frozenset({Kind.VOID, Kind.REFUND, Kind.APPROVAL, Kind.REMOVAL})
