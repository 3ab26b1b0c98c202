"""Broken connections: the causes are told apart, people hear of it once, and what waited goes on by itself."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.checks import due_checks, look_after
from connections.models import Connection, ConnectionEvent
from connections.tokens import fresh_access_token
from merchants.models import Notification
from tests.connections.walk import HERE, come_back, consent, divide, mark, set_out, tiers, token_calls
from tests.people import Checkout, House
from wisepay.errors import Disconnected, Unavailable

MINUTE = timedelta(minutes=1)


def steer(house: House, **orders: Any) -> None:
    """Something happens at Xero."""
    house.world.post("/xero/_control", orders)


def check(house: House, *, after: timedelta = MINUTE) -> Connection:
    """The background check, as of later; answers the connection afterwards."""
    look_after(house.connection, now=timezone.now() + after)
    return house.connection


def expire(house: House) -> None:
    """Let the access token end."""
    Connection.objects.filter(merchant=house.merchant).update(access_expires_at=timezone.now())


def page(house: House, tail: str = "") -> str:
    """The screen."""
    return str(house.admin.get(house.url(HERE + tail)).content.decode())


# ---- causes ----------------------------------------------------------------------------------------


def test_access_that_was_revoked_is_found_by_the_next_check(house: House) -> None:
    steer(house, revoke=house.user.email)
    held = check(house)
    assert (held.state, held.cause) == ("broken", "revoked")
    assert "took Wise-Pay&#x27;s access to Xero back" in page(house)


def test_an_organisation_that_was_disconnected_at_xero_is_found_by_the_next_check(house: House) -> None:
    steer(house, disconnect="*")
    held = check(house)
    assert (held.state, held.cause) == ("broken", "disconnected")
    assert "was disconnected from Wise-Pay inside Xero" in page(house)


def test_a_permission_that_ran_out_is_told_from_one_that_was_revoked(house: House) -> None:
    long_ago = timezone.now() - timedelta(days=61)
    Connection.objects.update(refreshed_at=long_ago, connected_at=long_ago)
    steer(house, expire="all")
    expire(house)
    with pytest.raises(Disconnected):
        fresh_access_token(house.connection, now=timezone.now())
    assert (house.connection.state, house.connection.cause) == ("broken", "expired")
    assert "was not used for too long" in page(house)


def test_a_person_who_was_removed_is_told_from_a_disconnection(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    drain()
    steer(house, remove_user={"organisation": "au", "email": house.user.email})
    checkout.pay()
    for minutes in (1, 2):
        drain(at=timezone.now() + timedelta(minutes=minutes))
    assert (house.connection.state, house.connection.cause) == ("broken", "user_removed")
    assert "was removed there" in page(house)
    assert set(checkout.payment.postings.values_list("state", flat=True)) <= {"pending", "sent"}


def test_a_disconnection_that_work_finds_first_is_called_one(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    drain()
    steer(house, disconnect="*")
    checkout.pay()
    for minutes in (1, 2):
        drain(at=timezone.now() + timedelta(minutes=minutes))
    assert (house.connection.state, house.connection.cause) == ("broken", "disconnected")


# ---- a provider that is away ------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["xero-oauth", "xero-identity"])
def test_a_provider_that_is_down_is_never_shown_as_broken(house: House, service: str) -> None:
    expire(house)
    with house.world.faulty(service, "status", status=503, times=None):
        since = check(house).unavailable_since
        held = check(house, after=2 * MINUTE)
    assert held.state == "connected"
    assert since is not None
    assert held.unavailable_since == since, "it is away since the first silence"
    shown = page(house)
    assert "Xero is unavailable. Nothing is lost" in shown
    assert "is unavailable</strong> since" in page(house, "notice")
    assert 'data-state="broken"' not in shown
    assert Notification.objects.filter(event="connection_broken").count() == 0
    held = check(house, after=3 * MINUTE)
    assert (held.state, held.unavailable_since, held.last_error) == ("connected", None, "")
    assert "unavailable" not in page(house, "notice")
    kinds = ConnectionEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["unavailable", "available"]


def test_books_that_are_down_while_the_front_door_answers_stay_unavailable_until_they_answer(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    drain()
    checkout.pay()
    with house.world.faulty("xero", "status", status=503, times=None):
        drain()
        held = check(house)
        assert (held.state, held.unavailable_since is not None) == ("connected", True)
    drain(at=timezone.now() + 20 * MINUTE)
    assert house.connection.unavailable_since is None
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_a_limit_is_no_outage(house: House, checkout: Checkout, drain: Callable[..., int]) -> None:
    drain()
    checkout.pay()
    limited = {"status": 429, "headers": {"X-Rate-Limit-Problem": "minute", "Retry-After": "30"}}
    with house.world.faulty("xero", "status", times=None, **limited):
        drain()
    held = house.connection
    assert (held.state, held.unavailable_since, held.failures) == ("connected", None, 0)
    assert "unavailable" not in page(house, "notice")


def test_the_button_says_that_the_provider_cannot_say_and_breaks_nothing(house: House) -> None:
    with house.world.faulty("xero-identity", "drop_before", times=None):
        answer = house.admin.post(house.url(f"{HERE}wise_pay/verify"), follow=True)
    assert b"say at the moment" in answer.content
    assert house.connection.state == "connected"


# ---- telling people ---------------------------------------------------------------------------------


def test_three_connections_that_break_for_one_cause_are_one_notice_and_one_mail(
    house: House, drain: Callable[..., int]
) -> None:
    held = divide(house)
    drain()
    steer(house, revoke=house.user.email)
    for connection in held.values():
        look_after(connection, now=timezone.now() + MINUTE)
    assert {c.state for c in tiers(house).values()} == {"broken"}
    drain()
    assert Notification.objects.filter(event="connection_broken").count() == 1
    mails = [m for m in house.mails(house.user.email) if "disconnected" in m["subject"]]
    assert len(mails) == 1
    notice = page(house, "notice")
    assert "3 connections to your accounting package are broken: Wise-Pay, Company, Service" in notice
    assert "Manage Connections" in notice


def test_each_break_is_told_again_once(house: House, drain: Callable[..., int]) -> None:
    for number in (1, 2):
        steer(house, disconnect="*")
        for _ in range(3):
            check(house)
        assert Notification.objects.filter(event="connection_broken").count() == number
        come_back(house.admin, consent(set_out(house), "au"))
    assert house.connection.state == "connected"


def test_a_merchant_user_sees_the_notice_without_the_button(house: House) -> None:
    steer(house, disconnect="*")
    check(house)
    house.merchant.memberships.update(role="user")
    notice = page(house, "notice")
    assert "is broken" in notice
    assert "Manage Connections" not in notice


def test_the_dashboard_asks_for_the_notice(house: House) -> None:
    assert house.url(f"{HERE}notice") in house.admin.get(house.url()).content.decode()


# ---- going on ---------------------------------------------------------------------------------------


def test_what_waited_goes_on_by_itself_after_connecting_again(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    drain()
    steer(house, disconnect="*")
    check(house)
    checkout.pay()
    drain()
    since = mark(house)
    drain(at=timezone.now() + 5 * MINUTE)
    assert house.world.journal("xero", since=since) == [], "nothing is tried while the connection is broken"
    assert checkout.payment.postings.filter(state="pending").count() > 0
    come_back(house.admin, consent(set_out(house), "au"))
    drain()
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_another_company_than_the_other_connections_is_refused(house: House) -> None:
    divide(house)
    house.admin.post(house.url(f"{HERE}company/disconnect"))
    answer = come_back(house.admin, consent(set_out(house, tier="company"), "nz"))
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "Kauri Networks Practice (NZ) is another company than Harbour IT Practice (AU)" in text
    assert "Change company" in text
    assert tiers(house)["company"].state == "disconnected"


def test_a_broken_connection_is_not_mended_with_another_company(house: House) -> None:
    steer(house, disconnect="*")
    check(house)
    answer = come_back(house.admin, consent(set_out(house), "nz"))
    assert answer.status_code == 400
    assert (house.connection.state, house.connection.organisation_name) == ("broken", "Harbour IT Practice (AU)")


def test_changing_company_leads_from_disconnecting_all_to_the_accounts_of_the_new_one(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    drain()
    divide(house)
    text = page(house, "change-company")
    assert "1. Disconnect Harbour IT Practice (AU)" in text
    assert "Connect to Xero" not in text
    answer = house.admin.post(house.url(f"{HERE}change-company/disconnect-all"), follow=True)
    assert "Nothing is connected any more." in answer.content.decode()
    assert answer.content.decode().count("Connect to Xero") == 3
    assert house.world.get("/xero/_control").json()["connections"] == []
    for tier in ("wise_pay", "company", "service"):
        come_back(house.admin, consent(set_out(house, tier=tier), "nz"))
    assert {c.organisation_name for c in tiers(house).values()} == {"Kauri Networks Practice (NZ)"}
    checkout.pay()
    drain()
    assert set(checkout.payment.postings.values_list("state", flat=True)) == {"pending"}, "its accounts are others"
    waiting = house.admin.get(house.url("postings/")).content.decode()
    assert "Choose the accounts and the tax code of Kauri Networks Practice (NZ) first" in waiting


# ---- checks in the background ------------------------------------------------------------------------


def test_a_check_costs_nothing_where_a_call_just_succeeded(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    checkout.pay()
    drain()
    since = mark(house)
    assert due_checks(now=timezone.now() + timedelta(seconds=15)) == []
    look_after(house.connection, now=timezone.now())
    assert house.world.journal("xero-identity", since=since) == []
    assert token_calls(house, since) == 0


def test_a_quiet_connection_is_due_within_half_a_minute_and_for_one_worker_only(house: House) -> None:
    later = timezone.now() + timedelta(seconds=25)
    assert due_checks(now=later) == [house.connection.pk]
    assert due_checks(now=later) == []
    steer(house, disconnect="*")
    assert due_checks(now=later + timedelta(seconds=15)) == []
    assert due_checks(now=later + timedelta(seconds=25)) == [house.connection.pk]


def test_a_token_is_refreshed_in_the_background_before_anybody_waits_for_it(house: House) -> None:
    ends = timezone.now() + timedelta(minutes=30)
    Connection.objects.update(access_expires_at=ends, succeeded_at=ends)
    since = mark(house)
    assert due_checks(now=ends - timedelta(minutes=6)) == []
    assert due_checks(now=ends - timedelta(minutes=4)) == [house.connection.pk]
    look_after(house.connection, now=ends - timedelta(minutes=4))
    assert token_calls(house, since) == 1
    fresh_access_token(house.connection, now=ends - timedelta(seconds=80))
    assert token_calls(house, since) == 1, "whoever works then finds it fresh"


def test_broken_and_disconnected_connections_are_left_alone(house: House) -> None:
    steer(house, disconnect="*")
    check(house)
    assert due_checks(now=timezone.now() + 5 * MINUTE) == []
    house.admin.post(house.url(f"{HERE}wise_pay/disconnect"))
    assert due_checks(now=timezone.now() + 9 * MINUTE) == []


@pytest.mark.parametrize(
    ("provider", "refreshed", "connected", "is_warned"),
    [("xero", 45, 300, False), ("xero", 47, 300, True), ("quickbooks", 80, 300, False), ("quickbooks", 90, 300, True),
     ("quickbooks", 1, 5 * 365 - 20, False), ("quickbooks", 1, 5 * 365 - 10, True)],
)  # fmt: skip
def test_a_permission_that_ends_soon_is_warned_of_once(
    house: House, provider: str, refreshed: int, connected: int, is_warned: bool
) -> None:
    now = timezone.now()
    Connection.objects.update(
        provider=provider,
        refreshed_at=now - timedelta(days=refreshed),
        connected_at=now - timedelta(days=connected),
        succeeded_at=now,
    )
    for _ in range(3):
        look_after(house.connection, now=now)
    told = Notification.objects.filter(title__contains="runs out on")
    assert told.count() == int(is_warned)
    assert ("Connect again before then" in page(house)) == is_warned


def test_what_the_provider_cannot_say_is_raised_to_whoever_asked(house: House) -> None:
    expire(house)
    with house.world.faulty("xero-oauth", "timeout", seconds=0.1), pytest.raises(Unavailable):
        fresh_access_token(house.connection, now=timezone.now())
    assert house.connection.unavailable_since is not None
