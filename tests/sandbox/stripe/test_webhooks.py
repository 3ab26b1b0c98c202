"""Webhooks of the practice Stripe: signed, retried, and broken on purpose."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.stripe.test_debits import create_debit
from tests.sandbox.stripe.test_payments import build_client, pay_with_method
from tests.sandbox.webhook_receiver import ReceivedRequest, WebhookReceiver


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    return build_client(sandbox, "sk_test_merchant")


def create_endpoint(client: stripe.StripeClient, receiver: WebhookReceiver, *events: Any) -> str:
    endpoint = client.v1.webhook_endpoints.create(
        {"url": f"{receiver.url}/hooks", "enabled_events": list(events) or ["*"]}
    )
    assert endpoint.secret
    return endpoint.secret


def list_types(received: list[ReceivedRequest]) -> list[str]:
    return [json.loads(item.body)["type"] for item in received]


def list_deliveries(sandbox: SandboxProcess) -> list[dict[str, Any]]:
    account = sandbox.state()["sections"]["stripe"]["accounts"]["merchant"]
    return list(account["deliveries"].values())


def wait_for_delivery(sandbox: SandboxProcess, state: str) -> dict[str, Any]:
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        for item in list_deliveries(sandbox):
            if item["state"] == state and item["attempts"]:
                return item
        time.sleep(0.05)
    raise AssertionError(list_deliveries(sandbox))


def test_events_arrive_signed(client: stripe.StripeClient, receiver: WebhookReceiver) -> None:
    secret = create_endpoint(client, receiver)
    params: Any = {"amount": 700, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"}
    params["allowed_payment_method_types"] = ["card"]
    intent = client.v1.payment_intents.create(params, {"idempotency_key": "attempt-9"})
    received = receiver.wait(lambda items: len(items) >= 3)
    assert set(list_types(received)) == {"payment_intent.created", "charge.succeeded", "payment_intent.succeeded"}
    for item in received:
        signature = item.headers["Stripe-Signature"]
        event: Any = stripe.Webhook.construct_event(item.body, signature, secret)
        assert (event.object, event.api_version, event.livemode) == ("event", "2026-10-28.endive", False)
        assert event.request.idempotency_key == "attempt-9"
        assert client.v1.events.retrieve(event.id).data.object["object"] == event.data.object["object"]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(received[0].body, received[0].headers["Stripe-Signature"], "whsec_other")
    created = next(item for item in received if b"payment_intent.created" in item.body)
    assert json.loads(created.body)["data"]["object"]["status"] == "requires_confirmation"
    assert json.loads(created.body)["data"]["object"]["id"] == intent.id


def test_only_wanted_events_arrive(client: stripe.StripeClient, receiver: WebhookReceiver) -> None:
    create_endpoint(client, receiver, "payment_intent.payment_failed", "charge.refunded")
    with pytest.raises(stripe.CardError):
        pay_with_method(client, "pm_card_chargeDeclined")
    client.v1.refunds.create({"payment_intent": pay_with_method(client).id})
    received = receiver.wait(lambda items: len(items) >= 2)
    assert sorted(list_types(received)) == ["charge.refunded", "payment_intent.payment_failed"]


def test_a_refused_delivery_is_tried_again_by_the_sandboxes_clock(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    receiver.statuses = [500, 500, 500]
    create_endpoint(client, receiver, "payment_intent.created")
    client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    for tries in (2, 3, 4):
        receiver.wait(lambda items, tries=tries: len(items) >= tries - 1)  # type: ignore[misc]
        wait_for_delivery(sandbox, "pending")
        sandbox.advance(400)
    receiver.wait(lambda items: len(items) >= 4)
    assert wait_for_delivery(sandbox, "delivered")["attempts"] == 4
    assert len({json.loads(item.body)["id"] for item in receiver.received}) == 1


def test_a_delivery_that_never_works_ends_after_three_days(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    receiver.statuses = [500] * 50
    create_endpoint(client, receiver, "payment_intent.created")
    client.v1.payment_intents.create({"amount": 500, "currency": "usd"})
    wait_for_delivery(sandbox, "pending")
    sandbox.advance(3 * 86400 + 60)
    assert wait_for_delivery(sandbox, "failed")["status"] == 500


def test_webhooks_are_dropped_doubled_and_delayed_to_order(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    create_endpoint(client, receiver, "charge.succeeded", "payment_intent.created", "payment_intent.succeeded")
    sandbox.fault("stripe", "webhook_drop", path="payment_intent.created")
    sandbox.fault("stripe", "webhook_duplicate", path="charge.succeeded")
    sandbox.fault("stripe", "webhook_delay", path="payment_intent.succeeded", seconds=600)
    pay_with_method(client)
    receiver.wait(lambda items: len(items) >= 2)
    time.sleep(0.5)
    assert list_types(receiver.received) == ["charge.succeeded"] * 2
    sandbox.advance(601)
    received = receiver.wait(lambda items: len(items) >= 3)
    assert list_types(received)[2] == "payment_intent.succeeded"
    assert {item["state"] for item in list_deliveries(sandbox)} == {"delivered", "dropped"}


def test_webhooks_arrive_in_the_wrong_order_to_order(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    create_endpoint(client, receiver, "payment_intent.created", "payment_intent.succeeded")
    sandbox.fault("stripe", "webhook_reorder", path="payment_intent.created")
    pay_with_method(client)
    received = receiver.wait(lambda items: len(items) >= 2)
    assert list_types(received) == ["payment_intent.succeeded", "payment_intent.created"]


def test_the_story_of_a_bank_debit(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    create_endpoint(client, receiver, "payment_intent.processing", "payment_intent.succeeded", "charge.dispute.created")
    create_debit(sandbox, client, "000555555559")
    receiver.wait(lambda items: len(items) >= 1)
    sandbox.advance(3 * 86400)
    receiver.wait(lambda items: len(items) >= 2)
    sandbox.advance(86400)
    received = receiver.wait(lambda items: len(items) >= 3)
    assert list_types(received) == ["payment_intent.processing", "payment_intent.succeeded", "charge.dispute.created"]


def test_what_a_person_does_at_stripe_arrives(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    create_endpoint(client, receiver, "charge.refunded", "charge.dispute.created", "payment_method.detached")
    customer = client.v1.customers.create({"name": "Ada"}).id
    intent = pay_with_method(client, customer=customer, setup_future_usage="off_session")
    sandbox.post("/stripe/_control", {"refund": {"payment_intent": intent.id, "amount": 99}, "dispute": intent.id})
    form = {"payment_method": str(intent.payment_method)}
    sandbox.session.post(f"{sandbox.url}/stripe/dashboard/acts/detach", data=form, timeout=5).raise_for_status()
    received = receiver.wait(lambda items: len(items) >= 3)
    assert sorted(list_types(received)) == ["charge.dispute.created", "charge.refunded", "payment_method.detached"]
    detail = [json.loads(item.body)["data"]["object"] for item in received]
    assert {item.get("payment_intent") for item in detail} == {intent.id, None}


def test_the_dashboard_shows_and_resends(
    sandbox: SandboxProcess, client: stripe.StripeClient, receiver: WebhookReceiver
) -> None:
    create_endpoint(client, receiver, "payment_intent.succeeded")
    intent = pay_with_method(client, description="Quote 7")
    receiver.wait(lambda items: len(items) >= 1)
    wait_for_delivery(sandbox, "delivered")
    page = sandbox.get("/stripe/dashboard").text
    assert "10.99 USD" in page
    assert intent.id in page
    assert "delivered 200" in page
    event = client.v1.events.list({"type": "payment_intent.succeeded"}).data[0].id
    sandbox.session.post(f"{sandbox.url}/stripe/dashboard/resend/{event}", timeout=5).raise_for_status()
    receiver.wait(lambda items: len(items) >= 2)


def test_endpoints_come_and_go(client: stripe.StripeClient, receiver: WebhookReceiver) -> None:
    create_endpoint(client, receiver)
    endpoint = client.v1.webhook_endpoints.list().data[0]
    assert getattr(endpoint, "secret", None) is None
    changed = client.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
    assert changed.status == "disabled"
    client.v1.webhook_endpoints.delete(endpoint.id)
    assert client.v1.webhook_endpoints.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.webhook_endpoints.create({"url": "nowhere", "enabled_events": ["*"]})
