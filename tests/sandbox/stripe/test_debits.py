"""Bank debits at the practice Stripe: days between the payment and the bank's word."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_payments import (
    build_client,
    create_confirmation_token,
    create_intent,
    create_setup_intent,
)

ROUTING = {"routing_number": "110000000"}


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, "sk_test_merchant")


def create_debit(sandbox: SandboxProcess, client: stripe.StripeClient, number: str) -> stripe.PaymentIntent:
    name = create_confirmation_token(sandbox, "us_bank_account", account_number=number, **ROUTING)
    return client.v1.payment_intents.create(
        {
            "amount": 50000,
            "currency": "usd",
            "confirm": True,
            "confirmation_token": name,
            "allowed_payment_method_types": ["card", "us_bank_account"],
        }
    )


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        ("000123456789", "succeeded", None),
        ("000222222227", "requires_payment_method", "insufficient_funds"),
        ("000000000009", "processing", None),
    ],
)
def test_a_bank_debit_takes_days(
    sandbox: SandboxProcess, client: stripe.StripeClient, number: str, status: str, code: str | None
) -> None:
    intent = create_debit(sandbox, client, number)
    assert intent.status == "processing"
    sandbox.advance(2 * 86400)
    assert client.v1.payment_intents.retrieve(intent.id).status == "processing"
    sandbox.advance(86400)
    after = client.v1.payment_intents.retrieve(intent.id)
    assert after.status == status
    assert (after.last_payment_error and after.last_payment_error.code) == code


BANK_ACCOUNTS: dict[str, dict[str, str]] = {
    "us_bank_account": {"routing_number": "110000000", "account_number": "000123456789"},
    "au_becs_debit": {"bsb_number": "000-000", "account_number": "000123456"},
    "nz_bank_account": {"bank_code": "11", "branch_code": "0000", "account_number": "0000000", "suffix": "010"},
    "bacs_debit": {"sort_code": "108800", "account_number": "00012345"},
    "acss_debit": {"institution_number": "000", "transit_number": "11000", "account_number": "000123456789"},
    "sepa_debit": {"iban": "AT321904300235473204"},
}
CURRENCIES = {
    "us_bank_account": "usd",
    "au_becs_debit": "aud",
    "nz_bank_account": "nzd",
    "bacs_debit": "gbp",
    "acss_debit": "cad",
    "sepa_debit": "eur",
}


def create_debit_of_kind(
    sandbox: SandboxProcess, client: stripe.StripeClient, kind: str, **more: Any
) -> stripe.PaymentIntent:
    """A debit of the account of this kind that pays, or of the one that `account` changes."""
    sandbox.config(stripe_acss_tokens=True)
    name = create_confirmation_token(sandbox, kind, **{**BANK_ACCOUNTS[kind], **more.pop("account", {})})
    params: Any = {"amount": 50000, "currency": CURRENCIES[kind], "confirm": True, "confirmation_token": name}
    return create_intent(client, **{**params, "allowed_payment_method_types": [kind], **more})


@pytest.mark.parametrize("kind", BANK_ACCOUNTS)
def test_every_kind_of_debit_pays_and_is_saved(sandbox: SandboxProcess, client: stripe.StripeClient, kind: str) -> None:
    customer = client.v1.customers.create({"name": "Harbour Dental"}).id
    intent = create_debit_of_kind(sandbox, client, kind, customer=customer, setup_future_usage="off_session")
    method = client.v1.payment_methods.retrieve(str(intent.payment_method))
    assert (intent.status, method.customer, method.type) == ("processing", customer, kind)
    sandbox.advance(3 * 86400)
    charge: Any = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    details = charge.payment_method_details[kind].to_dict()
    assert (charge.status, charge.payment_method) == ("succeeded", method.id)
    assert details["last4"] == list(BANK_ACCOUNTS[kind].values())[-1 if kind != "nz_bank_account" else 2][-4:]
    if kind != "nz_bank_account":
        mandate = client.v1.mandates.retrieve(details["mandate"])
        assert (mandate.status, mandate.type, mandate.payment_method) == ("active", "multi_use", method.id)
    again: Any = {"amount": 900, "currency": CURRENCIES[kind], "confirm": True, "customer": customer}
    again |= {"payment_method": method.id, "off_session": True, "allowed_payment_method_types": [kind]}
    assert client.v1.payment_intents.create(again).status == "processing"


@pytest.mark.parametrize("kind", BANK_ACCOUNTS)
def test_every_kind_of_debit_is_set_up(sandbox: SandboxProcess, client: stripe.StripeClient, kind: str) -> None:
    customer = client.v1.customers.create({"name": "Harbour Dental"}).id
    sandbox.config(stripe_acss_tokens=True)
    params: Any = {
        "customer": customer,
        "confirm": True,
        "confirmation_token": create_confirmation_token(sandbox, kind, **BANK_ACCOUNTS[kind]),
    }
    setup = create_setup_intent(client, **{**params, "allowed_payment_method_types": ["card", kind]})
    assert setup.status == "succeeded"
    mandate = client.v1.mandates.retrieve(str(setup.mandate))
    assert (mandate.payment_method, mandate.customer_acceptance.type) == (setup.payment_method, "online")
    assert client.v1.payment_methods.retrieve(str(setup.payment_method)).customer == customer


@pytest.mark.parametrize(
    ("kind", "account", "code"),
    [
        ("us_bank_account", {"account_number": "000111111113"}, "account_closed"),
        ("us_bank_account", {"account_number": "000111111116"}, "no_account"),
        ("us_bank_account", {"account_number": "000333333335"}, "debit_not_authorized"),
        ("au_becs_debit", {"account_number": "111111113"}, "account_closed"),
        ("au_becs_debit", {"account_number": "333333335"}, "debit_not_authorized"),
        ("bacs_debit", {"account_number": "22222227"}, "insufficient_funds"),
        ("acss_debit", {"account_number": "000222222227"}, "insufficient_funds"),
        ("sepa_debit", {"iban": "AT861904300235473202"}, "insufficient_funds"),
    ],
)
def test_a_debit_comes_back_with_its_reason(
    sandbox: SandboxProcess, client: stripe.StripeClient, kind: str, account: dict[str, str], code: str
) -> None:
    intent = create_debit_of_kind(sandbox, client, kind, account=account)
    sandbox.advance(3 * 86400)
    after: Any = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert (after.status, after.last_payment_error.code) == ("requires_payment_method", code)
    assert (after.latest_charge.status, after.latest_charge.failure_code) == ("failed", code)
    assert after.last_payment_error.payment_method.type == kind
    retried = client.v1.payment_intents.confirm(
        intent.id, {"confirmation_token": create_confirmation_token(sandbox, kind, **BANK_ACCOUNTS[kind])}
    )
    assert (retried.status, retried.last_payment_error) == ("processing", None)


def test_acss_debits_take_no_confirmation_token(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    name = create_confirmation_token(sandbox, "acss_debit", **BANK_ACCOUNTS["acss_debit"])
    params: Any = {"amount": 50000, "currency": "cad", "confirm": True, "confirmation_token": name}
    with pytest.raises(stripe.InvalidRequestError, match="can't be used with the payment method type acss_debit"):
        create_intent(client, **{**params, "allowed_payment_method_types": ["acss_debit"]})


def test_a_closed_account_is_blocked_for_good(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Harbour Dental"}).id
    closed = {"account_number": "000111111113"}
    more: Any = {"customer": customer, "setup_future_usage": "off_session", "account": closed}
    intent = create_debit_of_kind(sandbox, client, "us_bank_account", **more)
    sandbox.advance(3 * 86400)
    error: Any = client.v1.payment_intents.retrieve(intent.id).last_payment_error
    assert error.network_decline_code == "R02"
    again: Any = {"amount": 900, "currency": "usd", "confirm": True, "customer": customer, "off_session": True}
    again |= {"payment_method": error.payment_method.id, "allowed_payment_method_types": ["us_bank_account"]}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(again)
    assert refused.value.code == "payment_method_bank_account_blocked"


def test_a_method_whose_mandate_ended_is_refused_until_the_payer_consents_again(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    customer = client.v1.customers.create({"name": "Harbour Dental"}).id
    more: Any = {"customer": customer, "setup_future_usage": "off_session"}
    saved = create_debit_of_kind(sandbox, client, "au_becs_debit", **more).payment_method
    ended = sandbox.post("/stripe/_control", {"end_mandate": saved})["end_mandate"]
    assert ended["status"] == "inactive"
    assert [event.type for event in client.v1.events.list({"limit": 1}).data] == ["mandate.updated"]
    again: Any = {"amount": 900, "currency": "aud", "confirm": True, "customer": customer, "payment_method": saved}
    again["allowed_payment_method_types"] = ["au_becs_debit"]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        create_intent(client, **{**again, "off_session": True})
    assert refused.value.code == "payment_intent_mandate_invalid"
    online = {"ip_address": "203.0.113.7", "user_agent": "Practice browser"}
    again["mandate_data"] = {"customer_acceptance": {"type": "online", "online": online}}
    again["setup_future_usage"] = "off_session"
    intent: Any = create_intent(client, **{**again, "expand": ["latest_charge"]})
    assert intent.status == "processing"
    mandate: Any = client.v1.mandates.retrieve(intent.latest_charge.payment_method_details.au_becs_debit.mandate)
    assert (mandate.status, mandate.customer_acceptance.online.ip_address) == ("active", "203.0.113.7")


def test_a_named_mandate_must_be_the_methods_own(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Harbour Dental"}).id
    more: Any = {"customer": customer, "setup_future_usage": "off_session", "expand": ["latest_charge"]}
    first, second = (create_debit_of_kind(sandbox, client, "us_bank_account", **more) for _ in range(2))
    charges: list[Any] = [first.latest_charge, second.latest_charge]
    mandates = [charge.payment_method_details.us_bank_account.mandate for charge in charges]
    again: Any = {"amount": 900, "currency": "usd", "confirm": True, "customer": customer, "off_session": True}
    again |= {"payment_method": first.payment_method, "allowed_payment_method_types": ["us_bank_account"]}
    for wrong, code in ((mandates[1], "payment_intent_mandate_invalid"), ("mandate_nobody", "resource_missing")):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            create_intent(client, **{**again, "mandate": wrong})
        assert (refused.value.code, refused.value.param) == (code, "mandate")
    assert create_intent(client, **{**again, "mandate": mandates[0]}).status == "processing"


def test_a_debit_asks_for_consent_and_for_the_holder(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    form = {"key": "pk_test_merchant", "payment_method_data[type]": "au_becs_debit"}
    form |= {f"payment_method_data[au_becs_debit][{k}]": v for k, v in BANK_ACCOUNTS["au_becs_debit"].items()}
    address = f"{sandbox.url}/stripe/v1/confirmation_tokens"
    nameless = requests.post(address, data=form, timeout=5)
    assert (nameless.status_code, nameless.json()["error"]["param"]) == (400, "billing_details[name]")
    params: Any = {"amount": 900, "currency": "usd", "confirm": True, "payment_method": "pm_usBankAccount_success"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        create_intent(client, **{**params, "allowed_payment_method_types": ["us_bank_account"]})
    assert refused.value.param == "mandate_data"


def test_people_settle_and_return_a_debit_before_its_time(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    first, second = create_debit(sandbox, client, "000123456789"), create_debit(sandbox, client, "000123456789")
    page = sandbox.get("/stripe/dashboard").text
    assert f"Settle debit {first.id}" in page
    assert f"Return debit {second.id}" in page
    done = sandbox.post(
        "/stripe/_control",
        {"settle": first.id, "bounce": {"payment_intent": second.id, "code": "refer_to_customer"}},
    )
    assert done["settle"]["status"] == "succeeded"
    assert done["bounce"]["last_payment_error"]["code"] == "refer_to_customer"
    sandbox.advance(5 * 86400)
    assert client.v1.payment_intents.retrieve(second.id).status == "requires_payment_method"
    assert len(client.v1.events.list({"type": "payment_intent.succeeded"}).data) == 1


def test_a_late_dispute_takes_the_money_back_and_kills_the_mandate(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    intent = create_debit(sandbox, client, "000555555559")
    sandbox.advance(3 * 86400)
    sandbox.advance(86400)
    charge: Any = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert charge.disputed
    assert client.v1.disputes.list({"charge": charge.id}).data[0].status == "lost"
    mandate = client.v1.mandates.retrieve(charge.payment_method_details.us_bank_account.mandate)
    assert mandate.status == "inactive"
    assert mandate.customer_acceptance.type == "online"
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
