"""Pages that call a vendor: every one of them has a budget, whoever asks and whatever for."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from connections.models import Connection
from tests.merchants.page_cases import CASES
from tests.merchants.test_access import ALL, PAYER, path_of, things
from tests.payments.consent_form import get_saving_terms
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import PASSWORD, Checkout, Tenant

VENDORS = ("stripe", "xero", "intuit", "oidc", "cpq")
NEEDS_3DS = "4000002760003184"


def count_calls(tenant: Tenant) -> int:
    """How many calls the practice vendors have seen."""
    return sum(len(tenant.world.journal(vendor)) for vendor in VENDORS)


def walk(tenant: Tenant, checkout: Checkout) -> dict[str, int]:
    """Open every page of console and portal as its own people; which of them called a vendor how often."""
    values, payer = things(tenant, checkout), tenant.payer(PAYER)
    # What was just called need not be verified.
    Connection.objects.update(succeeded_at=timezone.now() - timedelta(hours=1))
    called = {}
    for page in ALL:
        method, rights = CASES[page.name]
        client = tenant.admin if rights else payer
        before = count_calls(tenant)
        answer = getattr(client, method)(path_of(page, values))
        assert answer.status_code < 500 or answer.status_code == 503, page.name
        if made := count_calls(tenant) - before:
            called[page.name] = made
    return called


def test_no_page_of_console_and_portal_calls_a_vendor_without_a_budget(
    tenant: Tenant, checkout: Checkout, settings: Settings
) -> None:
    settings.VENDOR_CALLS_PER_PERSON_MINUTE = settings.VENDOR_CALLS_PER_NETWORK_MINUTE = 0
    assert walk(tenant, checkout) == {}


def look_at_attempt(tenant: Tenant, checkout: Checkout) -> Any:
    """Anybody with the link, while the payer's bank asks."""
    return Client().post(checkout.path + f"/attempts/{checkout.attempts[0].reference}/check")


def give_attempt_up(tenant: Tenant, checkout: Checkout) -> Any:
    """The same, to cancel it."""
    return Client().post(checkout.path + f"/attempts/{checkout.attempts[0].reference}/stop")


def sign_on(tenant: Tenant, checkout: Checkout) -> Any:
    """Anybody at the sign-in page."""
    return Client().post("/accounts/sign-on/xero/")


def save_keys(tenant: Tenant, checkout: Checkout) -> Any:
    """An admin who has just confirmed that it is them, with the keys that are there."""
    tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = f"whsec_{'a' * 20}"
    form = {"publishable_key": tenant.stripe_key.replace("sk_", "pk_"), "secret_key": tenant.stripe_key}
    return tenant.admin.post(tenant.url("configure/merchants/gateway"), form | {"webhook_secret": secret})


def add_method(tenant: Tenant, checkout: Checkout) -> Any:
    """A payer, in the settings."""
    form: dict[str, Any] = {
        "confirmation_token": "ctoken_anything",
        "company": tenant.company().reference,
        "method": "card",
    }
    terms = get_saving_terms(tenant.merchant, "card")
    return tenant.payer(PAYER).post("/my/methods", form | {"accepted_terms": terms})


REQUESTS = [look_at_attempt, give_attempt_up, sign_on, save_keys, add_method]


@pytest.mark.parametrize("request_page", REQUESTS)
@pytest.mark.parametrize("limit", [0, 60])
def test_a_page_that_calls_a_vendor_stops_at_its_budget(
    tenant: Tenant, checkout: Checkout, settings: Settings, request_page: Callable[..., Any], limit: int
) -> None:
    checkout.pay(NEEDS_3DS)
    settings.VENDOR_CALLS_PER_PERSON_MINUTE = settings.VENDOR_CALLS_PER_NETWORK_MINUTE = limit
    settings.XERO_OIDC_CLIENT_ID = "client"
    before = count_calls(tenant)
    assert request_page(tenant, checkout).status_code in (200, 302, 422, 429)
    assert (count_calls(tenant) > before) is (limit > 0)


def test_who_asks_too_often_is_told_so_with_the_seconds(tenant: Tenant, settings: Settings) -> None:
    settings.VENDOR_CALLS_PER_PERSON_MINUTE = 0
    form: dict[str, Any] = {"confirmation_token": tenant.confirmation_token("4242424242424242")}
    payer = tenant.payer(PAYER)
    answer = payer.post("/my/methods", form)
    assert answer.status_code == 422
    form |= {"company": tenant.company().reference, "method": "card"}
    form |= {"accepted_terms": get_saving_terms(tenant.merchant, "card")}
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
