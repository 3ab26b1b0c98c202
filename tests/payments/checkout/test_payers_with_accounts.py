"""The rules of who may pay what with which: guests, people who sign in, people who register, saved methods."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
import requests
from django.test import Client

from merchants.models import Terms
from payers.models import PayerAccess, TermsAcceptance
from payments.gateway_accounts import set_bank_debits
from payments.models import Attempt, SavedMethod
from tests.payments.consent_form import get_consent_fields
from tests.payments.signed_in_payer import (
    ONLY_RECURRING,
    RECURRING,
    USD,
    SignedInPayer,
    create_bank_token,
    create_card_token,
    get_terms_id,
)
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant
from wisepay.models import User


@pytest.fixture
def signed_in_payer(tenant: Tenant) -> SignedInPayer:
    return SignedInPayer(tenant)


def register(checkout: Checkout, client: Client, email: str) -> Any:
    """Fill Payer Information in and accept the terms."""
    terms = get_terms_id(checkout.payment.merchant, Terms.Kind.USER_ACCOUNT)
    form = {"name": "Riley Register", "email": email, "phone": "", "accepted_terms": terms}
    return client.post(f"{checkout.path}/register", form)


def guest_form(checkout: Checkout, **form: Any) -> dict[str, Any]:
    return {"name": "G", "email": "g@example.com", "amount": checkout.payment.amount, **form}


def test_invoice_details_offers_all_three_ways_for_a_one_time_quote(checkout: Checkout, browser: Client) -> None:
    page = browser.get(checkout.path).content.decode()
    assert all(words in page for words in ("Log in", "Register", "Continue as guest"))


def test_a_quote_that_recurs_offers_no_guest_checkout(tenant: Tenant, browser: Client) -> None:
    checkout = tenant.open_checkout(**RECURRING)
    page = browser.get(checkout.path).content.decode()
    assert "Log in" in page
    assert "Continue as guest" not in page
    answer = checkout.pay()
    assert (answer.status_code, Attempt.objects.count()) == (409, 0)


def test_a_guest_cannot_pay_by_bank_debit_or_save(tenant: Tenant) -> None:
    checkout = tenant.open_checkout(**USD)
    form = guest_form(checkout, method="bank_debit", confirmation_token=create_bank_token(tenant))
    assert Client().post(f"{checkout.path}/attempts", form).json()["code"] == "method_not_allowed"
    form = guest_form(checkout, saves="1", confirmation_token=create_card_token(tenant))
    assert Client().post(f"{checkout.path}/attempts", form).json()["code"] == "method_not_allowed"
    assert Attempt.objects.count() == 0


def test_a_signed_in_payer_pays_without_saving(checkout: Checkout, signed_in_payer: SignedInPayer) -> None:
    answer = signed_in_payer.pay(checkout)
    assert answer.json()["status"] == "succeeded"
    [attempt] = checkout.attempts
    assert (attempt.user, attempt.saves_method, SavedMethod.objects.count()) == (signed_in_payer.user, False, 0)
    access = PayerAccess.objects.get(user=signed_in_payer.user)
    assert (access.state, access.scope) == ("active", "own")


def test_paying_and_saving_is_one_confirmation_with_proof_of_the_terms(
    checkout: Checkout, signed_in_payer: SignedInPayer
) -> None:
    assert signed_in_payer.pay_and_save(checkout).json()["status"] == "succeeded"
    [method] = signed_in_payer.methods
    assert (method.kind, method.brand, method.last4, method.is_default) == ("card", "visa", "4242", True)
    assert str(method.expires_on) == "2034-12-31"
    proofs = {proof.terms.kind: proof for proof in TermsAcceptance.objects.filter(email=signed_in_payer.email)}
    assert set(proofs) == {"payment", "saved_card"}
    proof = proofs["saved_card"]
    assert method.acceptance == proof
    assert (proof.user, proof.ip) == (signed_in_payer.user, "127.0.0.1")
    [intent] = signed_in_payer.tenant.intents()
    assert (intent["setup_future_usage"], intent["customer"]) == ("off_session", method.stripe_customer_id)


@pytest.mark.parametrize("terms", ["", "0", "other"])
def test_nothing_is_charged_or_saved_without_the_terms_in_force(
    checkout: Checkout, signed_in_payer: SignedInPayer, stranger: Tenant, terms: str
) -> None:
    wrong = str(get_terms_id(stranger.merchant, Terms.Kind.SAVED_CARD)) if terms == "other" else terms
    answer = signed_in_payer.pay_and_save(checkout, accepted_terms=wrong)
    assert (answer.status_code, "accepted_terms" in answer.json()["errors"]) == (422, True)
    assert (Attempt.objects.count(), signed_in_payer.tenant.intents()) == (0, [])


def test_a_saved_method_pays_again_with_one_click(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer
) -> None:
    signed_in_payer.pay_and_save(checkout)
    second = tenant.open_checkout()
    page = signed_in_payer.client.get(f"{second.path}/checkout").content.decode()
    assert "Visa ···· 4242" in page
    [method] = signed_in_payer.methods
    answer = signed_in_payer.pay(second, saved_method=method.reference)
    assert (answer.json()["status"], second.payment.state) == ("succeeded", "succeeded")
    assert [i["payment_method"] for i in tenant.intents()] == [method.stripe_payment_method_id] * 2


def test_another_payers_method_is_refused(tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer) -> None:
    signed_in_payer.pay_and_save(checkout)
    [method] = signed_in_payer.methods
    other = SignedInPayer(tenant)
    second = tenant.open_checkout()
    other.grant_access(second.payment, scope="own")
    answer = other.pay(second, saved_method=method.reference)
    assert (answer.status_code, answer.json()["code"]) == (409, "method_unusable")
    assert "Visa ···· 4242" not in other.client.get(f"{second.path}/checkout").content.decode()
    assert len(tenant.intents()) == 1


def test_a_shared_method_is_for_everybody_who_sees_the_whole_company(tenant: Tenant, checkout: Checkout) -> None:
    owner = SignedInPayer(tenant)
    owner.grant_access(checkout.payment)
    owner.pay_and_save(checkout, shares="1")
    [method] = owner.methods
    assert method.is_shared
    second = tenant.open_checkout()
    colleague = SignedInPayer(tenant)
    colleague.grant_access(second.payment)
    assert colleague.pay(second, saved_method=method.reference).json()["status"] == "succeeded"


def test_another_merchants_method_is_refused(tenant: Tenant, stranger: Tenant, signed_in_payer: SignedInPayer) -> None:
    there = stranger.open_checkout()
    foreign = SignedInPayer(stranger)
    foreign.pay_and_save(there)
    here = tenant.open_checkout()
    answer = signed_in_payer.pay(here, saved_method=foreign.methods[0].reference)
    assert (answer.status_code, answer.json()["code"], here.attempts) == (409, "method_unusable", [])


def test_a_quote_that_recurs_must_save_and_keeps_what_was_saved(tenant: Tenant, signed_in_payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout(**RECURRING)
    assert signed_in_payer.pay(checkout).json()["code"] == "must_save_method"
    assert signed_in_payer.pay_and_save(checkout).json()["status"] == "succeeded"
    assert checkout.payment.saved_method == signed_in_payer.methods[0]
    second = tenant.open_checkout(**RECURRING)
    assert (
        signed_in_payer.pay(second, saved_method=signed_in_payer.methods[0].reference).json()["status"] == "succeeded"
    )
    assert second.payment.saved_method == signed_in_payer.methods[0]


def test_nothing_due_saves_the_method_and_charges_nothing(
    tenant: Tenant, signed_in_payer: SignedInPayer, deliver: Callable[..., int]
) -> None:
    checkout = tenant.open_checkout(**ONLY_RECURRING)
    assert "Nothing is charged now" in signed_in_payer.client.get(f"{checkout.path}/checkout").content.decode()
    answer = signed_in_payer.save(checkout)
    assert answer.json()["status"] == "succeeded"
    deliver()
    assert (checkout.payment.state, checkout.quote.state, tenant.intents()) == ("saved", "saved", [])
    assert checkout.payment.saved_method == signed_in_payer.methods[0]
    assert tenant.read(checkout)["status"] == "saved"
    assert signed_in_payer.save(checkout).status_code == 409


def test_nothing_due_can_take_a_method_that_is_saved_already(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer
) -> None:
    signed_in_payer.pay_and_save(checkout)
    second = tenant.open_checkout(**ONLY_RECURRING)
    answer = signed_in_payer.save(second, saved_method=signed_in_payer.methods[0].reference)
    assert (answer.json()["status"], second.payment.state) == ("succeeded", "saved")


def test_a_declined_card_is_not_saved(tenant: Tenant, signed_in_payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout(**ONLY_RECURRING)
    answer = signed_in_payer.save(checkout, "4000000000000002")
    assert answer.json()["status"] == "failed"
    assert (checkout.payment.state, signed_in_payer.methods) == ("open", [])
    assert signed_in_payer.save(checkout).json()["status"] == "succeeded"


def test_registering_goes_straight_on_to_paying_and_opens_nothing_else(
    tenant: Tenant, checkout: Checkout, browser: Client, deliver: Callable[..., int]
) -> None:
    answer = register(checkout, browser, "riley@example.com")
    assert (answer.status_code, answer["Location"]) == (302, f"{checkout.path}/checkout")
    page = browser.get(f"{checkout.path}/checkout").content.decode()
    assert "riley@example.com" in page
    form = guest_form(checkout, saves="1", confirmation_token=create_card_token(tenant))
    form |= get_consent_fields(checkout.payment, saves=True)
    assert browser.post(f"{checkout.path}/attempts", form).json()["status"] == "succeeded"
    [method] = SavedMethod.objects.all()
    assert (method.owner, method.is_shared, method.is_default) == (None, False, False)
    assert method.registration
    assert (method.registration.email, method.registration.state) == ("riley@example.com", "waiting")
    assert "_auth_user_id" not in browser.session
    other = tenant.open_checkout()
    assert browser.get(f"{other.path}/checkout").status_code == 302
    deliver()
    assert PayerAccess.objects.get(user__email="riley@example.com").state == "pending"
    assert any("Welcome" in m["subject"] for m in tenant.mails("riley@example.com"))


def test_registering_with_an_address_that_has_an_account_answers_alike_and_shows_nothing(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer
) -> None:
    signed_in_payer.grant_access(checkout.payment)
    signed_in_payer.pay_and_save(tenant.open_checkout())
    known, fresh = Client(), Client()
    first, second = register(checkout, known, signed_in_payer.email), register(checkout, fresh, "nobody@example.com")
    assert (first.status_code, first["Location"]) == (second.status_code, second["Location"])
    page = known.get(f"{checkout.path}/checkout").content.decode()
    assert "4242" not in page
    answer = known.post(
        f"{checkout.path}/attempts", guest_form(checkout, saved_method=signed_in_payer.methods[0].reference)
    )
    assert answer.json()["code"] == "method_unusable"


def test_terms_have_to_be_accepted_to_register(checkout: Checkout, browser: Client) -> None:
    answer = browser.post(f"{checkout.path}/register", {"name": "R", "email": "r@example.com"})
    assert answer.status_code == 422
    assert "accept" in answer.content.decode()
    assert not User.objects.filter(email="r@example.com").exists()


def test_methods_are_what_cpq_the_merchant_and_the_currency_allow(
    tenant: Tenant, signed_in_payer: SignedInPayer
) -> None:
    checkout = tenant.open_checkout(**USD)
    assert "us_bank_account" in signed_in_payer.client.get(f"{checkout.path}/checkout").content.decode()
    set_bank_debits(tenant.merchant, is_on=False)
    assert "us_bank_account" not in signed_in_payer.client.get(f"{checkout.path}/checkout").content.decode()
    answer = signed_in_payer.pay_by_bank(checkout)
    assert (answer.json()["code"], tenant.intents()) == ("method_not_allowed", [])


def test_cpq_is_told_at_intake_when_no_method_is_left(tenant: Tenant) -> None:
    set_bank_debits(tenant.merchant, is_on=False)
    answer = tenant.post_checkout(allowed_methods=["bank_debit"])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "allowed_methods"  # type: ignore[attr-defined]


def test_a_payer_is_told_whom_to_ask_when_no_method_is_left(tenant: Tenant, signed_in_payer: SignedInPayer) -> None:
    checkout = tenant.open_checkout(allowed_methods=["bank_debit"])
    set_bank_debits(tenant.merchant, is_on=False)
    page = Client().get(checkout.path).content.decode()
    assert "none of the payment methods" in page
    assert tenant.user.email in page


def test_the_amount_that_changed_is_never_charged(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer
) -> None:
    answer = signed_in_payer.pay(checkout, amount=checkout.payment.amount - 1)
    assert (answer.json()["code"], "next" in answer.json(), tenant.intents()) == ("amount_changed", True, [])


def test_a_method_removed_at_stripe_is_refused_with_a_sentence_and_forgotten(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer, deliver: Callable[..., int]
) -> None:
    signed_in_payer.pay_and_save(checkout)
    [method] = signed_in_payer.methods
    tenant.post_to_stripe(f"payment_methods/{method.stripe_payment_method_id}/detach")
    second = tenant.open_checkout()
    answer = signed_in_payer.pay(second, saved_method=method.reference)
    assert answer.json()["status"] == "failed"
    assert "othing was charged" in answer.json()["message"]
    deliver()
    assert (signed_in_payer.methods[0].state, second.payment.state, tenant.total_charged()) == (
        "removed",
        "open",
        62500,
    )
    assert signed_in_payer.pay(second).json()["status"] == "succeeded"


def test_the_bank_asks_a_signed_in_payer_too(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer
) -> None:
    answer = signed_in_payer.pay_and_save(checkout, "4000002760003184").json()
    assert (answer["status"], signed_in_payer.methods) == ("requires_action", [])
    answer_three_d_secure(tenant.world, answer["client_secret"])
    assert signed_in_payer.client.post(answer["attempt"]).json()["status"] == "succeeded"
    assert [m.last4 for m in signed_in_payer.methods] == ["3184"]


@pytest.mark.parametrize("how", ["seen", "absent", "no id", "long"])
def test_a_charge_with_a_saved_method_carries_what_the_gateway_saw_of_the_browser(
    tenant: Tenant, checkout: Checkout, signed_in_payer: SignedInPayer, how: str
) -> None:
    """docs.stripe.com/radar/radar-session: what the Element collects is missing where it is not used."""
    signed_in_payer.pay_and_save(checkout)
    key = {"key": tenant.stripe_key.replace("sk_", "pk_")}
    seen = requests.post(f"{tenant.world.url}/stripe/v1/radar/session", data=key, timeout=10).json()["id"]
    sent = {"seen": seen, "absent": "", "no id": "rse_<b>", "long": "rse_" + "a" * 10_000}[how]
    second = tenant.open_checkout()
    method = signed_in_payer.methods[0].reference
    assert signed_in_payer.pay(second, saved_method=method, radar_session=sent).json()["status"] == "succeeded"
    charged = [one for one in tenant.world.journal("stripe") if one["path"] == "/v1/payment_intents"][-1]
    assert (f"radar_options[session]={seen}" in unquote(charged["request_body"])) is (how == "seen")
    assert [attempt.radar_session_id for attempt in second.attempts] == [seen if how == "seen" else ""]
