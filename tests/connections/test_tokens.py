"""Tokens: one refresh serves everybody, a lost answer costs nothing, and only a refused grant breaks a connection."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone

from connections.models import Connection
from connections.tokens import get_access_token
from connections.verification import apply_verification, handle_unauthorised, verify_access
from merchants.models import Notification
from tests.concurrency import run_concurrently
from tests.connections.oauth_steps import (
    CONNECTIONS_PATH,
    allow_access,
    count_token_calls,
    get_journal_end,
    open_callback,
    start_consent,
)
from tests.tenants import Checkout, Tenant
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


def expire(tenant: Tenant) -> None:
    """Let the access token end."""
    Connection.objects.filter(merchant=tenant.merchant).update(access_expires_at=timezone.now())


def works(tenant: Tenant, token: str) -> bool:
    """Whether Xero takes this access token."""
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{tenant.world.url}/xero/connections", headers=headers, timeout=10).ok


@pytest.mark.django_db(transaction=True)
def test_many_workers_with_an_expired_token_make_one_refresh(tenant: Tenant) -> None:
    expire(tenant)
    since = get_journal_end(tenant)
    now = timezone.now()
    tokens = run_concurrently(8, lambda _: get_access_token(tenant.connection, now=now))
    assert len(set(tokens)) == 1
    assert count_token_calls(tenant, since) == 1
    assert works(tenant, tokens[0])


def test_a_token_that_is_still_good_costs_nothing(tenant: Tenant) -> None:
    since = get_journal_end(tenant)
    assert get_access_token(tenant.connection, now=timezone.now()) == tenant.connection.access_token.decrypt()
    assert count_token_calls(tenant, since) == 0


def test_a_token_is_refreshed_before_it_ends(tenant: Tenant) -> None:
    ends = timezone.now() + timedelta(minutes=30)
    Connection.objects.update(access_expires_at=ends)
    since = get_journal_end(tenant)
    get_access_token(tenant.connection, now=ends - timedelta(seconds=91))
    assert count_token_calls(tenant, since) == 0
    get_access_token(tenant.connection, now=ends - timedelta(seconds=90))
    assert count_token_calls(tenant, since) == 1


def test_the_next_refresh_uses_the_newest_refresh_token(tenant: Tenant) -> None:
    seen = [tenant.connection.refresh_token.decrypt()]
    for _ in range(3):
        expire(tenant)
        assert works(tenant, get_access_token(tenant.connection, now=timezone.now()))
        seen.append(tenant.connection.refresh_token.decrypt())
    assert len(set(seen)) == 4


def test_a_lost_answer_is_made_good_by_the_old_tokens_grace(tenant: Tenant) -> None:
    expire(tenant)
    old = tenant.connection.refresh_token.decrypt()
    with tenant.world.inject_fault("xero-oauth", "drop_after", path="/token"), pytest.raises(Unavailable):
        get_access_token(tenant.connection, now=timezone.now())
    assert (tenant.connection.state, tenant.connection.refresh_token.decrypt()) == ("connected", old)
    tenant.world.advance(29 * 60)
    assert works(tenant, get_access_token(tenant.connection, now=timezone.now()))


@pytest.mark.parametrize("fault", WEATHER, ids=str)
def test_an_outage_never_breaks_a_connection(tenant: Tenant, fault: dict[str, Any]) -> None:
    expire(tenant)
    with tenant.world.inject_fault("xero-oauth", path="/token", **fault), pytest.raises(Unavailable):
        get_access_token(tenant.connection, now=timezone.now())
    assert tenant.connection.state == "connected"
    assert works(tenant, get_access_token(tenant.connection, now=timezone.now()))


def test_a_limit_is_passed_on_with_its_pause(tenant: Tenant) -> None:
    expire(tenant)
    limited = tenant.world.inject_fault("xero-oauth", "status", status=429, headers={"Retry-After": "17"})
    with limited, pytest.raises(Unavailable) as error:
        get_access_token(tenant.connection, now=timezone.now())
    assert error.value.retry_after == 17


def test_a_refused_grant_breaks_the_connection_and_tells_once(tenant: Tenant, deliver: Callable[..., int]) -> None:
    deliver()
    tenant.world.post("/xero/_control", {"revoke": tenant.user.email})
    expire(tenant)
    since = get_journal_end(tenant)
    for _ in range(3):
        with pytest.raises(Disconnected):
            get_access_token(tenant.connection, now=timezone.now())
    assert count_token_calls(tenant, since) == 1
    connection = tenant.connection
    assert connection.state == "broken"
    assert "refused" in connection.last_error
    shown = Notification.objects.get(event="connection_broken")
    assert shown.path == tenant.url(CONNECTIONS_PATH)
    deliver()
    mails = tenant.world.get("/mailbox/messages.json").json()["messages"]
    assert len([m for m in mails if "disconnected" in m["subject"]]) == 1


def test_a_broken_connection_is_mended_by_connecting_again(tenant: Tenant) -> None:
    tenant.world.post("/xero/_control", {"revoke": tenant.user.email})
    expire(tenant)
    with pytest.raises(Disconnected):
        get_access_token(tenant.connection, now=timezone.now())
    open_callback(tenant.admin, allow_access(start_consent(tenant), "au"))
    connection = tenant.connection
    assert (connection.state, connection.last_error) == ("connected", "")
    assert works(tenant, get_access_token(connection, now=timezone.now()))


# ---- the buttons -----------------------------------------------------------------------------------


def press(tenant: Tenant, act: str) -> str:
    """Press a button of the table; answers the page that follows."""
    answer = tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/{act}"), follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_verify_says_that_a_good_token_works_and_when_it_was_tested(tenant: Tenant) -> None:
    Connection.objects.update(tested_at=None, test_passed=None)
    page = press(tenant, "verify")
    assert "The connection works." in page
    assert "passed" in page
    assert tenant.connection.tested_at is not None


def test_verify_refreshes_an_expired_token_first(tenant: Tenant) -> None:
    expire(tenant)
    tenant.world.post("/xero/_control", {"expire": "access"})
    assert "The connection works." in press(tenant, "verify")


def test_verify_finds_what_was_disconnected_at_the_package(tenant: Tenant) -> None:
    tenant.world.post("/xero/_control", {"disconnect": "*"})
    page = press(tenant, "verify")
    assert "no longer valid" in page
    assert (tenant.connection.state, tenant.connection.test_passed) == ("broken", False)


def test_verify_says_when_the_package_cannot_say(tenant: Tenant) -> None:
    tested_at = tenant.connection.tested_at
    with tenant.world.inject_fault("xero-identity", "status", status=503, times=None):
        page = press(tenant, "verify")
    assert "can&#x27;t say at the moment" in page or "can't say at the moment" in page
    assert (tenant.connection.state, tenant.connection.tested_at) == ("connected", tested_at)


def test_disconnect_gives_the_access_back_and_forgets_the_tokens(tenant: Tenant) -> None:
    remote = tenant.connection.remote_id
    assert "Disconnected." in press(tenant, "disconnect")
    connection = tenant.connection
    assert (connection.state, bool(connection.access_token), bool(connection.refresh_token)) == (
        "disconnected",
        False,
        False,
    )
    rows = tenant.world.get("/xero/_control").json()["connections"]
    assert remote not in [row["id"] for row in rows]
    assert AuditEntry.objects.filter(action="connection.disconnected").count() == 1
    with pytest.raises(Disconnected):
        get_access_token(connection, now=timezone.now())


def test_disconnect_works_while_the_package_is_away(tenant: Tenant) -> None:
    with tenant.world.inject_fault("xero-identity", "drop_before", times=None):
        press(tenant, "disconnect")
    assert (tenant.connection.state, bool(tenant.connection.refresh_token)) == ("disconnected", False)


def test_disconnecting_twice_is_harmless(tenant: Tenant) -> None:
    press(tenant, "disconnect")
    press(tenant, "disconnect")
    assert tenant.connection.list_state_changes().filter(to_state="disconnected").count() == 1


def test_the_dashboards_notice_follows_the_connection(tenant: Tenant) -> None:
    path = tenant.url(f"{CONNECTIONS_PATH}notice")
    headers = {"HX-Request": "true"}
    assert tenant.admin.get(path, headers=headers).content.strip() == b""
    tenant.world.post("/xero/_control", {"disconnect": "*"})
    press(tenant, "verify")
    assert b"is broken" in tenant.admin.get(path, headers=headers).content
    press(tenant, "disconnect")
    assert b"No accounting package is connected" in tenant.admin.get(path, headers=headers).content


def test_money_is_taken_while_the_books_are_away(tenant: Tenant, deliver: Callable[..., int]) -> None:
    checkout = tenant.open_checkout()
    press(tenant, "disconnect")
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
    deliver()
    assert checkout.quote.state == "paid"


def test_a_token_that_is_refused_before_its_time_is_refreshed_and_nothing_breaks(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay()
    tenant.world.advance(2 * 3600)  # Xero's clock runs ahead: its token is over, and ours seems good
    for minutes in (1, 2, 3):
        deliver(at=timezone.now() + timedelta(minutes=minutes))
    assert (tenant.connection.state, tenant.connection.token_was_refused) == ("connected", False)
    assert checkout.payment.postings.exclude(state="posted").count() == 0


@pytest.mark.parametrize("count", [2, 3])
def test_many_who_hold_one_token_that_is_refused_take_the_new_one(tenant: Tenant, count: int) -> None:
    """None of them has yet succeeded with the new one when the next is refused with the old one."""
    holders, now = [tenant.connection for _ in range(count)], timezone.now()
    since = get_journal_end(tenant)
    tenant.world.advance(2 * 3600)
    for holder in holders:
        assert handle_unauthorised(holder, now=now) is True
        assert works(tenant, get_access_token(holder, now=now))
    assert (tenant.connection.state, count_token_calls(tenant, since)) == ("connected", 1)


def test_many_who_hold_one_token_that_is_refused_refresh_it_once(tenant: Tenant) -> None:
    """All of them are refused before the first has refreshed it."""
    holders, now = [tenant.connection for _ in range(3)], timezone.now()
    since = get_journal_end(tenant)
    tenant.world.advance(2 * 3600)
    assert [handle_unauthorised(holder, now=now) for holder in holders] == [True, True, True]
    assert len({get_access_token(holder, now=now) for holder in holders}) == 1
    assert (tenant.connection.state, count_token_calls(tenant, since)) == ("connected", 1)


def test_a_verification_with_an_old_token_is_made_with_the_new_one(tenant: Tenant) -> None:
    holder, now = tenant.connection, timezone.now()
    tenant.world.advance(2 * 3600)
    assert handle_unauthorised(tenant.connection, now=now)
    get_access_token(tenant.connection, now=now)
    assert verify_access(holder, now=now).cause is None


def test_a_token_that_is_refused_twice_in_a_row_breaks_the_connection(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay()
    with tenant.world.inject_fault("xero", "status", status=401, times=None, path="/Contacts*"):
        for minutes in (1, 2, 3):
            deliver(at=timezone.now() + timedelta(minutes=minutes))
    assert tenant.connection.state == "broken"
    assert Notification.objects.filter(event="connection_broken").count() == 1


def test_a_refusal_long_after_another_is_the_first_of_its_row(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    """Between the two work was cut short, so that nothing noted what was accepted."""
    long_ago = timezone.now() - timedelta(minutes=11)
    Connection.objects.filter(merchant=tenant.merchant).update(token_was_refused=True, refreshed_at=long_ago)
    checkout.pay()
    tenant.world.advance(2 * 3600)
    for minutes in (1, 2, 3):
        deliver(at=timezone.now() + timedelta(minutes=minutes))
    assert (tenant.connection.state, tenant.connection.token_was_refused) == ("connected", False)
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_a_verdict_about_an_old_permission_does_not_break_a_new_one(tenant: Tenant) -> None:
    asked_about = tenant.connection
    tenant.world.post("/xero/_control", {"disconnect": "*"})
    verdict = verify_access(asked_about, now=timezone.now())
    assert verdict.cause is not None
    open_callback(tenant.admin, allow_access(start_consent(tenant), "au"))
    apply_verification(asked_about, verdict, now=timezone.now())
    assert tenant.connection.state == "connected"
    apply_verification(tenant.connection, verdict, now=timezone.now())
    assert tenant.connection.state == "broken"
