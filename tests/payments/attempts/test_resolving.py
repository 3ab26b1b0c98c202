"""Not knowing is a state: an attempt whose answer was lost ends only by the gateway's word."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from payments.attempts.services import refresh_attempt, send_attempt
from payments.models import Attempt
from payments.operations.services import RETRY_WINDOW
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant
from wisepay import outbox
from wisepay.models import OutboxMessage

INTENTS = "/v1/payment_intents"


@pytest.fixture
def unanswered_attempt(checkout: Checkout) -> Attempt:
    """An attempt that was charged while its answer was lost."""
    with checkout.tenant.world.inject_fault("stripe", "drop_after", method="POST", path=INTENTS):
        checkout.pay()
    [attempt] = checkout.attempts
    assert (attempt.state, attempt.stripe_payment_intent_id) == ("processing", "")
    return attempt


def text(answer: object) -> str:
    """A page's text."""
    return answer.content.decode()  # type: ignore[attr-defined,no-any-return]


def test_while_nobody_knows_the_payer_is_asked_not_to_pay_again(
    checkout: Checkout, unanswered_attempt: Attempt, browser: Client
) -> None:
    assert "We are confirming your payment" in text(browser.get(checkout.path))
    assert browser.get(f"{checkout.path}/guest").status_code == 302
    refused = checkout.pay(client=browser).json()  # type: ignore[attr-defined]
    assert (refused["code"], refused["next"]) == ("attempt_in_progress", checkout.path)
    assert len(checkout.tenant.intents()) == 1


def test_the_waiting_page_finds_out_by_asking(checkout: Checkout, unanswered_attempt: Attempt, browser: Client) -> None:
    answer = browser.post(f"{checkout.path}/attempts/{unanswered_attempt.reference}/check").json()
    assert (answer["status"], answer["next"]) == ("succeeded", checkout.payment.done_path)
    assert (checkout.tenant.total_charged(), len(checkout.tenant.intents())) == (62500, 1)


def test_a_payer_cannot_give_up_what_may_be_charged(
    checkout: Checkout, unanswered_attempt: Attempt, browser: Client
) -> None:
    browser.post(f"{checkout.path}/attempts/{unanswered_attempt.reference}/stop")
    assert checkout.attempts[0].state == "succeeded"


def test_asking_pauses_longer_and_longer(checkout: Checkout, unanswered_attempt: Attempt) -> None:
    key, now = f"attempt:{unanswered_attempt.pk}", timezone.now()
    pauses = []
    with checkout.tenant.world.inject_fault("stripe", "status", status=503, times=None):
        for _ in range(12):
            now = OutboxMessage.objects.get(key=key).run_after
            assert outbox.deliver_message(key, now=now)
            pauses.append((OutboxMessage.objects.get(key=key).run_after - now).total_seconds())
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1] <= 3600) == (10, True)
    assert checkout.attempts[0].state == "processing"


@pytest.mark.parametrize("status", [401, 403])
def test_a_revoked_key_does_not_turn_what_may_be_charged_into_failed(
    checkout: Checkout, unanswered_attempt: Attempt, browser: Client, deliver: Callable[..., int], status: int
) -> None:
    with checkout.tenant.world.inject_fault("stripe", "status", status=status, times=None):
        answer = browser.post(f"{checkout.path}/attempts/{unanswered_attempt.reference}/check")
        assert (answer.status_code, answer.json()["status"]) == (200, "processing")
        assert outbox.deliver_message(f"attempt:{unanswered_attempt.pk}", now=timezone.now() + timedelta(seconds=11))
    assert checkout.attempts[0].state == "processing"
    deliver(at=timezone.now() + timedelta(minutes=10))
    assert (checkout.payment.state, checkout.tenant.total_charged()) == ("succeeded", 62500)


@pytest.mark.parametrize("status", [401, 404])
def test_a_no_to_a_look_ends_nothing(
    checkout: Checkout, browser: Client, deliver: Callable[..., int], status: int
) -> None:
    asked = checkout.pay("4000002760003184", client=browser).json()  # type: ignore[attr-defined]
    answer_three_d_secure(checkout.tenant.world, asked["client_secret"])
    stop = asked["attempt"].replace("/check", "/stop")
    with checkout.tenant.world.inject_fault("stripe", "status", status=status, times=None):
        assert browser.post(asked["attempt"]).json()["status"] == "requires_action"
        assert browser.post(stop).status_code == 302
        [attempt] = checkout.attempts
        assert outbox.deliver_message(f"attempt:{attempt.pk}", now=timezone.now() + timedelta(minutes=31))
    assert checkout.attempts[0].state == "requires_action"
    deliver(at=timezone.now() + timedelta(hours=2))
    assert (checkout.payment.state, checkout.tenant.total_charged()) == ("succeeded", 62500)


def test_an_attempt_older_than_stripes_memory_is_found_by_its_reference(
    checkout: Checkout, unanswered_attempt: Attempt
) -> None:
    before = len(checkout.tenant.intents())
    refresh_attempt(unanswered_attempt, now=timezone.now() + RETRY_WINDOW + timedelta(hours=1))
    assert (checkout.payment.state, len(checkout.tenant.intents()), before) == ("succeeded", 1, 1)


def test_an_attempt_that_never_arrived_is_failed_only_when_stripe_says_so(checkout: Checkout) -> None:
    with checkout.tenant.world.inject_fault("stripe", "drop_before", method="POST", path=INTENTS):
        checkout.pay()
    [attempt] = checkout.attempts
    late = timezone.now() + RETRY_WINDOW + timedelta(hours=1)
    with checkout.tenant.world.inject_fault("stripe", "status", status=503, times=None):
        refresh_attempt(attempt, now=late)
        assert checkout.attempts[0].state == "processing"
    refresh_attempt(attempt, now=late)
    assert (checkout.attempts[0].state, checkout.attempts[0].failure_code) == ("failed", "never_arrived")
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]
    assert checkout.tenant.total_charged() == 62500


def test_a_worker_that_was_killed_after_the_charge_is_made_good(
    tenant: Tenant, checkout: Checkout, deliver: Callable[..., int]
) -> None:
    checkout.pay("4000000000000002")
    [declined] = checkout.attempts
    # The row as it stood between the charge and its answer.
    Attempt.objects.filter(pk=declined.pk).update(state="processing", stripe_payment_intent_id="", failure_code="")
    OutboxMessage.objects.filter(key__startswith="attempt:").exclude(key=f"attempt:{declined.pk}").delete()
    deliver(at=timezone.now() + timedelta(seconds=11))
    assert (checkout.attempts[0].state, len(tenant.intents())) == ("failed", 1)
    assert checkout.pay().json()["status"] == "succeeded"  # type: ignore[attr-defined]


def test_saying_the_same_order_again_is_harmless(checkout: Checkout, unanswered_attempt: Attempt) -> None:
    for _ in range(3):
        send_attempt(unanswered_attempt, now=timezone.now())
    assert (checkout.payment.state, checkout.tenant.total_charged(), len(checkout.tenant.intents())) == (
        "succeeded",
        62500,
        1,
    )
