"""Reversed payments in the ledger: credit voided, payment removed, a task opened where only a person can help."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import ManualTask, Posting
from accounting.posting.credit_notes import sync_manual_tasks
from connections.models import Connection
from merchants.models import Notification
from tests.accounting.posting.debits import (
    CARD,
    AttemptScenario,
    allocate_credit_note,
    call_xero,
    create_processing_attempt,
    hold_messages,
    list_credit_notes,
    list_ledger_payments,
    list_pf_invoices,
    redeliver_messages,
    release_messages,
    set_credit_note_status,
    submit_debit,
)
from tests.tenants import Tenant
from wisepay.models import AuditEntry

DeliverOutbox = Callable[..., int]


def later(seconds: float = 30) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def settled(tenant: Tenant, deliver: DeliverOutbox) -> AttemptScenario:
    """A bank debit that settled and is in the ledger."""
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    deliver()
    return debit


def verify_reversed(tenant: Tenant, debit: AttemptScenario) -> None:
    """The credit is void, the invoice is owed again, the payment is gone."""
    assert [status for _, status, _ in list_credit_notes(tenant)] == ["VOIDED"]
    assert list_pf_invoices(tenant) == [("AUTHORISED", 625.0, 625.0)]
    assert [status for _, status, _ in list_ledger_payments(tenant)] == ["DELETED"]
    assert (debit.note.state, debit.note.remaining) == ("voided", 0)
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def test_a_reversed_payment_leaves_the_books(tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario) -> None:
    settled.reverse()
    deliver()
    verify_reversed(tenant, settled)
    redeliver_messages("accounting.reverse_payment")
    before = len(tenant.world.journal("xero"))
    deliver()
    assert len(tenant.world.journal("xero")) == before


def test_a_reversed_card_payment_leaves_the_books_too(tenant: Tenant, deliver: DeliverOutbox) -> None:
    paid = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
    paid.settle()
    deliver()
    paid.reverse()
    deliver()
    verify_reversed(tenant, paid)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize("path", ["/CreditNotes*", "/Payments/*"])
def test_an_outage_at_the_reversal_ends_with_one_void_and_one_removal(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario, kind: str, path: str
) -> None:
    settled.reverse()
    tenant.world.fault("xero", kind, method="POST", path=path, times=1)
    deliver()
    assert Posting.objects.filter(state__in=["sent", "pending"]).exists()
    deliver(at=later())
    verify_reversed(tenant, settled)


def test_a_reversal_before_anything_was_posted_posts_nothing(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    Connection.objects.update(blocked_until=later(20))
    debit = submit_debit(tenant)
    debit.settle()
    deliver()
    debit.reverse()
    deliver(at=later())
    assert (list_credit_notes(tenant), list_pf_invoices(tenant), list_ledger_payments(tenant)) == ([], [], [])
    assert set(debit.states.values()) == {"cancelled"}
    assert debit.note.state == "removed"


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_reversal_while_the_approval_is_unknown_ends_without_a_credit(
    tenant: Tenant, deliver: DeliverOutbox, kind: str
) -> None:
    debit = submit_debit(tenant)
    deliver()
    debit.settle()
    tenant.world.fault("xero", kind, method="POST", path="/CreditNotes*", times=1)
    deliver()
    assert debit.states["approval"] == "sent"
    debit.reverse()
    deliver()
    deliver(at=later())
    assert [status for _, status, _ in list_credit_notes(tenant)] == ["VOIDED" if kind == "drop_after" else "DELETED"]
    assert list_ledger_payments(tenant) == []
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def test_a_reversal_while_the_approval_waits_removes_the_draft(tenant: Tenant, deliver: DeliverOutbox) -> None:
    debit = submit_debit(tenant)
    deliver()
    Connection.objects.update(blocked_until=later(20))
    debit.settle()
    deliver()
    assert debit.states["approval"] == "pending"
    debit.reverse()
    deliver(at=later())
    assert [status for _, status, _ in list_credit_notes(tenant)] == ["DELETED"]
    assert (debit.note.state, debit.states["approval"], debit.states["removal"]) == ("removed", "cancelled", "posted")


def test_a_reversal_while_the_card_credit_is_unknown_ends_without_it(tenant: Tenant, deliver: DeliverOutbox) -> None:
    for kind in ("drop_after", "drop_before"):
        paid = create_processing_attempt(tenant, tenant.open_checkout().payment, CARD)
        paid.settle()
        tenant.world.fault("xero", kind, method="PUT", path="/CreditNotes*", times=1)
        deliver()
        assert paid.states["credit_note"] == "sent"
        paid.reverse()
        deliver()
        deliver(at=later())
        assert paid.note.state == ("voided" if kind == "drop_after" else "removed")
    assert [status for _, status, _ in list_credit_notes(tenant)] == ["VOIDED"]
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


def test_paid_again_after_a_reversal_has_a_number_of_its_own(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    settled.reverse()
    deliver()
    second = create_processing_attempt(tenant, settled.payment, CARD)
    second.settle()
    deliver()
    stem = settled.payment.reference[:12].upper()
    assert list_credit_notes(tenant) == [(f"PF_CR-{stem}", "VOIDED", 0.0), (f"PF_CR-{stem}-2", "AUTHORISED", 625.0)]
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]
    assert list_ledger_payments(tenant) == [(f"PF-{stem}", "DELETED", 625.0), (f"PF-{stem}-2", "AUTHORISED", 625.0)]
    second.reverse()
    deliver()
    third = create_processing_attempt(tenant, settled.payment, CARD)
    third.settle()
    deliver()
    assert [(n, s) for n, s, _ in list_credit_notes(tenant)][1:] == [
        (f"PF_CR-{stem}-2", "VOIDED"),
        (f"PF_CR-{stem}-3", "AUTHORISED"),
    ]
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]


def test_paid_again_before_the_reversal_was_posted_waits_for_it(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    Connection.objects.update(blocked_until=later(20))
    settled.reverse()
    second = create_processing_attempt(tenant, settled.payment, CARD)
    second.settle()
    hold_messages("accounting.reverse_payment")
    deliver()
    release_messages("accounting.reverse_payment")
    deliver(at=later())
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]
    assert [status for _, status, _ in list_credit_notes(tenant)] == ["VOIDED", "AUTHORISED"]
    assert [status for _, status, _ in list_ledger_payments(tenant)] == ["DELETED", "AUTHORISED"]


def test_paid_again_by_more_gives_the_invoice_the_new_amount(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    settled.reverse()
    second = create_processing_attempt(tenant, settled.payment, CARD, amount=125000)
    second.settle()
    deliver()
    assert list_pf_invoices(tenant) == [("PAID", 1250.0, 0.0)]
    assert [(status, remaining) for _, status, remaining in list_credit_notes(tenant)] == [
        ("VOIDED", 0.0),
        ("AUTHORISED", 1250.0),
    ]
    assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_to_the_new_amount_is_looked_for(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario, kind: str
) -> None:
    settled.reverse()
    second = create_processing_attempt(tenant, settled.payment, CARD, amount=125000)
    second.settle()
    tenant.world.fault("xero", kind, method="POST", path="/Invoices*", times=1)
    deliver()
    assert second.states["invoice_change"] == "sent"
    deliver(at=later())
    assert list_pf_invoices(tenant) == [("PAID", 1250.0, 0.0)]


def test_a_credit_that_was_used_asks_a_person_and_is_voided_once_it_is_free(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    path = allocate_credit_note(tenant, settled.note, 200)
    settled.reverse()
    deliver()
    task = ManualTask.objects.get()
    assert (task.kind, task.state, settled.states["void"]) == ("void", "open", "rejected")
    steps = " ".join(task.steps)
    assert settled.note.number in steps
    assert "A$200.00 to invoice INV-9" in steps
    assert (settled.note.remaining, settled.note.allocations[0]["amount"]) == (42500, 20000)
    assert list_pf_invoices(tenant) == [("AUTHORISED", 625.0, 625.0)]
    assert sync_manual_tasks(tenant.merchant, now=timezone.now()) == 1
    assert settled.states["void"] == "rejected"
    call_xero(tenant, "DELETE", path)
    deliver(at=later(1000))
    task.refresh_from_db()
    assert (task.state, task.done_by, settled.note.state) == ("done", None, "voided")
    assert Notification.objects.filter(event="books_task").count() == 1
    assert not Notification.objects.filter(event="posting_refused").exists()


def test_a_credit_that_is_still_used_is_looked_at_again_and_nobody_is_told_twice(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    allocate_credit_note(tenant, settled.note, 625)
    settled.reverse()
    deliver()
    assert settled.note.state == "applied"
    for seconds in (1000, 2000, 3000):
        before = len(tenant.world.journal("xero"))
        deliver(at=later(seconds))
        assert [e["method"] for e in tenant.world.journal("xero")[before:]] == ["GET"]
    tenant.admin.post(tenant.url("postings/retry"))
    deliver()
    assert ManualTask.objects.filter(state="open").count() == 1
    assert Notification.objects.filter(event="books_task").count() == 1


def test_a_person_who_did_it_by_hand_closes_the_task(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    path = allocate_credit_note(tenant, settled.note, 200)
    settled.reverse()
    deliver()
    call_xero(tenant, "DELETE", path)
    call_xero(
        tenant, "POST", "CreditNotes", {"CreditNotes": [{"CreditNoteID": settled.note.ledger_id, "Status": "VOIDED"}]}
    )
    task = ManualTask.objects.get()
    note = {"note": "Voided it in Xero."}
    assert tenant.admin.post(tenant.url(f"postings/tasks/{task.reference}/done"), note).status_code == 302
    deliver(at=later(4000))
    task.refresh_from_db()
    assert (task.state, task.done_by, settled.states["void"]) == ("done", tenant.user, "cancelled")
    assert AuditEntry.objects.filter(action="books_task.done", merchant_id=tenant.merchant.pk).count() == 1


def test_a_reconciled_payment_asks_a_person(tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario) -> None:
    body = {
        "Type": "ValidationException",
        "Elements": [{"ValidationErrors": [{"Message": "The payment is reconciled and cannot be deleted"}]}],
    }
    tenant.world.fault("xero", "status", status=400, method="POST", path="/Payments/*", times=1, body=body)
    settled.reverse()
    deliver()
    task = ManualTask.objects.get()
    assert (task.kind, settled.states["payment_removal"]) == ("payment_removal", "rejected")
    assert "Unreconcile" in " ".join(task.steps)
    deliver(at=later(1000))
    verify_reversed(tenant, settled)
    assert ManualTask.objects.get().state == "done"


def test_the_next_payment_waits_until_the_reversed_one_is_off_the_invoice(
    tenant: Tenant, deliver: DeliverOutbox, settled: AttemptScenario
) -> None:
    body = {"Message": "The payment is reconciled"}
    tenant.world.fault("xero", "status", status=400, method="POST", path="/Payments/*", times=1, body=body)
    settled.reverse()
    deliver()
    second = create_processing_attempt(tenant, settled.payment, CARD)
    second.settle()
    deliver()
    assert (settled.states["payment_removal"], second.states["payment"]) == ("rejected", "pending")
    assert second.note.state == "approved"
    deliver(at=later(1000))
    assert second.states["payment"] == "posted"
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]


def test_a_draft_that_was_approved_by_hand_is_voided_when_its_debit_fails(
    tenant: Tenant, deliver: DeliverOutbox
) -> None:
    debit = submit_debit(tenant)
    deliver()
    set_credit_note_status(tenant, debit.note, "AUTHORISED")
    debit.fail()
    deliver()
    assert [status for _, status, _ in list_credit_notes(tenant)] == ["VOIDED"]
    assert (debit.note.state, debit.states["removal"], debit.states["void"]) == ("voided", "cancelled", "posted")


def test_a_draft_that_was_deleted_by_hand_asks_for_the_credit_when_its_debit_settles(
    tenant: Tenant, deliver: DeliverOutbox
) -> None:
    debit = submit_debit(tenant)
    deliver()
    call_xero(
        tenant, "POST", "CreditNotes", {"CreditNotes": [{"CreditNoteID": debit.note.ledger_id, "Status": "DELETED"}]}
    )
    debit.settle()
    deliver()
    task = ManualTask.objects.get()
    assert (task.kind, debit.note.state) == ("approval", "removed")
    assert "was deleted in Xero" in " ".join(task.steps)
    assert list_pf_invoices(tenant) == [("PAID", 625.0, 0.0)]
