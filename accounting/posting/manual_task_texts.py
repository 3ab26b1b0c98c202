"""The titles and steps of manual tasks; how a step is done stands in the guide of each ledger."""

from collections.abc import Callable

from accounting.ledgers.guides import Guide
from accounting.ledgers.protocol import RemoteAllocation, RemoteCreditNote
from accounting.models import Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.ledger_orders import (
    get_original_posting,
    get_posting_allocation,
    get_posting_credit_note,
    get_posting_date,
    get_posting_match,
)

TaskText = tuple[str, list[str]]  # the title and the steps
BuildTaskText = Callable[[Posting, RemoteCreditNote | None, Guide], TaskText]
RETRIED_AUTOMATICALLY = (
    "Nothing else is needed: it is looked at again within a quarter of an hour, and then goes on automatically."
)
NOTICED_AUTOMATICALLY = "That is noticed automatically."
SHORT_WAY = (
    "The short way: under Credits to apply press Undo where this credit was applied. What waits here then goes on "
    "automatically."
)
IF_DONE_BY_HAND = "If you book it by hand instead, press Done here and say so, so that it is not booked twice."


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


def can_undo_application(posting: Posting) -> bool:
    """Whether Undo under Credits to apply takes the credit off again: whether it was applied by our posting."""
    applied = Posting.objects.filter(attempt=posting.attempt_id, kind=Kind.ALLOCATION, state="posted")
    return applied.filter(match__state="applied").exists()


def build_refund_text(posting: Posting, remote_note: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """Less of the credit is unused than was refunded."""
    number, note = posting.number, remote_note.number if remote_note else ""
    steps = [SHORT_WAY] if can_undo_application(posting) else []
    steps.append(
        f"{posting.money} went back to {posting.company}. In {guide.package} open {guide.credit_note_name} {note}."
    )
    if remote_note is not None and remote_note.status != "unknown":
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
    """The step that removes one allocation of the credit note."""
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
    """The invoice does not take its payment: somebody paid, voided or changed it meanwhile."""
    invoice = get_posting_allocation(posting).invoice
    by_hand = guide.create_payment_step.format(amount=posting.money, reference=posting.number)
    return f"Decide about {posting.money} that {posting.company} paid for invoice {invoice}", [
        f"{posting.money} was paid, but {guide.package} did not put it to invoice {invoice}: {get_refusal(posting)}",
        "Under Unprocessed Payments put it to another invoice of this payer, or leave it as credit.",
        f"Or make invoice {invoice} payable again in {guide.package}, and press Retry there.",
        f"By hand: in {guide.package} open invoice {invoice}. {by_hand} {IF_DONE_BY_HAND}",
    ]


def build_invoice_payment_removal_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """A reconciled payment cannot be deleted, and one that a person booked is that person's to delete."""
    invoice = get_posting_allocation(posting).invoice
    opened = f"In {guide.package} open invoice {invoice}."
    return f"Take the payment of {posting.money} off invoice {invoice}", [
        f"Money of payment {posting.number} went back to {posting.company}. {opened}",
        *(step.format(amount=posting.money) for step in guide.correct_payment_steps),
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
    """The draft was deleted, and its number cannot be used twice."""
    by_hand = guide.create_credit_note_step.format(
        company=posting.company, amount=posting.money, reference=posting.number
    )
    return f"Make the credit of {posting.money} for {posting.company}", [
        f"Draft {guide.credit_note_name} {posting.number} was deleted in {guide.package}, and then its bank debit "
        "settled.",
        f"In {guide.package}: {by_hand}",
        "Then press Done here.",
    ]


def build_allocation_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """The invoice or the credit note does not take part: closed, changed, of another contact, or in a locked month."""
    note, invoice = get_posting_credit_note(posting), get_posting_match(posting).invoice
    check = guide.check_invoice_step.format(invoice=invoice, company=posting.company)
    by_hand = guide.create_allocation_step.format(credit_note=note, invoice=invoice, amount=posting.money)
    return f"Apply credit {note} to invoice {invoice}", [
        f"{guide.package} did not put {posting.money} of credit {note} to invoice {invoice}: {get_refusal(posting)}",
        f"In {guide.package}: {check} Then press Retry.",
        f"By hand, in {guide.package}: {by_hand} {NOTICED_AUTOMATICALLY}",
        "If the credit does not belong there, choose Dismiss under Credits to apply.",
    ]


def build_allocation_removal_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """An allocation in a month that was locked since stays until a person unlocks it."""
    note, invoice = get_posting_credit_note(posting), get_posting_match(posting).invoice
    allocated_on = get_posting_date(get_original_posting(posting, Kind.ALLOCATION))
    by_hand = guide.remove_allocation_step.format(amount=posting.money, invoice=invoice, on=f"{allocated_on:%d %b %Y}")
    return f"Take credit {note} off invoice {invoice}", [
        f"{guide.package} did not take {posting.money} of credit {note} off invoice {invoice}: {get_refusal(posting)}",
        f"In {guide.package} open {guide.credit_note_name} {note}. {by_hand}",
        f"{NOTICED_AUTOMATICALLY} {guide.unlock_step}",
    ]


def build_locked_text(posting: Posting, _: RemoteCreditNote | None, guide: Guide) -> TaskText:
    """What is to be undone lies in a locked period: a bookkeeper opens it, or books the difference today."""
    words = {"amount": posting.money, "reference": posting.number, "company": posting.company}
    by_hand = " ".join(step.format(**words) for step in list_locked_steps(Kind(posting.kind), guide))
    return f"{guide.name_documents(posting.get_kind_display())} {posting.number}: its period is locked", [
        f"{posting.money} of {posting.company} are to be taken back in the books, but {guide.package} did not allow "
        f"it: {get_refusal(posting)}",
        guide.locked_step.format(**words),
        RETRIED_AUTOMATICALLY,
        f"{by_hand} {IF_DONE_BY_HAND}",
    ]


def list_locked_steps(kind: Kind, guide: Guide) -> list[str]:
    """What a bookkeeper books today instead of undoing it on its day."""
    return {
        Kind.PAYMENT_REMOVAL: [guide.locked_payment_step],
        Kind.VOID: [guide.locked_credit_step],
        Kind.INVOICE_PAYMENT_REMOVAL: [guide.locked_payment_step, guide.locked_owed_step],
        Kind.REFUND_REMOVAL: [guide.locked_refund_step],
    }[kind]


def get_refusal(posting: Posting) -> str:
    """Why the ledger refused it."""
    return posting.error or "no reason given"
