"""Tasks for a person: opened when the books refuse what only a hand can clear, closed when it was done."""

from datetime import datetime, timedelta

from django.db import models
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import get_guide
from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import ManualTask, PaymentAllocation, Posting
from accounting.posting.manual_task_texts import TASK_TEXT_BUILDERS, Kind, TaskText
from accounting.posting.orders import (
    FORMER_ORGANISATION,
    get_posting_allocation,
    get_posting_payment,
)
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from wisepay import outbox
from wisepay.models import User

REMOVAL_KINDS = (Kind.PAYMENT_REMOVAL, Kind.REFUND_REMOVAL, Kind.INVOICE_PAYMENT_REMOVAL)
CHECK_INTERVAL = timedelta(minutes=15)  # a look is one call of a budget that payments need too


@transaction_required
def create_manual_task(posting: Posting, *, remote_note: RemoteCreditNote | None, now: datetime) -> ManualTask:
    """The open task about a refused posting, with steps from what the books say now."""
    task = save_manual_task(
        posting, TASK_TEXT_BUILDERS[posting.kind](posting, remote_note, get_guide(posting.merchant)), now=now
    )
    schedule_task_check(posting.merchant, now=now + CHECK_INTERVAL)
    return task


@transaction_required
def save_manual_task(posting: Posting, text: TaskText, *, now: datetime) -> ManualTask:
    """The open task about a posting, in these words; the merchant's people are told once."""
    title, steps = text
    task, is_new = ManualTask.objects.update_or_create(
        posting=posting,
        state="open",
        defaults={"title": title[:160], "steps": steps},
        create_defaults={
            "title": title[:160],
            "steps": steps,
            "merchant": posting.merchant,
            "company": posting.company,
            "payment": get_posting_payment(posting),
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


@transaction_required
def close_manual_task(posting: Posting, *, now: datetime) -> None:
    """What the posting's open task asked for was done, or is needed no more."""
    for task in ManualTask.objects.filter(posting=posting, state="open"):
        task.move_to("done", now=now, by="books", reason="it went through" if posting.state == "posted" else "needless")


def resolve_manual_task(task: ManualTask, *, by: User, now: datetime) -> bool:
    """Somebody did it themselves: the task is done and the posting will not be tried again. False if it was done."""
    with transaction():
        posting = task.posting.lock()
        if not task.move_to("done", now=now, by=by.email, reason="by hand", done_by=by):
            return False
        if posting.state == "sent" and posting.error == FORMER_ORGANISATION:
            posting.move_locked_to("rejected", now=now, by=by.email, reason="seen to by hand")
        if posting.state in ("rejected", "pending"):
            posting.move_locked_to("cancelled", now=now, by=by.email, reason="done by hand", error="")
        if posting.kind == Kind.INVOICE_PAYMENT:
            PaymentAllocation.objects.filter(pk=get_posting_allocation(posting).pk).update(
                outcome=PaymentAllocation.Outcome.BY_HAND
            )
    return True


def list_open_tasks(merchant: Merchant) -> models.QuerySet[ManualTask]:
    """The merchant's open tasks, oldest first."""
    return (
        ManualTask.objects.filter(merchant=merchant, state="open").select_related("company", "payment").order_by("pk")
    )


def schedule_task_check(merchant: Merchant, *, now: datetime) -> None:
    """Let a worker see whether something was undone."""
    outbox.schedule(f"look:{merchant.pk}", "accounting.look_at_tasks", now=now, merchant_id=merchant.pk)


@transaction_required
def retry_task_posting(task: ManualTask, remote_note: RemoteCreditNote | None, *, now: datetime) -> bool:
    """Try the task's posting again if nothing stands in its way as far as we see."""
    posting = task.posting.lock()
    if posting.state != "rejected" or needs_manual_task(posting, remote_note):
        return False
    return posting.move_locked_to("pending", now=now, by="books", reason="looked again", error="")


def needs_manual_task(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str = "") -> bool:
    """Whether only a person can clear what the books refused; everything else is retried as it is."""
    if posting.kind in (Kind.ALLOCATION, Kind.ALLOCATION_REMOVAL):
        return True
    if posting.kind in REMOVAL_KINDS:
        return "reconciled" in refusal.lower()
    if posting.kind == Kind.INVOICE_PAYMENT:
        return bool(refusal) or not is_invoice_payable(posting)
    if posting.kind == Kind.APPROVAL:
        return remote_note is None or remote_note.status in ("removed", "voided")
    if remote_note is None or remote_note.status in ("removed", "voided"):
        return False
    if posting.kind == Kind.REFUND:
        return remote_note.status != "draft" and remote_note.remaining < posting.money
    return posting.kind == Kind.VOID and not remote_note.is_unused


def is_invoice_payable(posting: Posting) -> bool:
    """Whether an invoice takes its payment, as it was last read."""
    invoice = get_posting_allocation(posting).invoice
    return invoice.is_payable and invoice.due >= (posting.amount or 0)


# ---- the steps, in the accounting package's own words -----------------------------------------------


CREDIT_NOTE_KINDS = frozenset({Kind.VOID, Kind.REFUND, Kind.APPROVAL, Kind.REMOVAL})
