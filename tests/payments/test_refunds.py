"""Refunds: ordered here or started at Stripe, in full or in part, given back once whatever breaks."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings
from payments.errors import NothingToRefund
from payments.models import Refund
from payments.refunds import send_refund, start_refund
from tests.tenants import Checkout, Tenant
from wisepay.models import OutboxMessage

FAILS_LATER = "4000000000005126"


@pytest.fixture
def paid(checkout: Checkout, deliver: Callable[..., int]) -> Checkout:
    checkout.pay()
    deliver()
    return checkout


def refund_payment(paid: Checkout, amount: int, *, reason: str = "") -> Refund:
    refund = start_refund(paid.payment, amount=amount, reason=reason, by=paid.tenant.user, now=timezone.now())
    send_refund(refund, now=timezone.now())
    return refund


def get_refunded_at_stripe(tenant: Tenant) -> int:
    """Minor units that Stripe gave back."""
    return sum(c["amount_refunded"] for c in tenant.charges())


def send_refund_webhook(paid: Checkout) -> None:
    intent = paid.attempts[0].stripe_payment_intent_id
    paid.tenant.send_stripe_webhook("refund.updated", {"id": "re_x", "object": "refund", "payment_intent": intent})


def test_a_part_and_then_the_rest_goes_back(paid: Checkout, deliver: Callable[..., int]) -> None:
    assert refund_payment(paid, 20000, reason="One workstation less").state == "succeeded"
    assert (paid.payment.refunded_amount, get_refunded_at_stripe(paid.tenant)) == (20000, 20000)
    assert refund_payment(paid, 42500).state == "succeeded"
    assert (paid.payment.refunded_amount, get_refunded_at_stripe(paid.tenant)) == (62500, 62500)
    with pytest.raises(NothingToRefund):
        refund_payment(paid, 1)
    deliver()
    assert len([m for m in paid.tenant.mails(paid.attempts[0].payer_email) if "Refund" in m["subject"]]) == 2
    assert not OutboxMessage.objects.filter(state="dead").exists()


@pytest.mark.parametrize("amount", [0, -1, 62501])
def test_nonsense_is_refused_and_nothing_is_stored(paid: Checkout, amount: int) -> None:
    with pytest.raises(NothingToRefund):
        refund_payment(paid, amount)
    assert (Refund.objects.count(), paid.payment.refunded_amount) == (0, 0)


def test_an_amount_that_stripe_does_not_move_is_refused_before_it_is_asked(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    """docs.stripe.com/currencies: of a currency with three decimals the last digit has to be 0."""
    AccountingSettings.objects.update(currencies=["KWD"])
    paid = tenant.open_checkout(quote={"currency": "KWD"})
    paid.pay()
    deliver()
    with pytest.raises(NothingToRefund, match=r"multiples of KWD.0\.010"):
        refund_payment(paid, 1_005)
    assert refund_payment(paid, 1_010).state == "succeeded"


def test_an_open_payment_has_nothing_to_give_back(checkout: Checkout) -> None:
    with pytest.raises(NothingToRefund):
        refund_payment(checkout, 100)


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", pytest.param("timeout", marks=pytest.mark.thorough)])
def test_a_lost_answer_gives_back_once(
    paid: Checkout, deliver: Callable[..., int], fault: str, settings: object
) -> None:
    settings.HTTP_TIMEOUT = (1, 0.5)  # type: ignore[attr-defined]
    with paid.tenant.world.inject_fault("stripe", fault, method="POST", path="/v1/refunds"):
        refund = refund_payment(paid, 20000)
    assert refund.state == "processing"
    deliver(at=timezone.now() + timedelta(minutes=1))
    refund.refresh_from_db()
    assert (refund.state, get_refunded_at_stripe(paid.tenant), paid.payment.refunded_amount) == (
        "succeeded",
        20000,
        20000,
    )


def test_a_refund_started_at_stripe_arrives_by_webhook_once(paid: Checkout, deliver: Callable[..., int]) -> None:
    paid.tenant.act_at_stripe("refund", paid.attempts[0].stripe_payment_intent_id, amount=10000)
    send_refund_webhook(paid)
    send_refund_webhook(paid)
    deliver()
    [refund] = Refund.objects.all()
    assert (refund.origin, refund.state, refund.amount) == ("gateway", "succeeded", 10000)
    assert paid.payment.refunded_amount == 10000
    with pytest.raises(NothingToRefund):
        refund_payment(paid, 52501)


def test_a_refund_that_fails_later_is_still_the_merchants(tenant: Tenant, deliver: Callable[..., int]) -> None:
    paid = tenant.open_checkout()
    paid.pay(FAILS_LATER)
    deliver()
    refund = refund_payment(paid, 20000)
    tenant.world.advance(10 * 86400)
    send_refund_webhook(paid)
    deliver()
    refund.refresh_from_db()
    assert (refund.state, paid.payment.refunded_amount) == ("failed", 0)
    assert refund_payment(paid, 62500).state in ("succeeded", "processing")


def test_a_disputed_payment_is_not_refunded_as_well(paid: Checkout) -> None:
    paid.tenant.act_at_stripe("dispute", paid.attempts[0].stripe_payment_intent_id)
    refund = refund_payment(paid, 20000)
    assert (refund.state, refund.failure_code, paid.payment.refunded_amount) == ("failed", "charge_disputed", 0)


def test_a_dispute_of_a_payment_that_was_given_back_takes_nothing_more(
    paid: Checkout, deliver: Callable[..., int]
) -> None:
    refund_payment(paid, 62500)
    paid.tenant.send_stripe_webhook(
        "charge.dispute.created",
        {"id": "dp_1", "object": "dispute", "payment_intent": paid.attempts[0].stripe_payment_intent_id},
    )
    deliver()
    assert paid.payment.state == "succeeded"
