"""Bank debits in the books: a draft, then exactly one approved credit or none, in whatever order the news comes."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import CreditNote, Posting
from accounting.services import retry_postings
from connections.models import Connection
from tests.accounting.debits import (
    Attempted,
    change_note,
    come_again,
    hold_back,
    invoices,
    let_come,
    notes,
    payments_there,
    submit,
)
from tests.people import House, connect_xero

Drain = Callable[..., int]
SETTLED = {"draft_note": "posted", "approval": "posted", "invoice": "posted", "payment": "posted"}


def later(seconds: float = 30) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def number(debit: Attempted, nth: str = "") -> str:
    return f"PF_CR-{debit.payment.reference[:12].upper()}{nth}"


def verify_settled(house: House, debit: Attempted) -> None:
    """Exactly one approved credit, and the invoice paid once."""
    assert notes(house) == [(number(debit), "AUTHORISED", 625.0)]
    assert invoices(house) == [("PAID", 625.0, 0.0)]
    assert [(status, amount) for _, status, amount in payments_there(house)] == [("AUTHORISED", 625.0)]
    assert (debit.note.state, debit.note.remaining) == ("approved", 62500)
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def verify_nothing(house: House, debit: Attempted) -> None:
    """No credit and no money."""
    assert [status for _, status, _ in notes(house)] in ([], ["DELETED"])
    assert invoices(house) == []
    assert debit.note.state == "removed"
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def test_a_submitted_debit_is_a_draft_and_no_money(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    assert notes(house) == [(number(debit), "DRAFT", 625.0)]
    assert (invoices(house), payments_there(house)) == ([], [])
    assert (debit.note.state, debit.states) == ("draft", {"draft_note": "posted"})


def test_a_settled_debit_approves_its_draft(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    debit.settle()
    drain()
    verify_settled(house, debit)
    assert debit.states == SETTLED


def test_a_failed_debit_removes_its_draft(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    debit.fail()
    drain()
    verify_nothing(house, debit)
    assert debit.states == {"draft_note": "posted", "removal": "posted"}


def test_a_debit_that_settles_before_its_draft_was_sent_needs_no_draft(house: House, drain: Drain) -> None:
    drain()
    Connection.objects.update(blocked_until=later(20))
    debit = submit(house)
    drain()
    debit.settle()
    drain()
    assert debit.states["draft_note"] == "cancelled"
    drain(at=later())
    verify_settled(house, debit)
    assert "approval" not in debit.states


def test_a_debit_that_fails_before_its_draft_was_sent_is_never_posted(house: House, drain: Drain) -> None:
    drain()
    Connection.objects.update(blocked_until=later(20))
    debit = submit(house)
    drain()
    debit.fail()
    drain(at=later())
    assert debit.states == {"draft_note": "cancelled"}
    assert notes(house) == []
    verify_nothing(house, debit)


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize("end", ["settle", "fail", "reverse"])
def test_a_debit_that_ends_while_its_draft_is_sent_is_looked_for_first(
    house: House, drain: Drain, kind: str, end: str
) -> None:
    house.world.fault("xero", kind, method="PUT", path="/CreditNotes*", times=1)
    debit = submit(house)
    drain()
    assert debit.states == {"draft_note": "sent"}
    if end == "reverse":
        debit.settle()
    getattr(debit, end)()
    drain()
    drain(at=later())
    if end == "settle":
        verify_settled(house, debit)
    else:
        assert [status for _, status, _ in notes(house)] in ([], ["DELETED"], ["VOIDED"])
        assert debit.note.state in ("removed", "voided")
        assert payments_there(house) == []
        assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/CreditNotes*"), ("PUT", "/Invoices*"), ("PUT", "/Payments*")])
def test_weather_at_any_call_of_the_settlement_ends_with_one_approved_credit(
    house: House, drain: Drain, kind: str, method: str, path: str
) -> None:
    debit = submit(house)
    drain()
    debit.settle()
    house.world.fault("xero", kind, method=method, path=path, times=1)
    drain()
    assert Posting.objects.filter(state__in=["sent", "pending"]).exists()
    drain(at=later())
    verify_settled(house, debit)
    assert debit.states == SETTLED


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status"])
def test_weather_at_the_removal_ends_with_no_draft(house: House, drain: Drain, kind: str) -> None:
    debit = submit(house)
    drain()
    debit.fail()
    house.world.fault("xero", kind, method="POST", path="/CreditNotes*", times=1)
    drain()
    assert debit.states["removal"] == "sent"
    drain(at=later())
    verify_nothing(house, debit)


@pytest.mark.parametrize("end", ["settle", "fail"])
def test_news_that_comes_in_the_wrong_order_ends_the_same(house: House, drain: Drain, end: str) -> None:
    debit = submit(house)
    hold_back("accounting.post_debit")
    getattr(debit, end)()
    drain()
    let_come("accounting.post_debit")
    drain()
    if end == "settle":
        verify_settled(house, debit)
    else:
        assert notes(house) == []
        assert not CreditNote.objects.exists()


def test_news_that_comes_twice_changes_nothing(house: House, drain: Drain) -> None:
    settled, failed = submit(house), submit(house)
    drain()
    settled.settle()
    failed.fail()
    drain()
    before = len(house.world.journal("xero"))
    for handler in ("accounting.post_debit", "accounting.post_payment", "accounting.drop_debit"):
        come_again(handler)
    drain()
    assert len(house.world.journal("xero")) == before
    assert (settled.states, failed.states) == (SETTLED, {"draft_note": "posted", "removal": "posted"})


def test_a_connection_that_breaks_in_between_loses_nothing(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    house.world.post("/xero/_control", {"revoke": house.user.email})
    Connection.objects.update(access_expires_at=timezone.now())
    debit.settle()
    drain()
    assert house.connection.state == "broken"
    connect_xero(house.merchant, house.user, organisation="au")
    drain()
    verify_settled(house, debit)


def test_a_draft_that_is_refused_is_made_when_it_is_tried_again(house: House, drain: Drain) -> None:
    house.world.post("/xero/_control", {"archive_account": {"organisation": "au", "code": "815"}})
    debit = submit(house)
    drain()
    if debit.states["draft_note"] == "posted":  # drafts are not held against the chart of accounts
        house.world.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "815"}})
    else:
        assert debit.note.state == "rejected"
        house.world.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "815"}})
        retry_postings(house.merchant, by="admin", now=timezone.now())
        drain()
    assert debit.note.state == "draft"


def test_a_refused_draft_whose_debit_settles_becomes_an_approved_credit(house: House, drain: Drain) -> None:
    house.world.fault("xero", "status", status=400, method="PUT", path="/CreditNotes*", times=1, body={"Message": "No"})
    debit = submit(house)
    drain()
    assert (debit.states, debit.note.state) == ({"draft_note": "rejected"}, "rejected")
    debit.settle()
    drain()
    verify_settled(house, debit)


def test_several_debits_go_through_each_stage_in_one_call_a_kind(house: House, drain: Drain) -> None:
    drain()
    debits = [submit(house) for _ in range(3)]
    drain()
    before = len(house.world.journal("xero"))
    for debit in debits:
        debit.settle()
    drain()
    calls = [(e["method"], e["path"]) for e in house.world.journal("xero")[before:]]
    assert calls == [("PUT", "/Invoices"), ("POST", "/CreditNotes"), ("PUT", "/Payments")]
    assert {d.note.state for d in debits} == {"approved"}


def test_one_draft_that_somebody_deleted_does_not_hold_up_the_others(house: House, drain: Drain) -> None:
    from_xero, fine = submit(house), submit(house)
    drain()
    change_note(house, from_xero.note, "DELETED")
    from_xero.settle()
    fine.settle()
    drain()
    assert (fine.note.state, from_xero.states["approval"]) == ("approved", "rejected")
