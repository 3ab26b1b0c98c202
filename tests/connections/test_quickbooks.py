"""QuickBooks' connections: three tiers, tests that cost a call, breaks, ends of a permission, one package for all."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connections import checks
from connections.models import Connection
from connections.services import live_connections, switch_multi_connection
from connections.tokens import permission_ends_at
from sandbox.launch import Running
from tests.connections.walk import HERE, come_back, consent, set_out, tiers
from tests.people import House, build_house, connect

Drain = Callable[..., int]
APPS = {"wise_pay": "sandbox-intuit", "company": "sandbox-intuit-2", "service": "sandbox-intuit-3"}


@pytest.fixture
def house(db: None, world: Running) -> House:
    """A merchant whose books are QuickBooks'."""
    return build_house(world, provider="quickbooks")


def later(**delta: float) -> Any:
    return timezone.now() + timedelta(**delta)


def calls(house: House) -> int:
    return len(house.world.journal("quickbooks"))


def steer(house: House, **order: Any) -> None:
    """What somebody does at the practice Intuit."""
    house.world.post("/intuit/_control", order)


def connect_tier(house: House, tier: str, *, company: str = "au") -> Any:
    """Walk for a tier."""
    return come_back(
        house.admin, consent(set_out(house, tier=tier, provider="quickbooks"), company), provider="quickbooks"
    )


def divide(house: House) -> dict[str, Connection]:
    """Three connections."""
    switch_multi_connection(house.merchant, is_on=True, now=timezone.now())
    for tier in ("company", "service"):
        assert connect_tier(house, tier).status_code == 302
    return tiers(house)


def test_three_tiers_are_connected_each_with_its_app(house: House, settings: Settings) -> None:
    settings.INTUIT_COMPANY_CLIENT_ID, settings.INTUIT_COMPANY_CLIENT_SECRET = (
        APPS["company"],
        "sandbox-intuit-secret-2",
    )
    settings.INTUIT_SERVICE_CLIENT_ID, settings.INTUIT_SERVICE_CLIENT_SECRET = (
        APPS["service"],
        "sandbox-intuit-secret-3",
    )
    held = divide(house)
    assert {tier: c.client_id for tier, c in held.items()} == APPS
    assert {(c.state, c.provider, c.organisation_id) for c in held.values()} == {
        ("connected", "quickbooks", house.connection.organisation_id)
    }


def test_a_second_package_is_refused_with_a_sentence(house: House) -> None:
    switch_multi_connection(house.merchant, is_on=True, now=timezone.now())
    page = house.admin.post(house.url(f"{HERE}company/connect"), {"provider": "xero"}, follow=True).content.decode()
    assert "You are connected to QuickBooks" in page
    assert "Change company" in page
    assert "Connect to Xero" not in page
    assert "Connect to QuickBooks" in page


def test_another_company_for_a_second_tier_is_refused(house: House) -> None:
    switch_multi_connection(house.merchant, is_on=True, now=timezone.now())
    answer = connect_tier(house, "company", company="us")
    assert answer.status_code == 400
    assert "is another company than" in answer.content.decode()


def test_before_anything_is_connected_both_packages_are_offered(house: House, settings: Settings) -> None:
    house.admin.post(house.url(f"{HERE}change-company/disconnect-all"))
    page = house.admin.get(house.url(HERE)).content.decode()
    assert ("Connect to Xero" in page, "Connect to QuickBooks" in page) == (True, True)
    settings.INTUIT_CLIENT_ID = ""
    page = house.admin.get(house.url(HERE)).content.decode()
    assert ("Connect to Xero" in page, "Connect to QuickBooks" in page) == (True, False)


def test_a_merchant_changes_from_quickbooks_to_xero(house: House, drain: Drain) -> None:
    for held in live_connections(house.merchant):
        house.admin.post(house.url(f"{HERE}{held.tier}/disconnect"))
    connect(house.merchant, house.user, provider="xero", organisation="au")
    assert (house.connection.provider, house.connection.state) == ("xero", "connected")


def test_a_token_that_was_just_accepted_is_tested_without_a_call(house: House) -> None:
    before = calls(house)
    Connection.objects.update(succeeded_at=timezone.now())
    house.admin.post(house.url(f"{HERE}wise_pay/verify"))
    assert (calls(house), house.connection.test_passed) == (before, True)
    accepted = later(seconds=-9)
    Connection.objects.update(succeeded_at=accepted)
    house.admin.post(house.url(f"{HERE}wise_pay/verify"))
    assert (calls(house), house.connection.succeeded_at) == (before, accepted), "nothing was asked"
    Connection.objects.update(succeeded_at=later(seconds=-11))
    house.admin.post(house.url(f"{HERE}wise_pay/verify"))
    assert (calls(house) - before, house.connection.test_passed) == (1, True)
    assert house.world.journal("quickbooks")[-1]["path"].endswith(f"/companyinfo/{house.connection.organisation_id}")


@pytest.mark.parametrize(
    "order", [{"revoke": "admin@northwind-it.example"}, {"disconnect": "au"}], ids=["revoked", "disconnected"]
)
def test_an_access_that_was_taken_back_is_found_by_the_test_and_told(house: House, order: dict[str, str]) -> None:
    steer(house, **order)
    Connection.objects.update(succeeded_at=later(minutes=-1))
    page = house.admin.post(house.url(f"{HERE}wise_pay/verify"), follow=True).content.decode()
    assert "no longer valid" in page
    assert (house.connection.state, house.connection.cause) == ("broken", "revoked")
    assert "access to QuickBooks back" in page


def test_a_broken_connection_is_mended_by_connecting_again(house: House, drain: Drain) -> None:
    drain()
    steer(house, disconnect="au")
    checkout = house.open_checkout()
    checkout.pay()
    drain()
    drain(at=later(seconds=5))
    assert house.connection.state == "broken"
    connect(house.merchant, house.user, provider="quickbooks", organisation="au")
    drain()
    assert set(checkout.payment.postings.values_list("state", flat=True)) == {"posted"}


def test_a_silent_connection_is_looked_at_every_five_minutes_and_costs_one_call(house: House) -> None:
    Connection.objects.update(succeeded_at=timezone.now(), checked_at=None)
    assert checks.due_checks(now=later(minutes=4)) == []
    before = calls(house)
    [due] = checks.due_checks(now=later(minutes=6))
    assert checks.due_checks(now=later(minutes=6)) == []
    checks.look_after(house.connection, now=later(minutes=6))
    assert (due, calls(house) - before) == (house.connection.pk, 1)


def test_the_token_is_refreshed_before_it_ends_and_the_new_refresh_token_is_kept(house: House) -> None:
    first = house.connection.refresh_token.reveal()
    house.world.advance(25 * 3600)
    checks.look_after(house.connection, now=later(hours=25))
    second = house.connection.refresh_token.reveal()
    assert first != second
    assert house.connection.state == "connected"
    house.world.advance(49 * 3600)
    checks.look_after(house.connection, now=later(hours=74))
    assert house.connection.refresh_token.reveal() != second
    assert house.connection.state == "connected"


def test_a_permission_lasts_a_hundred_days_unused_and_five_years_in_all(house: House) -> None:
    held, begun = house.connection, timezone.now()
    held.refreshed_at = held.connected_at = begun
    assert permission_ends_at(held) == begun + timedelta(days=100)
    held.connected_at = begun - timedelta(days=5 * 365 - 3)
    assert permission_ends_at(held) == begun + timedelta(days=3)


def test_disconnecting_gives_back_one_tiers_access_and_no_others(house: House) -> None:
    held = divide(house)
    house.admin.post(house.url(f"{HERE}company/disconnect"))
    assert len(house.world.get("/intuit/_control").json()["grants"]) == 2
    Connection.objects.update(succeeded_at=later(minutes=-1))
    assert checks.verify_connection(held["service"], now=timezone.now())


def test_the_screen_says_that_a_day_has_no_limit(house: House) -> None:
    page = house.admin.get(house.url(HERE)).content.decode()
    assert "no limit" in page
    assert "of 500" in page


def test_the_consent_page_may_be_reached_by_the_form(house: House) -> None:
    policy = house.admin.get(house.url(HERE))["Content-Security-Policy"]
    assert "https://*.intuit.com" in policy
    assert "https://*.xero.com" in policy


def test_a_company_of_another_merchant_is_refused(house: House, world: Running) -> None:
    other = build_house(
        world, name="Other IT", email="admin@other-it.example", organisation="nz", provider="quickbooks"
    )
    house.admin.post(house.url(f"{HERE}wise_pay/disconnect"))
    client = Client()
    client.force_login(house.user)
    answer = connect_tier(house, "wise_pay", company="nz")
    assert answer.status_code == 400
    assert "already linked to another merchant" in answer.content.decode()
    assert other.connection.state == "connected"
