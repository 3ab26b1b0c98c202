"""Refunds in the books: the credit becomes smaller by them, once, and larger again when they fail."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import HandTask, Posting
from connections.models import Connection
from tests.accounting.debits import (
    CARD,
    Attempted,
    allocate,
    at_xero,
    come_again,
    hold_back,
    let_come,
    notes,
    payments_there,
    say_refund,
    submit,
    try_to_pay,
)
from tests.people import House

Drain = Callable[..., int]


def later(seconds: float = 30) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


@pytest.fixture
def paid(house: House, drain: Drain) -> Attempted:
    """A card payment that is in the books."""
    attempt = try_to_pay(house, house.open_checkout().payment, CARD)
    attempt.settle()
    drain()
    return attempt


def standing_refunds(house: House) -> list[tuple[str, float]]:
    """(reference, amount) of the refunds that stand."""
    rows = payments_there(house)
    return [(ref, amount) for ref, status, amount in rows if ref.startswith("PF_RF-") and status == "AUTHORISED"]


def left(house: House) -> float:
    """What is left of the only note."""
    [(_, _, remaining)] = notes(house)
    return remaining


def test_refunds_take_of_the_credit_until_nothing_is_left(house: House, drain: Drain, paid: Attempted) -> None:
    first = paid.refund(10000)
    drain()
    assert standing_refunds(house) == [(f"PF_RF-{first.reference[:12].upper()}", 100.0)]
    assert (left(house), paid.note.remaining, paid.note.state) == (525.0, 52500, "approved")
    paid.refund(52500)
    drain()
    [(_, status, remaining)] = notes(house)
    assert (status, remaining, paid.note.remaining, paid.note.state) == ("PAID", 0.0, 0, "applied")
    [refund] = [p for p in at_xero(house, "GET", "Payments")["Payments"] if p["Amount"] == 100.0]
    assert (refund["Account"]["Code"], refund["CreditNote"]["CreditNoteNumber"]) == ("615", paid.note.number)


def test_several_refunds_go_out_in_one_call(house: House, drain: Drain, paid: Attempted) -> None:
    paid.refund(100)
    paid.refund(200)
    before = len(house.world.journal("xero"))
    drain()
    assert len(house.world.journal("xero")) == before + 1
    assert left(house) == 622.0


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
def test_weather_at_a_refund_ends_with_one_refund(house: House, drain: Drain, paid: Attempted, kind: str) -> None:
    refund = paid.refund(10000)
    house.world.fault("xero", kind, method="PUT", path="/Payments*", times=1)
    drain()
    assert paid.states["refund"] == "sent"
    drain(at=later())
    assert standing_refunds(house) == [(f"PF_RF-{refund.reference[:12].upper()}", 100.0)]
    assert (left(house), paid.note.remaining) == (525.0, 52500)


def test_a_refund_that_fails_later_is_taken_back(house: House, drain: Drain, paid: Attempted) -> None:
    refund = paid.refund(62500)
    drain()
    assert paid.note.state == "applied"
    say_refund(refund, "failed")
    drain()
    assert (standing_refunds(house), left(house)) == ([], 625.0)
    assert (paid.note.state, paid.note.remaining) == ("approved", 62500)
    come_again("accounting.undo_refund")
    come_again("accounting.post_refund")
    before = len(house.world.journal("xero"))
    drain()
    assert len(house.world.journal("xero")) == before


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_refund_that_fails_in_bad_weather_leaves_nothing(
    house: House, drain: Drain, paid: Attempted, kind: str, method: str
) -> None:
    refund = paid.refund(10000)
    house.world.fault("xero", kind, method=method, path="/Payments*", times=1)
    drain()
    say_refund(refund, "failed")
    drain()
    drain(at=later())
    assert (standing_refunds(house), left(house), paid.note.remaining) == ([], 625.0, 62500)
    assert not Posting.objects.exclude(state__in=Posting.OVER).exists()


def test_a_refund_that_fails_before_it_was_posted_is_never_posted(house: House, drain: Drain, paid: Attempted) -> None:
    Connection.objects.update(blocked_until=later(20))
    refund = paid.refund(10000)
    drain()
    say_refund(refund, "failed")
    drain(at=later())
    assert paid.states["refund"] == "cancelled"
    assert payments_there(house) == [(f"PF-{paid.payment.reference[:12].upper()}", "AUTHORISED", 625.0)]


def test_news_of_a_failed_refund_that_overtakes_leaves_nothing(house: House, drain: Drain, paid: Attempted) -> None:
    refund = paid.refund(10000)
    hold_back("accounting.post_refund")
    say_refund(refund, "failed")
    drain()
    let_come("accounting.post_refund")
    drain()
    assert (standing_refunds(house), left(house)) == ([], 625.0)
    assert "refund" not in paid.states


def test_a_refund_before_the_note_exists_waits_for_it(house: House, drain: Drain) -> None:
    debit = submit(house)
    drain()
    debit.settle()
    hold_back("payments.follow_success")
    debit.refund(10000)
    drain()
    assert (left(house), debit.note.state) == (525.0, "approved")
    let_come("payments.follow_success")
    drain()
    assert (left(house), len(standing_refunds(house))) == (525.0, 1)


def test_a_refund_of_an_allocated_credit_asks_a_person_and_goes_on_once_there_is_room(
    house: House, drain: Drain, paid: Attempted
) -> None:
    path = allocate(house, paid.note, 600)
    paid.refund(10000)
    drain()
    task = HandTask.objects.get()
    steps = " ".join(task.steps)
    assert (task.kind, paid.states["refund"]) == ("refund", "rejected")
    assert "A$25.00 are unused" in steps
    assert "A$600.00 to invoice INV-9" in steps
    assert (paid.note.remaining, task.company) == (2500, paid.payment.company)
    page = house.admin.get(house.url("postings/")).content.decode()
    assert task.title in page
    assert "INV-9" in page
    at_xero(house, "DELETE", path)
    drain(at=later(1000))
    assert HandTask.objects.get().state == "done"
    assert (left(house), len(standing_refunds(house))) == (525.0, 1)


def test_a_refund_that_somebody_booked_by_hand_is_not_booked_twice(house: House, drain: Drain, paid: Attempted) -> None:
    path = allocate(house, paid.note, 600)
    paid.refund(10000)
    drain()
    task = HandTask.objects.get()
    house.admin.post(house.url(f"postings/tasks/{task.reference}/done"))
    at_xero(house, "DELETE", path)
    drain(at=later(4000))
    assert (paid.states["refund"], standing_refunds(house)) == ("cancelled", [])


def test_a_task_ends_when_its_refund_fails(house: House, drain: Drain, paid: Attempted) -> None:
    allocate(house, paid.note, 600)
    refund = paid.refund(10000)
    drain()
    say_refund(refund, "failed")
    drain()
    assert (HandTask.objects.get().state, paid.states["refund"]) == ("done", "cancelled")


def test_a_refund_before_a_reversal_is_named_among_what_has_to_be_undone(
    house: House, drain: Drain, paid: Attempted
) -> None:
    refund = paid.refund(10000)
    drain()
    paid.reverse()
    drain()
    task = HandTask.objects.get()
    assert task.kind == "void"
    assert "refund of A$100.00" in " ".join(task.steps)
    assert f"PF_RF-{refund.reference[:12].upper()}" in " ".join(task.steps)


def test_only_the_merchants_own_people_see_and_close_its_tasks(
    house: House, stranger: House, drain: Drain, paid: Attempted
) -> None:
    allocate(house, paid.note, 600)
    paid.refund(10000)
    drain()
    task = HandTask.objects.get()
    crossed = f"postings/tasks/{task.reference}/done"
    assert stranger.admin.post(house.url(crossed)).status_code == 404
    assert stranger.admin.post(stranger.url(crossed)).status_code == 404
    assert task.title not in stranger.admin.get(stranger.url("postings/")).content.decode()
    assert HandTask.objects.get().state == "open"
    dashboard = house.admin.get(house.url("postings/waiting")).content.decode()
    assert "1 task in the accounting package" in dashboard
    panel = house.admin.get(house.url(f"postings/of/{paid.payment.reference}")).content.decode()
    assert f"#task-{task.reference}" in panel
    assert "A$25.00 of A$625.00 unused" in panel
