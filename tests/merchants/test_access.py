"""Every page below /m/: the anonymous sign in, strangers find nothing, users act nowhere an admin must."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from merchants.models import Membership
from tests.people import Checkout, House

EVERYBODY, ADMINS = "everybody", "admins"
# Each page's name, its method, and who of the merchant's people may use it.
CASES: dict[str, tuple[str, str]] = {
    "merchants:dashboard": ("get", EVERYBODY),
    "merchants:list": ("get", ADMINS),
    "merchants:details": ("get", ADMINS),
    "merchants:paynow_links": ("get", ADMINS),
    "merchants:events": ("get", ADMINS),
    "merchants:notifications": ("get", EVERYBODY),
    "merchants:bell": ("get", EVERYBODY),
    "merchants:read_notification": ("post", EVERYBODY),
    "merchants:audit": ("get", ADMINS),
    "connections:list": ("get", ADMINS),
    "connections:notice": ("get", EVERYBODY),
    "connections:connect": ("post", ADMINS),
    "connections:verify": ("post", ADMINS),
    "connections:disconnect": ("post", ADMINS),
    "connections:choose": ("get", ADMINS),
    "payments:gateway": ("get", ADMINS),
    "payments:list": ("get", EVERYBODY),
    "payments:recent": ("get", EVERYBODY),
    "payments:detail": ("get", EVERYBODY),
    "accounting:accounts": ("get", ADMINS),
    "accounting:read_lists": ("post", ADMINS),
    "accounting:postings": ("get", EVERYBODY),
    "accounting:waiting": ("get", EVERYBODY),
    "accounting:retry": ("post", EVERYBODY),
    "accounting:of_payment": ("get", EVERYBODY),
    "quotes:integration": ("get", ADMINS),
    "quotes:display_key": ("get", ADMINS),
    "quotes:list": ("get", EVERYBODY),
    "quotes:setup": ("get", EVERYBODY),
    "quotes:callbacks": ("get", EVERYBODY),
}
# These answer 404 to the merchant's own people too, for want of the thing that they name.
NEEDS_A_THING = {"merchants:read_notification", "connections:choose"}


@dataclass(frozen=True)
class Page:
    """One path of the console."""

    name: str
    arguments: tuple[str, ...]


def pages(patterns: list[URLPattern | URLResolver], namespace: str = "", prefix: str = "") -> Iterator[Page]:
    """Every path that names a merchant."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from pages(pattern.url_patterns, inner, route)
        elif "merchant_ref" in pattern.pattern.converters and route.startswith("m/"):
            yield Page(f"{namespace}{pattern.name}", tuple(pattern.pattern.converters))


ALL = list(pages(get_resolver().url_patterns))


def path_of(page: Page, house: House, checkout: Checkout) -> str:
    """The page's path, about things that exist."""
    values = {
        "merchant_ref": house.merchant.reference,
        "reference": checkout.payment.reference,
        "tier": "wise_pay",
        "pk": "1",
    }
    return reverse(page.name, kwargs={name: values[name] for name in page.arguments})


def test_every_page_of_the_console_has_a_case() -> None:
    assert {page.name for page in ALL} == set(CASES)
    assert len(ALL) == len(CASES)


def test_the_anonymous_are_sent_to_sign_in(house: House, checkout: Checkout) -> None:
    for page in ALL:
        path = path_of(page, house, checkout)
        answer = getattr(Client(), CASES[page.name][0])(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={path}"), page.name


def test_strangers_find_nothing(house: House, stranger: House, checkout: Checkout) -> None:
    for page in ALL:
        path = path_of(page, house, checkout)
        for method in ("get", "post"):
            answer = getattr(stranger.admin, method)(path)
            wrong_method = answer.status_code == 405 and method != CASES[page.name][0]
            assert answer.status_code == 404 or wrong_method, f"{method} {page.name}"
            assert b"Northwind" not in answer.content
    assert house.connection.state == "connected"


@pytest.mark.parametrize("role", Membership.Role.values)
def test_the_merchants_people_may_what_their_role_says(house: House, checkout: Checkout, role: str) -> None:
    house.merchant.memberships.update(role=role)
    for page in ALL:
        method, who = CASES[page.name]
        answer = getattr(house.admin, method)(path_of(page, house, checkout))
        if who == ADMINS and role == Membership.Role.USER:
            assert answer.status_code == 403, page.name
        elif page.name in NEEDS_A_THING:
            assert answer.status_code == 404, page.name
        else:
            assert answer.status_code in (200, 302), page.name
        assert "no-store" in answer.headers.get("Cache-Control", "no-store"), page.name


def test_a_user_changes_nothing_that_an_admin_must(house: House, checkout: Checkout) -> None:
    house.merchant.memberships.update(role=Membership.Role.USER)
    for page in ALL:
        if CASES[page.name][1] == ADMINS:
            answer = house.admin.post(path_of(page, house, checkout))
            assert answer.status_code in (403, 405), page.name
    assert house.connection.state == "connected"


def test_another_merchants_things_are_not_reached_through_ones_own_door(
    house: House, stranger: House, checkout: Checkout
) -> None:
    for page in ALL:
        if "reference" not in page.arguments:
            continue
        path = path_of(page, stranger, checkout)
        answer = stranger.admin.get(path)
        if page.name == "quotes:callbacks":
            assert str(checkout.quote.number) not in answer.content.decode()
        else:
            assert answer.status_code == 404, page.name


def test_operators_pages_are_closed_to_merchants(house: House) -> None:
    answer = house.admin.get("/operators/")
    assert answer.status_code == 302
    assert "/operators/login/" in answer["Location"]
