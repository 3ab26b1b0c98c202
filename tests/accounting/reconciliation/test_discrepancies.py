"""Two hundred discrepancies, seeded at Stripe, in our ledger and in the books, are all found and named; no others."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.models import LedgerPayment
from accounting.reconciliation.differences import DifferenceKind
from accounting.reconciliation.periods import Period
from accounting.reconciliation.report import ReconciliationReport, reconcile
from payments.models import Payout
from tests.accounting.reconciliation.builders import ReconciliationScenario
from tests.accounting.reconciliation.payment_cases import OTHER_ACCOUNT, OTHER_PAYER, ZONE, PaymentCase, build_month
from tests.tenants import Tenant
from wisepay.money import Money

EACH, SPARE = 10, 60
Mistake = Callable[[PaymentCase], None]


def change_columns(**columns: object) -> Mistake:
    """Give a deal these columns."""

    def spoil(deal: PaymentCase) -> None:
        for name, value in columns.items():
            setattr(deal, name, value)

    return spoil


def refund_amounts(there: int, here: int) -> Mistake:
    """So much went back at Stripe, and so much as we know it."""
    return change_columns(refunded_at_stripe=there, refunded=here, used=0)


def overcharge(deal: PaymentCase) -> None:
    deal.charged = deal.amount + 100


def post_other_amount(deal: PaymentCase) -> None:
    deal.ledger_payment = {"amount": Money(deal.amount - 9, "AUD")}


def post_other_day(deal: PaymentCase) -> None:
    deal.ledger_payment = {"on": deal.day - timedelta(days=1)}


def overuse(deal: PaymentCase) -> None:
    deal.used = deal.amount + 1


def use_elsewhere(deal: PaymentCase) -> None:
    deal.used, deal.used_by = deal.amount, OTHER_PAYER


# What goes wrong with one deal, by the name that it must be given.
SEEDS: dict[DifferenceKind, Mistake] = {
    DifferenceKind.CHARGE_MISSING: change_columns(charges=0, refunded=0, refunded_at_stripe=0),
    DifferenceKind.CHARGE_NOT_RECORDED: change_columns(state="failed", refunded=0, refunded_at_stripe=0),
    DifferenceKind.CHARGED_TWICE: change_columns(charges=2),
    DifferenceKind.AMOUNT_DIFFERS: overcharge,
    DifferenceKind.CURRENCY_DIFFERS: change_columns(charged_currency="NZD"),
    DifferenceKind.REFUND_UNKNOWN: refund_amounts(2_000, 0),
    DifferenceKind.REFUND_MISSING: refund_amounts(0, 2_000),
    DifferenceKind.DISPUTE_UNKNOWN: change_columns(is_disputed=True),
    DifferenceKind.POSTING_MISSING: change_columns(posting=""),
    DifferenceKind.POSTING_REFUSED: change_columns(posting="rejected"),
    DifferenceKind.POSTING_LATE: change_columns(posting="pending"),
    DifferenceKind.DOCUMENT_AMOUNT: post_other_amount,
    DifferenceKind.DOCUMENT_REMOVED: change_columns(ledger_payment={"is_standing": False}),
    DifferenceKind.DOCUMENT_MISSING: change_columns(ledger_payment_count=0),
    DifferenceKind.DOCUMENT_TWICE: change_columns(ledger_payment_count=2),
    DifferenceKind.WRONG_ACCOUNT: change_columns(ledger_payment={"account": OTHER_ACCOUNT}),
    DifferenceKind.OTHER_DAY: post_other_day,
    DifferenceKind.CREDIT_OVERUSED: overuse,
    DifferenceKind.FOREIGN_CONTACT: use_elsewhere,
}


def expected_kind(provider: str, kind: DifferenceKind) -> DifferenceKind:
    """What a discrepancy is called: QuickBooks keeps nothing of what was deleted, so what it lacks was deleted."""
    return (
        DifferenceKind.DOCUMENT_REMOVED if (provider, kind) == ("quickbooks", DifferenceKind.DOCUMENT_MISSING) else kind
    )


def reconcile_month(trade: ReconciliationScenario) -> ReconciliationReport:
    """The report of the last forty days."""
    today = trade.now.astimezone(ZONE).date()
    return reconcile(trade.tenant.merchant, Period(today - timedelta(days=40), today, ZONE), now=trade.now)


def build_random_month(
    tenant: Tenant, seed: int, now: datetime
) -> tuple[ReconciliationScenario, Counter[tuple[str, int | str]]]:
    """A month with ten discrepancies of each kind, and what has to be found."""
    chosen = random.Random(seed)
    deals = build_month(EACH * len(SEEDS) + SPARE, now)
    clean = [deal for deal in deals if not deal.refunded]
    chosen.shuffle(clean)
    expected: Counter[tuple[str, int | str]] = Counter()
    spoilt: list[tuple[DifferenceKind, PaymentCase]] = []
    for kind, spoil in SEEDS.items():
        for _ in range(EACH):
            deal = clean.pop()
            spoil(deal)
            spoilt.append((kind, deal))
    trade = ReconciliationScenario(tenant, list(deals), now, foreign_charges=EACH)
    trade.build()
    for kind, deal in spoilt:
        name = expected_kind(tenant.connection.provider, kind)
        expected[name.value, f"PF-{deal.stem}" if kind == DifferenceKind.DOCUMENT_TWICE else deal.attempt] += 1
    return trade, expected


def test_two_hundred_discrepancies_are_all_named_and_nothing_else_is(any_tenant: Tenant) -> None:
    trade, expected = build_random_month(any_tenant, 1, timezone.now())
    trade.read_stripe()
    report = reconcile_month(trade)
    strangers = [row for row in report.differences if row.kind == DifferenceKind.CHARGE_UNKNOWN]
    assert len(strangers) == EACH
    others = [row for row in report.differences if row.kind != DifferenceKind.CHARGE_UNKNOWN]
    found = Counter((row.kind.value, row.attempt or row.subject) for row in others)
    assert found - expected == Counter()
    assert expected - found == Counter()
    assert sum(expected.values()) + EACH == 200
    assert len({row.kind for row in report.differences}) == 1 + len({kind for kind, _ in expected})
    assert all(row.description and row.advice and row.subject for row in report.differences)


def test_a_clean_month_raises_no_alarm(any_tenant: Tenant) -> None:
    trade = ReconciliationScenario(any_tenant, list(build_month(120, timezone.now())), timezone.now())
    trade.build()
    trade.read_stripe()
    report = reconcile_month(trade)
    assert report.differences == []
    assert len(report.items) == 120 + 14
    assert all(item.is_equal for item in report.items)
    [total] = report.totals
    assert total.is_equal
    assert total.stripe == sum(deal.amount - deal.refunded for deal in trade.cases)
    assert all(row.is_equal for row in report.days)
    assert len(report.payouts) > 20
    assert all(payout.adds_up for payout in report.payouts)


@pytest.mark.thorough
def test_the_sum_of_what_is_named_is_what_the_sides_are_apart(tenant: Tenant) -> None:
    trade, _ = build_random_month(tenant, 3, timezone.now())
    trade.read_stripe()
    report = reconcile_month(trade)
    [total] = [row for row in report.totals if row.currency == "AUD"]
    unequal = [item for item in report.items if not item.is_equal]
    named = {row.attempt for row in report.differences} | {row.subject for row in report.differences}
    assert unequal
    assert all(item.attempt in named or item.source_id in named or item.stripe_id in named for item in unequal)
    assert total.stripe - total.ours == sum(i.stripe - i.ours for i in unequal if i.currency == "AUD")
    assert total.books - total.ours == sum(i.books - i.ours for i in unequal if i.currency == "AUD")


def test_payouts_that_do_not_add_up_or_come_back_are_named(tenant: Tenant) -> None:
    trade = ReconciliationScenario(tenant, list(build_month(60, timezone.now())), timezone.now())
    trade.build()
    trade.read_stripe()
    first, second, third = Payout.objects.order_by("-created_at")[5:8]
    tenant.world.post("/stripe/_control", {"misstate_payout": {"payout": first.stripe_payout_id, "amount": 1}})
    tenant.world.post("/stripe/_control", {"fail_payout": {"payout": second.stripe_payout_id}})
    trade.read_stripe()
    Payout.objects.filter(pk=third.pk).update(status="on_its_way")
    report = reconcile_month(trade)
    assert {(row.kind, row.subject) for row in report.differences} == {
        (DifferenceKind.PAYOUT_SUM, first.stripe_payout_id),
        (DifferenceKind.PAYOUT_FAILED, second.stripe_payout_id),
        (DifferenceKind.PAYOUT_LATE, third.stripe_payout_id),
    }


def test_a_payment_that_somebody_entered_in_clearing_is_named(tenant: Tenant) -> None:
    trade = ReconciliationScenario(tenant, list(build_month(9, timezone.now())), timezone.now())
    trade.build()
    trade.read_stripe()
    LedgerPayment.objects.create(
        merchant=tenant.merchant,
        organisation_id=tenant.connection.organisation_id,
        ledger_id="by-hand",
        is_received=True,
        is_standing=True,
        amount=4_200,
        currency="AUD",
        on=trade.cases[0].day,
        account="615",
        document_number="INV-1",
        read_at=trade.now - timedelta(hours=1),
    )
    [row] = reconcile_month(trade).differences
    assert (row.kind, row.gap, row.subject) == (DifferenceKind.CLEARING_FOREIGN, Money(4_200, "AUD"), "INV-1")


def test_the_number_of_statements_does_not_grow(tenant: Tenant) -> None:
    trade = ReconciliationScenario(tenant, list(build_month(40, timezone.now())), timezone.now())
    trade.build()
    trade.read_stripe()
    with CaptureQueriesContext(connection) as few:
        reconcile_month(trade)
    assert len(few) <= 25
