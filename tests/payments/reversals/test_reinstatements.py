"""Money that a bank took and gave back after all: paid again by an attempt of its own, or there twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from merchants.models import Notification
from payments.attempts.services import reverse_attempt
from payments.models import Attempt, Dispute
from payments.refunds import send_refund, start_refund
from payments.reversals.reinstatements import ATTEMPT_OWN_FIELDS
from tests.accounting.autopay.builders import AutoPayBuilder
from tests.accounting.posting.debits import redeliver_messages
from tests.payments.signed_in_payer import USD, SignedInPayer
from tests.tenants import Checkout, Tenant
from wisepay.models import OutboxMessage

Deliver = Callable[..., int]


@pytest.fixture
def signed_in_payer(tenant: Tenant) -> SignedInPayer:
    return SignedInPayer(tenant)


def get_intent_id(quote: Checkout) -> str:
    """The intent of the first try, whichever attempt stands for it now."""
    return next(a.stripe_payment_intent_id for a in quote.attempts if a.stripe_payment_intent_id)


def send_dispute_webhook(quote: Checkout, kind: str, intent: str) -> None:
    quote.tenant.send_stripe_webhook(kind, {"id": "dp_x", "object": "dispute", "payment_intent": intent})


def lose_dispute(quote: Checkout, deliver: Deliver) -> str:
    """The payer's bank takes the paid money for good; the intent."""
    intent = get_intent_id(quote)
    dispute = quote.tenant.act_at_stripe("dispute", intent)
    if dispute["status"] != "lost":
        quote.tenant.act_at_stripe("close_dispute", dispute["id"], outcome="lost")
    send_dispute_webhook(quote, "charge.dispute.closed", intent)
    deliver()
    assert (quote.payment.state, quote.quote.state) == ("reversed", "open")
    return intent


def win_dispute(quote: Checkout, deliver: Deliver, intent: str) -> None:
    """The bank thinks again."""
    quote.tenant.act_at_stripe("reinstate", Dispute.objects.get().stripe_dispute_id)
    send_dispute_webhook(quote, "charge.dispute.funds_reinstated", intent)
    deliver()


def list_dispute_won_notifications() -> list[str]:
    """The bodies of what the merchant was told of disputes that were won."""
    return list(Notification.objects.filter(title="Dispute won").values_list("body", flat=True))


def has_no_dead_messages() -> bool:
    return not OutboxMessage.objects.filter(state="dead").exists()


def test_money_that_comes_back_pays_again_by_an_attempt_of_its_own(
    tenant: Tenant, signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Deliver
) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    intent = lose_dispute(checkout, deliver)
    win_dispute(checkout, deliver, intent)
    send_dispute_webhook(checkout, "charge.dispute.closed", intent)
    deliver()
    taken, back = checkout.attempts
    assert (taken.state, taken.stripe_payment_intent_id) == ("reversed", "")
    assert (back.state, back.stripe_payment_intent_id, back.amount, back.method) == (
        "succeeded",
        intent,
        62500,
        taken.method,
    )
    assert (checkout.payment.state, checkout.payment.paid_amount) == ("succeeded", 62500)
    assert (checkout.quote.state, tenant.read(checkout)["status"], Dispute.objects.get().state) == (
        "paid",
        "paid",
        "won",
    )
    assert [("counts as paid again" in body) for body in list_dispute_won_notifications()] == [True]
    assert len([m for m in tenant.mails(signed_in_payer.email) if m["subject"].startswith("Receipt")]) == 2
    assert signed_in_payer.pay(checkout).json()["code"] == "already_paid"
    assert has_no_dead_messages()


def test_the_same_money_comes_back_once(signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Deliver) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    win_dispute(checkout, deliver, lose_dispute(checkout, deliver))
    with transaction.atomic():
        reverse_attempt(checkout.attempts[1], reason="dispute:another", now=timezone.now())
    redeliver_messages("payments.restore_payment")
    deliver()
    assert [a.state for a in checkout.attempts] == ["reversed", "reversed"]
    assert (checkout.payment.state, len(list_dispute_won_notifications()), has_no_dead_messages()) == (
        "reversed",
        1,
        True,
    )


def test_a_bank_debit_that_comes_back_can_be_refunded_once(
    tenant: Tenant, signed_in_payer: SignedInPayer, deliver: Deliver
) -> None:
    quote = tenant.open_checkout(**USD)
    signed_in_payer.pay_by_bank(quote)
    tenant.act_at_stripe("settle", get_intent_id(quote))
    tenant.send_stripe_webhook("payment_intent.succeeded", {"id": get_intent_id(quote), "object": "payment_intent"})
    deliver()
    intent = lose_dispute(quote, deliver)
    win_dispute(quote, deliver, intent)
    refund = start_refund(quote.payment, amount=62500, reason="", by=tenant.user, now=timezone.now())
    send_refund(refund, now=timezone.now())
    assert (refund.attempt, refund.state in ("processing", "succeeded")) == (quote.attempts[1], True)
    assert (quote.payment.refunded_amount, has_no_dead_messages()) == (62500, True)


def test_only_what_was_left_comes_back(
    tenant: Tenant, signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Deliver
) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    send_refund(
        start_refund(checkout.payment, amount=20000, reason="", by=tenant.user, now=timezone.now()), now=timezone.now()
    )
    intent = lose_dispute(checkout, deliver)
    win_dispute(checkout, deliver, intent)
    tenant.send_stripe_webhook("refund.updated", {"id": "re_x", "object": "refund", "payment_intent": intent})
    deliver()
    payment = checkout.payment
    assert (payment.state, payment.paid_amount, payment.refunded_amount) == ("succeeded", 42500, 0)
    assert payment.refunds.count() == 1
    assert has_no_dead_messages()


def test_money_that_comes_back_after_somebody_paid_again_is_there_twice(
    tenant: Tenant, signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Deliver
) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    intent = lose_dispute(checkout, deliver)
    assert signed_in_payer.pay(checkout).json()["status"] == "succeeded"
    win_dispute(checkout, deliver, intent)
    assert [a.state for a in checkout.attempts] == ["reversed", "succeeded"]
    [body] = list_dispute_won_notifications()
    assert "you have it twice" in body
    assert intent in body
    tenant.act_at_stripe("refund", intent)
    tenant.send_stripe_webhook("charge.refunded", {"id": "ch_x", "object": "charge", "payment_intent": intent})
    deliver()
    assert (checkout.payment.state, checkout.payment.refunded_amount) == ("succeeded", 0)
    assert [refund.state for refund in checkout.payment.refunds.all()] == ["succeeded"]
    assert has_no_dead_messages()


def test_money_that_comes_back_while_somebody_pays_again_waits_for_the_end(
    signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Deliver
) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    intent = lose_dispute(checkout, deliver)
    asked = {"confirmation_token": checkout.tenant.confirmation_token("4000002760003184")}
    assert signed_in_payer.pay(checkout, **asked).json()["status"] == "requires_action"
    win_dispute(checkout, deliver, intent)
    assert (checkout.payment.state, list_dispute_won_notifications()) == ("reversed", [])
    signed_in_payer.client.post(f"{checkout.path}/attempts/{checkout.attempts[1].reference}/stop")
    deliver(at=timezone.now() + timedelta(minutes=1))
    assert [a.state for a in checkout.attempts] == ["reversed", "cancelled", "succeeded"]
    assert (checkout.payment.state, len(list_dispute_won_notifications()), has_no_dead_messages()) == (
        "succeeded",
        1,
        True,
    )


def test_a_card_dispute_that_was_never_lost_changes_nothing_when_it_is_won(
    tenant: Tenant, signed_in_payer: SignedInPayer, checkout: Checkout, deliver: Deliver
) -> None:
    signed_in_payer.pay(checkout)
    deliver()
    dispute = tenant.act_at_stripe("dispute", get_intent_id(checkout))
    tenant.act_at_stripe("close_dispute", dispute["id"], outcome="won")
    send_dispute_webhook(checkout, "charge.dispute.closed", get_intent_id(checkout))
    deliver()
    assert ([a.state for a in checkout.attempts], checkout.payment.state) == (["succeeded"], "succeeded")
    assert (Dispute.objects.get().state, list_dispute_won_notifications(), has_no_dead_messages()) == ("won", [], True)


def test_an_automatic_payment_that_comes_back_is_settled_again(tenant: Tenant, deliver: Deliver) -> None:
    autopay = AutoPayBuilder(tenant)
    autopay.create_mapping(autopay.save_bank_account())
    invoice = autopay.create_invoice()
    assert autopay.charge(invoice).state == "pending"
    [asked] = autopay.list_attempts(invoice)
    intent = asked.stripe_payment_intent_id
    tenant.act_at_stripe("settle", intent)
    tenant.send_stripe_webhook("payment_intent.succeeded", {"id": intent, "object": "payment_intent"})
    deliver()
    assert tenant.act_at_stripe("dispute", intent)["status"] == "lost"
    tenant.send_stripe_webhook("charge.dispute.closed", {"id": "dp_x", "object": "dispute", "payment_intent": intent})
    deliver()
    assert autopay.get_scheduled(invoice).state == "failed"
    tenant.act_at_stripe("reinstate", Dispute.objects.get().stripe_dispute_id)
    tenant.send_stripe_webhook(
        "charge.dispute.funds_reinstated", {"id": "dp_x", "object": "dispute", "payment_intent": intent}
    )
    deliver()
    taken, back = autopay.list_attempts(invoice)
    for field in Attempt._meta.concrete_fields:
        if field.name not in ATTEMPT_OWN_FIELDS | {"stripe_payment_intent_id"}:
            assert getattr(back, field.name) == getattr(taken, field.name), field.name
    assert (back.state, back.is_off_session, back.ip) == ("succeeded", True, None)
    assert autopay.get_scheduled(invoice).resolution == "The payer paid it."
    assert has_no_dead_messages()
