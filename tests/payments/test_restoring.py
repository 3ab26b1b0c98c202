"""Money that a bank took and gave back after all: paid again by an attempt of its own, or there twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from merchants.models import Notification
from payments.models import Attempt, Dispute
from payments.outcomes import reverse_attempt
from payments.refunds import order_refund, run_refund
from payments.restoring import OWN
from tests.accounting.autopay.stage import Stage
from tests.accounting.debits import come_again
from tests.payments.shopper import USD, Shopper
from tests.people import Checkout, House
from wisepay.models import OutboxMessage

Drain = Callable[..., int]


@pytest.fixture
def shopper(house: House) -> Shopper:
    return Shopper(house)


def intent_of(quote: Checkout) -> str:
    """The intent of the first try, whichever attempt stands for it now."""
    return next(a.stripe_payment_intent_id for a in quote.attempts if a.stripe_payment_intent_id)


def hear(quote: Checkout, kind: str, intent: str) -> None:
    quote.house.hear(kind, {"id": "dp_x", "object": "dispute", "payment_intent": intent})


def take_back(quote: Checkout, drain: Drain) -> str:
    """The payer's bank takes the paid money for good; the intent."""
    intent = intent_of(quote)
    dispute = quote.house.by_hand("dispute", intent)
    if dispute["status"] != "lost":
        quote.house.by_hand("close_dispute", dispute["id"], outcome="lost")
    hear(quote, "charge.dispute.closed", intent)
    drain()
    assert (quote.payment.state, quote.quote.state) == ("reversed", "open")
    return intent


def give_back(quote: Checkout, drain: Drain, intent: str) -> None:
    """The bank thinks again."""
    quote.house.by_hand("reinstate", Dispute.objects.get().stripe_dispute_id)
    hear(quote, "charge.dispute.funds_reinstated", intent)
    drain()


def told() -> list[str]:
    """The bodies of what the merchant was told of disputes that were won."""
    return list(Notification.objects.filter(title="Dispute won").values_list("body", flat=True))


def nothing_dead() -> bool:
    return not OutboxMessage.objects.filter(state="dead").exists()


def test_money_that_comes_back_pays_again_by_an_attempt_of_its_own(
    house: House, shopper: Shopper, checkout: Checkout, drain: Drain
) -> None:
    shopper.pay(checkout)
    drain()
    intent = take_back(checkout, drain)
    give_back(checkout, drain, intent)
    hear(checkout, "charge.dispute.closed", intent)
    drain()
    taken, back = checkout.attempts
    assert (taken.state, taken.stripe_payment_intent_id) == ("reversed", "")
    assert (back.state, back.stripe_payment_intent_id, back.amount, back.method) == (
        "succeeded",
        intent,
        62500,
        taken.method,
    )
    assert (checkout.payment.state, checkout.payment.paid_amount) == ("succeeded", 62500)
    assert (checkout.quote.state, house.read(checkout)["status"], Dispute.objects.get().state) == (
        "paid",
        "paid",
        "won",
    )
    assert [("counts as paid again" in body) for body in told()] == [True]
    assert len([m for m in house.mails(shopper.email) if m["subject"].startswith("Receipt")]) == 2
    assert shopper.pay(checkout).json()["code"] == "already_paid"
    assert nothing_dead()


def test_the_same_money_comes_back_once(shopper: Shopper, checkout: Checkout, drain: Drain) -> None:
    shopper.pay(checkout)
    drain()
    give_back(checkout, drain, take_back(checkout, drain))
    with transaction.atomic():
        reverse_attempt(checkout.attempts[1], reason="dispute:another", now=timezone.now())
    come_again("payments.restore_payment")
    drain()
    assert [a.state for a in checkout.attempts] == ["reversed", "reversed"]
    assert (checkout.payment.state, len(told()), nothing_dead()) == ("reversed", 1, True)


def test_a_bank_debit_that_comes_back_can_be_refunded_once(house: House, shopper: Shopper, drain: Drain) -> None:
    quote = house.open_checkout(**USD)
    shopper.pay_by_bank(quote)
    house.by_hand("settle", intent_of(quote))
    house.hear("payment_intent.succeeded", {"id": intent_of(quote), "object": "payment_intent"})
    drain()
    intent = take_back(quote, drain)
    give_back(quote, drain, intent)
    refund = order_refund(quote.payment, amount=62500, reason="", by=house.user, now=timezone.now())
    run_refund(refund, now=timezone.now())
    assert (refund.attempt, refund.state in ("processing", "succeeded")) == (quote.attempts[1], True)
    assert (quote.payment.refunded_amount, nothing_dead()) == (62500, True)


def test_only_what_was_left_comes_back(house: House, shopper: Shopper, checkout: Checkout, drain: Drain) -> None:
    shopper.pay(checkout)
    drain()
    run_refund(
        order_refund(checkout.payment, amount=20000, reason="", by=house.user, now=timezone.now()), now=timezone.now()
    )
    intent = take_back(checkout, drain)
    give_back(checkout, drain, intent)
    house.hear("refund.updated", {"id": "re_x", "object": "refund", "payment_intent": intent})
    drain()
    payment = checkout.payment
    assert (payment.state, payment.paid_amount, payment.refunded_amount) == ("succeeded", 42500, 0)
    assert payment.refunds.count() == 1
    assert nothing_dead()


def test_money_that_comes_back_after_somebody_paid_again_is_there_twice(
    house: House, shopper: Shopper, checkout: Checkout, drain: Drain
) -> None:
    shopper.pay(checkout)
    drain()
    intent = take_back(checkout, drain)
    assert shopper.pay(checkout).json()["status"] == "succeeded"
    give_back(checkout, drain, intent)
    assert [a.state for a in checkout.attempts] == ["reversed", "succeeded"]
    [body] = told()
    assert "you have it twice" in body
    assert intent in body
    house.by_hand("refund", intent)
    house.hear("charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": intent})
    drain()
    assert (checkout.payment.state, checkout.payment.refunded_amount) == ("succeeded", 0)
    assert [refund.state for refund in checkout.payment.refunds.all()] == ["succeeded"]
    assert nothing_dead()


def test_money_that_comes_back_while_somebody_pays_again_waits_for_the_end(
    shopper: Shopper, checkout: Checkout, drain: Drain
) -> None:
    shopper.pay(checkout)
    drain()
    intent = take_back(checkout, drain)
    asked = {"confirmation_token": checkout.house.confirmation_token("4000002760003184")}
    assert shopper.pay(checkout, **asked).json()["status"] == "requires_action"
    give_back(checkout, drain, intent)
    assert (checkout.payment.state, told()) == ("reversed", [])
    shopper.client.post(f"{checkout.path}/attempts/{checkout.attempts[1].reference}/stop")
    drain(at=timezone.now() + timedelta(minutes=1))
    assert [a.state for a in checkout.attempts] == ["reversed", "cancelled", "succeeded"]
    assert (checkout.payment.state, len(told()), nothing_dead()) == ("succeeded", 1, True)


def test_a_card_dispute_that_was_never_lost_changes_nothing_when_it_is_won(
    house: House, shopper: Shopper, checkout: Checkout, drain: Drain
) -> None:
    shopper.pay(checkout)
    drain()
    dispute = house.by_hand("dispute", intent_of(checkout))
    house.by_hand("close_dispute", dispute["id"], outcome="won")
    hear(checkout, "charge.dispute.closed", intent_of(checkout))
    drain()
    assert ([a.state for a in checkout.attempts], checkout.payment.state) == (["succeeded"], "succeeded")
    assert (Dispute.objects.get().state, told(), nothing_dead()) == ("won", [], True)


def test_an_automatic_payment_that_comes_back_is_settled_again(house: House, drain: Drain) -> None:
    stage = Stage(house)
    stage.map(stage.bank_account())
    invoice = stage.invoice()
    assert stage.charge(invoice).state == "pending"
    [asked] = stage.attempts(invoice)
    intent = asked.stripe_payment_intent_id
    house.by_hand("settle", intent)
    house.hear("payment_intent.succeeded", {"id": intent, "object": "payment_intent"})
    drain()
    assert house.by_hand("dispute", intent)["status"] == "lost"
    house.hear("charge.dispute.closed", {"id": "dp_x", "object": "dispute", "payment_intent": intent})
    drain()
    assert stage.scheduled(invoice).state == "failed"
    house.by_hand("reinstate", Dispute.objects.get().stripe_dispute_id)
    house.hear("charge.dispute.funds_reinstated", {"id": "dp_x", "object": "dispute", "payment_intent": intent})
    drain()
    taken, back = stage.attempts(invoice)
    for field in Attempt._meta.concrete_fields:
        if field.name not in OWN | {"stripe_payment_intent_id"}:
            assert getattr(back, field.name) == getattr(taken, field.name), field.name
    assert (back.state, back.is_off_session, back.ip) == ("succeeded", True, None)
    assert stage.scheduled(invoice).resolution == "The payer paid it."
    assert nothing_dead()
