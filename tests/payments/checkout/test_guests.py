"""Pay Now as a payer meets it: what is shown, who is refused, what a card's answer leads to."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from merchants.models import EventNotification
from merchants.services import update_event_notifications
from payments.errors import CARD_FAILURES, GENERAL_CARD_FAILURE, explain_failure
from payments.payment_pages.element import SCRIPT_ORIGINS
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant

PURCHASE_ORDER = {"quote": {"purchase_order_number": "PO-7781"}}
RECURRING = {"recurring": {"total": "99.00", "interval": "month"}}
BANK_ONLY = {"allowed_methods": ["bank_debit"]}
DECLINES = {
    "4000000000000002": GENERAL_CARD_FAILURE,
    "4000000000009995": CARD_FAILURES["insufficient_funds"],
    "4000000000009987": GENERAL_CARD_FAILURE,
    "4000000000009979": GENERAL_CARD_FAILURE,
    "4000000000000069": CARD_FAILURES["expired_card"],
    "4000000000000127": CARD_FAILURES["incorrect_cvc"],
    "4000000000000119": CARD_FAILURES["processing_error"],
    "4000000000000341": GENERAL_CARD_FAILURE,
}


def get_text(client: Client, path: str) -> str:
    """The page, with its spaces made plain."""
    return re.sub(r"\s+", " ", client.get(path).content.decode())


# ---- what is shown -------------------------------------------------------------------------------


def test_invoice_details_come_first_with_rows_amounts_and_purchase_order(tenant: Tenant, browser: Client) -> None:
    checkout = tenant.open_checkout(**PURCHASE_ORDER)
    page = get_text(browser, checkout.path)
    for shown in (
        f"Pay Quote {checkout.quote.number}",
        "Managed services onboarding",
        "Harbour Dental Pty Ltd",
        "PO-7781",
        "One-time total</dt><dd>A$1,250.00",
        "Including tax</dt><dd>A$113.64",
        "Due now</dt><dd>A$625.00",
        "Northwind IT",
        "Continue as guest",
        checkout.payment.done_path,
    ):
        assert shown in page, shown
    assert "stripe.js" not in page


def test_the_guests_page_asks_for_the_payer_and_offers_both_amounts(checkout: Checkout, browser: Client) -> None:
    page = get_text(browser, f"{checkout.path}/guest")
    assert 'name="name"' in page
    assert 'name="email"' in page
    assert 'value="accounts@harbourdental.example"' in page
    assert re.findall(r'type="radio" name="amount" value="(\d+)"', page) == ["62500", "125000"]
    assert 'data-publishable-key="pk_test_' in page
    assert "payment-element" in page


def test_a_quote_that_is_due_in_full_offers_no_choice(tenant: Tenant, browser: Client) -> None:
    checkout = tenant.open_checkout(amounts={"due_now": "1250.00"})
    page = get_text(browser, f"{checkout.path}/guest")
    assert 'type="radio"' not in page
    assert '<input type="hidden" name="amount" value="125000"' in page


def test_nothing_that_must_stay_secret_is_on_any_page(tenant: Tenant, checkout: Checkout, browser: Client) -> None:
    pages: list[Any] = [browser.get(checkout.path), browser.get(f"{checkout.path}/guest")]
    pages += [checkout.pay(), checkout.pay(), browser.get(checkout.path)]
    for answer in pages:
        found = answer.content.decode() + str(answer.headers)
        for secret in (tenant.stripe_key, "whsec_", tenant.api_key, "sk_test"):
            assert secret not in found


@pytest.mark.parametrize("tail", ["", "/guest"])
def test_a_page_is_cheap_and_no_cache_keeps_it(
    checkout: Checkout, browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries, tail: str
) -> None:
    with django_assert_max_num_queries(6):
        answer = browser.get(checkout.path + tail)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert "private" in answer["Cache-Control"]


def test_answers_to_an_attempt_are_kept_by_no_cache(checkout: Checkout) -> None:
    for answer in (checkout.pay("4000000000000002"), checkout.pay(name=""), checkout.pay(), checkout.pay()):
        assert "no-store" in answer["Cache-Control"]


def test_only_stripe_may_run_and_frame_beside_us(checkout: Checkout, browser: Client) -> None:
    answer = browser.get(f"{checkout.path}/guest")
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    [nonce] = set(re.findall(r'nonce="([^"]+)"', answer.content.decode()))
    assert f"'nonce-{nonce}'" in policy["script-src"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert policy["base-uri"] == "'none'"
    scripts = [source for source in policy["script-src"].split() if not source.startswith("'")]
    assert scripts == SCRIPT_ORIGINS
    assert len(scripts) == 1
    assert "*" not in scripts[0]
    assert "https://hooks.stripe.com" in policy["frame-src"]
    for name in ("script-src", "frame-src", "connect-src"):
        assert " * " not in f" {policy[name]} "
    assert "stripe" not in browser.get(checkout.path)["Content-Security-Policy"]


def test_what_we_send_to_a_payer_is_light(checkout: Checkout, browser: Client) -> None:
    page = browser.get(f"{checkout.path}/guest").content
    root = Path(str(django_settings.BASE_DIR)) / "static"
    ours = set(re.findall(r'(?:src|href)="/static/([^"]+\.(?:js|css))"', page.decode()))
    assert ours >= {"css/base.css", "css/pay.css", "js/paynow.js"}
    assert len(page) + sum((root / name).stat().st_size for name in ours) <= 40_000


def test_the_merchants_words_are_only_text(tenant: Tenant, browser: Client) -> None:
    tenant.merchant.name = "<script>alert(1)</script>"
    tenant.merchant.save()
    checkout = tenant.open_checkout(quote={"name": "<img src=x onerror=alert(2)>"})
    for path in (checkout.path, f"{checkout.path}/guest"):
        found = browser.get(path).content
        assert b"<script>alert" not in found
        assert b"<img" not in found


# ---- who is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "reason"), [(RECURRING, "recurring part"), (BANK_ONLY, "bank debit")])
def test_a_guest_is_refused_with_the_reason(
    tenant: Tenant, browser: Client, changes: dict[str, Any], reason: str
) -> None:
    checkout = tenant.open_checkout(**changes)
    first = get_text(browser, checkout.path)
    assert reason in first
    assert "Continue as guest" not in first
    assert "admin@northwind-it.example" in first
    answer = browser.get(f"{checkout.path}/guest")
    assert answer.status_code == 409
    assert reason in answer.content.decode()
    refused = checkout.pay()
    assert (refused.status_code, read_json(refused)["code"]) == (409, "guest_refused")
    assert tenant.intents() == []


def read_json(answer: Any) -> dict[str, Any]:
    """A JSON answer."""
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"email": "nobody"}, "email"),
        ({"email": ""}, "email"),
        ({"phone": "1" * 41}, "phone"),
        ({"amount": ""}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-62500"}, "amount"),
        ({"amount": "625.5"}, "amount"),
        ({"confirmation_token": "pm_card_visa"}, "confirmation_token"),
        ({"confirmation_token": "ctoken_<script>"}, "confirmation_token"),
        ({"name": "a\0b"}, "name"),
    ],
)
def test_a_form_that_makes_no_sense_is_answered_field_by_field(
    checkout: Checkout, wrong: dict[str, Any], field: str
) -> None:
    answer = checkout.pay(**wrong)
    assert answer.status_code == 422
    found = read_json(answer)
    assert list(found["errors"]) == [field]
    assert found["errors"][field][0]["message"].endswith(".")
    assert (checkout.attempts, checkout.tenant.intents()) == ([], [])


@pytest.mark.parametrize("amount", [1, 62499, 62501, 124999, 10**15, 2**70])
def test_any_other_amount_is_refused_and_nothing_is_charged(checkout: Checkout, amount: int) -> None:
    answer = checkout.pay(amount=amount)
    assert (answer.status_code, read_json(answer)["code"]) == (409, "amount_changed")
    assert read_json(answer)["next"] == checkout.path
    assert (checkout.attempts, checkout.tenant.intents()) == ([], [])


def test_an_amount_that_changed_while_the_page_was_open_is_not_charged(checkout: Checkout) -> None:
    shown = checkout.payment.amount
    changed = dict(checkout.body["quote"]) | {"currency": "AUD"}
    checkout.tenant.open_checkout(quote=changed, amounts={"due_now": "700.00"})
    answer = checkout.pay(amount=shown)
    assert read_json(answer)["code"] == "amount_changed"
    assert checkout.tenant.intents() == []
    assert read_json(checkout.pay())["status"] == "succeeded"
    assert checkout.tenant.total_charged() == 70000


def test_an_expired_quote_is_not_charged(checkout: Checkout, browser: Client) -> None:
    payment = checkout.payment
    payment.expires_at = timezone.now()
    payment.save()
    assert "has expired" in get_text(browser, checkout.path)
    assert browser.get(f"{checkout.path}/guest").status_code == 409
    assert read_json(checkout.pay())["code"] == "expired"
    assert checkout.tenant.intents() == []


def test_a_withdrawn_quote_is_not_charged(checkout: Checkout, browser: Client) -> None:
    newer = {k: checkout.body["quote"][k] for k in ("number", "name")} | {"id": "guid-newer", "version": 2}
    checkout.tenant.open_checkout(quote=newer)
    assert "can no longer be paid" in get_text(browser, checkout.path)
    assert read_json(checkout.pay())["code"] == "expired"
    assert checkout.tenant.intents() == []


def test_a_merchant_that_is_switched_off_takes_nothing(checkout: Checkout, browser: Client) -> None:
    checkout.tenant.merchant.takes_payments = False
    checkout.tenant.merchant.save()
    answer = browser.get(f"{checkout.path}/guest")
    assert answer.status_code == 409
    assert "Northwind IT can&#x27;t take payments at the moment" in answer.content.decode()
    assert read_json(checkout.pay())["code"] == "merchant_not_ready"
    assert checkout.tenant.intents() == []


@pytest.mark.parametrize("gone", ["event", "event_notification", "quick_link", "gateway"])
def test_a_prerequisite_that_goes_away_after_opening_stops_the_charge(checkout: Checkout, gone: str) -> None:
    merchant = checkout.tenant.merchant
    if gone == "event":
        update_event_notifications(merchant, events=set(EventNotification.Event.values) - {"prepayment_processed"})
    elif gone == "gateway":
        merchant.gateway_account.delete()
    else:
        merchant.paynow_links.filter(kind=gone).update(is_active=False)
    assert read_json(checkout.pay())["code"] == "merchant_not_ready"
    assert checkout.tenant.intents() == []


def test_the_key_to_a_payment_opens_no_other_payment(tenant: Tenant, stranger: Tenant, browser: Client) -> None:
    own, theirs = tenant.open_checkout(), stranger.open_checkout()
    own.pay("4000002760003184")
    reference = own.attempts[0].reference
    for act in ("check", "stop"):
        assert browser.post(f"{theirs.path}/attempts/{reference}/{act}").status_code == 404
    assert own.attempts[0].state == "requires_action"


@pytest.mark.parametrize("tail", ["/attempts", "/attempts/x/check", "/attempts/x/stop"])
def test_nothing_changes_by_a_get(checkout: Checkout, browser: Client, tail: str) -> None:
    assert browser.get(checkout.path + tail).status_code == 405


# ---- what a card's answer leads to ---------------------------------------------------------------


@pytest.mark.parametrize("amount", [62500, 125000], ids=["deposit", "full"])
def test_the_amount_that_was_chosen_is_charged(checkout: Checkout, browser: Client, amount: int) -> None:
    answer = checkout.pay(amount=amount)
    assert (answer.status_code, read_json(answer)["status"]) == (200, "succeeded")
    assert read_json(answer)["next"] == checkout.payment.done_path
    assert (checkout.payment.paid_amount, checkout.tenant.total_charged()) == (amount, amount)
    page = get_text(browser, checkout.path)
    assert "Paid. Thank you." in page
    assert f"A${amount // 100:,}.00 from Visa ···· 4242" in page


@pytest.mark.parametrize(("card", "message"), DECLINES.items(), ids=DECLINES)
def test_a_declined_card_gets_a_sentence_and_another_card_pays_from_the_same_page(
    checkout: Checkout, browser: Client, card: str, message: str
) -> None:
    browser.get(f"{checkout.path}/guest")
    declined = read_json(checkout.pay(card, client=browser))
    assert (declined["status"], declined["message"]) == ("failed", message)
    assert "Nothing was charged" in message
    assert "next" not in declined
    assert browser.get(f"{checkout.path}/guest").status_code == 200
    assert read_json(checkout.pay(client=browser))["status"] == "succeeded"
    assert [a.state for a in checkout.attempts] == ["failed", "succeeded"]
    assert checkout.tenant.total_charged() == 62500


def test_no_sentence_tells_a_thief_why(db: None) -> None:
    for code in ("lost_card", "stolen_card", "fraudulent", "pickup_card", "merchant_blacklist", "whatever"):
        assert explain_failure(code) == GENERAL_CARD_FAILURE


def pay_with_challenge(checkout: Checkout, browser: Client, card: str, *, outcome: str) -> dict[str, Any]:
    """Pay with a card whose bank asks, answer it, and let the page ask how it went."""
    asked = read_json(checkout.pay(card, client=browser))
    assert asked["status"] == "requires_action"
    assert "Your bank wants to confirm" in get_text(browser, checkout.path)
    answer_three_d_secure(checkout.tenant.world, asked["client_secret"], outcome=outcome)
    return read_json(browser.post(asked["attempt"]))


def test_a_bank_that_confirms_leads_to_paid(checkout: Checkout, browser: Client) -> None:
    checked = pay_with_challenge(checkout, browser, "4000002760003184", outcome="complete")
    assert (checked["status"], checked["next"]) == ("succeeded", checkout.payment.done_path)
    assert (checkout.payment.state, checkout.tenant.total_charged()) == ("succeeded", 62500)


@pytest.mark.parametrize(
    ("card", "outcome", "code"),
    [
        ("4000002760003184", "fail", "payment_intent_authentication_failure"),
        ("4000008400001629", "complete", "generic_decline"),
        ("4000008260003178", "complete", "insufficient_funds"),
    ],
)
def test_a_bank_that_refuses_leads_to_a_sentence_and_a_dead_intent(
    checkout: Checkout, browser: Client, card: str, outcome: str, code: str
) -> None:
    checked = pay_with_challenge(checkout, browser, card, outcome=outcome)
    assert (checked["status"], checked["message"]) == ("failed", explain_failure(code))
    # The browser still holds the intent's secret: nobody may pay with it any more.
    assert [i["status"] for i in checkout.tenant.intents()] == ["canceled"]
    assert read_json(checkout.pay(client=browser))["status"] == "succeeded"
    assert checkout.tenant.total_charged() == 62500


def test_a_payer_can_give_the_bank_up_and_use_another_card(checkout: Checkout, browser: Client) -> None:
    asked = read_json(checkout.pay("4000002760003184", client=browser))
    assert read_json(checkout.pay(client=browser))["code"] == "attempt_in_progress"
    stopped = browser.post(asked["attempt"].replace("/check", "/stop"))
    assert (stopped.status_code, stopped["Location"]) == (302, checkout.path)
    assert checkout.attempts[0].state == "cancelled"
    assert read_json(checkout.pay(client=browser))["status"] == "succeeded"
    assert checkout.tenant.total_charged() == 62500


def test_giving_up_too_late_is_paid(checkout: Checkout, browser: Client) -> None:
    asked = read_json(checkout.pay("4000002760003184", client=browser))
    answer_three_d_secure(checkout.tenant.world, asked["client_secret"])
    browser.post(asked["attempt"].replace("/check", "/stop"))
    assert checkout.payment.state == "succeeded"
    assert checkout.tenant.total_charged() == 62500


def test_a_payer_who_leaves_the_bank_open_does_not_block_the_quote_for_ever(
    checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay("4000002760003184")
    deliver(at=timezone.now() + timedelta(minutes=31))
    assert checkout.attempts[0].state == "cancelled"
    assert checkout.payment.state == "open"


# ---- once ----------------------------------------------------------------------------------------


def test_paying_again_what_is_paid_leads_to_the_paid_page(checkout: Checkout, browser: Client) -> None:
    checkout.pay(client=browser)
    again = read_json(checkout.pay(client=browser))
    assert (again["code"], again["next"]) == ("already_paid", checkout.path)
    moved = browser.get(f"{checkout.path}/guest")
    assert (moved.status_code, moved["Location"]) == (302, checkout.path)
    for _ in range(2):
        assert "Paid. Thank you." in get_text(browser, checkout.path)
    assert len(checkout.tenant.intents()) == 1


def test_asking_again_how_a_paid_attempt_went_answers_the_same(checkout: Checkout, browser: Client) -> None:
    first = read_json(checkout.pay(client=browser))
    second = read_json(browser.post(first["attempt"]))
    assert (second["status"], second["next"]) == ("succeeded", first["next"])
