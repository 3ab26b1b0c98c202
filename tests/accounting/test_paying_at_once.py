"""Paying the same invoice in several places at the same moment: never more is charged than is due."""

from typing import Any

import pytest

from payments.models import Attempt, Payment
from tests.accounting.invoices import Billing
from tests.people import House
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def billing(house: House) -> Billing:
    return Billing(house)


def test_people_who_pay_one_invoice_at_once_are_charged_once(billing: Billing) -> None:
    invoice = billing.bill("500.00")
    payments = [billing.chosen(invoice, amount) for amount in ("500.00", "499.99", "499.98", "499.97")]
    tokens = [billing.house.confirmation_token("4242424242424242") for _ in payments]
    clients = [billing.another_payer(f"payer{n}@example.com") for n in range(len(payments))]

    def press(index: int) -> dict[str, Any]:
        form = billing.order(payments[index]) | {"confirmation_token": tokens[index]}
        return billing.send(payments[index], form, client=clients[index])

    answers = together(len(payments), press)
    assert sorted(answer["status"] for answer in answers) == ["refused", "refused", "refused", "succeeded"]
    codes = {answer["code"] for answer in answers if answer["status"] == "refused"}
    assert codes <= {"attempt_in_progress", "amount_changed", "not_payable", "may_be_paid_already"}
    assert (len(billing.house.intents()), Attempt.objects.count()) == (1, 1)
    assert billing.house.charged() <= 50000


def test_overlapping_batches_at_once_take_each_invoice_once(billing: Billing) -> None:
    one, two, three = (billing.bill("100.00") for _ in range(3))
    choices = [{one: "100.00", two: "100.00"}, {two: "100.00", three: "100.00"}, {three: "100.00", one: "100.00"}]
    payments = [billing.payment_behind(billing.batch(parts)["Location"]) for parts in choices]
    tokens = [billing.house.confirmation_token("4242424242424242") for _ in payments]

    def press(index: int) -> dict[str, Any]:
        form = billing.order(payments[index]) | {"confirmation_token": tokens[index]}
        return billing.send(payments[index], form)

    answers = together(3, press)
    assert sorted(answer["status"] for answer in answers) == ["refused", "refused", "succeeded"]
    assert billing.house.charged() == 20000


def test_continue_pressed_twice_at_once_is_one_payment(billing: Billing) -> None:
    invoice = billing.bill("500.00")
    together(4, lambda _: billing.choose(invoice, "120.00"))
    assert Payment.objects.filter(company=billing.company).count() == 1
