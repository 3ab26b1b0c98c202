"""What people say was done by hand: who may, what is asked, what the books show of it, and how it is taken back.

After kenlasko/monize#913 and firefly-iii/firefly-iii#3078, where a tick stood for proof, and nobody looked.
"""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import LedgerPayment, LedgerPaymentCursor, ManualTask, Posting
from accounting.reconciliation.differences import DifferenceKind
from accounting.reconciliation.ledger_payments import sync_ledger_payments
from accounting.reconciliation.manual_results import ManualResult, find_manual_result
from accounting.reconciliation.periods import Period
from accounting.reconciliation.report import ReconciliationReport, reconcile
from payments.balance.services import sync_balance
from payments.models import BalanceTransactionCursor, GatewayAccount
from payments.refunds import send_refund, start_refund
from tests.accounting.posting.debits import CARD, AttemptScenario, allocate_credit_note, call_xero
from tests.tenants import Tenant, give_role
from wisepay.models import AuditEntry

NOTE = "Entered the refund in Xero by hand."


@pytest.fixture
def paid(tenant: Tenant, deliver: Callable[..., int]) -> AttemptScenario:
    """A card payment that is at Stripe and in the books."""
    checkout = tenant.open_checkout()
    checkout.pay()
    deliver()
    return AttemptScenario(tenant, checkout.attempts[0], CARD)


def refund(paid: AttemptScenario, amount: int = 10_000) -> None:
    """Give money back through Stripe."""
    now = timezone.now()
    send_refund(start_refund(paid.payment, amount=amount, reason="", by=paid.tenant.user, now=now), now=now)


def press_done(tenant: Tenant, task: ManualTask, note: str = NOTE) -> int:
    """Press Done; the status of the answer."""
    return tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/done"), {"note": note}).status_code


def refund_what_was_used(tenant: Tenant, paid: AttemptScenario, deliver: Callable[..., int]) -> ManualTask:
    """Refund money whose credit was applied: a task for a person."""
    allocate_credit_note(tenant, paid.note, 600)
    refund(paid)
    deliver()
    return ManualTask.objects.get()


def read_all(tenant: Tenant) -> ReconciliationReport:
    """Read Stripe and the books an hour from now, and compare."""
    now = timezone.now() + timedelta(hours=1)
    sync_balance(GatewayAccount.objects.get(merchant=tenant.merchant), now=now)
    BalanceTransactionCursor.objects.update(known_until=now)
    sync_ledger_payments(tenant.merchant, now=now)
    LedgerPayment.objects.update(read_at=timezone.now() - timedelta(hours=1))
    today = now.astimezone(tenant.merchant.zone).date()
    return reconcile(tenant.merchant, Period(today - timedelta(days=2), today, tenant.merchant.zone), now=now)


def test_done_asks_what_was_done_and_is_written_down(
    tenant: Tenant, deliver: Callable[..., int], paid: AttemptScenario
) -> None:
    task = refund_what_was_used(tenant, paid, deliver)
    for nothing in ("", "   ", "ok"):
        answer = tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/done"), {"note": nothing})
        assert answer.status_code == 422
        assert "Say what was done in the accounting package" in answer.content.decode()
    assert ManualTask.objects.get().state == "open"
    assert press_done(tenant, task) == 302
    task.refresh_from_db()
    assert (task.state, task.done_by, task.note) == ("done", tenant.user, NOTE)
    assert AuditEntry.objects.get(action="books_task.done").detail == NOTE
    page = tenant.admin.get(tenant.url("postings/")).content.decode()
    assert NOTE in page
    assert "Not looked for yet" in page
    assert "Everything is in the books" not in page


def test_a_user_without_the_right_cannot_say_so(
    tenant: Tenant, deliver: Callable[..., int], paid: AttemptScenario
) -> None:
    task = refund_what_was_used(tenant, paid, deliver)
    give_role(tenant.merchant, "user")
    assert press_done(tenant, task) == 403
    page = tenant.admin.get(tenant.url("postings/")).content.decode()
    assert task.title in page
    assert "What was done?" not in page
    assert tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/open")).status_code == 403
    assert ManualTask.objects.get().state == "open"


def test_what_was_said_to_be_done_and_is_not_in_the_books_is_a_difference(
    tenant: Tenant, deliver: Callable[..., int], paid: AttemptScenario
) -> None:
    task = refund_what_was_used(tenant, paid, deliver)
    press_done(tenant, task)
    report = read_all(tenant)
    [row] = report.differences
    assert (row.kind, row.gap.amount) == (DifferenceKind.BY_HAND_MISSING, 10_000)
    assert report.verdict == "differs"
    assert find_manual_result(ManualTask.objects.get()) == ManualResult.MISSING
    assert "Not in the books" in tenant.admin.get(tenant.url("postings/")).content.decode()


@pytest.mark.parametrize("has_number", [True, False])
def test_what_was_done_is_found_by_its_number_or_by_its_document(
    tenant: Tenant, deliver: Callable[..., int], paid: AttemptScenario, has_number: bool
) -> None:
    path = allocate_credit_note(tenant, paid.note, 600)
    refund(paid)
    deliver()
    task = ManualTask.objects.get()
    call_xero(tenant, "DELETE", path)
    body = {
        "CreditNote": {"CreditNoteID": paid.note.ledger_id},
        "Account": {"Code": "615"},
        "Date": f"{task.get_posting().on:%Y-%m-%d}",
        "Amount": 100.0,
        "Reference": task.get_posting().number if has_number else "cash back",
    }
    call_xero(tenant, "PUT", "Payments", body)
    press_done(tenant, task)
    report = read_all(tenant)
    assert report.differences == []
    assert report.verdict == "agrees"
    assert find_manual_result(ManualTask.objects.get()) == ManualResult.FOUND
    answer = tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/open"), follow=True).content.decode()
    assert "The books show that it was done" in answer
    assert ManualTask.objects.get().state == "done", "it would be booked twice"


def test_done_is_taken_back_and_the_posting_waits_again(
    tenant: Tenant, deliver: Callable[..., int], paid: AttemptScenario
) -> None:
    task = refund_what_was_used(tenant, paid, deliver)
    refusal = task.get_posting().error
    press_done(tenant, task)
    read_all(tenant)
    assert tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/open")).status_code == 302
    task.refresh_from_db()
    posting = Posting.objects.get(pk=task.get_posting().pk)
    assert (task.state, task.done_by, task.note) == ("open", None, "")
    assert (posting.state, posting.error) == ("rejected", refusal)
    assert AuditEntry.objects.get(action="books_task.reopened").detail == NOTE
    assert tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/open")).status_code == 302
    assert press_done(tenant, task) == 302, "and may be done after all"


def test_strangers_take_nothing_back(
    tenant: Tenant, stranger: Tenant, deliver: Callable[..., int], paid: AttemptScenario
) -> None:
    task = refund_what_was_used(tenant, paid, deliver)
    press_done(tenant, task)
    crossed = f"postings/tasks/{task.reference}/open"
    assert stranger.admin.post(tenant.url(crossed)).status_code == 404
    assert stranger.admin.post(stranger.url(crossed)).status_code == 404
    assert ManualTask.objects.get().state == "done"
    assert LedgerPaymentCursor.objects.filter(merchant=stranger.merchant).count() == 0
