"""The gateway's door over the practice Stripe: what each verb promises, in good weather and in bad."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from payments.gateways import Start, open_gateway
from payments.models import Attempt
from payments.services import REPLAY_FOR
from sandbox.launch import Running
from tests.payments.bank import answer_bank
from tests.people import Checkout, House
from wisepay import outbox
from wisepay.errors import Rejected, Unavailable
from wisepay.models import OutboxMessage
from wisepay.money import Money
from wisepay.references import new_reference

INTENTS = "/v1/payment_intents"
WEATHER: list[dict[str, Any]] = [
    {"kind": "drop_after"},
    {"kind": "drop_before"},
    {"kind": "timeout"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 409},
    {"kind": "html", "status": 502},
]
NAMES = [f"{w['kind']}{w.get('status', '')}" for w in WEATHER]


class Desk:
    """A practice account and its door."""

    def __init__(self, world: Running) -> None:
        self.world = world
        self.key = f"sk_test_door{new_reference()}"
        self.gateway = open_gateway(self.key)

    def order(self, card: str = "4242424242424242", *, amount: Money | None = None, **changes: Any) -> Start:
        """An order with a fresh confirmation token."""
        reference = new_reference()
        house = House(self.world, None, None, self.key)  # type: ignore[arg-type]
        words: dict[str, Any] = {
            "key": f"attempt-{reference}",
            "reference": reference,
            "amount": amount or Money(62500, "AUD"),
            "confirmation_token": house.confirmation_token(card),
            "method_types": ("card",),
            "description": "Quote 1 v1",
            "payer_email": "accounts@harbourdental.example",
            "return_url": "https://pay.example/pay/x",
            "ip": "203.0.113.7",
            "user_agent": "practice",
        }
        return Start(**(words | changes))

    def intents(self) -> list[dict[str, Any]]:
        """What the account holds."""
        return House(self.world, None, None, self.key).intents()  # type: ignore[arg-type]

    def calls(self, method: str = "POST", path: str = INTENTS) -> int:
        """How often this was asked, by any account."""
        return len([e for e in self.world.journal("stripe") if (e["method"], e["path"]) == (method, path)])


@pytest.fixture
def desk(world: Running, settings: Settings) -> Desk:
    """A new practice account, asked with little patience."""
    settings.HTTP_TIMEOUT = (1, 0.5)
    return Desk(world)


def test_a_good_card_is_charged_and_described(desk: Desk) -> None:
    order = desk.order()
    outcome = desk.gateway.start(order)
    assert (outcome.status, outcome.amount, outcome.reference) == ("succeeded", Money(62500, "AUD"), order.reference)
    assert (outcome.method.kind, outcome.method.brand, outcome.method.last4) == ("card", "visa", "4242")
    [intent] = desk.intents()
    assert (intent["amount_received"], intent["currency"], intent["id"]) == (62500, "aud", outcome.intent_id)
    assert desk.gateway.look_up(outcome.intent_id) == outcome
    assert desk.gateway.find(order.reference, since=datetime.now(UTC)) == outcome


def test_a_decline_is_an_outcome_with_the_banks_reason(desk: Desk) -> None:
    outcome = desk.gateway.start(desk.order("4000000000009995"))
    assert (outcome.status, outcome.failure_code, outcome.method.last4) == ("failed", "insufficient_funds", "9995")
    assert outcome.failure_message
    assert desk.gateway.look_up(outcome.intent_id).failure_code == "insufficient_funds"


def test_a_bank_that_asks_is_an_outcome_with_a_secret_for_the_browser(desk: Desk) -> None:
    outcome = desk.gateway.start(desk.order("4000002760003184"))
    assert outcome.status == "requires_action"
    assert outcome.client_secret.startswith(outcome.intent_id)
    answer_bank(desk.world, outcome.client_secret)
    assert desk.gateway.look_up(outcome.intent_id).status == "succeeded"


def test_the_same_order_again_is_the_same_charge(desk: Desk) -> None:
    order = desk.order()
    first, second = desk.gateway.start(order), desk.gateway.start(order)
    assert first == second
    assert len(desk.intents()) == 1


def test_the_same_key_with_other_words_is_refused(desk: Desk) -> None:
    order = desk.order()
    desk.gateway.start(order)
    with pytest.raises(Rejected) as refusal:
        desk.gateway.start(desk.order(key=order.key))
    assert refusal.value.code == "idempotency"
    assert len(desk.intents()) == 1


def test_find_answers_nothing_for_an_order_that_never_arrived(desk: Desk) -> None:
    desk.gateway.start(desk.order())
    assert desk.gateway.find("another", since=datetime.now(UTC)) is None
    assert desk.gateway.find("", since=datetime.now(UTC) - timedelta(days=9)) is None


def test_find_looks_beyond_the_first_page(desk: Desk) -> None:
    wanted = desk.order()
    charged = desk.gateway.start(wanted)
    auth = {"Authorization": f"Bearer {desk.key}"}
    for _ in range(101):
        answer = requests.post(
            f"{desk.world.url}/stripe/v1/payment_intents",
            data={"amount": 100, "currency": "aud"},
            headers=auth,
            timeout=5,
        )
        if answer.status_code == 429:
            desk.world.config(stripe_rate_limit=100_000)
    assert desk.gateway.find(wanted.reference, since=datetime.now(UTC)) == charged
    assert desk.calls("GET") >= 2


def test_an_unfinished_intent_can_be_cancelled_and_a_paid_one_cannot(desk: Desk) -> None:
    waiting = desk.gateway.start(desk.order("4000002760003184"))
    assert desk.gateway.cancel(waiting.intent_id, key="c1").status == "cancelled"
    assert desk.gateway.cancel(waiting.intent_id, key="c2").status == "cancelled"
    paid = desk.gateway.start(desk.order())
    assert desk.gateway.cancel(paid.intent_id, key="c3").status == "succeeded"
    assert desk.intents()[0]["amount_received"] == 62500


def test_one_that_failed_and_was_cancelled_afterwards_has_failed_and_says_why(desk: Desk) -> None:
    declined = desk.gateway.start(desk.order("4000000000009995"))
    assert desk.gateway.cancel(declined.intent_id, key="c4").status == "failed"
    found = desk.gateway.look_up(declined.intent_id)
    assert (found.status, found.failure_code) == ("failed", "insufficient_funds")


def test_an_unknown_intent_is_refused(desk: Desk) -> None:
    for ask in (desk.gateway.look_up, lambda name: desk.gateway.cancel(name, key="c")):
        with pytest.raises(Rejected) as refusal:
            ask("pi_unknown")
        assert refusal.value.code == "resource_missing"


def test_a_key_that_stripe_does_not_know_is_refused_by_every_verb(world: Running) -> None:
    good, gateway = Desk(world), open_gateway("sk_test_bad0key0000000")
    verbs: list[Callable[[], object]] = [
        gateway.check,
        lambda: gateway.start(good.order()),
        lambda: gateway.look_up("pi_1"),
        lambda: gateway.find("x", since=datetime.now(UTC)),
        lambda: gateway.cancel("pi_1", key="c"),
    ]
    for verb in verbs:
        with pytest.raises(Rejected) as refusal:
            verb()
        assert refusal.value.code == "gateway_key"
        assert "bad0key" not in str(refusal.value)
    open_gateway(good.key).check()


@pytest.mark.parametrize("fault", WEATHER, ids=NAMES)
def test_weather_is_unavailable_for_every_verb_and_nobody_asks_twice(desk: Desk, fault: dict[str, Any]) -> None:
    paid = desk.gateway.start(desk.order())
    order = desk.order()
    verbs: list[Callable[[], object]] = [
        lambda: desk.gateway.start(order),
        lambda: desk.gateway.look_up(paid.intent_id),
        lambda: desk.gateway.find(order.reference, since=datetime.now(UTC)),
        lambda: desk.gateway.cancel(paid.intent_id, key="c"),
        desk.gateway.check,
    ]
    verbs = verbs[:1] if fault["kind"] == "timeout" else verbs
    for verb in verbs:
        before = len(desk.world.journal("stripe"))
        with desk.world.faulty("stripe", times=None, **fault), pytest.raises(Unavailable):
            verb()
        assert len(desk.world.journal("stripe", since=before)) == 1


@pytest.mark.parametrize(
    ("money", "units"),
    [
        (Money(1250, "JPY"), 1250),
        (Money(500, "ISK"), 50000),
        (Money(62500, "USD"), 62500),
        (Money(1230, "KWD"), 1230),
    ],
)
def test_amounts_are_counted_as_stripe_counts_them_and_come_back_as_ours(desk: Desk, money: Money, units: int) -> None:
    outcome = desk.gateway.start(desk.order(amount=money))
    assert outcome.amount == money
    assert desk.intents()[0]["amount"] == units


def test_an_amount_that_stripe_does_not_take_is_refused_in_its_words(desk: Desk) -> None:
    with pytest.raises(Rejected) as refusal:
        desk.gateway.start(desk.order(amount=Money(10, "AUD")))
    assert refusal.value.code == "amount_too_small"


def test_a_guest_leaves_name_and_address_at_stripe_and_no_card_number_passes_us(desk: Desk) -> None:
    desk.gateway.start(desk.order())
    [asked] = [e for e in desk.world.journal("stripe") if (e["method"], e["path"]) == ("POST", INTENTS)]
    assert "accounts%40harbourdental.example" in asked["request_body"]
    assert "203.0.113.7" in asked["request_body"]
    assert "4242424242424242" not in asked["request_body"]
    assert asked["request_headers"]["Idempotency-Key"].startswith("attempt-")


# ---- the same weather, seen from a payer's attempt -------------------------------------------------


@pytest.fixture
def impatient(db: None, world: Running, settings: Settings, request: pytest.FixtureRequest) -> Checkout:
    """A checkout at a merchant whose gateway is asked with little patience."""
    settings.HTTP_TIMEOUT = (1, 0.5)
    found: Checkout = request.getfixturevalue("checkout")
    return found


def pay_in(fault: dict[str, Any], checkout: Checkout) -> Attempt:
    """Pay while the answer to the charge is lost."""
    with checkout.house.world.faulty("stripe", path=INTENTS, method="POST", **fault):
        answer = checkout.pay()
    assert answer.json()["status"] == "processing"  # type: ignore[attr-defined]
    [attempt] = checkout.attempts
    assert attempt.state == "processing"
    return attempt


@pytest.mark.parametrize(
    "fault", [w for w in WEATHER if w.get("status") != 500], ids=[n for n in NAMES if n != "status500"]
)
def test_an_attempt_whose_answer_was_lost_is_resolved_to_one_charge(
    impatient: Checkout, drain: Callable[..., int], fault: dict[str, Any]
) -> None:
    pay_in(fault, impatient)
    drain(at=timezone.now() + timedelta(seconds=11))
    assert impatient.payment.state == "succeeded"
    assert (impatient.house.charged(), len(impatient.house.intents())) == (62500, 1)


def test_a_remembered_failure_of_stripe_ends_without_a_charge(impatient: Checkout, drain: Callable[..., int]) -> None:
    attempt = pay_in({"kind": "status", "status": 500}, impatient)
    begun = attempt.created_at
    for share in (0.1, 0.5, 0.99):
        deliver_once(attempt, at=max(begun + REPLAY_FOR * share, next_look(attempt)))
        assert impatient.attempts[0].state == "processing"
    deliver_once(attempt, at=begun + REPLAY_FOR * 2)
    assert (impatient.attempts[0].state, impatient.attempts[0].failure_code) == ("failed", "never_arrived")
    assert impatient.payment.state == "open"
    assert impatient.house.charged() == 0


def next_look(attempt: Attempt) -> datetime:
    """When the attempt is asked about again."""
    return OutboxMessage.objects.get(key=f"attempt:{attempt.pk}").run_after


def deliver_once(attempt: Attempt, *, at: datetime) -> None:
    """One look at the attempt as of `at`."""
    assert outbox.deliver(f"attempt:{attempt.pk}", now=at)
