"""Disputes of a part, and inquiries of a bank, which take no money."""

from collections.abc import Callable

import pytest

from merchants.models import Notification
from payments.models import Dispute
from tests.tenants import Checkout, Tenant
from wisepay.models import OutboxMessage
from wisepay.money import Money


@pytest.fixture
def paid(tenant: Tenant, deliver: Callable[..., int]) -> Checkout:
    """A quote of A$625.00 that a guest paid by card."""
    checkout = tenant.open_checkout()
    checkout.pay()
    deliver()
    return checkout


def act(paid: Checkout, deliver: Callable[..., int], name: str, subject: str = "", **details: object) -> None:
    """Somebody acts at the bank, and the gateway's webhook arrives."""
    intent = paid.attempts[0].stripe_payment_intent_id
    paid.tenant.act_at_stripe(name, subject or intent, **details)
    webhook = {"id": "dp_x", "object": "dispute", "payment_intent": intent}
    paid.tenant.send_stripe_webhook("charge.dispute.updated", webhook)
    deliver()
    assert not OutboxMessage.objects.filter(state="dead").exists()


def get_dispute() -> Dispute:
    """The only dispute."""
    return Dispute.objects.select_related("attempt__payment").get()


def test_of_a_part_that_was_lost_the_rest_stays_paid(paid: Checkout, deliver: Callable[..., int]) -> None:
    act(paid, deliver, "dispute", amount=20000)
    act(paid, deliver, "close_dispute", get_dispute().stripe_dispute_id, outcome="lost")
    assert (paid.payment.state, get_dispute().state, get_dispute().money) == ("succeeded", "lost", Money(20000, "AUD"))
    body = Notification.objects.get(key__endswith=":part").body
    assert "A$200.00" in body
    assert "A$425.00 stays paid" in body
    page = paid.tenant.admin.get(paid.tenant.url(f"payments/{paid.payment.reference}/refunds")).content.decode()
    assert "The rest stays paid" in page


def test_a_dispute_of_all_that_is_left_reverses(paid: Checkout, deliver: Callable[..., int]) -> None:
    act(paid, deliver, "dispute", amount=62500)
    act(paid, deliver, "close_dispute", get_dispute().stripe_dispute_id, outcome="lost")
    assert paid.payment.state == "reversed"


def test_an_inquiry_takes_no_money_and_says_so(paid: Checkout, deliver: Callable[..., int]) -> None:
    act(paid, deliver, "dispute", inquiry=1)
    assert (paid.payment.state, get_dispute().state) == ("succeeded", "inquiry")
    assert get_dispute().due_by is not None
    assert "no money was taken" in Notification.objects.get(key__endswith=":inquiry").body
    act(paid, deliver, "close_dispute", get_dispute().stripe_dispute_id, outcome="warning_closed")
    assert (paid.payment.state, get_dispute().state) == ("succeeded", "closed")
    page = paid.tenant.admin.get(paid.tenant.url(f"payments/{paid.payment.reference}/refunds")).content.decode()
    assert "Inquiry closed" in page
    assert "Won" not in page


@pytest.mark.parametrize("is_closed_first", [False, True])
def test_an_inquiry_that_becomes_a_dispute_is_one(
    paid: Checkout, deliver: Callable[..., int], is_closed_first: bool
) -> None:
    act(paid, deliver, "dispute", inquiry=1)
    name = get_dispute().stripe_dispute_id
    if is_closed_first:
        act(paid, deliver, "close_dispute", name, outcome="warning_closed")
    act(paid, deliver, "escalate_inquiry", name)
    assert (paid.payment.state, get_dispute().state) == ("succeeded", "open")
    assert Notification.objects.filter(title="Payment disputed").count() == 1
    act(paid, deliver, "close_dispute", name, outcome="lost")
    assert (paid.payment.state, get_dispute().state) == ("reversed", "lost")


def test_while_a_dispute_is_open_no_refund_is_offered(paid: Checkout, deliver: Callable[..., int]) -> None:
    path = paid.tenant.url(f"payments/{paid.payment.reference}/refunds")
    assert 'name="amount"' in paid.tenant.admin.get(path).content.decode()
    act(paid, deliver, "dispute")
    page = paid.tenant.admin.get(path).content.decode()
    assert 'name="amount"' not in page
    assert "answer by" in page
    form = {"amount": "10.00", "key": "a" * 20, "step": "order", "reason": ""}
    answer = paid.tenant.admin.post(path, form)
    assert answer.status_code == 422
    assert not paid.payment.refunds.exists()
    act(paid, deliver, "close_dispute", get_dispute().stripe_dispute_id, outcome="won")
    assert 'name="amount"' in paid.tenant.admin.get(path).content.decode()
