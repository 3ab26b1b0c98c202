"""Bank debits at the practice Stripe: days between the payment and the bank's word."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from sandbox.launch import Running
from tests.sandbox.test_stripe import client_for, token

ROUTING = {"routing_number": "110000000"}


@pytest.fixture
def client(sandbox: Running) -> stripe.StripeClient:
    return client_for(sandbox, "sk_test_merchant")


def debit(sandbox: Running, client: stripe.StripeClient, number: str) -> stripe.PaymentIntent:
    name = token(sandbox, "us_bank_account", account_number=number, **ROUTING)
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
    sandbox: Running, client: stripe.StripeClient, number: str, status: str, code: str | None
) -> None:
    intent = debit(sandbox, client, number)
    assert intent.status == "processing"
    sandbox.advance(2 * 86400)
    assert client.v1.payment_intents.retrieve(intent.id).status == "processing"
    sandbox.advance(86400)
    after = client.v1.payment_intents.retrieve(intent.id)
    assert after.status == status
    assert (after.last_payment_error and after.last_payment_error.code) == code


def test_a_late_dispute_takes_the_money_back_and_kills_the_mandate(
    sandbox: Running, client: stripe.StripeClient
) -> None:
    intent = debit(sandbox, client, "000555555559")
    sandbox.advance(3 * 86400)
    sandbox.advance(86400)
    charge: Any = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge
    assert charge.disputed
    assert client.v1.disputes.list({"charge": charge.id}).data[0].status == "lost"
    mandate = client.v1.mandates.retrieve(charge.payment_method_details.us_bank_account.mandate)
    assert mandate.status == "inactive"
    assert mandate.customer_acceptance.type == "online"
