"""Saved methods at the practice Stripe: customers, setup intents, and charges with what was saved."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_payments import (
    CARD_ONLY,
    RETURN_URL,
    answer_challenge,
    build_client,
    create_confirmation_token,
    create_intent,
    create_setup_intent,
    pay_with_method,
)

CHALLENGED_OFF_SESSION = "4000002500003155"
ALWAYS_CHALLENGED = "4000002760003184"


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, "sk_test_merchant")


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    created = client.v1.customers.create(
        {"name": "Harbour Dental", "metadata": {"payer": "p-1"}}, {"idempotency_key": "c"}
    )
    assert (
        client.v1.customers.create(
            {"name": "Harbour Dental", "metadata": {"payer": "p-1"}}, {"idempotency_key": "c"}
        ).id
        == created.id
    )
    return created.id


def create_card_token(sandbox: SandboxProcess, number: str) -> str:
    return create_confirmation_token(sandbox, number=number, exp_month="12", exp_year="34", cvc="123")


def save_method(
    client: stripe.StripeClient, customer: str, name: str, key: str = "s-1", **more: Any
) -> stripe.SetupIntent:
    params: Any = {
        "customer": customer,
        "confirm": True,
        "confirmation_token": name,
        "usage": "off_session",
        "use_stripe_sdk": True,
        "return_url": RETURN_URL,
        **CARD_ONLY,
    }
    return create_setup_intent(client, key, **{**params, **more})


def list_event_types(client: stripe.StripeClient) -> list[str]:
    return [event.type for event in client.v1.events.list({"limit": 100}).data]


def test_a_card_is_saved_with_a_token_and_found_at_its_customer(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    name = create_card_token(sandbox, "4242424242424242")
    setup = save_method(client, customer, name)
    assert (setup.status, setup.customer, setup.mandate) == ("succeeded", customer, None)
    assert save_method(client, customer, name).id == setup.id
    saved = str(setup.payment_method)
    assert client.v1.customers.payment_methods.retrieve(customer, saved).id == saved
    assert [each.id for each in client.v1.customers.payment_methods.list(customer, {"type": "card"}).data] == [saved]
    assert client.v1.customers.payment_methods.list(customer, {"type": "us_bank_account"}).data == []
    assert [each.id for each in client.v1.setup_intents.list({"created": {"gte": setup.created}}).data] == [setup.id]
    assert client.v1.setup_intents.list({"created": {"gt": setup.created + 60}}).data == []
    assert list_event_types(client)[:3] == ["setup_intent.succeeded", "payment_method.attached", "setup_intent.created"]


def test_a_card_is_saved_while_it_pays(sandbox: SandboxProcess, client: stripe.StripeClient, customer: str) -> None:
    params: Any = {"amount": 900, "currency": "usd", "confirm": True, "customer": customer, **CARD_ONLY}
    params |= {
        "confirmation_token": create_card_token(sandbox, "4242424242424242"),
        "setup_future_usage": "off_session",
    }
    intent = create_intent(client, "k-1", **params)
    method = client.v1.payment_methods.retrieve(str(intent.payment_method))
    assert (intent.status, method.customer) == ("succeeded", customer)
    again = create_intent(
        client,
        "k-2",
        amount=500,
        currency="usd",
        confirm=True,
        customer=customer,
        payment_method=method.id,
        **CARD_ONLY,
    )
    assert again.status == "succeeded"


def test_a_card_that_is_declined_is_not_saved_while_it_pays(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    params: Any = {"amount": 900, "currency": "usd", "confirm": True, "customer": customer, **CARD_ONLY}
    params |= {
        "confirmation_token": create_card_token(sandbox, "4000000000009995"),
        "setup_future_usage": "off_session",
    }
    with pytest.raises(stripe.CardError):
        create_intent(client, "k-1", **params)
    assert client.v1.customers.payment_methods.list(customer).data == []


@pytest.mark.parametrize(("outcome", "status"), [("complete", "succeeded"), ("fail", "requires_payment_method")])
def test_the_bank_asks_before_a_card_is_saved(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str, outcome: str, status: str
) -> None:
    setup: Any = save_method(client, customer, create_card_token(sandbox, CHALLENGED_OFF_SESSION))
    assert setup.status == "requires_action"
    answer_challenge(setup, outcome)
    after = client.v1.setup_intents.retrieve(setup.id)
    assert after.status == status
    expected = {
        "setup_intent.requires_action",
        f"setup_intent.{'succeeded' if outcome == 'complete' else 'setup_failed'}",
    }
    assert expected <= set(list_event_types(client))
    if outcome == "fail":
        assert after.last_setup_error
        assert after.last_setup_error.code == "setup_intent_authentication_failure"
        assert client.v1.customers.payment_methods.list(customer).data == []


def test_a_declined_card_is_not_saved_and_the_error_carries_the_setup(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        save_method(client, customer, create_card_token(sandbox, "4000000000000002"))
    error: Any = refused.value.error
    assert (error.code, error.decline_code, error.setup_intent.status) == (
        "card_declined",
        "generic_decline",
        "requires_payment_method",
    )
    assert client.v1.setup_intents.cancel(error.setup_intent.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="You cannot cancel"):
        client.v1.setup_intents.cancel(error.setup_intent.id)


def test_a_setup_is_refused_in_the_wrong_shape(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    bank = create_confirmation_token(
        sandbox, "us_bank_account", routing_number="110000000", account_number="000123456789"
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        save_method(client, customer, bank)
    assert (refused.value.code, refused.value.param) == ("setup_intent_invalid_parameter", "payment_method")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.setup_intents.create({"customer": customer, "return_url": RETURN_URL})
    assert refused.value.param == "return_url"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.setup_intents.create({"customer": customer, "confirm": True, "payment_method": "pm_card_visa"})
    assert refused.value.param == "return_url"
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        create_setup_intent(client, customer=customer, confirm=True, **CARD_ONLY)
    assert client.v1.setup_intents.list().data == []


def save_card(sandbox: SandboxProcess, client: stripe.StripeClient, customer: str, number: str) -> str:
    setup: Any = save_method(client, customer, create_card_token(sandbox, number))
    if setup.status == "requires_action":
        answer_challenge(setup, "complete")
    return str(client.v1.setup_intents.retrieve(setup.id).payment_method)


def test_the_bank_asks_as_the_card_is_documented(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    once = save_card(sandbox, client, customer, CHALLENGED_OFF_SESSION)
    assert pay_with_method(client, once, customer=customer, off_session=True).status == "succeeded"
    assert pay_with_method(client, once, customer=customer, use_stripe_sdk=True).status == "requires_action"


def test_without_the_payer_authentication_is_asked_for_and_the_payer_can_come_back(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    setup: Any = save_method(client, customer, create_card_token(sandbox, ALWAYS_CHALLENGED))
    answer_challenge(setup, "complete")
    saved = str(setup.payment_method)
    with pytest.raises(stripe.CardError) as refused:
        pay_with_method(client, saved, customer=customer, off_session=True)
    error: Any = refused.value.error
    assert (error.code, error.payment_intent.status) == ("authentication_required", "requires_payment_method")
    intent = client.v1.payment_intents.confirm(
        error.payment_intent.id, {"payment_method": saved, "use_stripe_sdk": True}
    )
    assert intent.status == "requires_action"
    answer_challenge(intent, "complete")
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


def test_a_method_serves_its_own_customer_only(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    saved = save_card(sandbox, client, customer, "4242424242424242")
    other = client.v1.customers.create({"name": "Ridgeline Legal"}).id
    for more, words in (({"customer": other}, "does not belong to the Customer"), ({}, "Please include the Customer")):
        with pytest.raises(stripe.InvalidRequestError, match=words) as refused:
            pay_with_method(client, saved, **more)
        assert refused.value.param == "payment_method"
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(saved, {"customer": other})


def test_a_detached_method_is_gone_for_good(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    saved = save_card(sandbox, client, customer, "4242424242424242")
    assert client.v1.payment_methods.detach(saved).customer is None
    event: Any = client.v1.events.list({"type": "payment_method.detached"}).data[0]
    assert event.data.previous_attributes["customer"] == customer
    for more in ({}, {"off_session": True}):
        with pytest.raises(stripe.InvalidRequestError, match="was detached from a Customer"):
            pay_with_method(client, saved, customer=customer, **more)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        client.v1.payment_methods.attach(saved, {"customer": customer})
    assert client.v1.payment_methods.retrieve(saved).id == saved
    with pytest.raises(stripe.InvalidRequestError) as lost:
        client.v1.customers.payment_methods.retrieve(customer, saved)
    assert lost.value.code == "resource_missing"


def test_a_card_is_renewed_by_its_network_and_changed_by_its_owner(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    saved = save_card(sandbox, client, customer, "4242424242424242")
    sandbox.post("/stripe/_control", {"renew": {"payment_method": saved, "exp_year": 2039, "last4": "1111"}})
    event: Any = client.v1.events.list({"type": "payment_method.automatically_updated"}).data[0]
    assert event.data.object["card"]["exp_year"] == 2039
    assert event.data.previous_attributes["card"].to_dict() == {"exp_year": 2034, "last4": "4242"}
    changed = client.v1.payment_methods.update(saved, {"card": {"exp_month": 3}, "metadata": {"a": "b"}})
    assert changed.card
    assert (changed.card.exp_month, changed.card.last4) == (3, "1111")


def test_a_button_of_the_dashboard_detaches(
    sandbox: SandboxProcess, client: stripe.StripeClient, customer: str
) -> None:
    saved = save_card(sandbox, client, customer, "4242424242424242")
    page = sandbox.get("/stripe/dashboard").text
    assert f"Detach {saved}" in page
    assert "visa ending 4242, 12/34" in page
    form = {"payment_method": saved}
    requests.post(f"{sandbox.url}/stripe/dashboard/acts/detach", data=form, timeout=5).raise_for_status()
    assert client.v1.customers.payment_methods.list(customer).data == []
    twice = requests.post(f"{sandbox.url}/stripe/dashboard/acts/detach", data=form, timeout=5)
    assert "detachment is impossible" in twice.text
