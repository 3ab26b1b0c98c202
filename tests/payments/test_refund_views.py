"""Refunds in the console: two steps, once, by admins; the panel tells of refunds and disputes."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from merchants.models import Membership
from payments.models import Attempt, Dispute, Payment, Refund
from payments.outcomes import reverse_attempt
from tests.payments.portal_stage import BANK, HX, company, paid, payment
from tests.people import Checkout, House
from wisepay.models import AuditEntry
from wisepay.references import new_reference


def path(house: House, of: Payment) -> str:
    """The panel's path."""
    return house.url(f"payments/{of.reference}/refunds")


def given(amount: str = "100.00", step: str = "ask", **more: str) -> dict[str, str]:
    """What a form posts."""
    return {"amount": amount, "step": step, "key": new_reference(), "reason": ""} | more


def panel(house: House, of: Payment) -> str:
    """The panel as the payment's page fetches it."""
    return house.admin.get(path(house, of), headers=HX).content.decode()


@pytest.fixture
def bought(house: House, checkout: Checkout) -> Payment:
    """A payment of 625.00 that was paid by card at the practice Stripe."""
    assert checkout.pay().status_code == 200
    return checkout.payment


def refunded_at_stripe(house: House) -> list[int]:
    """The amounts that the practice Stripe gave back."""
    auth = {"Authorization": f"Bearer {house.stripe_key}"}
    rows = house.world.get("/stripe/v1/refunds?limit=100", headers=auth).json()["data"]
    return [row["amount"] for row in rows]


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the page's last form."""
    form = page.rpartition("<form")[2]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"}


def test_the_panel_offers_what_is_left_and_asks_before_it_orders(house: House, bought: Payment) -> None:
    page = panel(house, bought)
    assert "A$625.00 can be given back" in page
    assert 'value="625.00"' in page
    assert "<html" not in page
    answer = house.admin.post(path(house, bought), given("100", reason="Two seats too many"))
    text = answer.content.decode()
    for words in ("Refund A$100.00 to Harbour Dental", "Visa ···· 4242", "PF_CR", "A$525.00 of the payment are left"):
        assert words in text
    assert refunded_at_stripe(house) == []
    assert not Refund.objects.exists()


def test_ordering_gives_money_back_and_says_so(house: House, bought: Payment) -> None:
    asked = house.admin.post(path(house, bought), given("100", reason="Two seats")).content.decode()
    answer = house.admin.post(path(house, bought), hidden(asked))
    assert answer["Location"] == house.url(f"payments/{bought.reference}")
    assert refunded_at_stripe(house) == [10000]
    [refund] = Refund.objects.all()
    assert (refund.state, refund.amount, refund.reason, refund.ordered_by) == (
        "succeeded",
        10000,
        "Two seats",
        house.user,
    )
    page = panel(house, bought)
    for words in ("A$100.00", "Refunded</span>", "Two seats", "A$525.00 can be given back"):
        assert words in page
    entry = AuditEntry.objects.get(act="payment.refunded")
    assert (entry.user, entry.detail, entry.merchant_id) == (house.user, "A$100.00", house.merchant.pk)


def test_the_same_form_twice_makes_one_refund(house: House, bought: Payment) -> None:
    order = given("100", "order")
    for _ in range(2):
        assert house.admin.post(path(house, bought), order).status_code == 302
    assert refunded_at_stripe(house) == [10000]
    assert "ordered already" in house.admin.get(house.url(f"payments/{bought.reference}")).content.decode()
    assert house.admin.post(path(house, bought), given("100", "order")).status_code == 302
    assert refunded_at_stripe(house) == [10000, 10000]


def test_everything_goes_back_and_then_nothing_is_left(house: House, bought: Payment) -> None:
    house.admin.post(path(house, bought), given("625.00", "order"))
    assert 'name="amount"' not in panel(house, bought)
    answer = house.admin.post(path(house, bought), given("0.01", "order"))
    assert answer.status_code == 422
    assert refunded_at_stripe(house) == [62500]


@pytest.mark.parametrize("step", ["ask", "order"])
@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("625.01", "No more than what is left"),
        ("0", "No more than what is left"),
        ("1.234", "AUD has 2 decimals"),
        ("-5", "Write the amount as digits"),
        ("abc", "Write the amount as digits"),
        ("", "This field is required"),
        ("9" * 20, "too large"),
    ],
)
def test_amounts_that_cannot_be_given_back_are_told_in_their_place(
    house: House, bought: Payment, amount: str, words: str, step: str
) -> None:
    answer = house.admin.post(path(house, bought), given(amount, step))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert refunded_at_stripe(house) == []


@pytest.mark.parametrize("change", [{"key": ""}, {"key": "x"}, {"step": "now"}, {"reason": "x" * 201}])
def test_forms_that_nobody_was_given_order_nothing(house: House, bought: Payment, change: dict[str, str]) -> None:
    assert house.admin.post(path(house, bought), given(step="order") | change).status_code == 422
    assert not Refund.objects.exists()


def test_a_currency_without_decimals_is_typed_without_them(house: House) -> None:
    of = payment(company(house, "Tokyo Co"), amount=5000, currency="JPY")
    paid(of)
    assert 'value="5000"' in panel(house, of)
    assert "¥1,000" in house.admin.post(path(house, of), given("1,000")).content.decode()


def test_users_look_and_only_admins_give_back(house: House, stranger: House, bought: Payment) -> None:
    where = path(house, bought)
    for method in ("get", "post"):
        assert getattr(stranger.admin, method)(where, given(step="order")).status_code == 404
        assert getattr(Client(), method)(where).status_code == 302
        own_door = stranger.url(f"payments/{bought.reference}/refunds")
        assert getattr(stranger.admin, method)(own_door, given(step="order")).status_code == 404
    house.merchant.memberships.update(role=Membership.Role.USER)
    assert 'name="amount"' not in panel(house, bought)
    assert house.admin.post(where, given(step="order")).status_code == 403
    assert not Refund.objects.exists()


def test_what_was_never_paid_has_nothing_to_give_back(house: House, checkout: Checkout) -> None:
    assert "Only a paid payment can be refunded." in panel(house, checkout.payment)
    assert house.admin.post(path(house, checkout.payment), given(step="order")).status_code == 404


def test_a_silent_stripe_leaves_the_refund_on_its_way_and_it_ends_by_itself(
    house: House, bought: Payment, drain: Any
) -> None:
    house.world.fault("stripe", "drop_after", path="/v1/refunds")
    house.admin.post(path(house, bought), given("100", "order"))
    assert Refund.objects.get().state == "processing"
    assert "Stripe has not said how it ended." in panel(house, bought)
    assert "On its way</span>" in panel(house, bought)
    drain(at=timezone.now() + timedelta(minutes=1))
    assert Refund.objects.get().state == "succeeded"
    assert refunded_at_stripe(house) == [10000]


def test_a_refund_that_stripe_refuses_is_listed_and_can_be_tried_again(house: House, bought: Payment) -> None:
    refusal = {"error": {"type": "invalid_request_error", "code": "charge_disputed", "message": "It is disputed."}}
    house.world.fault("stripe", "status", path="/v1/refunds", status=400, body=refusal)
    house.admin.post(path(house, bought), given("100", "order"))
    page = panel(house, bought)
    assert "Failed</span>" in page
    assert "charge_disputed" in page
    assert "A$625.00 can be given back" in page


def test_disputes_say_what_to_do(house: House) -> None:
    where = company(house, "Acme")
    by_card, by_bank = payment(where), payment(where)
    told = {}
    for of, attempt in ((by_card, paid(by_card)), (by_bank, paid(by_bank, method=BANK))):
        dispute(attempt, f"dp_{of.pk}", "open")
        told[of.pk] = panel(house, of)
    assert "Answer it at Stripe" in told[by_card.pk]
    assert "final" in told[by_bank.pk]
    Dispute.objects.update(state="won")
    assert "The bank decided for you" in panel(house, by_card)
    Dispute.objects.update(state="lost")
    assert "The bank decided for the payer" in panel(house, by_card)


def dispute(attempt: Attempt, name: str, state: str) -> None:
    """The payer's bank was told that they did not agree."""
    Dispute.objects.create(
        attempt=attempt,
        stripe_dispute_id=name,
        amount=attempt.amount,
        reason="fraudulent",
        state=state,
        state_at=timezone.now(),
    )


def test_a_reversed_payment_cannot_be_refunded(house: House) -> None:
    of = payment(company(house, "Acme"))
    reverse_attempt(paid(of, method=BANK), reason="dispute:x", now=timezone.now())
    assert 'name="amount"' not in panel(house, of)
    assert house.admin.post(path(house, of), given(step="order")).status_code == 422


def test_without_a_script_the_panel_is_a_page(house: House, bought: Payment) -> None:
    assert "<html" in house.admin.get(path(house, bought)).content.decode()
