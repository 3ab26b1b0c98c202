"""Callbacks: every change of status is sent to CPQ, signed, and sent again until CPQ accepts it."""

import hashlib
import hmac
import itertools
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from payments.models import Payment
from quotes.models import Callback
from quotes.services import expire_quotes, save_integration
from tests.quotes.api_helpers import CHECKOUTS
from tests.tenants import Checkout, Tenant
from wisepay.models import OutboxMessage

DECLINED = "4000000000009995"
CHALLENGED = "4000002760003184"
OutboxDelivery = Callable[..., int]


@pytest.fixture
def checkout(shop: Tenant) -> Checkout:
    """A checkout of a quote that the practice Order Porter knows, with its callback."""
    shop.world.config(cpq_api_key=shop.api_key)
    known: dict[str, Any] = shop.world.post("/orderporter/quotes.json", {"like": "one-time"})
    quote = {"id": known["id"], "number": known["number"], "version": known["version"]}
    return shop.open_checkout(
        quote=quote, return_url=known["url"], callback_url=f"{shop.world.url}/orderporter/callback"
    )


def get_next_delivery_time() -> datetime:
    """A moment at which everything that is put into the outbox now is due, and no second try is."""
    return timezone.now() + timedelta(seconds=2)


def list_received_callbacks(checkout: Checkout) -> list[dict[str, Any]]:
    """What arrived at the callback's address, with header names in lower case."""
    found = []
    for entry in checkout.tenant.world.journal("orderporter"):
        headers = {name.lower(): value for name, value in dict(entry["request_headers"]).items()}
        found.append({**entry, "request_headers": headers})
    return found


def list_received_events(checkout: Checkout) -> list[str]:
    """The events that arrived, in order."""
    return [entry["request_headers"]["wisepay-event"] for entry in list_received_callbacks(checkout)]


def read_checkout_body(checkout: Checkout) -> bytes:
    """What GET answers."""
    headers = {"X-API-Key": checkout.tenant.api_key}
    return bytes(Client().get(f"{CHECKOUTS}/{checkout.body['id']}", headers=headers).content)


def get_retry_delay(now: datetime) -> timedelta:
    """How long the one callback that waits will wait."""
    message = OutboxMessage.objects.get(handler="quotes.deliver_callback", state="pending")
    return message.run_after - now


def test_a_payment_is_told_with_the_body_of_get_and_a_signature(checkout: Checkout, deliver: OutboxDelivery) -> None:
    checkout.pay()
    deliver()
    [entry] = list_received_callbacks(checkout)
    headers, raw = entry["request_headers"], entry["request_body"]
    assert (entry["method"], entry["status"], headers["content-type"]) == ("POST", 200, "application/json")
    assert json.loads(raw) == json.loads(read_checkout_body(checkout))
    assert json.loads(raw)["status"] == "paid"
    assert (headers["wisepay-event"], headers["wisepay-contract"]) == ("checkout.paid", "1.1")
    assert uuid.UUID(headers["wisepay-delivery"]) == Callback.objects.get().delivery
    stamp, _, signature = headers["wisepay-signature"].partition(",")
    assert abs(int(stamp.removeprefix("t=")) - timezone.now().timestamp()) < 5
    signed = f"{stamp.removeprefix('t=')}.{raw}".encode()
    expected = hmac.new(checkout.tenant.api_key.encode(), signed, hashlib.sha256).hexdigest()
    assert signature == f"v1={expected}"
    assert Callback.objects.get().delivered_at is not None


def test_the_key_itself_is_never_sent(checkout: Checkout, deliver: OutboxDelivery) -> None:
    checkout.pay()
    deliver()
    assert checkout.tenant.api_key not in json.dumps(list_received_callbacks(checkout))


def test_every_change_of_status_is_told_once_and_in_order(checkout: Checkout, deliver: OutboxDelivery) -> None:
    deliver()
    assert list_received_events(checkout) == []
    checkout.pay(DECLINED)
    deliver()
    checkout.pay(CHALLENGED)
    deliver(at=timezone.now() + timedelta(seconds=15))
    Client().post(f"{checkout.path}/attempts/{checkout.attempts[-1].reference}/stop")
    deliver()
    checkout.pay()
    deliver()
    assert list_received_events(checkout) == [
        "checkout.failed",
        "checkout.processing",
        "checkout.open",
        "checkout.paid",
    ]
    deliver(at=timezone.now() + timedelta(hours=1))
    Client().get(checkout.payment.done_path)
    deliver()
    assert len(list_received_callbacks(checkout)) == 4
    assert len({entry["request_headers"]["wisepay-delivery"] for entry in list_received_callbacks(checkout)}) == 4


def test_expiry_and_being_published_again_are_told(checkout: Checkout, deliver: OutboxDelivery) -> None:
    Payment.objects.filter(pk=checkout.payment.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    expire_quotes(now=timezone.now())
    expire_quotes(now=timezone.now())
    deliver()
    quote = checkout.quote
    again = {"id": quote.cpq_id, "number": quote.number, "version": quote.version}
    checkout.tenant.open_checkout(quote=again, return_url=quote.return_url, callback_url=quote.callback_url)
    deliver()
    assert list_received_events(checkout) == ["checkout.expired", "checkout.open"]


def test_a_withdrawn_version_is_told_to_its_own_callback(checkout: Checkout, deliver: OutboxDelivery) -> None:
    quote = checkout.quote
    newer = {"id": quote.cpq_id, "number": quote.number, "version": quote.version + 1}
    checkout.tenant.open_checkout(quote=newer)
    deliver()
    [entry] = list_received_callbacks(checkout)
    body = json.loads(entry["request_body"])
    assert entry["request_headers"]["wisepay-event"] == "checkout.withdrawn"
    assert (body["id"], body["status"]) == (checkout.body["id"], "withdrawn")
    assert body == json.loads(read_checkout_body(checkout))


def test_a_quote_without_a_callback_is_told_nothing(shop: Tenant, deliver: OutboxDelivery) -> None:
    checkout = shop.open_checkout()
    checkout.pay()
    deliver()
    assert (Callback.objects.count(), list_received_callbacks(checkout)) == (0, [])


@pytest.mark.parametrize("status", [500, 503, 429, 404, 302])
def test_anything_but_a_2xx_is_tried_again_with_growing_pauses(
    checkout: Checkout, deliver: OutboxDelivery, status: int
) -> None:
    checkout.pay()
    now, pauses = get_next_delivery_time(), []
    elsewhere = {"Location": f"{checkout.tenant.world.url}/orderporter/"}
    with checkout.tenant.world.inject_fault("orderporter", "status", status=status, headers=elsewhere, times=4):
        for _ in range(4):
            deliver(at=now)
            pauses.append(get_retry_delay(now))
            now += pauses[-1]
        deliver(at=now)
    assert [entry["status"] for entry in list_received_callbacks(checkout)] == [status] * 4 + [200]
    assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(pauses))
    assert len({entry["request_headers"]["wisepay-delivery"] for entry in list_received_callbacks(checkout)}) == 1
    assert len({entry["request_body"] for entry in list_received_callbacks(checkout)}) == 1
    callback = Callback.objects.get()
    assert (callback.tries, callback.last_error, callback.delivered_at) == (5, "", now)
    assert deliver(at=now + timedelta(days=4)) == 0


def test_every_try_is_signed_with_its_own_time(checkout: Checkout, deliver: OutboxDelivery) -> None:
    checkout.pay()
    now = get_next_delivery_time()
    with checkout.tenant.world.inject_fault("orderporter", "status", status=500):
        deliver(at=now)
    deliver(at=now + timedelta(seconds=60))
    first, second = (entry["request_headers"]["wisepay-signature"] for entry in list_received_callbacks(checkout))
    assert first.partition(",")[0] == f"t={int(now.timestamp())}"
    assert second.partition(",")[0] == f"t={int(now.timestamp()) + 60}"


@pytest.mark.parametrize("kind", ["timeout", "drop_before", "drop_after"])
def test_silence_is_tried_again(checkout: Checkout, deliver: OutboxDelivery, settings: Any, kind: str) -> None:
    settings.HTTP_TIMEOUT = (1, 0.15)
    checkout.pay()
    now = get_next_delivery_time()
    with checkout.tenant.world.inject_fault("orderporter", kind, seconds=1):
        deliver(at=now)
    callback = Callback.objects.get()
    assert (callback.delivered_at, callback.tries) == (None, 1)
    assert callback.last_error.startswith("CPQ does not answer")
    deliver(at=now + timedelta(seconds=10))
    assert Callback.objects.get().delivered_at is not None
    assert checkout.tenant.world.get("/orderporter/quotes.json").json()["quotes"][-1]["status"] == "paid"


def test_after_three_days_a_callback_is_given_up_for_all_to_see(checkout: Checkout, deliver: OutboxDelivery) -> None:
    checkout.pay()
    with checkout.tenant.world.inject_fault("orderporter", "status", status=500, times=None):
        start = now = get_next_delivery_time()
        deliver(at=now)
        while OutboxMessage.objects.filter(handler="quotes.deliver_callback", state="pending").exists():
            pause = get_retry_delay(now)
            assert pause <= timedelta(hours=1)
            # The hourly tries of three days are many and all alike.
            now += pause if pause < timedelta(hours=1) else timedelta(hours=4)
            deliver(at=now)
    callback = Callback.objects.get()
    assert callback.delivered_at is None
    assert callback.gave_up_at == now
    assert timedelta(days=3) < now - start <= timedelta(days=3, hours=4)
    assert 20 < len(list_received_callbacks(checkout)) == callback.tries < 40
    deliver(at=now + timedelta(days=10))
    assert len(list_received_callbacks(checkout)) == callback.tries


def test_a_callback_that_was_delivered_is_never_sent_again(checkout: Checkout, deliver: OutboxDelivery) -> None:
    checkout.pay()
    deliver()
    OutboxMessage.objects.filter(handler="quotes.deliver_callback").update(state="pending", claim=None)
    assert deliver(at=timezone.now() + timedelta(hours=1)) >= 1
    assert OutboxMessage.objects.get(handler="quotes.deliver_callback").state == "done"
    assert len(list_received_callbacks(checkout)) == 1


def test_one_callback_that_fails_holds_up_no_other(checkout: Checkout, deliver: OutboxDelivery) -> None:
    checkout.pay(DECLINED)
    with checkout.tenant.world.inject_fault("orderporter", "status", status=500):
        deliver()
    checkout.pay()
    deliver()
    assert list_received_events(checkout) == ["checkout.failed", "checkout.paid"]
    assert Callback.objects.filter(delivered_at=None).count() == 1


def test_a_new_key_signs_the_next_try(checkout: Checkout, deliver: OutboxDelivery) -> None:
    shop = checkout.tenant
    checkout.pay()
    now = get_next_delivery_time()
    save_integration(shop.integration, is_enabled=True, hosts=["*.orderporter.com"], new_key=True, now=now)
    deliver(at=now)
    assert [entry["status"] for entry in list_received_callbacks(checkout)] == [401]
    shop.world.config(cpq_api_key=shop.api_key)
    deliver(at=now + timedelta(seconds=10))
    assert [entry["status"] for entry in list_received_callbacks(checkout)] == [401, 200]


def test_the_merchant_sees_what_cpq_was_told(checkout: Checkout, deliver: OutboxDelivery) -> None:
    shop = checkout.tenant
    checkout.pay()
    with shop.world.inject_fault("orderporter", "status", status=500):
        deliver()
    shop.admin.force_login(shop.user)
    page = shop.admin.get(shop.url(f"quotes/callbacks/{checkout.payment.reference}")).content.decode()
    assert "checkout.paid" in page
    assert "CPQ answered 500" in page
    assert shop.api_key not in page
