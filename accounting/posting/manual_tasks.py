"""Manual tasks: opened when the ledger refuses what only a person can clear, closed when that was done.

What stands in a former organisation's ledger is such a task too."""

from datetime import datetime, timedelta

from django.db import models
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import get_guide
from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import LedgerPayment, ManualTask, PaymentAllocation, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.contact_needs import list_contact_tasks
from accounting.posting.kinds import get_kind
from accounting.posting.ledger_orders import (
    FORMER_ORGANISATION,
    get_posting_allocation,
)
from accounting.posting.manual_task_rules import is_period_locked
from accounting.posting.manual_task_texts import build_locked_text
from accounting.posting.open_tasks import save_posting_task
from accounting.posting.services import retry_company_postings
from accounting.reconciliation.ledger_payments import schedule_ledger_payments_sync
from accounting.reconciliation.manual_results import ManualResult, find_manual_result, list_contact_ids
from accounting.refetch_requests import schedule_refetch
from connections.models import Connection, Tier
from merchants.models import Merchant
from wisepay import outbox
from wisepay.models import User

# Kinds that undo what was booked on a day that may be locked by now.
REVERSALS = frozenset({Kind.INVOICE_PAYMENT_REMOVAL, Kind.PAYMENT_REMOVAL, Kind.REFUND_REMOVAL, Kind.VOID})


def create_former_organisation_task(posting: Posting, *, now: datetime) -> None:
    """Open its task; it waits, and goes on automatically once that organisation is connected again."""
    if posting.error == FORMER_ORGANISATION:
        return
    with transaction():
        current = posting.lock()
        if current.state in Posting.UNSENT_STATES:
            Posting.objects.filter(pk=current.pk).update(error=FORMER_ORGANISATION)
            save_posting_task(current, build_former_organisation_text(current), now=now)


def build_former_organisation_text(posting: Posting) -> tuple[str, list[str]]:
    """The task's title and steps: what is to be done there, and how it ends here."""
    what, name = posting.get_kind_display(), get_former_organisation_name(posting)
    steps = [f"{FORMER_ORGANISATION} Nothing of it goes into the books that are connected now."]
    if name:
        steps.append(f"The former books are those of {name}.")
    if posting.payment is not None:
        steps.append(f"It is about {posting.money} of {posting.company}.")
    if posting.state == "sent":
        steps.append("It was on its way when the company was changed: see in the former books whether it arrived.")
    steps += [
        "Do it by hand in the former books if it is still wanted, and say so under Done here.",
        "If you connect the former company again instead, it goes on automatically.",
    ]
    return f"See to “{what}” {posting.number} in the former books", steps


def get_former_organisation_name(posting: Posting) -> str:
    """Whose ledger the payment's first document went to, as it was called when it was connected; empty if unknown."""
    connection = Connection.objects.filter(merchant=posting.merchant_id, tier=Tier.WISE_PAY).first()
    first = Posting.objects.filter(payment=posting.payment_id).exclude(sent_to="").order_by("state_at").first()
    if connection is None or first is None:
        return ""
    connected = connection.list_state_changes().filter(to_state="connected", at__lte=first.state_at).last()
    return connected.reason if connected is not None else ""


MAX_SETTLED = 30
CHECK_INTERVAL = timedelta(minutes=15)  # a check is one call of a budget that payments need too


@transaction_required
def create_manual_task(posting: Posting, *, remote_note: RemoteCreditNote | None, now: datetime) -> ManualTask:
    """Open the task about a refused posting, with steps from the credit note as the ledger has it now.

    Raises ValueError for a kind that never needs a person.
    """
    rule, guide = get_kind(posting).manual_task, get_guide(posting.merchant)
    if is_locked_reversal(posting, refusal=posting.error):
        text = build_locked_text(posting, remote_note, guide)
    elif rule is not None:
        text = rule.build_text(posting, remote_note, guide)
    else:
        raise ValueError(f"{posting} has no manual task")
    task = save_posting_task(posting, text, now=now)
    schedule_task_check(posting.merchant, now=now + CHECK_INTERVAL)
    return task


def resolve_manual_task(task: ManualTask, *, note: str, by: User, now: datetime) -> bool:
    """Close a task that a person did by hand, and cancel its posting; answers False if it was closed before.

    `note` says what was done. The books are read again, and reconciliation looks there for what is said to be done.
    """
    with transaction():
        if task.posting is None:
            return resolve_contact_task(task, note=note, by=by, now=now)
        posting = task.posting.lock()
        before = {"state": posting.state, "error": posting.error}
        columns = {"done_by": by, "note": note[:300], "posting_before": before}
        if not task.move_to("done", now=now, by=by.email, reason=f"by hand: {note}", **columns):
            return False
        if posting.state == "sent" and posting.error == FORMER_ORGANISATION:
            posting.move_locked_to("rejected", now=now, by=by.email, reason="seen to by hand")
        if posting.state in ("rejected", "pending"):
            posting.move_locked_to("cancelled", now=now, by=by.email, reason="done by hand", error="")
        if posting.kind == Kind.INVOICE_PAYMENT:
            PaymentAllocation.objects.filter(pk=get_posting_allocation(posting).pk).update(
                outcome=PaymentAllocation.Outcome.BY_HAND
            )
        schedule_ledger_payments_sync(task.merchant, now=now)
    return True


class CannotReopen(Exception):
    """What was done by hand cannot be taken back; the message tells a person why."""


@transaction_required
def resolve_contact_task(task: ManualTask, *, note: str, by: User, now: datetime) -> bool:
    """Close it because a person says what was done; answers False if it was closed before.

    What was refused meanwhile is sent again, and the contact is read again.
    """
    if not task.move_to("done", now=now, by=by.email, reason=f"by hand: {note}", done_by=by, note=note[:300]):
        return False
    documents = [(task.company.organisation_id, "contacts", key) for key in list_contact_ids(task.company)]
    if documents:
        schedule_refetch(task.merchant_id, documents, now=now)
    retry_company_postings(task.company, now=now)
    return True


@transaction_required
def reopen_contact_task(task: ManualTask, *, by: User, now: datetime) -> None:
    """Take back that it was done by hand, while the contact does not stand. Raises CannotReopen."""
    current = task.lock()
    if current.state != "done" or current.done_by_id is None:
        raise CannotReopen("Nothing of it can be taken back any more.")
    if list_contact_tasks(current.merchant).filter(company=current.company_id).exists():
        raise CannotReopen("A newer task about the same contact is open already.")
    if find_manual_result(current) == ManualResult.FOUND:
        raise CannotReopen("The contact stands in the books, so there is nothing left to do.")
    current.move_locked_to("open", now=now, by=by.email, reason="opened again", done_by=None, note="")


def reopen_manual_task(task: ManualTask, *, by: User, now: datetime) -> None:
    """Take back that a task was done by hand, so that its posting waits as it did before. Raises CannotReopen.

    What the books show is not taken back: it would be booked twice.
    """
    with transaction():
        if task.posting is None:
            reopen_contact_task(task, by=by, now=now)
            return
        posting = task.posting.lock()
        current = task.lock()
        if current.state != "done" or current.done_by_id is None or posting.state != "cancelled":
            raise CannotReopen("Nothing of it can be taken back any more.")
        if find_manual_result(current) == ManualResult.FOUND:
            raise CannotReopen("The books show that it was done. Remove it there first, then read the books again.")
        LedgerPayment.objects.filter(posting=posting).update(posting=None)
        error = current.posting_before.get("error") or f"Opened again by {by}."
        posting.move_locked_to("rejected", now=now, by=by.email, reason="opened again", error=error)
        task.move_to("open", now=now, by=by.email, reason="opened again", done_by=None, note="", posting_before={})
        if posting.kind == Kind.INVOICE_PAYMENT:
            allocations = PaymentAllocation.objects.filter(pk=get_posting_allocation(posting).pk)
            allocations.update(outcome=PaymentAllocation.Outcome.INVOICE)
        schedule_task_check(task.merchant, now=now + CHECK_INTERVAL)


def list_settled_tasks(merchant: Merchant) -> list[tuple[ManualTask, ManualResult]]:
    """The tasks that people said were done by hand, newest first, each with what the books show of it."""
    rows = ManualTask.objects.filter(merchant=merchant, state="done", done_by__isnull=False)
    rows = rows.select_related("company", "payment", "posting", "done_by").order_by("-state_at")
    return [(task, find_manual_result(task)) for task in rows[:MAX_SETTLED]]


def list_open_tasks(merchant: Merchant) -> models.QuerySet[ManualTask]:
    """The merchant's open tasks, oldest first."""
    return (
        ManualTask.objects.filter(merchant=merchant, state="open").select_related("company", "payment").order_by("pk")
    )


def schedule_task_check(merchant: Merchant, *, now: datetime) -> None:
    """Have a worker check later whether people did what the tasks ask for."""
    outbox.schedule(f"look:{merchant.pk}", "accounting.look_at_tasks", now=now, merchant_id=merchant.pk)


@transaction_required
def retry_task_posting(task: ManualTask, remote_note: RemoteCreditNote | None, *, now: datetime) -> bool:
    """Send the task's posting again if nothing that we know of stands in its way; answers whether it will be."""
    if task.posting is None:
        return False
    posting = task.posting.lock()
    if posting.state != "rejected" or needs_manual_task(posting, remote_note):
        return False
    return posting.move_locked_to("pending", now=now, by="books", reason="looked again", error="")


def is_locked_reversal(posting: Posting, *, refusal: str) -> bool:
    """Whether something that is to be undone or made smaller lies in a locked period."""
    return posting.kind in REVERSALS and is_period_locked(refusal)


def needs_manual_task(posting: Posting, remote_note: RemoteCreditNote | None, *, refusal: str = "") -> bool:
    """Whether only a person can clear what the ledger refused; everything else is retried as it is."""
    if is_locked_reversal(posting, refusal=refusal):
        return True
    rule = get_kind(posting).manual_task
    return rule is not None and rule.is_needed(posting, remote_note, refusal=refusal)
