"""A reversal into a locked period is a task that says what a bookkeeper does instead, and goes on once it is open.

Xero: "The document date cannot be before the period lock date"; Intuit error 6210, "Account Period Closed".
"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import ManualTask, Posting
from accounting.posting.manual_task_rules import is_period_locked
from merchants.models import Notification
from tests.accounting.mirror.ledger_actions import get_package
from tests.accounting.posting.debits import CARD, create_processing_attempt
from tests.tenants import Tenant, deliver_outbox


def lock_period(tenant: Tenant, date: str | None) -> None:
    """Somebody locks the books up to and with that day, or opens them."""
    books = get_package(tenant)
    order = "lock" if tenant.connection.provider == "xero" else "close_books"
    tenant.world.post(books.control, {order: {books.organisation_field: "au", "date": date}})


def later(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def test_a_reversal_into_a_locked_period_says_what_to_do_instead(any_tenant: Tenant) -> None:
    deliver_outbox()
    paid = create_processing_attempt(any_tenant, any_tenant.open_checkout().payment, CARD)
    paid.settle()
    deliver_outbox()
    lock_period(any_tenant, (timezone.now() + timedelta(days=2)).date().isoformat())
    paid.reverse()
    deliver_outbox()
    states = dict(Posting.objects.values_list("kind", "state"))
    assert (states["void"], states["payment_removal"]) == ("rejected", "rejected")
    tasks = {task.kind: " ".join(task.steps) for task in ManualTask.objects.filter(state="open")}
    assert set(tasks) == {"void", "payment_removal"}
    assert "A$625.00" in tasks["payment_removal"]
    by_hand = {"xero": "Spend Money", "quickbooks": "Expense"}[any_tenant.connection.provider]
    assert by_hand in tasks["payment_removal"]
    assert "make an invoice dated today for Harbour Dental Pty Ltd" in tasks["void"]
    assert all("press Done here" in steps for steps in tasks.values())
    assert not Notification.objects.filter(event="posting_refused").exists()
    lock_period(any_tenant, None)
    deliver_outbox(at=later(1000))
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    assert not ManualTask.objects.filter(state="open").exists()


@pytest.mark.parametrize(
    ("refusal", "is_locked"),
    [
        ("The document date cannot be before the period lock date, currently set at 30 June 2026", True),
        ("The books are closed for this day in QuickBooks. Move the closing date. (QuickBooks 6210: x.)", True),
        ("Account Period Closed, Cannot Update Through Services Error", True),
        ("The payment is reconciled and cannot be deleted", False),
        ("", False),
    ],
)
def test_the_words_of_a_locked_period_are_known(refusal: str, is_locked: bool) -> None:
    assert is_period_locked(refusal) is is_locked
