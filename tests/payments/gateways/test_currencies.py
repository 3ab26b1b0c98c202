"""Stripe's units and limits of each currency, from its page on currencies, against what the practice Stripe takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.gateways.stripe.fields import (
    CURRENCIES,
    UnreadableAmount,
    find_amount_problem,
    from_stripe,
    get_charge_limits,
    get_step,
    to_stripe,
)
from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenants import Tenant
from wisepay.money import Money, list_currencies

# Our text, and the integer that charges it (docs.stripe.com/currencies: zero-decimal, special cases, three-decimal).
UNITS = [
    ("AUD", "10.99", 1099),
    ("JPY", "500", 500),
    ("KRW", "500", 500),
    ("ISK", "5", 500),
    ("UGX", "5000", 500_000),
    ("RSD", "12.50", 1250),
    ("ALL", "12.50", 1250),
    ("LAK", "5000", 500_000),
    ("MMK", "1.50", 150),
    ("LBP", "5000.00", 500_000),
    ("MGA", "500.00", 500),
    ("HUF", "10.45", 1045),
    ("TWD", "800.45", 80_045),
    ("KWD", "5.120", 5120),
    ("BHD", "5.12", 5120),
]


@pytest.mark.parametrize(("currency", "text", "units"), UNITS)
def test_the_gateway_counts_in_units_of_its_own(currency: str, text: str, units: int) -> None:
    money = Money.parse(text, currency)
    assert to_stripe(money) == units
    assert from_stripe(units, currency.lower()) == money
    assert find_amount_problem(money) == "" or money < get_charge_limits(currency)[0]


@pytest.mark.parametrize(("amount", "currency"), [(2935, "isk"), (-2935, "isk"), (150, "ugx")])
def test_a_part_of_a_whole_unit_is_refused_and_never_rounded(amount: int, currency: str) -> None:
    with pytest.raises(UnreadableAmount):
        from_stripe(amount, currency)


@given(currency=st.sampled_from(sorted(CURRENCIES & list_currencies())), steps=st.integers(1, 10**6))
def test_what_can_be_charged_is_read_back_as_the_same_money(currency: str, steps: int) -> None:
    money = Money(steps * get_step(currency), currency)
    assert from_stripe(to_stripe(money), currency.lower()) == money


def test_the_least_and_the_most_are_what_the_gateway_takes(tenant: Tenant, world: SandboxProcess) -> None:
    world.config(stripe_rate_limit=10**6)
    for currency in sorted(CURRENCIES & list_currencies()):
        for limit, beyond in zip(get_charge_limits(currency), (-1, 1), strict=True):
            assert find_amount_problem(limit) == ""
            assert find_amount_problem(Money(limit.amount + beyond * get_step(currency), currency)) != ""
        most = to_stripe(get_charge_limits(currency)[1])
        tenant.post_to_stripe("payment_intents", amount=most - most % 100, currency=currency.lower())
