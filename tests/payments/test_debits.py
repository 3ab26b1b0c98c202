"""Bank debits at the gateway's side: submitted, settled, rejected days later, disputed after they had settled."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments.models import Dispute, SavedMethod
from sandbox.launch import Running
from tests.payments.shopper import DAY, RECURRING, USD, Shopper
from tests.people import Checkout, House, drain_outbox, merged
from wisepay.models import OutboxMessage

CLOSED = {"account_number": "000111111113"}
POOR = {"account_number": "000222222227"}


@pytest.fixture
def shopper(house: House) -> Shopper:
    return Shopper(house)


@pytest.fixture
def quote(house: House) -> Checkout:
    return house.open_checkout(**USD)


def days_later(world: Running, days: float) -> None:
    """The practice banks' clock moves, and our sweepers come by."""
    world.advance(days * DAY)
    drain_outbox(at=timezone.now() + timedelta(hours=2))


def nothing_dead() -> bool:
    return not OutboxMessage.objects.filter(state="dead").exists()


def test_a_debit_is_processing_for_days_and_says_so(
    house: House, shopper: Shopper, quote: Checkout, drain: Callable[..., int]
) -> None:
    answer = shopper.pay_by_bank(quote).json()
    assert (answer["status"], answer["next"]) == ("settling", quote.payment.done_path)
    drain()
    [attempt] = quote.attempts
    assert (attempt.state, attempt.is_settling, attempt.last4) == ("processing", True, "6789")
    assert house.read(quote)["status"] == "processing"
    page = shopper.client.get(quote.path).content.decode()
    assert "Your bank debit is on its way" in page
    assert any("on its way" in m["subject"] for m in house.mails(shopper.email))
    assert nothing_dead()


def test_a_settling_debit_cannot_be_paid_again_or_given_up(shopper: Shopper, quote: Checkout) -> None:
    shopper.pay_by_bank(quote)
    [attempt] = quote.attempts
    assert shopper.pay(quote).json()["code"] == "attempt_in_progress"
    shopper.client.post(f"{quote.path}/attempts/{attempt.reference}/stop")
    assert quote.attempts[0].is_settling


@pytest.mark.parametrize("currency", ["USD", "AUD"])
def test_a_debit_that_settles_is_paid(
    house: House, shopper: Shopper, world: Running, drain: Callable[..., int], currency: str
) -> None:
    quote = house.open_checkout(**merged(USD, {"quote": {"currency": currency}}))
    assert shopper.pay_by_bank(quote).json()["status"] == "settling"
    drain()
    days_later(world, 4)
    assert (quote.payment.state, quote.quote.state, house.read(quote)["status"]) == ("succeeded", "paid", "paid")
    assert house.charged() == quote.payment.amount
    assert any("Receipt" in m["subject"] for m in house.mails(shopper.email))
    assert nothing_dead()


@pytest.mark.parametrize(("account", "words"), [(CLOSED, "closed"), (POOR, "not enough money")])
def test_a_debit_that_comes_back_can_be_paid_again(
    house: House,
    shopper: Shopper,
    quote: Checkout,
    world: Running,
    drain: Callable[..., int],
    account: dict[str, str],
    words: str,
) -> None:
    shopper.pay_by_bank(quote, account=account)
    drain()
    days_later(world, 4)
    assert (quote.payment.state, house.read(quote)["status"], house.charged()) == ("open", "failed", 0)
    assert words in shopper.client.get(quote.path).content.decode()
    assert any("rejected" in m["subject"] for m in house.mails(shopper.email))
    assert shopper.pay(quote).json()["status"] == "succeeded"
    drain()
    assert (quote.payment.state, house.read(quote)["status"]) == ("succeeded", "paid")
    assert nothing_dead()


def test_a_debit_that_comes_back_after_the_quotes_end_can_still_be_paid(
    house: House, shopper: Shopper, world: Running, drain: Callable[..., int]
) -> None:
    soon = (timezone.now() + timedelta(minutes=5)).isoformat()
    quote = house.open_checkout(**merged(USD, {"quote": {"expires_at": soon}}))
    shopper.pay_by_bank(quote, account=CLOSED)
    drain()
    days_later(world, 4)
    assert quote.payment.expires_at > timezone.now() + timedelta(days=20)
    assert shopper.pay(quote).json()["status"] == "succeeded"


def test_a_closed_account_is_never_offered_again(
    house: House, shopper: Shopper, quote: Checkout, world: Running, drain: Callable[..., int]
) -> None:
    shopper.enter(quote.payment)
    shopper.pay_by_bank(quote, saves=True, account=CLOSED)
    drain()
    [method] = shopper.methods
    assert (method.state, method.stripe_mandate_id != "", method.kind) == ("active", True, "us_bank_account")
    days_later(world, 4)
    assert (shopper.methods[0].state, shopper.methods[0].last_failure) == ("invalid", "account_closed")
    second = house.open_checkout(**USD)
    before = len(house.intents())
    assert shopper.pay(second, saved_method=method.reference).json()["code"] == "method_unusable"
    assert len(house.intents()) == before


def test_a_saved_bank_account_pays_the_next_quote(
    house: House, shopper: Shopper, world: Running, drain: Callable[..., int]
) -> None:
    first = house.open_checkout(**merged(USD, RECURRING))
    assert shopper.pay_by_bank(first, saves=True).json()["status"] == "settling"
    assert first.payment.saved_method == shopper.methods[0]
    second = house.open_checkout(**USD)
    answer = shopper.pay(second, saved_method=shopper.methods[0].reference).json()
    assert answer["status"] == "settling"
    drain()
    days_later(world, 4)
    assert {first.payment.state, second.payment.state} == {"succeeded"}


def test_a_bank_account_is_neither_offered_nor_taken_in_another_currency(house: House, shopper: Shopper) -> None:
    first = house.open_checkout(**merged(USD, RECURRING))
    shopper.pay_by_bank(first, saves=True)
    [method] = shopper.methods
    second = house.open_checkout(**merged(USD, {"quote": {"currency": "AUD"}}))
    assert method.reference not in shopper.client.get(f"{second.path}/checkout").content.decode()
    answer = shopper.pay(second, saved_method=method.reference)
    assert (answer.json()["code"], second.attempts) == ("method_not_allowed", [])


def disputed(house: House, quote: Checkout) -> None:
    """The payer's bank takes a settled debit back."""
    house.by_hand("dispute", quote.attempts[0].stripe_payment_intent_id)


def test_a_dispute_after_success_reverses_it_everywhere(
    house: House, shopper: Shopper, quote: Checkout, world: Running, drain: Callable[..., int]
) -> None:
    shopper.pay_by_bank(quote, saves=True)
    drain()
    days_later(world, 4)
    assert quote.payment.state == "succeeded"
    disputed(house, quote)
    hear(house, "charge.dispute.created", quote)
    drain()
    assert (quote.attempts[0].state, quote.payment.state, quote.quote.state) == ("reversed", "reversed", "open")
    assert house.read(quote)["status"] == "failed"
    assert shopper.methods[0].state == "invalid"
    assert any("reversed" in m["subject"] for m in house.mails(shopper.email))
    assert "took this payment back" in shopper.client.get(quote.path).content.decode()
    hear(house, "charge.dispute.created", quote)
    drain()
    assert Dispute.objects.count() == 1
    assert shopper.pay(quote).json()["status"] == "succeeded"
    drain(at=timezone.now() + timedelta(hours=2))
    assert (quote.payment.state, quote.quote.state, house.read(quote)["status"]) == ("succeeded", "paid", "paid")
    assert nothing_dead()


def hear(house: House, kind: str, quote: Checkout) -> None:
    """Stripe's webhook about this quote's first intent."""
    intent = quote.attempts[0].stripe_payment_intent_id
    house.hear(kind, {"id": "dp_x", "object": "dispute", "payment_intent": intent})


def test_a_card_dispute_reverses_only_when_it_is_lost(
    house: House, shopper: Shopper, checkout: Checkout, drain: Callable[..., int]
) -> None:
    shopper.pay(checkout)
    drain()
    disputed(house, checkout)
    hear(house, "charge.dispute.created", checkout)
    drain()
    assert (checkout.payment.state, Dispute.objects.get().state) == ("succeeded", "open")
    house.at_stripe(f"disputes/{Dispute.objects.get().stripe_dispute_id}/close")
    hear(house, "charge.dispute.closed", checkout)
    drain()
    assert (checkout.payment.state, Dispute.objects.get().state) == ("reversed", "lost")
    assert nothing_dead()


def test_a_method_detached_at_stripe_is_forgotten_here(
    house: House, shopper: Shopper, checkout: Checkout, drain: Callable[..., int]
) -> None:
    shopper.pay_and_save(checkout)
    [method] = shopper.methods
    house.at_stripe(f"payment_methods/{method.stripe_payment_method_id}/detach")
    house.hear("payment_method.detached", {"id": method.stripe_payment_method_id, "object": "payment_method"})
    drain()
    assert SavedMethod.objects.get().state == "removed"


def test_strange_events_change_nothing(house: House, checkout: Checkout, drain: Callable[..., int]) -> None:
    strange: list[tuple[str, dict[str, Any]]] = [
        ("charge.dispute.created", {"id": "dp_1", "object": "dispute", "payment_intent": "pi_unknown"}),
        ("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": None}),
        ("payment_method.detached", {"id": "pm_unknown", "object": "payment_method"}),
        ("mandate.updated", {"id": "mandate_unknown", "object": "mandate"}),
        ("setup_intent.succeeded", {"id": "seti_unknown", "object": "setup_intent"}),
        ("customer.created", {"id": "cus_1", "object": "customer"}),
    ]
    for kind, subject in strange:
        house.hear(kind, subject)
    drain()
    assert nothing_dead()
    assert checkout.payment.state == "open"
