"""The titles and steps of manual tasks, by posting kind."""

from collections.abc import Callable

from accounting.ledgers.guides import Guide
from accounting.ledgers.protocol import RemoteAllocation, RemoteCreditNote
from accounting.models import Posting
from accounting.posting.orders import get_posting_allocation, get_posting_credit_note, get_posting_match

Kind = Posting.Kind


TaskText = tuple[str, list[str]]


RETRIED_AUTOMATICALLY = (
    "Nothing else is needed: it is looked at again within a quarter of an hour, and then continues automatically."
)


IF_DONE_BY_HAND = "If you book it by hand instead, press Done here afterwards, so that it is not booked twice."


def build_void_text(posting: Posting, remote_note: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """A used credit cannot be voided: allocations come off first, then refunds."""
    first = (
        f"In {guide.package} open {guide.credit_note_name} {posting.number} of {posting.company} over {posting.money}."
    )
    off = [
        f"{build_unapply_step(a, guide)} Invoice {a.invoice} is owed again by that amount."
        for a in (remote_note.allocations if remote_note else ())
    ]
    back = [
        guide.remove_refund_step.format(amount=r.amount, on=f"{r.on:%d %b %Y}", reference=r.reference or "none")
        for r in (remote_note.refunds if remote_note else ())
    ]
    return f"Free {guide.credit_note_name} {posting.number}, so that it can be voided", [
        first,
        *off,
        *back,
        RETRIED_AUTOMATICALLY,
    ]


def build_refund_text(posting: Posting, remote_note: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """There is less credit left than went back."""
    number, note = posting.number, remote_note.number if remote_note else ""
    steps = [
        f"{posting.money} went back to {posting.company}. In {guide.package} open {guide.credit_note_name} {note}."
    ]
    if remote_note is not None:
        steps.append(f"Of it {remote_note.remaining} are unused, which is less than what went back.")
        steps += [
            f"{build_unapply_step(a, guide)} Once the refund is there, allocate what is left again."
            for a in remote_note.allocations
        ]
    by_hand = f"By hand: {guide.create_refund_step.format(amount=posting.money, reference=number)} {IF_DONE_BY_HAND}"
    return f"Make room for a refund of {posting.money} on {guide.credit_note_name} {note}", [
        *steps,
        RETRIED_AUTOMATICALLY,
        by_hand,
    ]


def build_unapply_step(used: RemoteAllocation, guide: Guide) -> str:
    """How one allocation is taken off."""
    return guide.remove_allocation_step.format(amount=used.amount, invoice=used.invoice, on=f"{used.on:%d %b %Y}")


def build_payment_removal_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """A reconciled payment cannot be deleted."""
    opened = f"In {guide.package} open invoice {posting.number}."
    return f"Take the payment of {posting.money} off PF invoice {posting.number}", [
        f"The bank took {posting.money} back from {posting.company}. {opened}",
        *guide.remove_payment_steps,
        "The invoice is then awaiting payment.",
        RETRIED_AUTOMATICALLY,
    ]


def build_invoice_payment_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """The invoice does not take the money: somebody paid, voided or changed it meanwhile."""
    invoice = get_posting_allocation(posting).invoice
    return f"Decide about {posting.money} that {posting.company} paid for invoice {invoice}", [
        f"{posting.money} was paid, but Xero did not put it to invoice {invoice}: {posting.error or 'no reason given'}",
        "Under Unprocessed Payments put it to another invoice of this payer, or leave it as credit.",
        f"Or make invoice {invoice} payable again in Xero, and press Retry there.",
        f"By hand: record the payment in Xero on the clearing account, reference {posting.number}. {IF_DONE_BY_HAND}",
    ]


def build_invoice_payment_removal_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """A reconciled payment cannot be deleted, and one that a person booked is for that person."""
    invoice = get_posting_allocation(posting).invoice
    return f"Take the payment of {posting.money} off invoice {invoice}", [
        f"Money of payment {posting.number} went back to {posting.company}. In Xero open invoice {invoice}.",
        f"Open its payment of {posting.money} and choose Options, then Unreconcile if it is reconciled.",
        "Choose Options again, then Remove & Redo, and record again what was not given back, if anything.",
        IF_DONE_BY_HAND,
    ]


def build_refund_removal_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """A reconciled refund cannot be deleted."""
    return f"Take back the refund {posting.number}", [
        f"The refund of {posting.money} to {posting.company} failed at the gateway.",
        f"In {guide.package} search for the reference {posting.number} and open the refund.",
        *guide.remove_payment_steps,
        RETRIED_AUTOMATICALLY,
    ]


def build_approval_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """The draft is not there any more, and its number cannot be used twice."""
    return f"Make the credit of {posting.money} for {posting.company}", [
        f"Draft {guide.credit_note_name} {posting.number} was deleted in {guide.package}, and then its bank debit "
        f"settled.",
        f"In {guide.package} make a {guide.credit_note_name} for {posting.company} over {posting.money} on the "
        f"prepayments "
        f"account, without tax, with the reference {posting.number}, and approve it.",
        "Then press Done here.",
    ]


def build_allocation_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """The invoice or the credit does not take part: closed, changed, of another contact, or its month is locked."""
    note, invoice = get_posting_credit_note(posting), get_posting_match(posting).invoice
    return f"Apply credit {note} to invoice {invoice}", [
        f"Xero did not put {posting.money} of credit {note} to invoice {invoice}: {posting.error or 'no reason given'}",
        f"See in Xero that invoice {invoice} is approved and not paid, is made out to {posting.company}, "
        "and that its month is not locked. Then press Retry.",
        f"By hand: open credit note {note} in Xero, choose Allocate credit, and enter {posting.money} at invoice "
        f"{invoice}. That is noticed automatically.",
        "If the credit does not belong there, choose Dismiss under Credits to apply.",
    ]


def build_allocation_removal_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """What was applied in a month that is locked since stays until a person opens it."""
    note, invoice = get_posting_credit_note(posting), get_posting_match(posting).invoice
    return f"Take credit {note} off invoice {invoice}", [
        f"Xero did not take {posting.money} of credit {note} off invoice {invoice}: "
        f"{posting.error or 'no reason given'}",
        f"In Xero open credit note {note}, and next to its allocation to invoice {invoice} click the cross.",
        "That is noticed automatically. If a lock date stands in the way, move it first, and press Retry.",
    ]


TASK_TEXT_BUILDERS: dict[str, Callable[[Posting, RemoteCreditNote | None, Guide], TaskText]] = {
    Kind.VOID: build_void_text,
    Kind.REFUND: build_refund_text,
    Kind.PAYMENT_REMOVAL: build_payment_removal_text,
    Kind.REFUND_REMOVAL: build_refund_removal_text,
    Kind.APPROVAL: build_approval_text,
    Kind.INVOICE_PAYMENT: build_invoice_payment_text,
    Kind.INVOICE_PAYMENT_REMOVAL: build_invoice_payment_removal_text,
    Kind.ALLOCATION: build_allocation_text,
    Kind.ALLOCATION_REMOVAL: build_allocation_removal_text,
}
