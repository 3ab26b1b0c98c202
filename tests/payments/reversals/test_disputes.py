"""Disputes of a part, and inquiries of a bank, which take no money."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from merchants.models import Notification
from payments.models import Dispute
from payments.reversals.disputes import sync_disputes
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


@pytest.mark.parametrize("part", [20000, 40000, 62400])
def test_exactly_the_lost_part_goes_back_and_comes_again(
    paid: Checkout, deliver: Callable[..., int], part: int
) -> None:
    """woocommerce-payments#6196: a partial dispute took the whole order back."""
    act(paid, deliver, "dispute", amount=part)
    assert paid.payment.refunded_amount == 0
    dispute = get_dispute().stripe_dispute_id
    act(paid, deliver, "close_dispute", dispute, outcome="lost")
    sync_disputes(paid.attempts[0], now=timezone.now())
    assert (paid.payment.state, paid.payment.refunded_amount) == ("succeeded", part)
    act(paid, deliver, "reinstate", dispute)
    assert (paid.payment.state, paid.payment.refunded_amount, get_dispute().state) == ("succeeded", 0, "won")


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


def read_panel(paid: Checkout) -> str:
    """The console's panel of refunds and disputes."""
    page = paid.tenant.admin.get(paid.tenant.url(f"payments/{paid.payment.reference}/refunds"))
    return str(page.content.decode()).replace("&#x27;", "'")


def test_the_console_shows_what_a_dispute_is_about_and_offers_no_refund_meanwhile(
    paid: Checkout, deliver: Callable[..., int]
) -> None:
    """woocommerce-payments#1051, #6802: a deadline that nobody saw, and refunds that Stripe refuses."""
    assert "Refund…" in read_panel(paid)
    act(paid, deliver, "dispute", reason="product_not_received")
    panel = read_panel(paid)
    for words in ("A$625.00", "product not received", "Stripe's fee A$15.00", "not answered yet; answer by"):
        assert words in panel, words
    assert "Refund…" not in panel
    assert "Nothing can be refunded" in panel
    Dispute.objects.update(due_by=timezone.now() - timedelta(days=1))
    assert "the time is over since" in read_panel(paid)
    dispute = get_dispute().stripe_dispute_id
    act(paid, deliver, "answer_dispute", dispute)
    assert "answered at Stripe; the bank decides" in read_panel(paid)
    act(paid, deliver, "close_dispute", dispute, outcome="won")
    panel = read_panel(paid)
    assert "Refund…" in panel
    assert "answered at Stripe" not in panel
