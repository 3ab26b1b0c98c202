"""Bank debits that came back, beside what the scheme allows.

Nacha's rules ask originators to watch three rates over 60 days: 0.5 % not authorised, 3 % for wrong accounts, 15 % in
all (www.nacha.org/rules/ach-network-risk-and-enforcement-topics). Which bank's code is which word of the gateway:
docs.stripe.com/declines/network-codes.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from payments.models import Attempt
from payments.reversals.return_rates import DebitReturns, build_debit_returns, list_debit_returns
from sandbox.harness.sandbox_process import SandboxProcess
from tests.payments.attempts.test_bank_debits import advance_days
from tests.payments.signed_in_payer import USD, SignedInPayer
from tests.tenants import Tenant, give_role

Deliver = Callable[..., int]
PANEL = "payments/return-rates"
UNAUTHORISED = {"account_number": "000333333335"}
CLOSED = {"account_number": "000111111113"}


@pytest.fixture
def returns(tenant: Tenant, world: SandboxProcess, deliver: Deliver) -> DebitReturns:
    """Three debits: one that settles and is disputed later, one not authorised, one of a closed account."""
    payer, quotes = SignedInPayer(tenant), [tenant.open_checkout(**USD) for _ in range(3)]
    for quote, account in zip(quotes, (None, UNAUTHORISED, CLOSED), strict=True):
        assert payer.pay_by_bank(quote, account=account).json()["status"] == "settling"
    deliver()
    advance_days(world, 4)
    intent = quotes[0].attempts[0].stripe_payment_intent_id
    tenant.act_at_stripe("dispute", intent)
    tenant.send_stripe_webhook("charge.dispute.created", {"id": "dp", "object": "dispute", "payment_intent": intent})
    deliver()
    assert [quote.attempts[0].state for quote in quotes] == ["reversed", "failed", "failed"]
    return list_debit_returns(tenant.merchant, now=timezone.now())[0]


def test_what_came_back_is_counted_by_its_reason(returns: DebitReturns) -> None:
    assert (returns.kind, returns.sent) == ("us_bank_account", 3)
    assert [(rate.returned, str(rate.percent)) for rate in returns.rates] == [(2, "66.7"), (1, "33.4"), (3, "100.0")]
    assert returns.is_above


def test_the_panel_shows_rates_limits_and_what_to_do(tenant: Tenant, returns: DebitReturns) -> None:
    page = tenant.admin.get(tenant.url(PANEL)).content.decode()
    assert "ACH, United States: 3 sent" in page
    for words in ("Not authorised", "66.7 %", "too high", "0.5 %", "Above what Nacha allows"):
        assert words in page
    assert f'hx-get="{tenant.url(PANEL)}"' in tenant.admin.get(tenant.url()).content.decode()


def test_without_debits_the_panel_says_so(tenant: Tenant) -> None:
    assert "No bank debit was sent" in tenant.admin.get(tenant.url(PANEL)).content.decode()


def test_only_admins_of_the_merchant_see_it(tenant: Tenant, stranger: Tenant) -> None:
    give_role(tenant.merchant, "user")
    assert tenant.admin.get(tenant.url(PANEL)).status_code == 403
    assert PANEL not in tenant.admin.get(tenant.url()).content.decode()
    assert stranger.admin.get(tenant.url(PANEL)).status_code == 404


MOVES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "returned lately of one sent before the period": ({"submitted_at": -timedelta(days=70)}, (2, 3)),
    "returned before the period": ({"submitted_at": -timedelta(days=90), "state_at": -timedelta(days=80)}, (2, 2)),
    "never at the bank": ({"submitted_at": None}, (2, 2)),
    "a card": ({"method_kind": "card"}, (2, 2)),
}


@pytest.mark.parametrize("case", MOVES)
def test_the_period_and_what_counts(tenant: Tenant, returns: DebitReturns, case: str) -> None:
    changes, expected = MOVES[case]
    now = timezone.now()
    closed = Attempt.objects.get(failure_code__contains="account_closed")
    moved = {name: now + value if isinstance(value, timedelta) else value for name, value in changes.items()}
    Attempt.objects.filter(pk=closed.pk).update(**moved)
    found = list_debit_returns(tenant.merchant, now=now)[0]
    assert (found.sent, found.rates[2].returned) == expected


def test_another_merchants_debits_are_not_counted(tenant: Tenant, stranger: Tenant, returns: DebitReturns) -> None:
    assert list_debit_returns(stranger.merchant, now=timezone.now()) == []


@pytest.mark.parametrize(
    ("counted", "above"),
    [
        ((200, 1, 6, 30), [False, False, False]),
        ((199, 1, 6, 30), [True, True, True]),
        ((0, 0, 0, 0), [False, False, False]),
        ((0, 1, 0, 1), [True, False, True]),
        ((100_000, 500, 3000, 15_000), [False, False, False]),
        ((100_000, 501, 3001, 15_001), [True, True, True]),
    ],
)
def test_a_rate_at_the_limit_is_not_above_it(counted: tuple[int, int, int, int], above: list[bool]) -> None:
    assert [rate.is_above for rate in build_debit_returns("us_bank_account", *counted).rates] == above
    assert not build_debit_returns("au_becs_debit", *counted).is_above


def test_a_small_rate_is_never_shown_as_none() -> None:
    assert str(build_debit_returns("us_bank_account", 100_000, 1, 0, 1).rates[0].percent) == "0.1"
