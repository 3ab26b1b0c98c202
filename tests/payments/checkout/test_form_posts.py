"""What a browser that runs none of our scripts gets: pages, never JSON, and no charge without a confirmation."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from merchants.models import Terms
from merchants.terms.services import get_current_terms
from payers.models import TermsAcceptance
from tests.payments.consent_form import get_consent_fields
from tests.payments.signed_in_payer import (
    ONLY_RECURRING,
    RECURRING,
    USD,
    SignedInPayer,
    create_card_token,
    get_terms_id,
)
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant, merge_body
from wisepay.models import User

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
POOR_CARD, ASKING_CARD = "4000000000009995", "4000002760003184"


@pytest.fixture
def payer(tenant: Tenant) -> SignedInPayer:
    return SignedInPayer(tenant)


def post(client: Client, path: str, form: dict[str, Any]) -> Any:
    """Post as a browser does that follows no script."""
    return client.post(path, form, headers=BROWSER)


def guest_form(checkout: Checkout, **form: Any) -> dict[str, Any]:
    usual = {"name": "Ada Payer", "email": "ada@example.com", "phone": "", "amount": checkout.payment.amount}
    return {**usual, "paying_as": "guest", **get_consent_fields(checkout.payment), **form}


# What a guest's form holds, the status and the words that it is answered with.
GUEST_POSTS = [
    ({}, 422, "no card or bank details came with this"),
    ({"email": "eddie@cases"}, 422, "Enter a valid email address"),
    ({"name": "   "}, 422, "This field is required"),
    ({"amount": "seven"}, 422, "Enter a whole number"),
    ({"confirmation_token": "pm_nothing"}, 422, "Enter a valid value"),
    ({"amount": "1", "confirmation_token": "ctoken_1234567890"}, 302, ""),
    ({"saved_method": "unknown"}, 409, "can&#x27;t be used any more"),
]


@pytest.mark.parametrize(("form", "status", "words"), GUEST_POSTS)
def test_a_guests_form_is_answered_with_a_page(
    checkout: Checkout, browser: Client, form: dict[str, Any], status: int, words: str
) -> None:
    answer = post(browser, f"{checkout.path}/attempts", guest_form(checkout, **form))
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    page = answer.content.decode()
    assert words in page
    if status != 302:
        assert 'id="pay-form"' in page
        assert form.get("email", "ada@example.com") in page
    assert checkout.attempts == []


def test_a_form_without_a_script_pays_and_says_so(checkout: Checkout, tenant: Tenant, browser: Client) -> None:
    form = guest_form(checkout, confirmation_token=create_card_token(tenant))
    answer = post(browser, f"{checkout.path}/attempts", form)
    assert (answer.status_code, answer["Location"]) == (302, checkout.path)
    assert "Paid. Thank you." in browser.get(checkout.path).content.decode()


def test_a_declined_card_is_explained_on_the_page_with_what_was_typed(
    checkout: Checkout, tenant: Tenant, browser: Client
) -> None:
    form = guest_form(checkout, confirmation_token=create_card_token(tenant, POOR_CARD))
    answer = post(browser, f"{checkout.path}/attempts", form)
    assert answer.status_code == 402
    assert "enough money on this card" in answer.content.decode()
    assert 'value="Ada Payer"' in answer.content.decode()


def test_a_bank_that_asks_is_a_page_that_goes_on(checkout: Checkout, tenant: Tenant, browser: Client) -> None:
    form = guest_form(checkout, confirmation_token=create_card_token(tenant, ASKING_CARD))
    answer = post(browser, f"{checkout.path}/attempts", form)
    assert (answer.status_code, answer["Location"]) == (302, checkout.path)
    page = browser.get(checkout.path).content.decode()
    assert "Your bank wants to confirm that it is you" in page
    assert "Use another method" in page
    assert 'class="spinner"' not in page, "it is the payer's turn"


def test_a_saved_method_is_charged_only_after_its_confirmation_page(tenant: Tenant, payer: SignedInPayer) -> None:
    first = tenant.open_checkout()
    payer.pay_and_save(first)
    payer.grant_access(first.payment)
    checkout, [method] = tenant.open_checkout(), payer.methods
    page = payer.client.get(f"{checkout.path}/checkout").content.decode()
    agreed = payer.agree(checkout, {"saved_method": method.reference, "paying_as": read_mark(page)})
    form = payer.build_form(checkout, **agreed)
    answer = post(payer.client, f"{checkout.path}/attempts", form)
    shown = answer.content.decode()
    assert (answer.status_code, checkout.attempts) == (200, [])
    assert all(words in shown for words in ("Pay A$625.00?", "4242", "Nothing was charged yet", 'name="is_confirmed"'))
    confirmed = post(payer.client, f"{checkout.path}/attempts", {**form, "is_confirmed": "1"})
    assert confirmed.status_code == 302
    assert [a.state for a in checkout.attempts] == ["succeeded"]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, ["payment"]),
        (RECURRING, ["payment", "automatic_payments"]),
        (USD, ["direct_debit"]),
        (merge_body(USD, RECURRING), ["direct_debit", "automatic_payments"]),
    ],
    ids=["card", "card that recurs", "debit", "debit that recurs"],
)
def test_the_confirmation_page_shows_and_asks_for_what_its_method_means(
    tenant: Tenant, payer: SignedInPayer, changes: dict[str, Any], kinds: list[str]
) -> None:
    first = tenant.open_checkout(**changes)
    if "direct_debit" in kinds:
        payer.pay_by_bank(first, saves=True)
    else:
        payer.pay_and_save(first)
    payer.grant_access(first.payment)
    checkout = tenant.open_checkout(**merge_body(changes, {"quote": {"id": "second", "number": 77}}))
    [method] = payer.methods
    form = payer.build_form(checkout, saved_method=method.reference)
    path = f"{checkout.path}/attempts"
    asked = post(payer.client, path, form)
    page = asked.content.decode().replace("&#x27;", "'")
    needed = {str(get_current_terms(tenant.merchant, kind).pk) for kind in kinds}
    assert (asked.status_code, set(re.findall(r'name="accepted_terms" value="(\d+)"', page))) == (200, needed)
    refused = post(payer.client, path, {**form, "is_confirmed": "1"})
    assert (refused.status_code, checkout.attempts) == (422, [])
    assert "Please read the terms and accept them." in refused.content.decode()
    assert 'name="is_confirmed"' in refused.content.decode()
    schedule = re.findall(r'name="agreed_schedule" value="([^"]+)"', page)
    confirmed = {**form, "is_confirmed": "1", "accepted_terms": sorted(needed), "agreed_schedule": schedule}
    assert post(payer.client, path, confirmed).status_code == 302
    [attempt] = checkout.attempts
    rows = TermsAcceptance.objects.filter(operation=attempt.reference).select_related("terms")
    assert sorted(row.terms.kind for row in rows) == sorted(kinds)
    assert [line for row in rows for line in row.shown.splitlines() if line not in page] == []


def test_a_method_of_somebody_else_is_not_even_named(tenant: Tenant, payer: SignedInPayer) -> None:
    payer.pay_and_save(tenant.open_checkout())
    [method] = payer.methods
    other, checkout = SignedInPayer(tenant), tenant.open_checkout()
    answer = post(other.client, f"{checkout.path}/attempts", other.build_form(checkout, saved_method=method.reference))
    assert answer.status_code == 409
    assert "4242" not in answer.content.decode()
    assert checkout.attempts == []


def test_a_method_for_what_recurs_is_confirmed_as_well(tenant: Tenant, payer: SignedInPayer) -> None:
    first = tenant.open_checkout(**ONLY_RECURRING)
    payer.save(first)
    payer.grant_access(first.payment)
    checkout, [method] = tenant.open_checkout(**ONLY_RECURRING), payer.methods
    form = payer.build_form(checkout, **payer.agree(checkout, {"saved_method": method.reference}))
    answer = post(payer.client, f"{checkout.path}/setups", form)
    assert "Use this method?" in answer.content.decode()
    assert checkout.payment.state == "open"
    post(payer.client, f"{checkout.path}/setups", {**form, "is_confirmed": "1"})
    assert checkout.payment.state == "saved"


def read_mark(page: str) -> str:
    """The mark of the visitor for whom a page was made."""
    return page.partition('name="paying_as" value="')[2].partition('"')[0]


@pytest.mark.parametrize("accept", ["application/json", BROWSER["Accept"]])
def test_who_was_signed_out_while_paying_is_told_and_comes_back_here(
    tenant: Tenant, payer: SignedInPayer, accept: str
) -> None:
    checkout = tenant.open_checkout()
    page = payer.client.get(f"{checkout.path}/checkout").content.decode()
    form = payer.build_form(checkout, confirmation_token=create_card_token(tenant), paying_as=read_mark(page))
    payer.client.logout()
    answer = payer.client.post(f"{checkout.path}/attempts", form, headers={"Accept": accept})
    text = answer.content.decode()
    assert answer.status_code == 409
    assert "You are no longer signed in, so nothing was charged" in text
    assert f"/accounts/login/?next={checkout.path.replace('/', '%2F')}%2Fcheckout" in text
    assert checkout.attempts == []


@pytest.mark.parametrize("opened_as", ["guest", "another payer"])
def test_a_page_of_somebody_else_charges_nobody(tenant: Tenant, payer: SignedInPayer, opened_as: str) -> None:
    checkout = tenant.open_checkout()
    client = Client() if opened_as == "guest" else SignedInPayer(tenant).client
    page = client.get(f"{checkout.path}/{'guest' if opened_as == 'guest' else 'checkout'}").content.decode()
    form = payer.build_form(checkout, confirmation_token=create_card_token(tenant), paying_as=read_mark(page))
    answer = payer.client.post(f"{checkout.path}/attempts", form)
    assert (answer.status_code, answer.json()["code"]) == (409, "visitor_changed")
    assert answer.json()["link"]["url"] == checkout.path
    assert checkout.attempts == []


@pytest.mark.parametrize("cookie", [True, False])
@pytest.mark.parametrize("accept", ["application/json", BROWSER["Accept"]])
def test_a_form_of_before_a_sign_in_is_answered_with_true_words_and_a_way_back(
    checkout: Checkout, cookie: bool, accept: str
) -> None:
    client = Client(enforce_csrf_checks=True)
    if cookie:
        client.get(f"{checkout.path}/guest")
    answer = client.post(f"{checkout.path}/attempts", guest_form(checkout), headers={"Accept": accept})
    text = answer.content.decode()
    assert answer.status_code == 403
    assert ("Somebody signed in or out in this browser" in text) is cookie
    assert ("Allow cookies for this site" in text) is not cookie
    assert checkout.path in text
    assert checkout.attempts == []


def test_a_failed_confirmation_of_the_bank_shows_the_failure_and_other_ways(
    checkout: Checkout, tenant: Tenant, browser: Client
) -> None:
    answer = json.loads(checkout.pay(ASKING_CARD, client=browser).content)
    answer_three_d_secure(tenant.world, answer["client_secret"], outcome="fail")
    browser.post(answer["attempt"])
    page = browser.get(checkout.path).content.decode()
    assert "Your bank could not confirm that it was you" in page
    assert "Continue as guest" in page


def test_the_waiting_page_loads_nothing_of_stripe_and_has_a_way_on_without_a_script(
    checkout: Checkout, browser: Client
) -> None:
    checkout.tenant.world.fault("stripe", "status", status=500, times=None)
    checkout.pay(client=browser, confirmation_token="ctoken_1234567890")
    page = browser.get(checkout.path).content.decode()
    assert "We are confirming your payment" in page
    assert "stripe.js" not in page
    assert "Look again" in page


REGISTRATIONS = [
    ({"email": "eddie@cases"}, "Enter a valid email address."),
    ({"name": "   "}, "This field is required."),
    ({"email": ""}, "This field is required."),
    ({"phone": "1" * 41}, "at most 40 characters"),
    ({"accepted_terms": ""}, "Please read the terms and accept them."),
    ({"accepted_terms": "999999"}, "The terms have changed"),
]


@pytest.mark.parametrize(("form", "words"), REGISTRATIONS)
def test_registering_says_what_is_wrong_at_its_field_and_keeps_the_rest(
    checkout: Checkout, browser: Client, form: dict[str, str], words: str
) -> None:
    terms = get_terms_id(checkout.payment.merchant, Terms.Kind.USER_ACCOUNT)
    typed = {"name": "Riley", "email": "riley@example.com", "phone": "", "accepted_terms": str(terms), **form}
    posted = {name: value for name, value in typed.items() if name != "accepted_terms" or value}
    answer = browser.post(f"{checkout.path}/register", posted)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert page.count('aria-invalid="true"') == 1
    assert (" checked" in page) is (typed["accepted_terms"] == str(terms))
    assert all(f'value="{typed[name]}"' in page for name in ("name", "email") if typed[name].strip())
    assert not User.objects.filter(email="riley@example.com").exists()


TITLES = [
    ("", "Pay Quote"),
    ("/register", "Register to pay Quote"),
    ("/guest", "Pay Quote"),
]


def get_title(client: Client, path: str) -> str:
    """The title of a page."""
    return client.get(path).content.decode().partition("<title>")[2].partition("</title>")[0]


@pytest.mark.parametrize(("tail", "title"), TITLES)
def test_a_title_says_where_one_is(checkout: Checkout, browser: Client, tail: str, title: str) -> None:
    assert get_title(browser, checkout.path + tail).startswith(title)


def test_a_title_says_how_it_went(checkout: Checkout, tenant: Tenant, browser: Client) -> None:
    checkout.pay(POOR_CARD)
    for tail in ("", "/guest"):
        assert get_title(browser, checkout.path + tail).startswith("Not paid: Quote")
    answer = json.loads(checkout.pay(ASKING_CARD).content)
    assert get_title(browser, checkout.path).startswith("Waiting for you: Quote")
    answer_three_d_secure(tenant.world, answer["client_secret"])
    browser.post(answer["attempt"])
    assert get_title(browser, checkout.path).startswith("Paid: Quote")
