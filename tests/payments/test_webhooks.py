"""Stripe's webhooks: a good one costs one INSERT, a bad one nothing, and every order of events ends the same."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payments.accounts import save_gateway_account
from payments.models import Attempt
from tests.payments.bank import answer_bank
from tests.people import WEBHOOK_SECRET, Checkout, House
from wisepay.models import OutboxMessage

LARGEST = 256 * 1024


def event(intent_id: str, kind: str = "payment_intent.succeeded", **changes: Any) -> bytes:
    """An event's body as Stripe writes it."""
    subject = {"id": intent_id, "object": "payment_intent"}
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": subject}} | changes).encode()


def signature(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """The header that goes with it."""
    stamp = int(time.time() if at is None else at)
    return f"t={stamp},v1={hmac.new(secret.encode(), f'{stamp}.'.encode() + body, hashlib.sha256).hexdigest()}"


def tell(house: House, body: bytes, header: str | None = None) -> HttpResponse:
    """POST it to the merchant's address."""
    answer = Client(raise_request_exception=False, enforce_csrf_checks=True).post(
        f"/webhooks/stripe/{house.merchant.reference}",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": signature(body) if header is None else header},
    )
    assert isinstance(answer, HttpResponse)
    return answer


def heard() -> int:
    """How many events wait in the outbox or were handled."""
    return OutboxMessage.objects.filter(handler="payments.read_event").count()


def data_statements(captured: CaptureQueriesContext) -> list[str]:
    """The statements that touch data."""
    control = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return [q["sql"] for q in captured.captured_queries if not q["sql"].startswith(control)]


@pytest.mark.django_db(transaction=True)
def test_a_good_webhook_costs_one_insert(house: House) -> None:
    assert tell(house, event("pi_1")).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        body = event("pi_1", id="evt_2")
        answer = tell(house, body)
    [statement] = data_statements(captured)
    assert statement.startswith('INSERT INTO "wisepay_outboxmessage"')
    assert (answer.status_code, answer.content, answer.cookies) == (200, b"", {})
    assert heard() == 2


def test_the_same_event_again_is_one_message(house: House) -> None:
    for _ in range(3):
        assert tell(house, event("pi_1")).status_code == 200
    assert heard() == 1


def bad_headers(body: bytes) -> dict[str, str]:
    """Signatures that must not be believed."""
    now = time.time()
    good = signature(body)
    stamp, _, mac = good.partition(",v1=")
    return {
        "none": "",
        "nonsense": "nonsense",
        "forged": signature(body, secret="whsec_somebody0elses"),
        "of another body": signature(body + b" "),
        "six minutes old": signature(body, at=now - 360),
        "a year old": signature(body, at=now - 31_536_000),
        "six minutes ahead": signature(body, at=now + 360),
        "a day ahead": signature(body, at=now + 86_400),
        "without a time": f"v1={mac}",
        "without a scheme": stamp,
        "empty": f"{stamp},v1=",
        "another scheme": f"{stamp},v0={mac}",
        "two times": f"{stamp},{good}",
        "another time": f"t={int(now) - 1},v1={mac}",
        "a negative time": f"t=-{int(now)},v1={mac}",
        "a fraction of time": f"t={now},v1={mac}",
        "a huge time": f"t={'9' * 400},v1={mac}",
        "words for a time": f"t=now,v1={mac}",
        "Unicode digits": f"t=١٢٣,v1={mac}".encode().decode("latin-1"),
        "not hexadecimal": f"{stamp},v1=é".encode().decode("latin-1"),
    }


@pytest.mark.parametrize("name", bad_headers(b""))
def test_a_signature_that_cannot_be_believed_changes_nothing(house: House, name: str) -> None:
    body = event("pi_1")
    answer = tell(house, body, bad_headers(body)[name])
    assert answer.status_code == 400
    assert heard() == 0
    assert b"whsec" not in answer.content


def test_one_good_signature_of_several_is_enough(house: House) -> None:
    body = event("pi_1")
    good = signature(body)
    assert tell(house, body, f"{good},v1={'0' * 64},v0=x").status_code == 200
    assert tell(house, body, good.replace(",", ", ")).status_code == 200


def test_another_merchants_signature_opens_nothing_here(house: House, stranger: House) -> None:
    save_gateway_account(
        stranger.merchant,
        publishable_key=stranger.stripe_key.replace("sk_", "pk_"),
        secret_key=stranger.stripe_key,
        webhook_secret="whsec_another0secret",
        now=timezone.now(),
    )
    body = event("pi_1")
    assert tell(house, body, signature(body, secret="whsec_another0secret")).status_code == 400
    assert tell(stranger, body, signature(body)).status_code == 400
    assert heard() == 0


def test_a_changed_secret_is_believed_at_once(house: House) -> None:
    tell(house, event("pi_1"))
    save_gateway_account(
        house.merchant,
        publishable_key=house.stripe_key.replace("sk_", "pk_"),
        secret_key=house.stripe_key,
        webhook_secret="whsec_newer0secret",
        now=timezone.now(),
    )
    body = event("pi_1", id="evt_2")
    assert tell(house, body, signature(body, secret="whsec_newer0secret")).status_code == 200
    assert heard() == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"id": "evt_1", "type": "payment_intent.succeeded"}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": null}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": null}}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": "pi_1"}}',
        b'{"type": "payment_intent.succeeded", "data": {"object": {"object": "payment_intent", "id": "pi_1"}}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=range(14),
)
def test_what_is_signed_but_no_event_changes_nothing(house: House, body: bytes) -> None:
    assert tell(house, body).status_code == 400
    assert heard() == 0


def test_a_body_that_no_event_needs_is_refused(house: House) -> None:
    body = event("pi_1", padding="x" * LARGEST)
    assert tell(house, body).status_code in (400, 413)
    assert heard() == 0


def test_an_unknown_address_answers_404(house: House) -> None:
    answer = Client().post("/webhooks/stripe/nobody", event("pi_1"), content_type="application/json")
    assert answer.status_code == 404


def test_a_webhook_is_posted(house: House) -> None:
    assert Client().get(f"/webhooks/stripe/{house.merchant.reference}").status_code == 405


@pytest.mark.parametrize(
    "kind", ["payment_intent.created", "charge.succeeded", "customer.created", "balance.available"]
)
def test_events_that_tell_nothing_new_are_taken_and_forgotten(house: House, kind: str) -> None:
    assert tell(house, event("pi_1", kind)).status_code == 200
    assert heard() == 0


# ---- what an event leads to ------------------------------------------------------------------------


@pytest.fixture
def unheard(checkout: Checkout) -> str:
    """The id of an intent that was charged while our answer was lost: the row does not know it."""
    with checkout.house.world.faulty("stripe", "drop_after", method="POST", path="/v1/payment_intents"):
        checkout.pay()
    [intent] = checkout.house.intents()
    assert checkout.attempts[0].stripe_payment_intent_id == ""
    return str(intent["id"])


def test_an_event_that_overtakes_the_answer_leads_to_paid(
    checkout: Checkout, unheard: str, drain: Callable[..., int]
) -> None:
    tell(checkout.house, event(unheard))
    drain()
    assert (checkout.payment.state, checkout.attempts[0].stripe_payment_intent_id) == ("succeeded", unheard)
    drain()
    assert checkout.quote.state == "paid"


def test_a_browser_that_never_returns_from_its_bank_still_pays(checkout: Checkout, drain: Callable[..., int]) -> None:
    asked = checkout.pay("4000002760003184").json()  # type: ignore[attr-defined]
    answer_bank(checkout.house.world, asked["client_secret"])
    tell(checkout.house, event(checkout.attempts[0].stripe_payment_intent_id))
    drain()
    assert checkout.payment.state == "succeeded"
    drain()
    assert checkout.quote.state == "paid"


@pytest.mark.parametrize(
    "kinds",
    [
        ("succeeded", "payment_failed"),
        ("payment_failed", "succeeded"),
        ("canceled", "processing", "succeeded"),
        ("succeeded", "succeeded", "requires_action"),
    ],
)
def test_events_in_any_order_tell_only_that_there_is_something_to_read(
    checkout: Checkout, unheard: str, drain: Callable[..., int], kinds: tuple[str, ...]
) -> None:
    for number, kind in enumerate(kinds):
        tell(checkout.house, event(unheard, f"payment_intent.{kind}", id=f"evt_{number}"))
        drain()
    assert [a.state for a in checkout.attempts] == ["succeeded"]
    assert (checkout.payment.history().count(), checkout.house.charged()) == (1, 62500)
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_an_event_of_a_declined_card_ends_the_attempt(checkout: Checkout, drain: Callable[..., int]) -> None:
    with checkout.house.world.faulty("stripe", "drop_after", method="POST", path="/v1/payment_intents"):
        checkout.pay("4000000000009995")
    [intent] = checkout.house.intents()
    tell(checkout.house, event(intent["id"], "payment_intent.payment_failed"))
    drain()
    assert (checkout.attempts[0].state, checkout.attempts[0].failure_code) == ("failed", "insufficient_funds")
    assert checkout.payment.state == "open"
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]


def test_a_claim_of_success_that_stripe_does_not_confirm_pays_nothing(
    checkout: Checkout, drain: Callable[..., int]
) -> None:
    checkout.pay("4000002760003184")
    intent_id = checkout.attempts[0].stripe_payment_intent_id
    tell(
        checkout.house,
        event(intent_id, data={"object": {"id": intent_id, "object": "payment_intent", "status": "succeeded"}}),
    )
    drain()
    assert (checkout.attempts[0].state, checkout.payment.state) == ("requires_action", "open")


def test_an_event_about_an_intent_that_is_not_ours_is_ignored(house: House, drain: Callable[..., int]) -> None:
    tell(house, event("pi_of_another_shop"))
    drain()
    assert OutboxMessage.objects.get(handler="payments.read_event").state == "done"
    assert Attempt.objects.count() == 0


def test_an_event_waits_while_stripe_cannot_say(checkout: Checkout, unheard: str, drain: Callable[..., int]) -> None:
    tell(checkout.house, event(unheard))
    with checkout.house.world.faulty("stripe", "status", status=503, times=None):
        drain()
    assert checkout.payment.state == "open"
    assert OutboxMessage.objects.get(handler="payments.read_event").state == "pending"


def test_an_event_told_to_another_merchant_moves_nothing(
    house: House, stranger: House, checkout: Checkout, unheard: str, drain: Callable[..., int]
) -> None:
    tell(stranger, event(unheard))
    drain()
    assert checkout.payment.state == "open"
    assert not OutboxMessage.objects.filter(state="dead").exists()
