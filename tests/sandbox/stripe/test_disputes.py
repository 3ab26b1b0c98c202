"""Refunds and disputes at the practice Stripe, asked for by the API or begun by a person there."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import stripe

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_debits import create_debit
from tests.sandbox.stripe.test_payments import (
    CARD_ONLY,
    build_client,
    create_confirmation_token,
    create_intent,
    pay_with_method,
)


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, "sk_test_merchant")


def run_actor_action(sandbox: SandboxProcess, act: str, **params: Any) -> Any:
    """What the act was done to, or what it made."""
    return sandbox.post("/stripe/_control", {act: params})[act]


def pay_with_card(sandbox: SandboxProcess, client: stripe.StripeClient, number: str) -> stripe.PaymentIntent:
    name = create_confirmation_token(sandbox, number=number, exp_month="12", exp_year="34", cvc="123")
    params: Any = {"amount": 1099, "currency": "usd", "confirm": True, "confirmation_token": name}
    return create_intent(client, **params, **CARD_ONLY)


def list_event_types(client: stripe.StripeClient, *prefixes: str) -> list[str]:
    """The types of the events that begin so, oldest first."""
    found = [event.type for event in client.v1.events.list({"limit": 100}).data]
    return [kind for kind in reversed(found) if kind.startswith(prefixes)]


def sum_balance(client: stripe.StripeClient) -> int:
    """The whole balance, in minor units."""
    balance: Any = client.v1.balance.retrieve()
    return sum(part.amount for part in [*balance.available, *balance.pending])


def test_parts_are_refunded_until_nothing_is_left(client: stripe.StripeClient) -> None:
    intent = pay_with_method(client)
    params: Any = {
        "payment_intent": intent.id,
        "amount": 400,
        "reason": "requested_by_customer",
        "metadata": {"r": "1"},
    }
    first = client.v1.refunds.create(params, {"idempotency_key": "r-1"})
    assert client.v1.refunds.create(params, {"idempotency_key": "r-1"}).id == first.id
    assert (first.status, first.reason, first.metadata and first.metadata["r"]) == (
        "succeeded",
        "requested_by_customer",
        "1",
    )
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 700})
    assert refused.value.param == "amount"
    rest = client.v1.refunds.create({"payment_intent": intent.id})
    assert (rest.amount, client.v1.charges.retrieve(str(rest.charge)).refunded) == (699, True)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1})
    assert refused.value.code == "charge_already_refunded"
    assert {each.id for each in client.v1.refunds.list({"charge": str(rest.charge)}).data} == {first.id, rest.id}
    assert list_event_types(client, "refund.", "charge.refund") == ["refund.created", "charge.refunded"] * 2


@pytest.mark.parametrize(
    ("number", "first", "then"),
    [("4000000000007726", "pending", "succeeded"), ("4000000000005126", "succeeded", "failed")],
)
def test_a_refund_ends_later_as_its_card_is_documented(
    sandbox: SandboxProcess, client: stripe.StripeClient, number: str, first: str, then: str
) -> None:
    intent = pay_with_card(sandbox, client, number)
    before = sum_balance(client)
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 300})
    assert refund.status == first
    sandbox.advance(6)
    assert client.v1.refunds.retrieve(refund.id).status == then
    failed = then == "failed"
    assert client.v1.charges.retrieve(str(refund.charge)).amount_refunded == (0 if failed else 300)
    assert sum_balance(client) == before - (0 if failed else 300)
    expected = ["refund.updated", "charge.refund.updated", *(["refund.failed"] if failed else [])]
    assert list_event_types(client, "refund.", "charge.refund")[2:] == expected


def test_a_refund_of_a_debit_is_pending_and_settles_or_fails(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    sandbox.config(stripe_refund_delay=86400)
    intent = create_debit(sandbox, client, "000123456789")
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": intent.id})
    sandbox.advance(3 * 86400)
    one, two = (client.v1.refunds.create({"payment_intent": intent.id, "amount": 1000}) for _ in range(2))
    assert (one.status, two.status) == ("pending", "pending")
    assert run_actor_action(sandbox, "fail_refund", refund=two.id)["status"] == "failed"
    sandbox.advance(86400)
    assert client.v1.refunds.retrieve(one.id).status == "succeeded"
    assert client.v1.refunds.retrieve(two.id).status == "failed"
    assert client.v1.charges.retrieve(str(one.charge)).amount_refunded == 1000


def test_a_disputed_card_payment_is_decided_by_the_bank(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = pay_with_card(sandbox, client, "4000000000000259")
    sandbox.advance(1)
    found = client.v1.disputes.list({"payment_intent": intent.id}).data[0]
    assert (found.status, found.amount, found.reason) == ("needs_response", 1099, "fraudulent")
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    before = sum_balance(client)
    assert run_actor_action(sandbox, "answer_dispute", dispute=found.id)["status"] == "under_review"
    assert run_actor_action(sandbox, "close_dispute", dispute=found.id, outcome="won")["status"] == "won"
    assert sum_balance(client) == before + 1099
    assert list_event_types(client, "charge.dispute") == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    assert client.v1.refunds.create({"payment_intent": intent.id, "amount": 5}).status == "succeeded"


@pytest.mark.parametrize(("evidence", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_documented_words_decide_a_dispute(
    sandbox: SandboxProcess, client: stripe.StripeClient, evidence: str, status: str
) -> None:
    intent = pay_with_method(client)
    name = run_actor_action(sandbox, "dispute", payment_intent=intent.id, reason="product_not_received")["id"]
    after = client.v1.disputes.update(name, {"evidence": {"uncategorized_text": evidence}})
    assert (after.status, after.reason) == (status, "product_not_received")
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        client.v1.disputes.close(name)


def test_a_dispute_that_is_accepted_is_lost(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = pay_with_method(client)
    client.v1.refunds.create({"payment_intent": intent.id, "amount": 99})
    name = run_actor_action(sandbox, "dispute", payment_intent=intent.id)["id"]
    assert client.v1.disputes.retrieve(name).amount == 1000
    assert client.v1.disputes.close(name).status == "lost"
    assert list_event_types(client, "charge.dispute.closed", "charge.dispute.funds_re") == ["charge.dispute.closed"]


def test_a_bank_may_give_back_after_all_what_a_lost_dispute_took(
    sandbox: SandboxProcess, client: stripe.StripeClient
) -> None:
    intent = pay_with_method(client)
    name, before = run_actor_action(sandbox, "dispute", payment_intent=intent.id)["id"], sum_balance(client)
    with pytest.raises(requests.HTTPError, match="400"):
        run_actor_action(sandbox, "reinstate", dispute=name)
    client.v1.disputes.close(name)
    assert run_actor_action(sandbox, "reinstate", dispute=name)["status"] == "won"
    assert sum_balance(client) == before + 1099
    assert list_event_types(client, "charge.dispute.closed", "charge.dispute.funds_re") == [
        "charge.dispute.closed",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    assert client.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"


def press_dashboard_button(sandbox: SandboxProcess, act: str, **form: Any) -> str:
    """A button of the dashboard; the page that follows."""
    answer = requests.post(f"{sandbox.url}/stripe/dashboard/acts/{act}", data=form, timeout=5)
    assert answer.status_code == 200
    return answer.text


def test_people_refund_and_dispute_on_the_dashboard(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = pay_with_method(client)
    for label in (f"Refund {intent.id}", f"Dispute {intent.id}"):
        assert label in sandbox.get("/stripe/dashboard").text
    page = press_dashboard_button(sandbox, "refund", payment_intent=intent.id, amount="500")
    refund = client.v1.refunds.list({"payment_intent": intent.id}).data[0]
    assert refund.amount == 500
    assert "Refund of 5.00 USD" in page
    assert "is greater than unrefunded amount" in press_dashboard_button(
        sandbox, "refund", payment_intent=intent.id, amount="600"
    )
    assert "whole number" in press_dashboard_button(sandbox, "refund", payment_intent=intent.id, amount="5.00")
    press_dashboard_button(sandbox, "fail_refund", refund=refund.id)
    assert client.v1.refunds.retrieve(refund.id).status == "failed"
    page = press_dashboard_button(sandbox, "dispute", payment_intent=intent.id)
    name = client.v1.disputes.list().data[0].id
    assert f"Close as won {name}" in page
    assert f"Refund {intent.id}" not in page
    assert "lost" in press_dashboard_button(sandbox, "close_dispute", dispute=name, outcome="lost")


def test_an_act_that_makes_no_sense_is_refused(sandbox: SandboxProcess, client: stripe.StripeClient) -> None:
    intent = pay_with_method(client)
    orders: list[Any] = [
        {"fly": {}},
        {"refund": "pi_nobody"},
        {"settle": intent.id},
        {"bounce": {"payment_intent": intent.id}},
        {"close_dispute": {"dispute": "dp_nobody", "outcome": "won"}},
        [],
    ]
    for order in orders:
        refused = requests.post(f"{sandbox.url}/stripe/_control", json=order, timeout=5)
        assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")
    assert requests.post(f"{sandbox.url}/stripe/dashboard/acts/fly", timeout=5).status_code == 404
