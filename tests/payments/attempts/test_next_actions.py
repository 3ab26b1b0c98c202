"""Each next action has its own time, words and way back, for payments and for setups.

Stands for the kinds of docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action: some take the
payer business days (docs.stripe.com/payments/ach-direct-debit, "micro-deposit verification"; /payments/boleto).
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments.handlers import resolve_attempt, resolve_setup
from payments.operations.next_actions import NEXT_ACTIONS, UNKNOWN
from tests.payments.signed_in_payer import ONLY_RECURRING, USD, SignedInPayer
from tests.tenants import Checkout, Tenant
from wisepay.outbox import Retry

ASKS = "4000002760003184"
Deliver = Callable[..., int]
# Kind, words of the page, how long it is left alone, and when it is given up.
KINDS = {
    "verify_with_microdeposits": ("Confirm your bank account", timedelta(days=12), timedelta(days=14)),
    "boleto_display_details": ("Pay with your voucher", timedelta(days=7), timedelta(days=9)),
    "oxxo_display_details": ("Pay with your voucher", timedelta(days=7), timedelta(days=9)),
    "konbini_display_details": ("Pay with your voucher", timedelta(days=7), timedelta(days=9)),
    "multibanco_display_details": ("Pay with your voucher", timedelta(days=7), timedelta(days=9)),
    "display_bank_transfer_instructions": ("Transfer the amount", timedelta(days=29), timedelta(days=31)),
    "redirect_to_url": ("Continue on your bank", timedelta(hours=23), timedelta(hours=25)),
    "new_kind_of_tomorrow": ("One more step", timedelta(days=9), timedelta(days=11)),
}


def ask_at_stripe(tenant: Tenant, act: str, **order: Any) -> Any:
    """Order something of the practice Stripe."""
    return tenant.world.post("/stripe/_control", {act: order})[act]


def ask_payer(checkout: Checkout, kind: str) -> Any:
    """Pay with a card that asks, and let the gateway ask for another kind of next action; returns the attempt."""
    checkout.pay(ASKS)
    [attempt] = checkout.attempts
    ask_at_stripe(checkout.tenant, "ask_for_action", payment_intent=attempt.stripe_payment_intent_id, type=kind)
    with pytest.raises(Retry):
        resolve_attempt(attempt_id=attempt.pk, now=timezone.now())
    return checkout.attempts[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_payment_waits_as_long_as_its_next_action_takes(
    checkout: Checkout, browser: Client, deliver: Deliver, kind: str
) -> None:
    title, patient, over = KINDS[kind]
    attempt = ask_payer(checkout, kind)
    assert (attempt.state, attempt.next_action) == ("requires_action", kind)
    page = browser.get(checkout.path).content.decode().replace("&#x27;", "'")
    assert title in page
    assert "wants to confirm that it is you" not in page
    assert "/stripe/3ds/" in page or not attempt.action_url
    assert "Use another method" in page
    with pytest.raises(Retry):
        resolve_attempt(attempt_id=attempt.pk, now=timezone.now() + patient)
    assert checkout.attempts[0].state == "requires_action"
    resolve_attempt(attempt_id=attempt.pk, now=timezone.now() + over)
    assert checkout.attempts[0].state == "cancelled"


@pytest.mark.parametrize("kind", KINDS)
def test_what_takes_days_is_in_a_mail_once(checkout: Checkout, deliver: Deliver, kind: str) -> None:
    attempt = ask_payer(checkout, kind)
    deliver()
    with pytest.raises(Retry):
        resolve_attempt(attempt_id=attempt.pk, now=timezone.now())
    deliver()
    action = NEXT_ACTIONS.get(kind, UNKNOWN)
    mails = [m for m in checkout.tenant.mails(attempt.payer_email) if str(action.title) in m["subject"]]
    assert len(mails) == int(action.is_slow)
    assert all("/stripe/3ds/" in str(mail) or not attempt.action_url for mail in mails)


def test_a_challenge_is_still_given_up_after_half_an_hour(checkout: Checkout, browser: Client) -> None:
    checkout.pay(ASKS)
    [attempt] = checkout.attempts
    assert (attempt.next_action, attempt.action_url) == ("", "")
    assert "Your bank wants to confirm" in browser.get(checkout.path).content.decode()
    resolve_attempt(attempt_id=attempt.pk, now=timezone.now() + timedelta(minutes=31))
    assert checkout.attempts[0].state == "cancelled"


@pytest.mark.parametrize("passed", [True, False])
def test_it_ends_as_the_payer_did_it(checkout: Checkout, deliver: Deliver, passed: bool) -> None:
    attempt = ask_payer(checkout, "boleto_display_details")
    order = {"payment_intent": attempt.stripe_payment_intent_id} | ({} if passed else {"fail": "1"})
    ask_at_stripe(checkout.tenant, "finish_action", **order)
    deliver(at=timezone.now() + timedelta(days=4))
    assert checkout.attempts[0].state == ("succeeded" if passed else "failed")
    assert (checkout.attempts[0].action_url, checkout.attempts[0].next_action) == ("", "")


def test_the_payers_script_goes_to_the_page_instead_of_a_challenge(checkout: Checkout, browser: Client) -> None:
    attempt = ask_payer(checkout, "verify_with_microdeposits")
    answer = browser.post(
        f"{checkout.path}/attempts/{attempt.reference}/check", headers={"Accept": "application/json"}
    ).json()
    assert (answer["status"], answer["next"]) == ("requires_action", checkout.path)
    assert "client_secret" not in answer


def test_another_method_can_be_chosen_meanwhile(checkout: Checkout, browser: Client) -> None:
    attempt = ask_payer(checkout, "boleto_display_details")
    browser.post(f"{checkout.path}/attempts/{attempt.reference}/stop")
    assert checkout.attempts[0].state == "cancelled"
    assert checkout.pay(client=browser).json()["status"] == "succeeded"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_a_setup_waits_as_long_as_its_next_action_takes(tenant: Tenant, deliver: Deliver, kind: str) -> None:
    title, patient, over = KINDS[kind]
    checkout = tenant.open_checkout(**ONLY_RECURRING)
    payer = SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    payer.save(checkout, ASKS)
    [setup] = payer.setups
    ask_at_stripe(tenant, "ask_for_setup_action", setup_intent=setup.stripe_setup_intent_id, type=kind)
    with pytest.raises(Retry):
        resolve_setup(setup_id=setup.pk, now=timezone.now() + patient)
    assert (payer.setups[0].state, payer.setups[0].next_action) == ("requires_action", kind)
    assert title in payer.client.get(checkout.path).content.decode().replace("&#x27;", "'")
    deliver()
    action = NEXT_ACTIONS.get(kind, UNKNOWN)
    mails = [m for m in tenant.mails(payer.email) if str(action.title) in m["subject"]]
    assert len(mails) == int(action.is_slow)
    resolve_setup(setup_id=setup.pk, now=timezone.now() + over + patient)
    assert payer.setups[0].state == "cancelled"


def test_a_bank_account_that_needs_micro_deposits_is_charged_after_them(tenant: Tenant, deliver: Deliver) -> None:
    """docs.stripe.com/payments/ach-direct-debit/accept-a-payment: accounts that no log-in verifies."""
    checkout = tenant.open_checkout(**USD)
    payer = SignedInPayer(tenant)
    payer.grant_access(checkout.payment)
    payer.pay_by_bank(checkout, account={"account_number": "000888888883"})
    [attempt] = checkout.attempts
    assert (attempt.state, attempt.next_action) == ("requires_action", "verify_with_microdeposits")
    deliver(at=timezone.now() + timedelta(days=3))
    assert checkout.attempts[0].state == "requires_action"
    assert any("Confirm your bank account" in mail["subject"] for mail in tenant.mails(payer.email))
    ask_at_stripe(tenant, "finish_action", payment_intent=attempt.stripe_payment_intent_id)
    deliver(at=timezone.now() + timedelta(days=4))
    assert checkout.attempts[0].is_settling
