"""Tokens: one refresh serves everybody, a lost answer costs nothing, and only a refused grant breaks a connection."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from connections.checks import examine, heed_verdict
from connections.models import Connection
from connections.tokens import fresh_access_token
from merchants.models import Notification
from tests.connections.walk import HERE, come_back, consent, mark, set_out, token_calls
from tests.people import Checkout, House
from tests.together import together
from wisepay.errors import Disconnected, Unavailable
from wisepay.models import AuditEntry

WEATHER: list[dict[str, Any]] = [
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "html", "status": 200},
    {"kind": "html", "status": 403},
    {"kind": "status", "status": 401, "body": {"error": "invalid_client"}},
]


def expire(house: House) -> None:
    """Let the access token end."""
    Connection.objects.filter(merchant=house.merchant).update(access_expires_at=timezone.now())


def works(house: House, token: str) -> bool:
    """Whether Xero takes this access token."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{house.world.url}/xero/connections", headers=headers, timeout=10).ok


@pytest.mark.django_db(transaction=True)
def test_many_workers_with_an_expired_token_make_one_refresh(house: House) -> None:
    expire(house)
    since = mark(house)
    now = timezone.now()
    tokens = together(8, lambda _: fresh_access_token(house.connection, now=now))
    assert len(set(tokens)) == 1
    assert token_calls(house, since) == 1
    assert works(house, tokens[0])


def test_a_token_that_is_still_good_costs_nothing(house: House) -> None:
    since = mark(house)
    assert fresh_access_token(house.connection, now=timezone.now()) == house.connection.access_token.reveal()
    assert token_calls(house, since) == 0


def test_a_token_is_refreshed_before_it_ends(house: House) -> None:
    ends = timezone.now() + timedelta(minutes=30)
    Connection.objects.update(access_expires_at=ends)
    since = mark(house)
    fresh_access_token(house.connection, now=ends - timedelta(seconds=91))
    assert token_calls(house, since) == 0
    fresh_access_token(house.connection, now=ends - timedelta(seconds=90))
    assert token_calls(house, since) == 1


def test_the_next_refresh_uses_the_newest_refresh_token(house: House) -> None:
    seen = [house.connection.refresh_token.reveal()]
    for _ in range(3):
        expire(house)
        assert works(house, fresh_access_token(house.connection, now=timezone.now()))
        seen.append(house.connection.refresh_token.reveal())
    assert len(set(seen)) == 4


def test_a_lost_answer_is_made_good_by_the_old_tokens_grace(house: House) -> None:
    expire(house)
    old = house.connection.refresh_token.reveal()
    with house.world.faulty("xero-oauth", "drop_after", path="/token"), pytest.raises(Unavailable):
        fresh_access_token(house.connection, now=timezone.now())
    assert (house.connection.state, house.connection.refresh_token.reveal()) == ("connected", old)
    house.world.advance(29 * 60)
    assert works(house, fresh_access_token(house.connection, now=timezone.now()))


@pytest.mark.parametrize("fault", WEATHER, ids=str)
def test_weather_never_breaks_a_connection(house: House, fault: dict[str, Any]) -> None:
    expire(house)
    with house.world.faulty("xero-oauth", path="/token", **fault), pytest.raises(Unavailable):
        fresh_access_token(house.connection, now=timezone.now())
    assert house.connection.state == "connected"
    assert works(house, fresh_access_token(house.connection, now=timezone.now()))


def test_a_limit_is_passed_on_with_its_pause(house: House) -> None:
    expire(house)
    limited = house.world.faulty("xero-oauth", "status", status=429, headers={"Retry-After": "17"})
    with limited, pytest.raises(Unavailable) as error:
        fresh_access_token(house.connection, now=timezone.now())
    assert error.value.retry_after == 17


def test_a_refused_grant_breaks_the_connection_and_tells_once(house: House, drain: Callable[..., int]) -> None:
    drain()
    house.world.post("/xero/_control", {"revoke": house.user.email})
    expire(house)
    since = mark(house)
    for _ in range(3):
        with pytest.raises(Disconnected):
            fresh_access_token(house.connection, now=timezone.now())
    assert token_calls(house, since) == 1
    held = house.connection
    assert held.state == "broken"
    assert "refused" in held.last_error
    told = Notification.objects.get(event="connection_broken")
    assert told.path == house.url(HERE)
    drain()
    mails = house.world.get("/mailbox/messages.json").json()["messages"]
    assert len([m for m in mails if "disconnected" in m["subject"]]) == 1


def test_a_broken_connection_is_mended_by_connecting_again(house: House) -> None:
    house.world.post("/xero/_control", {"revoke": house.user.email})
    expire(house)
    with pytest.raises(Disconnected):
        fresh_access_token(house.connection, now=timezone.now())
    come_back(house.admin, consent(set_out(house), "au"))
    held = house.connection
    assert (held.state, held.last_error) == ("connected", "")
    assert works(house, fresh_access_token(held, now=timezone.now()))


# ---- the buttons -----------------------------------------------------------------------------------


def press(house: House, act: str) -> str:
    """Press a button of the table; answers the page that follows."""
    answer = house.admin.post(house.url(f"{HERE}wise_pay/{act}"), follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_verify_says_that_a_good_token_works_and_when_it_was_tested(house: House) -> None:
    Connection.objects.update(tested_at=None, test_passed=None)
    page = press(house, "verify")
    assert "The connection works." in page
    assert "passed" in page
    assert house.connection.tested_at is not None


def test_verify_refreshes_an_expired_token_first(house: House) -> None:
    expire(house)
    house.world.post("/xero/_control", {"expire": "access"})
    assert "The connection works." in press(house, "verify")


def test_verify_finds_what_was_disconnected_at_the_package(house: House) -> None:
    house.world.post("/xero/_control", {"disconnect": "*"})
    page = press(house, "verify")
    assert "no longer valid" in page
    assert (house.connection.state, house.connection.test_passed) == ("broken", False)


def test_verify_says_when_the_package_cannot_say(house: House) -> None:
    tested_at = house.connection.tested_at
    with house.world.faulty("xero-identity", "status", status=503, times=None):
        page = press(house, "verify")
    assert "can&#x27;t say at the moment" in page or "can't say at the moment" in page
    assert (house.connection.state, house.connection.tested_at) == ("connected", tested_at)


def test_disconnect_gives_the_access_back_and_forgets_the_tokens(house: House) -> None:
    remote = house.connection.remote_id
    assert "Disconnected." in press(house, "disconnect")
    held = house.connection
    assert (held.state, bool(held.access_token), bool(held.refresh_token)) == ("disconnected", False, False)
    rows = house.world.get("/xero/_control").json()["connections"]
    assert remote not in [row["id"] for row in rows]
    assert AuditEntry.objects.filter(act="connection.disconnected").count() == 1
    with pytest.raises(Disconnected):
        fresh_access_token(held, now=timezone.now())


def test_disconnect_works_while_the_package_is_away(house: House) -> None:
    with house.world.faulty("xero-identity", "drop_before", times=None):
        press(house, "disconnect")
    assert (house.connection.state, bool(house.connection.refresh_token)) == ("disconnected", False)


def test_disconnecting_twice_is_harmless(house: House) -> None:
    press(house, "disconnect")
    press(house, "disconnect")
    assert house.connection.history().filter(to_state="disconnected").count() == 1


def test_the_dashboards_notice_follows_the_connection(house: House) -> None:
    path = house.url(f"{HERE}notice")
    headers = {"HX-Request": "true"}
    assert house.admin.get(path, headers=headers).content.strip() == b""
    house.world.post("/xero/_control", {"disconnect": "*"})
    press(house, "verify")
    assert b"is broken" in house.admin.get(path, headers=headers).content
    press(house, "disconnect")
    assert b"No accounting package is connected" in house.admin.get(path, headers=headers).content


def test_money_is_taken_while_the_books_are_away(house: House, drain: Callable[..., int]) -> None:
    checkout = house.open_checkout()
    press(house, "disconnect")
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
    drain()
    assert checkout.quote.state == "paid"


def test_a_token_that_is_refused_before_its_time_is_refreshed_and_nothing_breaks(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    checkout.pay()
    house.world.advance(2 * 3600)  # Xero's clock runs ahead: its token is over, and ours seems good
    for minutes in (1, 2, 3):
        drain(at=timezone.now() + timedelta(minutes=minutes))
    assert (house.connection.state, house.connection.is_doubted) == ("connected", False)
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_a_token_that_is_refused_twice_in_a_row_breaks_the_connection(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    checkout.pay()
    with house.world.faulty("xero", "status", status=401, times=None, path="/Contacts*"):
        for minutes in (1, 2, 3):
            drain(at=timezone.now() + timedelta(minutes=minutes))
    assert house.connection.state == "broken"
    assert Notification.objects.filter(event="connection_broken").count() == 1


def test_a_refusal_long_after_another_is_the_first_of_its_row(
    house: House, checkout: Checkout, drain: Callable[..., int]
) -> None:
    """Between the two work was cut short, so that nothing noted what was accepted."""
    long_ago = timezone.now() - timedelta(minutes=11)
    Connection.objects.filter(merchant=house.merchant).update(is_doubted=True, refreshed_at=long_ago)
    checkout.pay()
    house.world.advance(2 * 3600)
    for minutes in (1, 2, 3):
        drain(at=timezone.now() + timedelta(minutes=minutes))
    assert (house.connection.state, house.connection.is_doubted) == ("connected", False)
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_a_verdict_about_an_old_permission_does_not_break_a_new_one(house: House) -> None:
    asked_about = house.connection
    house.world.post("/xero/_control", {"disconnect": "*"})
    verdict = examine(asked_about, now=timezone.now())
    assert verdict.cause is not None
    come_back(house.admin, consent(set_out(house), "au"))
    heed_verdict(asked_about, verdict, now=timezone.now())
    assert house.connection.state == "connected"
    heed_verdict(house.connection, verdict, now=timezone.now())
    assert house.connection.state == "broken"
