"""What stands around Stripe's form: its amount, the windows that it opens, and what it can't take."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounting.models import AccountingSettings
from payments.models import GatewayAccount, SavedMethod
from payments.saved_methods.choices import BANK_DEBIT, CARD, DEBIT_TYPES, WITHOUT_TOKENS, list_allowed_methods
from tests.payments.signed_in_payer import SignedInPayer
from tests.tenants import Tenant

# docs.stripe.com/currencies: "special cases" and three decimals. Currency, price, what the intent has.
UNITS = [("AUD", "625.00", 62_500), ("JPY", "5000", 5_000), ("ISK", "5000", 500_000), ("KWD", "5.120", 5_120)]


def open_checkout(tenant: Tenant, currency: str, due: str, full: str = "") -> Any:
    """A quote of this price, of a merchant whose books hold the currency."""
    AccountingSettings.objects.update(currencies=[currency])
    amounts = {"one_time_total": full or due, "tax": "0", "due_now": due, "full_payment_allowed": bool(full)}
    return tenant.open_checkout(quote={"currency": currency}, amounts=amounts)


@pytest.mark.parametrize(("currency", "price", "units"), UNITS)
def test_the_form_gets_the_amount_that_the_intent_has(
    tenant: Tenant, browser: Client, currency: str, price: str, units: int
) -> None:
    checkout = open_checkout(tenant, currency, price)
    page = browser.get(f"{checkout.path}/guest").content.decode()
    assert re.findall(r'data-units="(\d+)"', page) == [str(units)]
    checkout.pay(client=browser)
    [intent] = tenant.intents()
    assert intent["amount"] == units


def test_each_amount_that_can_be_chosen_has_its_units(tenant: Tenant, browser: Client) -> None:
    checkout = open_checkout(tenant, "ISK", "5000", full="9000")
    page = browser.get(f"{checkout.path}/guest").content.decode()
    assert re.findall(r'data-units="(\d+)"', page) == ["500000", "900000"]


@pytest.mark.parametrize("where", ["guest", "checkout", "waiting", "method"])
def test_stripes_windows_may_speak_with_the_page(tenant: Tenant, browser: Client, where: str) -> None:
    """docs.stripe.com/financial-connections; krakenjs/zoid#463."""
    checkout = tenant.open_checkout()
    payer = SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    if where == "waiting":
        checkout.pay("4000002760003184", client=browser)
    company = checkout.payment.company.reference
    pages = {
        "guest": (browser, f"{checkout.path}/guest"),
        "checkout": (payer.client, f"{checkout.path}/checkout"),
        "waiting": (browser, checkout.path),
        "method": (payer.client, f"{reverse('payments:add_method')}?kind=card&company={company}"),
    }
    client, path = pages[where]
    answer = client.get(path)
    assert answer.status_code == 200, path
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin-allow-popups"
    assert client.get("/accounts/login/")["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("currency", DEBIT_TYPES)
def test_a_debit_that_takes_no_token_is_not_offered_anew(tenant: Tenant, currency: str) -> None:
    """docs.stripe.com/payments/finalize-payments-on-the-server: ACSS debits are not supported."""
    account = GatewayAccount.objects.get(merchant=tenant.merchant)
    is_offered = BANK_DEBIT in list_allowed_methods([CARD, BANK_DEBIT], account, currency)
    assert is_offered is (DEBIT_TYPES[currency] not in WITHOUT_TOKENS)
    assert BANK_DEBIT in list_allowed_methods([CARD, BANK_DEBIT], account, currency, is_saved=True)


def test_payers_in_canada_see_cards_and_the_account_that_they_saved(tenant: Tenant) -> None:
    AccountingSettings.objects.update(currencies=["CAD"])
    checkout = tenant.open_checkout(quote={"currency": "CAD"}, allowed_methods=["card", "bank_debit"])
    payer = SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    SavedMethod.objects.create(
        account=GatewayAccount.objects.get(merchant=tenant.merchant),
        company=checkout.payment.company,
        owner=payer.user,
        kind="acss_debit",
        last4="6789",
        stripe_customer_id="cus_1",
        stripe_payment_method_id="pm_1",
        state="active",
        state_at=timezone.now(),
    )
    page = payer.client.get(f"{checkout.path}/checkout").content.decode()
    assert "6789" in page
    assert "acss_debit" not in page
