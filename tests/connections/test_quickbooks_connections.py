"""QuickBooks' connections: three tiers, tests that cost a call, breaks, ends of a permission, one package for all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connections import verification
from connections.availability import list_live_connections
from connections.models import Connection
from connections.services import update_multi_connection
from connections.tokens import get_permission_end
from sandbox.harness.sandbox_process import SandboxProcess
from tests.connections.oauth_steps import (
    CONNECTIONS_PATH,
    allow_access,
    get_connections_by_tier,
    open_callback,
    start_consent,
)
from tests.tenants import Tenant, connect_provider, create_tenant

Deliver = Callable[..., int]
APPS = {"wise_pay": "sandbox-intuit", "company": "sandbox-intuit-2", "service": "sandbox-intuit-3"}


@pytest.fixture
def tenant(db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose accounting package is QuickBooks."""
    return create_tenant(world, provider="quickbooks")


def get_later(**delta: float) -> Any:
    return timezone.now() + timedelta(**delta)


def count_calls(tenant: Tenant) -> int:
    return len(tenant.world.journal("quickbooks"))


def post_control(tenant: Tenant, **order: Any) -> None:
    """What a person does at the sandbox's Intuit."""
    tenant.world.post("/intuit/_control", order)


def connect_tier(tenant: Tenant, tier: str, *, company: str = "au") -> Any:
    """Walk for a tier."""
    return open_callback(
        tenant.admin,
        allow_access(start_consent(tenant, tier=tier, provider="quickbooks"), company),
        provider="quickbooks",
    )


def connect_three_tiers(tenant: Tenant) -> dict[str, Connection]:
    """Three connections."""
    update_multi_connection(tenant.merchant, is_on=True, now=timezone.now())
    for tier in ("company", "service"):
        assert connect_tier(tenant, tier).status_code == 302
    return get_connections_by_tier(tenant)


def test_three_tiers_are_connected_each_with_its_app(tenant: Tenant, settings: Settings) -> None:
    settings.INTUIT_COMPANY_CLIENT_ID, settings.INTUIT_COMPANY_CLIENT_SECRET = (
        APPS["company"],
        "sandbox-intuit-secret-2",
    )
    settings.INTUIT_SERVICE_CLIENT_ID, settings.INTUIT_SERVICE_CLIENT_SECRET = (
        APPS["service"],
        "sandbox-intuit-secret-3",
    )
    locked = connect_three_tiers(tenant)
    assert {tier: c.client_id for tier, c in locked.items()} == APPS
    assert {(c.state, c.provider, c.organisation_id) for c in locked.values()} == {
        ("connected", "quickbooks", tenant.connection.organisation_id)
    }


def test_a_second_package_is_refused_with_a_message(tenant: Tenant) -> None:
    update_multi_connection(tenant.merchant, is_on=True, now=timezone.now())
    page = tenant.admin.post(
        tenant.url(f"{CONNECTIONS_PATH}company/connect"), {"provider": "xero"}, follow=True
    ).content.decode()
    assert "You are connected to QuickBooks" in page
    assert "Change company" in page
    assert "Connect to Xero" not in page
    assert "Connect to QuickBooks" in page


def test_another_company_for_a_second_tier_is_refused(tenant: Tenant) -> None:
    update_multi_connection(tenant.merchant, is_on=True, now=timezone.now())
    answer = connect_tier(tenant, "company", company="us")
    assert answer.status_code == 400
    assert "is another company than" in answer.content.decode()


def test_before_anything_is_connected_both_packages_are_offered(tenant: Tenant, settings: Settings) -> None:
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}change-company/disconnect-all"))
    page = tenant.admin.get(tenant.url(CONNECTIONS_PATH)).content.decode()
    assert ("Connect to Xero" in page, "Connect to QuickBooks" in page) == (True, True)
    settings.INTUIT_CLIENT_ID = ""
    page = tenant.admin.get(tenant.url(CONNECTIONS_PATH)).content.decode()
    assert ("Connect to Xero" in page, "Connect to QuickBooks" in page) == (True, False)


def test_a_merchant_changes_from_quickbooks_to_xero(tenant: Tenant, deliver: Deliver) -> None:
    for locked in list_live_connections(tenant.merchant):
        tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}{locked.tier}/disconnect"))
    connect_provider(tenant.merchant, tenant.user, provider="xero", organisation="au")
    assert (tenant.connection.provider, tenant.connection.state) == ("xero", "connected")


def test_a_token_that_was_just_accepted_is_tested_without_a_call(tenant: Tenant) -> None:
    before = count_calls(tenant)
    Connection.objects.update(succeeded_at=timezone.now())
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"))
    assert (count_calls(tenant), tenant.connection.test_passed) == (before, True)
    accepted = get_later(seconds=-9)
    Connection.objects.update(succeeded_at=accepted)
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"))
    assert (count_calls(tenant), tenant.connection.succeeded_at) == (before, accepted), "nothing was asked"
    Connection.objects.update(succeeded_at=get_later(seconds=-11))
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"))
    assert (count_calls(tenant) - before, tenant.connection.test_passed) == (1, True)
    assert tenant.world.journal("quickbooks")[-1]["path"].endswith(f"/companyinfo/{tenant.connection.organisation_id}")


@pytest.mark.parametrize(
    "order", [{"revoke": "admin@northwind-it.example"}, {"disconnect": "au"}], ids=["revoked", "disconnected"]
)
def test_a_revoked_access_is_found_by_the_test_and_notified(tenant: Tenant, order: dict[str, str]) -> None:
    post_control(tenant, **order)
    Connection.objects.update(succeeded_at=get_later(minutes=-1))
    page = tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/verify"), follow=True).content.decode()
    assert "no longer valid" in page
    assert (tenant.connection.state, tenant.connection.cause) == ("broken", "revoked")
    assert "access to QuickBooks back" in page


def test_a_broken_connection_is_mended_by_connecting_again(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    post_control(tenant, disconnect="au")
    checkout = tenant.open_checkout()
    checkout.pay()
    deliver()
    deliver(at=get_later(seconds=5))
    assert tenant.connection.state == "broken"
    connect_provider(tenant.merchant, tenant.user, provider="quickbooks", organisation="au")
    deliver()
    assert set(checkout.payment.postings.values_list("state", flat=True)) == {"posted"}


def test_a_silent_connection_is_looked_at_every_five_minutes_and_costs_one_call(tenant: Tenant) -> None:
    Connection.objects.update(succeeded_at=timezone.now(), checked_at=None)
    assert verification.reserve_due_connections(now=get_later(minutes=4)) == []
    before = count_calls(tenant)
    [due] = verification.reserve_due_connections(now=get_later(minutes=6))
    assert verification.reserve_due_connections(now=get_later(minutes=6)) == []
    verification.refresh_and_verify(tenant.connection, now=get_later(minutes=6))
    assert (due, count_calls(tenant) - before) == (tenant.connection.pk, 1)


def test_the_token_is_refreshed_before_it_ends_and_the_new_refresh_token_is_kept(tenant: Tenant) -> None:
    first = tenant.connection.refresh_token.decrypt()
    tenant.world.advance(25 * 3600)
    verification.refresh_and_verify(tenant.connection, now=get_later(hours=25))
    second = tenant.connection.refresh_token.decrypt()
    assert first != second
    assert tenant.connection.state == "connected"
    tenant.world.advance(49 * 3600)
    verification.refresh_and_verify(tenant.connection, now=get_later(hours=74))
    assert tenant.connection.refresh_token.decrypt() != second
    assert tenant.connection.state == "connected"


def test_a_permission_lasts_a_hundred_days_unused_and_five_years_in_all(tenant: Tenant) -> None:
    locked, begun = tenant.connection, timezone.now()
    locked.refreshed_at = locked.connected_at = begun
    assert get_permission_end(locked) == begun + timedelta(days=100)
    locked.connected_at = begun - timedelta(days=5 * 365 - 3)
    assert get_permission_end(locked) == begun + timedelta(days=3)


def test_disconnecting_gives_back_one_tiers_access_and_no_others(tenant: Tenant) -> None:
    locked = connect_three_tiers(tenant)
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}company/disconnect"))
    assert len(tenant.world.get("/intuit/_control").json()["grants"]) == 2
    Connection.objects.update(succeeded_at=get_later(minutes=-1))
    assert verification.verify_connection(locked["service"], now=timezone.now())


def test_the_screen_says_that_a_day_has_no_limit(tenant: Tenant) -> None:
    page = tenant.admin.get(tenant.url(CONNECTIONS_PATH)).content.decode()
    assert "no limit" in page
    assert "of 500" in page


def test_the_consent_page_may_be_reached_by_the_form(tenant: Tenant) -> None:
    policy = tenant.admin.get(tenant.url(CONNECTIONS_PATH))["Content-Security-Policy"]
    assert "https://*.intuit.com" in policy
    assert "https://*.xero.com" in policy


def test_a_company_of_another_merchant_is_refused(tenant: Tenant, world: SandboxProcess) -> None:
    other = create_tenant(
        world, name="Other IT", email="admin@other-it.example", organisation="nz", provider="quickbooks"
    )
    tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}wise_pay/disconnect"))
    client = Client()
    client.force_login(tenant.user)
    answer = connect_tier(tenant, "wise_pay", company="nz")
    assert answer.status_code == 400
    assert "already linked to another merchant" in answer.content.decode()
    assert other.connection.state == "connected"
