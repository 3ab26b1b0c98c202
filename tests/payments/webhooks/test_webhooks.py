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

from payments.gateway_accounts import save_gateway_account
from payments.models import Attempt
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import WEBHOOK_SECRET, Checkout, Tenant
from wisepay.logs import configure_logs
from wisepay.models import OutboxMessage

LARGEST = 512 * 1024


def build_event(intent_id: str, kind: str = "payment_intent.succeeded", **changes: Any) -> bytes:
    """An event's body as Stripe writes it."""
    subject = {"id": intent_id, "object": "payment_intent"}
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "data": {"object": subject}} | changes).encode()


def sign(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """The header that goes with it."""
    stamp = int(time.time() if at is None else at)
    return f"t={stamp},v1={hmac.new(secret.encode(), f'{stamp}.'.encode() + body, hashlib.sha256).hexdigest()}"


def post_webhook(tenant: Tenant, body: bytes, header: str | None = None) -> HttpResponse:
    """POST it to the merchant's address."""
    answer = Client(raise_request_exception=False, enforce_csrf_checks=True).post(
        f"/webhooks/stripe/{tenant.merchant.reference}",
        body,
        content_type="application/json",
        headers={"Stripe-Signature": sign(body) if header is None else header},
    )
    assert isinstance(answer, HttpResponse)
    return answer


def count_events() -> int:
    """How many events wait in the outbox or were handled."""
    return OutboxMessage.objects.filter(handler="payments.read_event").count()


def data_statements(captured: CaptureQueriesContext) -> list[str]:
    """The statements that touch data."""
    control = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return [q["sql"] for q in captured.captured_queries if not q["sql"].startswith(control)]


@pytest.mark.django_db(transaction=True)
def test_a_good_webhook_costs_one_insert(tenant: Tenant) -> None:
    assert post_webhook(tenant, build_event("pi_1")).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        body = build_event("pi_1", id="evt_2")
        answer = post_webhook(tenant, body)
    [statement] = data_statements(captured)
    assert statement.startswith('INSERT INTO "wisepay_outboxmessage"')
    assert (answer.status_code, answer.content, answer.cookies) == (200, b"", {})
    assert count_events() == 2


def test_the_same_event_again_is_one_message(tenant: Tenant) -> None:
    for _ in range(3):
        assert post_webhook(tenant, build_event("pi_1")).status_code == 200
    assert count_events() == 1


def bad_headers(body: bytes) -> dict[str, str]:
    """Signatures that must not be believed."""
    now = time.time()
    good = sign(body)
    stamp, _, mac = good.partition(",v1=")
    return {
        "none": "",
        "nonsense": "nonsense",
        "forged": sign(body, secret="whsec_somebody0elses"),
        "of another body": sign(body + b" "),
        "six minutes old": sign(body, at=now - 360),
        "a year old": sign(body, at=now - 31_536_000),
        "six minutes ahead": sign(body, at=now + 360),
        "a day ahead": sign(body, at=now + 86_400),
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
def test_a_signature_that_cannot_be_believed_changes_nothing(tenant: Tenant, name: str) -> None:
    body = build_event("pi_1")
    answer = post_webhook(tenant, body, bad_headers(body)[name])
    assert answer.status_code == 400
    assert count_events() == 0
    assert b"whsec" not in answer.content


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{",
    "bytes that are no text": b"\xff\xfe\x00",
    "200,000 levels": b"[" * 200_000,
    "a deep event": b'{"id":"evt_1","type":"x","data":{"object":{"object":' + b"[" * 900 + b"]" * 900 + b"}}}",
    "a list": b"[]",
    "a number too long to read": b'{"id": %s}' % (b"9" * 9000),
    **{
        f"the id {bad!a}": build_event("pi_1", id=bad)
        for bad in ("evt\0", "evt\ud800", "\u202eevt", "", "é", "x" * 300)
    },
    **{f"the object {bad!a}": build_event(bad) for bad in ("pi\0", "pi\ud800", "pi 1", "x" * 300)},
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_signed_body_that_makes_no_sense_is_refused_in_a_line(
    tenant: Tenant, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    assert post_webhook(tenant, UNREADABLE[name]).status_code == 400
    assert count_events() == 0
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


def test_a_body_that_is_too_long_is_refused_in_one_line(tenant: Tenant, capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs(as_json=True, level="INFO")
    for path in (f"stripe/{tenant.merchant.reference}", "xero", "intuit"):
        capfd.readouterr()
        answer = Client().post(f"/webhooks/{path}", b"x" * (5 * 1024 * 1024), content_type="application/json")
        assert answer.status_code in (400, 401)
        lines = capfd.readouterr().err.strip().splitlines()
        assert len(lines) <= 2
        assert not any("Traceback" in line for line in lines)


def test_one_good_signature_of_several_is_enough(tenant: Tenant) -> None:
    body = build_event("pi_1")
    good = sign(body)
    assert post_webhook(tenant, body, f"{good},v1={'0' * 64},v0=x").status_code == 200
    assert post_webhook(tenant, body, good.replace(",", ", ")).status_code == 200


def test_another_merchants_signature_opens_nothing_here(tenant: Tenant, stranger: Tenant) -> None:
    save_gateway_account(
        stranger.merchant,
        publishable_key=stranger.stripe_key.replace("sk_", "pk_"),
        secret_key=stranger.stripe_key,
        webhook_secret="whsec_another0secret",
        now=timezone.now(),
    )
    body = build_event("pi_1")
    assert post_webhook(tenant, body, sign(body, secret="whsec_another0secret")).status_code == 400
    assert post_webhook(stranger, body, sign(body)).status_code == 400
    assert count_events() == 0


def test_a_changed_secret_is_believed_at_once(tenant: Tenant) -> None:
    post_webhook(tenant, build_event("pi_1"))
    save_gateway_account(
        tenant.merchant,
        publishable_key=tenant.stripe_key.replace("sk_", "pk_"),
        secret_key=tenant.stripe_key,
        webhook_secret="whsec_newer0secret",
        now=timezone.now(),
    )
    body = build_event("pi_1", id="evt_2")
    assert post_webhook(tenant, body, sign(body, secret="whsec_newer0secret")).status_code == 200
    assert count_events() == 2


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
def test_what_is_signed_but_no_event_changes_nothing(tenant: Tenant, body: bytes) -> None:
    assert post_webhook(tenant, body).status_code == 400
    assert count_events() == 0


def test_a_body_that_no_event_needs_is_refused(tenant: Tenant) -> None:
    body = build_event("pi_1", padding="x" * LARGEST)
    assert post_webhook(tenant, body).status_code in (400, 413)
    assert count_events() == 0


def test_an_unknown_address_answers_404(tenant: Tenant) -> None:
    answer = Client().post("/webhooks/stripe/nobody", build_event("pi_1"), content_type="application/json")
    assert answer.status_code == 404


def test_a_webhook_is_posted(tenant: Tenant) -> None:
    assert Client().get(f"/webhooks/stripe/{tenant.merchant.reference}").status_code == 405


@pytest.mark.parametrize(
    "kind", ["payment_intent.created", "charge.succeeded", "customer.created", "balance.available"]
)
def test_events_that_tell_nothing_new_are_taken_and_forgotten(tenant: Tenant, kind: str) -> None:
    assert post_webhook(tenant, build_event("pi_1", kind)).status_code == 200
    assert count_events() == 0


# ---- what an event leads to ------------------------------------------------------------------------


@pytest.fixture
def unanswered_intent(checkout: Checkout) -> str:
    """The id of an intent that was charged while our answer was lost: the row does not know it."""
    with checkout.tenant.world.inject_fault("stripe", "drop_after", method="POST", path="/v1/payment_intents"):
        checkout.pay()
    [intent] = checkout.tenant.intents()
    assert checkout.attempts[0].stripe_payment_intent_id == ""
    return str(intent["id"])


def test_an_event_that_overtakes_the_answer_leads_to_paid(
    checkout: Checkout, unanswered_intent: str, deliver: Callable[..., int]
) -> None:
    post_webhook(checkout.tenant, build_event(unanswered_intent))
    deliver()
    assert (checkout.payment.state, checkout.attempts[0].stripe_payment_intent_id) == ("succeeded", unanswered_intent)
    deliver()
    assert checkout.quote.state == "paid"


def test_a_browser_that_never_returns_from_its_bank_still_pays(checkout: Checkout, deliver: Callable[..., int]) -> None:
    asked = checkout.pay("4000002760003184").json()  # type: ignore[attr-defined]
    answer_three_d_secure(checkout.tenant.world, asked["client_secret"])
    post_webhook(checkout.tenant, build_event(checkout.attempts[0].stripe_payment_intent_id))
    deliver()
    assert checkout.payment.state == "succeeded"
    deliver()
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
    checkout: Checkout, unanswered_intent: str, deliver: Callable[..., int], kinds: tuple[str, ...]
) -> None:
    for number, kind in enumerate(kinds):
        post_webhook(checkout.tenant, build_event(unanswered_intent, f"payment_intent.{kind}", id=f"evt_{number}"))
        deliver()
    assert [a.state for a in checkout.attempts] == ["succeeded"]
    assert (checkout.payment.list_state_changes().count(), checkout.tenant.total_charged()) == (1, 62500)
    assert not OutboxMessage.objects.filter(state="dead").exists()


def test_an_event_of_a_declined_card_ends_the_attempt(checkout: Checkout, deliver: Callable[..., int]) -> None:
    with checkout.tenant.world.inject_fault("stripe", "drop_after", method="POST", path="/v1/payment_intents"):
        checkout.pay("4000000000009995")
    [intent] = checkout.tenant.intents()
    post_webhook(checkout.tenant, build_event(intent["id"], "payment_intent.payment_failed"))
    deliver()
    assert (checkout.attempts[0].state, checkout.attempts[0].failure_code) == ("failed", "insufficient_funds")
    assert checkout.payment.state == "open"
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]


def test_a_claim_of_success_that_stripe_does_not_confirm_pays_nothing(
    checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay("4000002760003184")
    intent_id = checkout.attempts[0].stripe_payment_intent_id
    post_webhook(
        checkout.tenant,
        build_event(intent_id, data={"object": {"id": intent_id, "object": "payment_intent", "status": "succeeded"}}),
    )
    deliver()
    assert (checkout.attempts[0].state, checkout.payment.state) == ("requires_action", "open")


def test_an_event_about_an_intent_that_is_not_ours_is_ignored(tenant: Tenant, deliver: Callable[..., int]) -> None:
    post_webhook(tenant, build_event("pi_of_another_shop"))
    deliver()
    assert OutboxMessage.objects.get(handler="payments.read_event").state == "done"
    assert Attempt.objects.count() == 0


def test_an_event_waits_while_stripe_cannot_say(
    checkout: Checkout, unanswered_intent: str, deliver: Callable[..., int]
) -> None:
    post_webhook(checkout.tenant, build_event(unanswered_intent))
    with checkout.tenant.world.inject_fault("stripe", "status", status=503, times=None):
        deliver()
    assert checkout.payment.state == "open"
    assert OutboxMessage.objects.get(handler="payments.read_event").state == "pending"


def test_an_event_told_to_another_merchant_moves_nothing(
    tenant: Tenant, stranger: Tenant, checkout: Checkout, unanswered_intent: str, deliver: Callable[..., int]
) -> None:
    post_webhook(stranger, build_event(unanswered_intent))
    deliver()
    assert checkout.payment.state == "open"
    assert not OutboxMessage.objects.filter(state="dead").exists()
