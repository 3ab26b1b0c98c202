"""Paying the same invoice in several places at the same moment: never more is charged than is due."""

from typing import Any

import pytest

from payments.models import Attempt, Payment
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.concurrency import run_concurrently
from tests.tenants import Tenant

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def billing(tenant: Tenant) -> InvoiceScenario:
    return InvoiceScenario(tenant)


def test_people_who_pay_one_invoice_at_once_are_charged_once(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    payments = [billing.create_payment(invoice, amount) for amount in ("500.00", "499.50", "499.49", "499.48")]
    tokens = [billing.tenant.confirmation_token("4242424242424242") for _ in payments]
    clients = [billing.create_other_payer(f"payer{n}@example.com") for n in range(len(payments))]

    def press(index: int) -> dict[str, Any]:
        form = billing.build_pay_form(payments[index]) | {"confirmation_token": tokens[index]}
        return billing.send(payments[index], form, client=clients[index])

    answers = run_concurrently(len(payments), press)
    assert sorted(answer["status"] for answer in answers) == ["refused", "refused", "refused", "succeeded"]
    codes = {answer["code"] for answer in answers if answer["status"] == "refused"}
    assert codes <= {"attempt_in_progress", "amount_changed", "not_payable", "may_be_paid_already"}
    assert (len(billing.tenant.intents()), Attempt.objects.count()) == (1, 1)
    assert billing.tenant.total_charged() <= 50000


def test_overlapping_batches_at_once_take_each_invoice_once(billing: InvoiceScenario) -> None:
    one, two, three = (billing.create_invoice("100.00") for _ in range(3))
    choices = [{one: "100.00", two: "100.00"}, {two: "100.00", three: "100.00"}, {three: "100.00", one: "100.00"}]
    payments = [billing.get_payment_by_path(billing.submit_batch(parts)["Location"]) for parts in choices]
    tokens = [billing.tenant.confirmation_token("4242424242424242") for _ in payments]

    def press(index: int) -> dict[str, Any]:
        form = billing.build_pay_form(payments[index]) | {"confirmation_token": tokens[index]}
        return billing.send(payments[index], form)

    answers = run_concurrently(3, press)
    assert sorted(answer["status"] for answer in answers) == ["refused", "refused", "succeeded"]
    assert billing.tenant.total_charged() == 20000


def test_continue_pressed_twice_at_once_is_one_payment(billing: InvoiceScenario) -> None:
    invoice = billing.create_invoice("500.00")
    run_concurrently(4, lambda _: billing.submit_pay_invoice(invoice, "120.00"))
    assert Payment.objects.filter(company=billing.company).count() == 1
