"""The gateway over the practice Stripe: what each verb promises, while Stripe answers and while it does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from payments.gateways import ChargeRequest, open_gateway
from payments.models import Attempt
from payments.operations.services import RETRY_WINDOW
from sandbox.harness.sandbox_process import SandboxProcess
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Checkout, Tenant
from wisepay import outbox
from wisepay.addresses import new_reference
from wisepay.errors import NotThere, Rejected, Unavailable
from wisepay.models import OutboxMessage
from wisepay.money import Money

INTENTS = "/v1/payment_intents"
FAULTS: list[dict[str, Any]] = [
    {"kind": "drop_after"},
    {"kind": "drop_before"},
    {"kind": "timeout"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 409},
    {"kind": "html", "status": 502},
]
FAULT_NAMES = [f"{w['kind']}{w.get('status', '')}" for w in FAULTS]


class PracticeAccount:
    """A practice account and its door."""

    def __init__(self, world: SandboxProcess) -> None:
        self.world = world
        self.key = f"sk_test_door{new_reference()}"
        self.gateway = open_gateway(self.key)

    def build_request(
        self, card: str = "4242424242424242", *, amount: Money | None = None, **changes: Any
    ) -> ChargeRequest:
        """An order with a fresh confirmation token."""
        reference = new_reference()
        tenant = Tenant(self.world, None, None, self.key)  # type: ignore[arg-type]
        words: dict[str, Any] = {
            "key": f"attempt-{reference}",
            "reference": reference,
            "amount": amount or Money(62500, "AUD"),
            "confirmation_token": tenant.confirmation_token(card),
            "method_types": ("card",),
            "description": "Quote 1 v1",
            "payer_email": "accounts@harbourdental.example",
            "return_url": "https://pay.example/pay/x",
            "ip": "203.0.113.7",
            "user_agent": "practice",
        }
        return ChargeRequest(**(words | changes))

    def intents(self) -> list[dict[str, Any]]:
        """What the account holds."""
        return Tenant(self.world, None, None, self.key).intents()  # type: ignore[arg-type]

    def calls(self, method: str = "POST", path: str = INTENTS) -> int:
        """How often this was asked, by any account."""
        return len([e for e in self.world.journal("stripe") if (e["method"], e["path"]) == (method, path)])


@pytest.fixture
def practice_account(world: SandboxProcess, settings: Settings) -> PracticeAccount:
    """A new practice account, asked with little patience."""
    settings.HTTP_TIMEOUT = (1, 0.5)
    return PracticeAccount(world)


def test_a_good_card_is_charged_and_described(practice_account: PracticeAccount) -> None:
    order = practice_account.build_request()
    outcome = practice_account.gateway.start(order)
    assert (outcome.status, outcome.amount, outcome.reference) == ("succeeded", Money(62500, "AUD"), order.reference)
    assert (outcome.method.kind, outcome.method.brand, outcome.method.last4) == ("card", "visa", "4242")
    [intent] = practice_account.intents()
    assert (intent["amount_received"], intent["currency"], intent["id"]) == (62500, "aud", outcome.intent_id)
    assert practice_account.gateway.look_up(outcome.intent_id) == outcome
    assert practice_account.gateway.find(order.reference, since=datetime.now(UTC)) == outcome


def test_a_decline_is_an_outcome_with_the_banks_reason(practice_account: PracticeAccount) -> None:
    outcome = practice_account.gateway.start(practice_account.build_request("4000000000009995"))
    assert (outcome.status, outcome.failure_code, outcome.method.last4) == ("failed", "insufficient_funds", "9995")
    assert outcome.failure_message
    assert practice_account.gateway.look_up(outcome.intent_id).failure_code == "insufficient_funds"


def test_a_bank_that_asks_is_an_outcome_with_a_secret_for_the_browser(practice_account: PracticeAccount) -> None:
    outcome = practice_account.gateway.start(practice_account.build_request("4000002760003184"))
    assert outcome.status == "requires_action"
    assert outcome.client_secret.startswith(outcome.intent_id)
    answer_three_d_secure(practice_account.world, outcome.client_secret)
    assert practice_account.gateway.look_up(outcome.intent_id).status == "succeeded"


def test_the_same_order_again_is_the_same_charge(practice_account: PracticeAccount) -> None:
    order = practice_account.build_request()
    first, second = practice_account.gateway.start(order), practice_account.gateway.start(order)
    assert first == second
    assert len(practice_account.intents()) == 1


def test_the_same_key_with_other_words_is_refused(practice_account: PracticeAccount) -> None:
    order = practice_account.build_request()
    practice_account.gateway.start(order)
    with pytest.raises(Rejected) as refusal:
        practice_account.gateway.start(practice_account.build_request(key=order.key))
    assert refusal.value.code == "idempotency"
    assert len(practice_account.intents()) == 1


def test_find_answers_nothing_for_an_order_that_never_arrived(practice_account: PracticeAccount) -> None:
    practice_account.gateway.start(practice_account.build_request())
    assert practice_account.gateway.find("another", since=datetime.now(UTC)) is None
    assert practice_account.gateway.find("", since=datetime.now(UTC) - timedelta(days=9)) is None


def test_find_looks_beyond_the_first_page(practice_account: PracticeAccount) -> None:
    wanted = practice_account.build_request()
    charged = practice_account.gateway.start(wanted)
    auth = {"Authorization": f"Bearer {practice_account.key}"}
    for _ in range(101):
        answer = requests.post(
            f"{practice_account.world.url}/stripe/v1/payment_intents",
            data={"amount": 100, "currency": "aud"},
            headers=auth,
            timeout=5,
        )
        if answer.status_code == 429:
            practice_account.world.config(stripe_rate_limit=100_000)
    assert practice_account.gateway.find(wanted.reference, since=datetime.now(UTC)) == charged
    assert practice_account.calls("GET") >= 2


def test_find_asks_a_busy_account_for_little_more_than_an_hour(practice_account: PracticeAccount) -> None:
    """docs.stripe.com/api/payment_intents/list (`created`): what a busy account made on other hours is not paged."""
    auth = {"Authorization": f"Bearer {practice_account.key}"}
    address = f"{practice_account.world.url}/stripe/v1/payment_intents"
    for pause in (3 * 3600, 6 * 3600):
        for _ in range(110):
            requests.post(address, data={"amount": 100, "currency": "aud"}, headers=auth, timeout=5)
        practice_account.world.advance(pause)
        if pause == 3 * 3600:
            wanted = practice_account.build_request()
            charged = practice_account.gateway.start(wanted)
            begun = datetime.now(UTC) + timedelta(seconds=pause)
            practice_account.world.advance(2 * 3600)
    before = practice_account.calls("GET")
    assert practice_account.gateway.find(wanted.reference, since=begun) == charged
    assert practice_account.calls("GET") == before + 1


def test_an_unfinished_intent_can_be_cancelled_and_a_paid_one_cannot(practice_account: PracticeAccount) -> None:
    waiting = practice_account.gateway.start(practice_account.build_request("4000002760003184"))
    assert practice_account.gateway.cancel(waiting.intent_id, key="c1").status == "cancelled"
    assert practice_account.gateway.cancel(waiting.intent_id, key="c2").status == "cancelled"
    paid = practice_account.gateway.start(practice_account.build_request())
    assert practice_account.gateway.cancel(paid.intent_id, key="c3").status == "succeeded"
    assert practice_account.intents()[0]["amount_received"] == 62500


def test_one_that_failed_and_was_cancelled_afterwards_has_failed_and_says_why(
    practice_account: PracticeAccount,
) -> None:
    declined = practice_account.gateway.start(practice_account.build_request("4000000000009995"))
    assert practice_account.gateway.cancel(declined.intent_id, key="c4").status == "failed"
    found = practice_account.gateway.look_up(declined.intent_id)
    assert (found.status, found.failure_code) == ("failed", "insufficient_funds")


def test_an_unknown_intent_is_refused(practice_account: PracticeAccount) -> None:
    for ask in (practice_account.gateway.look_up, lambda name: practice_account.gateway.cancel(name, key="c")):
        with pytest.raises(NotThere) as refusal:
            ask("pi_unknown")
    assert (refusal.value.code, refusal.value.thing) == ("object_missing", "intent")


def test_a_key_that_stripe_does_not_know_is_refused_by_every_verb(world: SandboxProcess) -> None:
    good, gateway = PracticeAccount(world), open_gateway("sk_test_bad0key0000000")
    verbs: list[Callable[[], object]] = [
        gateway.get_account_id,
        lambda: gateway.start(good.build_request()),
        lambda: gateway.look_up("pi_1"),
        lambda: gateway.find("x", since=datetime.now(UTC)),
        lambda: gateway.cancel("pi_1", key="c"),
    ]
    for verb in verbs:
        with pytest.raises(Rejected) as refusal:
            verb()
        assert refusal.value.code == "gateway_key"
        assert "bad0key" not in str(refusal.value)
    open_gateway(good.key).get_account_id()


@pytest.mark.parametrize("fault", FAULTS, ids=FAULT_NAMES)
def test_an_outage_is_unavailable_for_every_verb_and_nobody_asks_twice(
    practice_account: PracticeAccount, fault: dict[str, Any]
) -> None:
    paid = practice_account.gateway.start(practice_account.build_request())
    order = practice_account.build_request()
    verbs: list[Callable[[], object]] = [
        lambda: practice_account.gateway.start(order),
        lambda: practice_account.gateway.look_up(paid.intent_id),
        lambda: practice_account.gateway.find(order.reference, since=datetime.now(UTC)),
        lambda: practice_account.gateway.cancel(paid.intent_id, key="c"),
        practice_account.gateway.get_account_id,
    ]
    verbs = verbs[:1] if fault["kind"] == "timeout" else verbs
    for verb in verbs:
        before = len(practice_account.world.journal("stripe"))
        with practice_account.world.inject_fault("stripe", times=None, **fault), pytest.raises(Unavailable):
            verb()
        assert len(practice_account.world.journal("stripe", since=before)) == 1


@pytest.mark.parametrize(
    ("money", "units"),
    [
        (Money(1250, "JPY"), 1250),
        (Money(500, "ISK"), 50000),
        (Money(62500, "USD"), 62500),
        (Money(1230, "KWD"), 1230),
    ],
)
def test_amounts_are_counted_as_stripe_counts_them_and_come_back_as_ours(
    practice_account: PracticeAccount, money: Money, units: int
) -> None:
    outcome = practice_account.gateway.start(practice_account.build_request(amount=money))
    assert outcome.amount == money
    assert practice_account.intents()[0]["amount"] == units


def test_an_amount_that_stripe_does_not_take_is_refused_in_its_words(practice_account: PracticeAccount) -> None:
    with pytest.raises(Rejected) as refusal:
        practice_account.gateway.start(practice_account.build_request(amount=Money(10, "AUD")))
    assert refusal.value.code == "amount_too_small"


def test_a_guest_leaves_name_and_address_at_stripe_and_no_card_number_passes_us(
    practice_account: PracticeAccount,
) -> None:
    practice_account.gateway.start(practice_account.build_request())
    [asked] = [e for e in practice_account.world.journal("stripe") if (e["method"], e["path"]) == ("POST", INTENTS)]
    assert "accounts%40harbourdental.example" in asked["request_body"]
    assert "203.0.113.7" in asked["request_body"]
    assert "4242424242424242" not in asked["request_body"]
    assert asked["request_headers"]["Idempotency-Key"].startswith("attempt-")


# ---- the same outages, seen from a payer's attempt -------------------------------------------------


@pytest.fixture
def impatient_checkout(db: None, world: SandboxProcess, settings: Settings, request: pytest.FixtureRequest) -> Checkout:
    """A checkout at a merchant whose gateway is asked with little patience."""
    settings.HTTP_TIMEOUT = (1, 0.5)
    found: Checkout = request.getfixturevalue("checkout")
    return found


def pay_during_fault(fault: dict[str, Any], checkout: Checkout) -> Attempt:
    """Pay while the answer to the charge is lost."""
    with checkout.tenant.world.inject_fault("stripe", path=INTENTS, method="POST", **fault):
        answer = checkout.pay()
    assert answer.json()["status"] == "processing"  # type: ignore[attr-defined]
    [attempt] = checkout.attempts
    assert attempt.state == "processing"
    return attempt


@pytest.mark.parametrize(
    "fault", [w for w in FAULTS if w.get("status") != 500], ids=[n for n in FAULT_NAMES if n != "status500"]
)
def test_an_attempt_whose_answer_was_lost_is_resolved_to_one_charge(
    impatient_checkout: Checkout, deliver: Callable[..., int], fault: dict[str, Any]
) -> None:
    pay_during_fault(fault, impatient_checkout)
    deliver(at=timezone.now() + timedelta(seconds=11))
    assert impatient_checkout.payment.state == "succeeded"
    assert (impatient_checkout.tenant.total_charged(), len(impatient_checkout.tenant.intents())) == (62500, 1)


def test_a_remembered_failure_of_stripe_ends_without_a_charge(
    impatient_checkout: Checkout, deliver: Callable[..., int]
) -> None:
    attempt = pay_during_fault({"kind": "status", "status": 500}, impatient_checkout)
    begun = attempt.created_at
    for share in (0.1, 0.5, 0.99):
        deliver_once(attempt, at=max(begun + RETRY_WINDOW * share, get_next_check_at(attempt)))
        assert impatient_checkout.attempts[0].state == "processing"
    deliver_once(attempt, at=begun + RETRY_WINDOW * 2)
    assert (impatient_checkout.attempts[0].state, impatient_checkout.attempts[0].failure_code) == (
        "failed",
        "never_arrived",
    )
    assert impatient_checkout.payment.state == "open"
    assert impatient_checkout.tenant.total_charged() == 0


def get_next_check_at(attempt: Attempt) -> datetime:
    """When the attempt is asked about again."""
    return OutboxMessage.objects.get(key=f"attempt:{attempt.pk}").run_after


def deliver_once(attempt: Attempt, *, at: datetime) -> None:
    """One look at the attempt as of `at`."""
    assert outbox.deliver_message(f"attempt:{attempt.pk}", now=at)


STATEMENTS = {
    "Quote 1042": "QUOTE 1042",
    "Invoice INV-2041/7": "INVOICE INV-",
    "3 invoices": "3 INVOICES",
    "Devis n° 12 <b>'*\"": "DEVIS N 12 B",
    "Überweisung": "UBERWEISUNG",
    "見積もり 12": None,
    "1042": None,
    "": None,
}


@pytest.mark.parametrize("text", STATEMENTS)
def test_what_a_statement_says_never_stops_a_payment(world: SandboxProcess, text: str) -> None:
    """docs.stripe.com/get-started/account/statement-descriptors: 22 letters, Latin, a letter among them."""
    account = PracticeAccount(world)
    result = account.gateway.start(account.build_request(statement_text=text))
    assert result.status == "succeeded"
    auth = {"Authorization": f"Bearer {account.key}"}
    intent = requests.get(f"{world.url}/stripe/v1/payment_intents/{result.intent_id}", headers=auth, timeout=10)
    assert intent.json()["statement_descriptor_suffix"] == STATEMENTS[text]
