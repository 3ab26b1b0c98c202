"""Pages that call a vendor: every one of them has a budget, whoever asks and whatever for."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from tests.merchants.test_access import ALL, CASES, PAYER, path_of, things
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant

VENDORS = ("stripe", "xero", "intuit", "oidc")
NEEDS_3DS = "4000002760003184"


def count_calls(tenant: Tenant) -> int:
    """How many calls the practice vendors have seen."""
    return sum(len(tenant.world.journal(vendor)) for vendor in VENDORS)


def walk(tenant: Tenant, checkout: Checkout) -> dict[str, int]:
    """Open every page of console and portal as its own people; which of them called a vendor how often."""
    values, payer = things(tenant, checkout), tenant.payer(PAYER)
    called = {}
    for page in ALL:
        method, role = CASES[page.name]
        client = payer if role == "payers" else tenant.admin
        before = count_calls(tenant)
        answer = getattr(client, method)(path_of(page, values))
        assert answer.status_code < 500 or answer.status_code == 503, page.name
        if made := count_calls(tenant) - before:
            called[page.name] = made
    return called


def test_no_page_calls_a_vendor_without_a_budget(tenant: Tenant, checkout: Checkout, settings: Settings) -> None:
    settings.VENDOR_CALLS_PER_PERSON_MINUTE = settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 0
    assert walk(tenant, checkout) == {}


def test_with_a_budget_the_same_walk_calls_vendors(tenant: Tenant, checkout: Checkout) -> None:
    """So that the test above proves something."""
    assert {"connections:verify"} <= set(walk(tenant, checkout))


OPEN_REQUESTS: dict[str, Callable[[Tenant, Checkout, dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "check an attempt": lambda t, c, body: (body["attempt"], {}),
    "stop an attempt": lambda t, c, body: (body["attempt"].replace("/check", "/stop"), {}),
    "sign on": lambda t, c, body: ("/accounts/sign-on/xero/", {}),
}


@pytest.mark.parametrize("name", OPEN_REQUESTS)
def test_no_open_page_calls_a_vendor_without_a_budget(
    tenant: Tenant, checkout: Checkout, settings: Settings, name: str
) -> None:
    body = checkout.pay(NEEDS_3DS).json()  # type: ignore[attr-defined]
    settings.VENDOR_CALLS_PER_PERSON_MINUTE = settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 0
    settings.XERO_OIDC_CLIENT_ID = "client"
    path, form = OPEN_REQUESTS[name](tenant, checkout, body)
    before = count_calls(tenant)
    assert Client().post(path, form).status_code < 500
    assert count_calls(tenant) == before


def test_who_asks_too_often_is_told_so_with_the_seconds(tenant: Tenant, settings: Settings) -> None:
    settings.VENDOR_CALLS_PER_PERSON_MINUTE = 0
    form: dict[str, Any] = {"confirmation_token": tenant.confirmation_token("4242424242424242")}
    payer = tenant.payer(PAYER)
    answer = payer.post("/my/methods", form)
    assert answer.status_code == 422
    form |= {"company": tenant.company().reference, "method": "card"}
    form |= {"accepted_terms": get_current_terms(tenant.merchant, Terms.Kind.SAVED_CARD).pk}
    answer = payer.post("/my/methods", form)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 61


def test_a_hundred_looks_at_one_attempt_ask_the_gateway_a_few_times(tenant: Tenant, checkout: Checkout) -> None:
    body = checkout.pay(NEEDS_3DS).json()  # type: ignore[attr-defined]
    before = count_calls(tenant)
    answers = [Client().post(body["attempt"]) for _ in range(100)]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"requires_action"}
    assert count_calls(tenant) - before <= 3
    answer_three_d_secure(tenant.world, body["client_secret"])


def test_a_committed_payment_is_sent_whatever_the_budget(
    tenant: Tenant, checkout: Checkout, settings: Settings
) -> None:
    settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 0
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
