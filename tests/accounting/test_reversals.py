"""Reversed payments in the books: credit voided, money off the invoice, a person asked where only a hand helps."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.facts import look_at_tasks
from accounting.models import HandTask, Posting
from connections.models import Connection
from merchants.models import Notification
from tests.accounting.debits import (
    CARD,
    Attempted,
    allocate,
    at_xero,
    change_note,
    come_again,
    hold_back,
    invoices,
    let_come,
    notes,
    payments_there,
    submit,
    try_to_pay,
)
from tests.people import House
from wisepay.models import AuditEntry

Drain = Callable[..., int]


def later(seconds: float = 30) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def settled(house: House, drain: Drain) -> Attempted:
    """A bank debit that settled and is in the books."""
    debit = submit(house)
    drain()
    debit.settle()
    drain()
    return debit


def verify_reversed(house: House, debit: Attempted) -> None:
    """The credit is void, the invoice is owed again, the payment is gone."""
    assert [status for _, status, _ in notes(house)] == ["VOIDED"]
    assert invoices(house) == [("AUTHORISED", 625.0, 625.0)]
    assert [status for _, status, _ in payments_there(house)] == ["DELETED"]
    assert (debit.note.state, debit.note.remaining) == ("voided", 0)
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def test_a_reversed_payment_leaves_the_books(house: House, drain: Drain, settled: Attempted) -> None:
    settled.reverse()
    drain()
    verify_reversed(house, settled)
    come_again("accounting.reverse_payment")
    before = len(house.world.journal("xero"))
    drain()
    assert len(house.world.journal("xero")) == before


def test_a_reversed_card_payment_leaves_the_books_too(house: House, drain: Drain) -> None:
    paid = try_to_pay(house, house.open_checkout().payment, CARD)
    paid.settle()
    drain()
    paid.reverse()
    drain()
    verify_reversed(house, paid)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize("path", ["/CreditNotes*", "/Payments/*"])
def test_weather_at_the_reversal_ends_with_one_void_and_one_removal(
    house: House, drain: Drain, settled: Attempted, kind: str, path: str
) -> None:
    settled.reverse()
    house.world.fault("xero", kind, method="POST", path=path, times=1)
    drain()
    assert Posting.objects.filter(state__in=["sent", "pending"]).exists()
    drain(at=later())
    verify_reversed(house, settled)


def test_a_reversal_before_anything_was_posted_posts_nothing(house: House, drain: Drain) -> None:
    drain()
    Connection.objects.update(blocked_until=later(20))
    debit = submit(house)
    debit.settle()
    drain()
    debit.reverse()
    drain(at=later())
    assert (notes(house), invoices(house), payments_there(house)) == ([], [], [])
    assert set(debit.states.values()) == {"cancelled"}
    assert debit.note.state == "removed"


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_reversal_while_the_approval_is_unknown_ends_without_a_credit(house: House, drain: Drain, kind: str) -> None:
    debit = submit(house)
    drain()
    debit.settle()
    house.world.fault("xero", kind, method="POST", path="/CreditNotes*", times=1)
    drain()
    assert debit.states["approval"] == "sent"
    debit.reverse()
    drain()
    drain(at=later())
    assert [status for _, status, _ in notes(house)] == ["VOIDED" if kind == "drop_after" else "DELETED"]
    assert payments_there(house) == []
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def test_a_reversal_while_the_approval_waits_removes_the_draft(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    Connection.objects.update(blocked_until=later(20))
    debit.settle()
    drain()
    assert debit.states["approval"] == "pending"
    debit.reverse()
    drain(at=later())
    assert [status for _, status, _ in notes(house)] == ["DELETED"]
    assert (debit.note.state, debit.states["approval"], debit.states["removal"]) == ("removed", "cancelled", "posted")


def test_a_reversal_while_the_card_credit_is_unknown_ends_without_it(house: House, drain: Drain) -> None:
    for kind in ("drop_after", "drop_before"):
        paid = try_to_pay(house, house.open_checkout().payment, CARD)
        paid.settle()
        house.world.fault("xero", kind, method="PUT", path="/CreditNotes*", times=1)
        drain()
        assert paid.states["credit_note"] == "sent"
        paid.reverse()
        drain()
        drain(at=later())
        assert paid.note.state == ("voided" if kind == "drop_after" else "removed")
    assert [status for _, status, _ in notes(house)] == ["VOIDED"]
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def test_paid_again_after_a_reversal_has_a_number_of_its_own(house: House, drain: Drain, settled: Attempted) -> None:
    settled.reverse()
    drain()
    second = try_to_pay(house, settled.payment, CARD)
    second.settle()
    drain()
    stem = settled.payment.reference[:12].upper()
    assert notes(house) == [(f"PF_CR-{stem}", "VOIDED", 0.0), (f"PF_CR-{stem}-2", "AUTHORISED", 625.0)]
    assert invoices(house) == [("PAID", 625.0, 0.0)]
    assert payments_there(house) == [(f"PF-{stem}", "DELETED", 625.0), (f"PF-{stem}-2", "AUTHORISED", 625.0)]
    second.reverse()
    drain()
    third = try_to_pay(house, settled.payment, CARD)
    third.settle()
    drain()
    assert [(n, s) for n, s, _ in notes(house)][1:] == [
        (f"PF_CR-{stem}-2", "VOIDED"),
        (f"PF_CR-{stem}-3", "AUTHORISED"),
    ]
    assert invoices(house) == [("PAID", 625.0, 0.0)]


def test_paid_again_before_the_reversal_was_posted_waits_for_it(house: House, drain: Drain, settled: Attempted) -> None:
    Connection.objects.update(blocked_until=later(20))
    settled.reverse()
    second = try_to_pay(house, settled.payment, CARD)
    second.settle()
    hold_back("accounting.reverse_payment")
    drain()
    let_come("accounting.reverse_payment")
    drain(at=later())
    assert invoices(house) == [("PAID", 625.0, 0.0)]
    assert [status for _, status, _ in notes(house)] == ["VOIDED", "AUTHORISED"]
    assert [status for _, status, _ in payments_there(house)] == ["DELETED", "AUTHORISED"]


def test_paid_again_by_more_gives_the_invoice_the_new_amount(house: House, drain: Drain, settled: Attempted) -> None:
    settled.reverse()
    second = try_to_pay(house, settled.payment, CARD, amount=125000)
    second.settle()
    drain()
    assert invoices(house) == [("PAID", 1250.0, 0.0)]
    assert [(status, left) for _, status, left in notes(house)] == [("VOIDED", 0.0), ("AUTHORISED", 1250.0)]
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


@pytest.mark.parametrize("kind", ["drop_after", "drop_before"])
def test_a_lost_answer_to_the_new_amount_is_looked_for(
    house: House, drain: Drain, settled: Attempted, kind: str
) -> None:
    settled.reverse()
    second = try_to_pay(house, settled.payment, CARD, amount=125000)
    second.settle()
    house.world.fault("xero", kind, method="POST", path="/Invoices*", times=1)
    drain()
    assert second.states["invoice_change"] == "sent"
    drain(at=later())
    assert invoices(house) == [("PAID", 1250.0, 0.0)]


def test_a_credit_that_was_used_asks_a_person_and_is_voided_once_it_is_free(
    house: House, drain: Drain, settled: Attempted
) -> None:
    path = allocate(house, settled.note, 200)
    settled.reverse()
    drain()
    task = HandTask.objects.get()
    assert (task.kind, task.state, settled.states["void"]) == ("void", "open", "rejected")
    steps = " ".join(task.steps)
    assert settled.note.number in steps
    assert "A$200.00 to invoice INV-9" in steps
    assert (settled.note.remaining, settled.note.allocations[0]["amount"]) == (42500, 20000)
    assert invoices(house) == [("AUTHORISED", 625.0, 625.0)]
    assert look_at_tasks(house.merchant, now=timezone.now()) == 1
    assert settled.states["void"] == "rejected"
    at_xero(house, "DELETE", path)
    drain(at=later(1000))
    task.refresh_from_db()
    assert (task.state, task.done_by, settled.note.state) == ("done", None, "voided")
    assert Notification.objects.filter(event="books_task").count() == 1
    assert not Notification.objects.filter(event="posting_refused").exists()


def test_a_credit_that_is_still_used_is_looked_at_again_and_nobody_is_told_twice(
    house: House, drain: Drain, settled: Attempted
) -> None:
    allocate(house, settled.note, 625)
    settled.reverse()
    drain()
    assert settled.note.state == "applied"
    for seconds in (1000, 2000, 3000):
        before = len(house.world.journal("xero"))
        drain(at=later(seconds))
        assert [e["method"] for e in house.world.journal("xero")[before:]] == ["GET"]
    house.admin.post(house.url("postings/retry"))
    drain()
    assert HandTask.objects.filter(state="open").count() == 1
    assert Notification.objects.filter(event="books_task").count() == 1


def test_a_person_who_did_it_by_hand_closes_the_task(house: House, drain: Drain, settled: Attempted) -> None:
    path = allocate(house, settled.note, 200)
    settled.reverse()
    drain()
    at_xero(house, "DELETE", path)
    at_xero(
        house, "POST", "CreditNotes", {"CreditNotes": [{"CreditNoteID": settled.note.ledger_id, "Status": "VOIDED"}]}
    )
    task = HandTask.objects.get()
    assert house.admin.post(house.url(f"postings/tasks/{task.reference}/done")).status_code == 302
    drain(at=later(4000))
    task.refresh_from_db()
    assert (task.state, task.done_by, settled.states["void"]) == ("done", house.user, "cancelled")
    assert AuditEntry.objects.filter(act="books_task.done", merchant_id=house.merchant.pk).count() == 1


def test_a_reconciled_payment_asks_a_person(house: House, drain: Drain, settled: Attempted) -> None:
    body = {
        "Type": "ValidationException",
        "Elements": [{"ValidationErrors": [{"Message": "The payment is reconciled and cannot be deleted"}]}],
    }
    house.world.fault("xero", "status", status=400, method="POST", path="/Payments/*", times=1, body=body)
    settled.reverse()
    drain()
    task = HandTask.objects.get()
    assert (task.kind, settled.states["payment_removal"]) == ("payment_removal", "rejected")
    assert "Unreconcile" in " ".join(task.steps)
    drain(at=later(1000))
    verify_reversed(house, settled)
    assert HandTask.objects.get().state == "done"


def test_the_next_payment_waits_until_the_reversed_one_is_off_the_invoice(
    house: House, drain: Drain, settled: Attempted
) -> None:
    body = {"Message": "The payment is reconciled"}
    house.world.fault("xero", "status", status=400, method="POST", path="/Payments/*", times=1, body=body)
    settled.reverse()
    drain()
    second = try_to_pay(house, settled.payment, CARD)
    second.settle()
    drain()
    assert (settled.states["payment_removal"], second.states["payment"]) == ("rejected", "pending")
    assert second.note.state == "approved"
    drain(at=later(1000))
    assert second.states["payment"] == "posted"
    assert invoices(house) == [("PAID", 625.0, 0.0)]


def test_a_draft_that_was_approved_by_hand_is_voided_when_its_debit_fails(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    change_note(house, debit.note, "AUTHORISED")
    debit.fail()
    drain()
    assert [status for _, status, _ in notes(house)] == ["VOIDED"]
    assert (debit.note.state, debit.states["removal"], debit.states["void"]) == ("voided", "cancelled", "posted")


def test_a_draft_that_was_deleted_by_hand_asks_for_the_credit_when_its_debit_settles(
    house: House, drain: Drain
) -> None:
    debit = submit(house)
    drain()
    at_xero(
        house, "POST", "CreditNotes", {"CreditNotes": [{"CreditNoteID": debit.note.ledger_id, "Status": "DELETED"}]}
    )
    debit.settle()
    drain()
    task = HandTask.objects.get()
    assert (task.kind, debit.note.state) == ("approval", "removed")
    assert "was deleted in Xero" in " ".join(task.steps)
    assert invoices(house) == [("PAID", 625.0, 0.0)]
