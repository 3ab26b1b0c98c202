"""Broken connections: each cause is recognised, people are notified once, and what waited goes on automatically."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connections.models import Connection, ConnectionEvent
from connections.tokens import get_access_token
from connections.verification import refresh_and_verify, reserve_due_connections
from merchants.models import Notification
from tests.connections.oauth_steps import (
    CONNECTIONS_PATH,
    allow_access,
    connect_all_tiers,
    count_token_calls,
    get_connections_by_tier,
    get_journal_end,
    open_callback,
    start_consent,
)
from tests.tenants import Checkout, Tenant, give_role
from wisepay.errors import Disconnected, Unavailable

MINUTE = timedelta(minutes=1)


def post_control(tenant: Tenant, **orders: Any) -> None:
    """Something happens at Xero."""
    tenant.world.post("/xero/_control", orders)


def check_connection(tenant: Tenant, *, after: timedelta = MINUTE) -> Connection:
    """The background check, as of later; answers the connection afterwards."""
    refresh_and_verify(tenant.connection, now=timezone.now() + after)
    return tenant.connection


def expire_access_token(tenant: Tenant) -> None:
    """Let the access token end."""
    Connection.objects.filter(merchant=tenant.merchant).update(access_expires_at=timezone.now())


def get_page(tenant: Tenant, tail: str = "") -> str:
    """The screen."""
    return str(tenant.admin.get(tenant.url(CONNECTIONS_PATH + tail)).content.decode())


# ---- causes ----------------------------------------------------------------------------------------


def test_access_that_was_revoked_is_found_by_the_next_check(tenant: Tenant) -> None:
    post_control(tenant, revoke=tenant.user.email)
    locked = check_connection(tenant)
    assert (locked.state, locked.cause) == ("broken", "revoked")
    assert "took Wise-Pay&#x27;s access to Xero back" in get_page(tenant)


def test_an_organisation_that_was_disconnected_at_xero_is_found_by_the_next_check(tenant: Tenant) -> None:
    post_control(tenant, disconnect="*")
    locked = check_connection(tenant)
    assert (locked.state, locked.cause) == ("broken", "disconnected")
    assert "was disconnected from Wise-Pay inside Xero" in get_page(tenant)


def test_an_expired_permission_is_distinguished_from_a_revoked_one(tenant: Tenant) -> None:
    long_ago = timezone.now() - timedelta(days=61)
    Connection.objects.update(refreshed_at=long_ago, connected_at=long_ago)
    post_control(tenant, expire="all")
    expire_access_token(tenant)
    with pytest.raises(Disconnected):
        get_access_token(tenant.connection, now=timezone.now())
    assert (tenant.connection.state, tenant.connection.cause) == ("broken", "expired")
    assert "was not used for too long" in get_page(tenant)


def test_a_removed_person_is_distinguished_from_a_disconnection(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    deliver()
    post_control(tenant, remove_user={"organisation": "au", "email": tenant.user.email})
    checkout.pay()
    for minutes in (1, 2):
        deliver(at=timezone.now() + timedelta(minutes=minutes))
    assert (tenant.connection.state, tenant.connection.cause) == ("broken", "user_removed")
    assert "was removed there" in get_page(tenant)
    assert set(checkout.payment.postings.values_list("state", flat=True)) <= {"pending", "sent"}


def test_a_disconnection_that_work_finds_first_is_called_one(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    deliver()
    post_control(tenant, disconnect="*")
    checkout.pay()
    for minutes in (1, 2):
        deliver(at=timezone.now() + timedelta(minutes=minutes))
    assert (tenant.connection.state, tenant.connection.cause) == ("broken", "disconnected")


# ---- a provider that is away ------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["xero-oauth", "xero-identity"])
def test_a_provider_that_is_down_is_never_shown_as_broken(tenant: Tenant, service: str) -> None:
    expire_access_token(tenant)
    with tenant.world.inject_fault(service, "status", status=503, times=None):
        since = check_connection(tenant).unavailable_since
        locked = check_connection(tenant, after=2 * MINUTE)
    assert locked.state == "connected"
    assert since is not None
    assert locked.unavailable_since == since, "it is away since the first silence"
    shown = get_page(tenant)
    assert "Xero is unavailable. Nothing is lost" in shown
    assert "is unavailable</strong> since" in get_page(tenant, "notice")
    assert 'data-state="broken"' not in shown
    assert Notification.objects.filter(event="connection_broken").count() == 0
    locked = check_connection(tenant, after=3 * MINUTE)
    assert (locked.state, locked.unavailable_since, locked.last_error) == ("connected", None, "")
    assert "unavailable" not in get_page(tenant, "notice")
    kinds = ConnectionEvent.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["unavailable", "available"]


def test_an_api_that_is_down_while_the_verification_answers_stays_unavailable_until_it_answers(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    deliver()
    checkout.pay()
    with tenant.world.inject_fault("xero", "status", status=503, times=None):
        deliver()
        locked = check_connection(tenant)
        assert (locked.state, locked.unavailable_since is not None) == ("connected", True)
    deliver(at=timezone.now() + 20 * MINUTE)
    assert tenant.connection.unavailable_since is None
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_a_limit_is_no_outage(tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]) -> None:
    deliver()
    checkout.pay()
    limited = {"status": 429, "headers": {"X-Rate-Limit-Problem": "minute", "Retry-After": "30"}}
    with tenant.world.inject_fault("xero", "status", times=None, **limited):
        deliver()
    locked = tenant.connection
    assert (locked.state, locked.unavailable_since, locked.failures) == ("connected", None, 0)
    assert "unavailable" not in get_page(tenant, "notice")


def test_the_button_says_that_the_provider_cannot_say_and_breaks_nothing(tenant: Tenant) -> None:
    with tenant.world.inject_fault("xero-identity", "drop_before", times=None):
        answer = tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"), follow=True)
    assert b"say at the moment" in answer.content
    assert tenant.connection.state == "connected"


# ---- telling people ---------------------------------------------------------------------------------


def test_three_connections_that_break_for_one_cause_are_one_notice_and_one_mail(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    locked = connect_all_tiers(tenant)
    deliver()
    post_control(tenant, revoke=tenant.user.email)
    for connection in locked.values():
        refresh_and_verify(connection, now=timezone.now() + MINUTE)
    assert {c.state for c in get_connections_by_tier(tenant).values()} == {"broken"}
    deliver()
    assert Notification.objects.filter(event="connection_broken").count() == 1
    mails = [m for m in tenant.mails(tenant.user.email) if "disconnected" in m["subject"]]
    assert len(mails) == 1
    notice = get_page(tenant, "notice")
    assert "3 connections to your accounting package are broken: Wise-Pay, Company, Service" in notice
    assert "Manage Connections" in notice


def test_each_disconnect_is_notified_once(tenant: Tenant, deliver: Callable[..., int]) -> None:
    for number in (1, 2):
        post_control(tenant, disconnect="*")
        for _ in range(3):
            check_connection(tenant)
        assert Notification.objects.filter(event="connection_broken").count() == number
        open_callback(tenant.admin, allow_access(start_consent(tenant), "au"))
    assert tenant.connection.state == "connected"


def test_a_merchant_user_sees_the_notice_without_the_button(tenant: Tenant) -> None:
    post_control(tenant, disconnect="*")
    check_connection(tenant)
    give_role(tenant.merchant, "user")
    notice = get_page(tenant, "notice")
    assert "is broken" in notice
    assert "Manage Connections" not in notice


def test_the_dashboard_asks_for_the_notice(tenant: Tenant) -> None:
    assert tenant.url(f"{CONNECTIONS_PATH}notice") in tenant.admin.get(tenant.url()).content.decode()


# ---- going on ---------------------------------------------------------------------------------------


def test_what_waited_goes_on_by_itself_after_connecting_again(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    deliver()
    post_control(tenant, disconnect="*")
    check_connection(tenant)
    checkout.pay()
    deliver()
    since = get_journal_end(tenant)
    deliver(at=timezone.now() + 5 * MINUTE)
    assert tenant.world.journal("xero", since=since) == [], "nothing is tried while the connection is broken"
    assert checkout.payment.postings.filter(state="pending").count() > 0
    open_callback(tenant.admin, allow_access(start_consent(tenant), "au"))
    deliver()
    assert checkout.payment.postings.exclude(state="posted").count() == 0


def test_another_company_than_the_other_connections_is_refused(tenant: Tenant) -> None:
    connect_all_tiers(tenant)
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}company/disconnect"))
    answer = open_callback(tenant.admin, allow_access(start_consent(tenant, tier="company"), "nz"))
    assert answer.status_code == 400
    text = answer.content.decode()
    assert "Kauri Networks Practice (NZ) is another company than Harbour IT Practice (AU)" in text
    assert "Change company" in text
    assert get_connections_by_tier(tenant)["company"].state == "disconnected"


def test_a_broken_connection_is_not_mended_with_another_company(tenant: Tenant) -> None:
    post_control(tenant, disconnect="*")
    check_connection(tenant)
    answer = open_callback(tenant.admin, allow_access(start_consent(tenant), "nz"))
    assert answer.status_code == 400
    assert (tenant.connection.state, tenant.connection.organisation_name) == ("broken", "Harbour IT Practice (AU)")


def test_changing_company_leads_from_disconnecting_all_to_the_accounts_of_the_new_one(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    deliver()
    connect_all_tiers(tenant)
    text = get_page(tenant, "change-company")
    assert "1. Disconnect Harbour IT Practice (AU)" in text
    assert "Connect to Xero" not in text
    answer = tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}change-company/disconnect-all"), follow=True)
    assert "Nothing is connected any more." in answer.content.decode()
    assert answer.content.decode().count("Connect to Xero") == 3
    assert tenant.world.get("/xero/_control").json()["connections"] == []
    for tier in ("wise_pay", "company", "service"):
        open_callback(tenant.admin, allow_access(start_consent(tenant, tier=tier), "nz"))
    assert {c.organisation_name for c in get_connections_by_tier(tenant).values()} == {"Kauri Networks Practice (NZ)"}
    checkout.pay()
    deliver()
    assert set(checkout.payment.postings.values_list("state", flat=True)) == {"pending"}, "its accounts are others"
    waiting = tenant.admin.get(tenant.url("postings/")).content.decode()
    assert "Choose the accounts and the tax code of Kauri Networks Practice (NZ) first" in waiting


# ---- checks in the background ------------------------------------------------------------------------


def test_a_check_costs_nothing_where_a_call_just_succeeded(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay()
    deliver()
    since = get_journal_end(tenant)
    assert reserve_due_connections(now=timezone.now() + timedelta(seconds=15)) == []
    refresh_and_verify(tenant.connection, now=timezone.now())
    assert tenant.world.journal("xero-identity", since=since) == []
    assert count_token_calls(tenant, since) == 0


def test_a_quiet_connection_is_due_within_half_a_minute_and_for_one_worker_only(tenant: Tenant) -> None:
    later = timezone.now() + timedelta(seconds=25)
    assert reserve_due_connections(now=later) == [tenant.connection.pk]
    assert reserve_due_connections(now=later) == []
    post_control(tenant, disconnect="*")
    assert reserve_due_connections(now=later + timedelta(seconds=15)) == []
    assert reserve_due_connections(now=later + timedelta(seconds=25)) == [tenant.connection.pk]


def test_a_token_is_refreshed_in_the_background_before_anybody_waits_for_it(tenant: Tenant) -> None:
    ends = timezone.now() + timedelta(minutes=30)
    Connection.objects.update(access_expires_at=ends, succeeded_at=ends)
    since = get_journal_end(tenant)
    assert reserve_due_connections(now=ends - timedelta(minutes=6)) == []
    assert reserve_due_connections(now=ends - timedelta(minutes=4)) == [tenant.connection.pk]
    refresh_and_verify(tenant.connection, now=ends - timedelta(minutes=4))
    assert count_token_calls(tenant, since) == 1
    get_access_token(tenant.connection, now=ends - timedelta(seconds=80))
    assert count_token_calls(tenant, since) == 1, "whoever works then finds it fresh"


def test_broken_and_disconnected_connections_are_left_alone(tenant: Tenant) -> None:
    post_control(tenant, disconnect="*")
    check_connection(tenant)
    assert reserve_due_connections(now=timezone.now() + 5 * MINUTE) == []
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/disconnect"))
    assert reserve_due_connections(now=timezone.now() + 9 * MINUTE) == []


@pytest.mark.parametrize(
    ("provider", "refreshed", "connected", "is_warned"),
    [("xero", 45, 300, False), ("xero", 47, 300, True), ("quickbooks", 80, 300, False), ("quickbooks", 90, 300, True),
     ("quickbooks", 1, 5 * 365 - 20, False), ("quickbooks", 1, 5 * 365 - 10, True)],
)  # fmt: skip
def test_a_permission_that_ends_soon_is_warned_of_once(
    tenant: Tenant, provider: str, refreshed: int, connected: int, is_warned: bool
) -> None:
    now = timezone.now()
    Connection.objects.update(
        provider=provider,
        refreshed_at=now - timedelta(days=refreshed),
        connected_at=now - timedelta(days=connected),
        succeeded_at=now,
    )
    for _ in range(3):
        refresh_and_verify(tenant.connection, now=now)
    notifications = Notification.objects.filter(title__contains="runs out on")
    assert notifications.count() == int(is_warned)
    assert ("Connect again before then" in get_page(tenant)) == is_warned


def test_what_the_provider_cannot_say_is_raised_to_whoever_asked(tenant: Tenant) -> None:
    expire_access_token(tenant)
    with tenant.world.inject_fault("xero-oauth", "timeout", seconds=0.1), pytest.raises(Unavailable):
        get_access_token(tenant.connection, now=timezone.now())
    assert tenant.connection.unavailable_since is not None
