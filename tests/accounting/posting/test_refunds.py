"""Refunds in the ledger: they reduce the credit once, and give it back when they fail."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import ManualTask, Posting
from connections.models import Connection
from tests.accounting.posting.debits import (
    CARD,
    AttemptScenario,
    allocate_credit_note,
    call_xero,
    create_processing_attempt,
    hold_messages,
    list_credit_notes,
    list_ledger_payments,
    receive_refund_outcome,
    redeliver_messages,
    release_messages,
    submit_debit,
)
from tests.tenants import Tenant

DeliverOutbox = Callable[..., int]


def later(seconds: float = 30) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def paid(tenant: Tenant, deliver: DeliverOutbox) -> AttemptScenario:
    """A card payment that is in the ledger."""
    attempt = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    attempt.settle()
    deliver()
    return attempt


def list_active_refunds(tenant: Tenant) -> list[tuple[str, float]]:
    """(reference, amount) of the refunds that stand."""
    rows = list_ledger_payments(tenant)
    return [(ref, amount) for ref, status, amount in rows if ref.startswith("PF_RF-") and status == "AUTHORISED"]


def get_remaining_credit(tenant: Tenant) -> float:
    """The remaining credit of the only note."""
    [(_, _, remaining)] = list_credit_notes(tenant)
    return remaining


def test_refunds_take_of_the_credit_until_nothing_is_left(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    first = paid.refund(10000)
    deliver()
    assert list_active_refunds(tenant) == [(f"PF_RF-{first.reference[:12].upper()}", 100.0)]
    assert (get_remaining_credit(tenant), paid.note.remaining, paid.note.state) == (525.0, 52500, "approved")
    paid.refund(52500)
    deliver()
    [(_, status, remaining)] = list_credit_notes(tenant)
    assert (status, remaining, paid.note.remaining, paid.note.state) == ("PAID", 0.0, 0, "applied")
    [refund] = [p for p in call_xero(tenant, "GET", "Payments")["Payments"] if p["Amount"] == 100.0]
    assert (refund["Account"]["Code"], refund["CreditNote"]["CreditNoteNumber"]) == ("615", paid.note.number)


def test_several_refunds_go_out_in_one_call(tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario) -> None:
    paid.refund(100)
    paid.refund(200)
    before = len(tenant.world.journal("xero"))
    deliver()
    assert len(tenant.world.journal("xero")) == before + 1
    assert get_remaining_credit(tenant) == 622.0


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
def test_an_outage_at_a_refund_ends_with_one_refund(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario, kind: str
) -> None:
    refund = paid.refund(10000)
    tenant.world.fault("xero", kind, method="PUT", path="/Payments*", times=1)
    deliver()
    assert paid.states["refund"] == "sent"
    deliver(at=later())
    assert list_active_refunds(tenant) == [(f"PF_RF-{refund.reference[:12].upper()}", 100.0)]
    assert (get_remaining_credit(tenant), paid.note.remaining) == (525.0, 52500)


def test_a_refund_that_fails_later_is_taken_back(tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario) -> None:
    refund = paid.refund(62500)
    deliver()
    assert paid.note.state == "applied"
    receive_refund_outcome(refund, "failed")
    deliver()
    assert (list_active_refunds(tenant), get_remaining_credit(tenant)) == ([], 625.0)
    assert (paid.note.state, paid.note.remaining) == ("approved", 62500)
    redeliver_messages("accounting.undo_refund")
    redeliver_messages("accounting.post_refund")
    before = len(tenant.world.journal("xero"))
    deliver()
    assert len(tenant.world.journal("xero")) == before


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_refund_that_fails_during_an_outage_leaves_nothing(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario, kind: str, method: str
) -> None:
    refund = paid.refund(10000)
    tenant.world.fault("xero", kind, method=method, path="/Payments*", times=1)
    deliver()
    receive_refund_outcome(refund, "failed")
    deliver()
    deliver(at=later())
    assert (list_active_refunds(tenant), get_remaining_credit(tenant), paid.note.remaining) == ([], 625.0, 62500)
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def test_a_refund_that_fails_before_it_was_posted_is_never_posted(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    Connection.objects.update(blocked_until=later(20))
    refund = paid.refund(10000)
    deliver()
    receive_refund_outcome(refund, "failed")
    deliver(at=later())
    assert paid.states["refund"] == "cancelled"
    assert list_ledger_payments(tenant) == [(f"PF-{paid.payment.reference[:12].upper()}", "AUTHORISED", 625.0)]


def test_news_of_a_failed_refund_that_overtakes_leaves_nothing(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    refund = paid.refund(10000)
    hold_messages("accounting.post_refund")
    receive_refund_outcome(refund, "failed")
    deliver()
    release_messages("accounting.post_refund")
    deliver()
    assert (list_active_refunds(tenant), get_remaining_credit(tenant)) == ([], 625.0)
    assert "refund" not in paid.states


def test_a_refund_before_the_note_exists_waits_for_it(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    hold_messages("payments.follow_success")
    debit.refund(10000)
    deliver()
    assert (get_remaining_credit(tenant), debit.note.state) == (525.0, "approved")
    release_messages("payments.follow_success")
    deliver()
    assert (get_remaining_credit(tenant), len(list_active_refunds(tenant))) == (525.0, 1)


def test_a_refund_of_an_allocated_credit_asks_a_person_and_goes_on_once_there_is_room(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    path = allocate_credit_note(tenant, paid.note, 600)
    paid.refund(10000)
    deliver()
    task = ManualTask.objects.get()
    steps = " ".join(task.steps)
    assert (task.kind, paid.states["refund"]) == ("refund", "rejected")
    assert "A$25.00 are unused" in steps
    assert "A$600.00 to invoice INV-9" in steps
    assert (paid.note.remaining, task.company) == (2500, paid.payment.company)
    page = tenant.admin.get(tenant.url("postings/")).content.decode()
    assert task.title in page
    assert "INV-9" in page
    call_xero(tenant, "DELETE", path)
    deliver(at=later(1000))
    assert ManualTask.objects.get().state == "done"
    assert (get_remaining_credit(tenant), len(list_active_refunds(tenant))) == (525.0, 1)


def test_a_refund_that_somebody_booked_by_hand_is_not_booked_twice(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    path = allocate_credit_note(tenant, paid.note, 600)
    paid.refund(10000)
    deliver()
    task = ManualTask.objects.get()
    tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/done"), {"note": "Booked it by hand."})
    call_xero(tenant, "DELETE", path)
    deliver(at=later(4000))
    assert (paid.states["refund"], list_active_refunds(tenant)) == ("cancelled", [])


def test_a_task_ends_when_its_refund_fails(tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario) -> None:
    allocate_credit_note(tenant, paid.note, 600)
    refund = paid.refund(10000)
    deliver()
    receive_refund_outcome(refund, "failed")
    deliver()
    assert (ManualTask.objects.get().state, paid.states["refund"]) == ("done", "cancelled")


def test_a_refund_before_a_reversal_is_named_among_what_has_to_be_undone(
    tenant: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    refund = paid.refund(10000)
    deliver()
    paid.reverse()
    deliver()
    task = ManualTask.objects.get()
    assert task.kind == "void"
    assert "refund of A$100.00" in " ".join(task.steps)
    assert f"PF_RF-{refund.reference[:12].upper()}" in " ".join(task.steps)


def test_only_the_merchants_own_people_see_and_close_its_tasks(
    tenant: Tenant, stranger: Tenant, deliver: DeliverOutbox, paid: AttemptScenario
) -> None:
    allocate_credit_note(tenant, paid.note, 600)
    paid.refund(10000)
    deliver()
    task = ManualTask.objects.get()
    crossed = f"postings/tasks/{task.reference}/done"
    assert stranger.admin.post(tenant.url(crossed)).status_code == 404
    assert stranger.admin.post(stranger.url(crossed)).status_code == 404
    assert task.title not in stranger.admin.get(stranger.url("postings/")).content.decode()
    assert ManualTask.objects.get().state == "open"
    dashboard = tenant.admin.get(tenant.url("postings/waiting")).content.decode()
    assert "1 task in the accounting package" in dashboard
    panel = tenant.admin.get(tenant.url(f"postings/of/{paid.payment.reference}")).content.decode()
    assert f"#task-{task.reference}" in panel
    assert "A$25.00 of A$625.00 unused" in panel
