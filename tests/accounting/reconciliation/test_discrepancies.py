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
from accounting.reconciliation.days import Period
from accounting.reconciliation.report import Report, reconcile
from accounting.reconciliation.words import Kind
from payments.models import Payout
from tests.accounting.reconciliation.deals import ELSEWHERE, SOMEBODY_ELSE, ZONE, Deal, month_of_deals
from tests.accounting.reconciliation.stage import Trade
from tests.people import House
from wisepay.money import Money

EACH, SPARE = 10, 60
Spoil = Callable[[Deal], None]


def changed(**columns: object) -> Spoil:
    """Give a deal these columns."""

    def spoil(deal: Deal) -> None:
        for name, value in columns.items():
            setattr(deal, name, value)

    return spoil


def refund(there: int, here: int) -> Spoil:
    """So much went back at Stripe, and so much as we know it."""
    return changed(refunded_there=there, refunded=here, used=0)


def overcharge(deal: Deal) -> None:
    deal.charged = deal.amount + 100


def book_other_amount(deal: Deal) -> None:
    deal.paper = {"amount": Money(deal.amount - 9, "AUD")}


def book_other_day(deal: Deal) -> None:
    deal.paper = {"on": deal.day - timedelta(days=1)}


def overuse(deal: Deal) -> None:
    deal.used = deal.amount + 1


def use_elsewhere(deal: Deal) -> None:
    deal.used, deal.used_by = deal.amount, SOMEBODY_ELSE


# What goes wrong with one deal, by the name that it must be given.
SEEDS: dict[Kind, Spoil] = {
    Kind.CHARGE_MISSING: changed(charges=0, refunded=0, refunded_there=0),
    Kind.CHARGE_NOT_RECORDED: changed(state="failed", refunded=0, refunded_there=0),
    Kind.CHARGED_TWICE: changed(charges=2),
    Kind.AMOUNT_DIFFERS: overcharge,
    Kind.CURRENCY_DIFFERS: changed(charged_in="NZD"),
    Kind.REFUND_UNKNOWN: refund(2_000, 0),
    Kind.REFUND_MISSING: refund(0, 2_000),
    Kind.DISPUTE_UNKNOWN: changed(is_disputed=True),
    Kind.POSTING_MISSING: changed(posting=""),
    Kind.POSTING_REFUSED: changed(posting="rejected"),
    Kind.POSTING_LATE: changed(posting="pending"),
    Kind.DOCUMENT_AMOUNT: book_other_amount,
    Kind.DOCUMENT_REMOVED: changed(paper={"is_standing": False}),
    Kind.DOCUMENT_MISSING: changed(papers=0),
    Kind.DOCUMENT_TWICE: changed(papers=2),
    Kind.WRONG_ACCOUNT: changed(paper={"account": ELSEWHERE}),
    Kind.OTHER_DAY: book_other_day,
    Kind.CREDIT_OVERUSED: overuse,
    Kind.FOREIGN_CONTACT: use_elsewhere,
}


def named_by(provider: str, kind: Kind) -> Kind:
    """What a discrepancy is called: QuickBooks keeps nothing of what was deleted, so what it lacks was deleted."""
    return Kind.DOCUMENT_REMOVED if (provider, kind) == ("quickbooks", Kind.DOCUMENT_MISSING) else kind


def looked_at(trade: Trade) -> Report:
    """The report of the last forty days."""
    today = trade.now.astimezone(ZONE).date()
    return reconcile(trade.house.merchant, Period(today - timedelta(days=40), today, ZONE), now=trade.now)


def seeded(house: House, seed: int, now: datetime) -> tuple[Trade, Counter[tuple[str, int | str]]]:
    """A month with ten discrepancies of each kind, and what has to be found."""
    chosen = random.Random(seed)
    deals = month_of_deals(EACH * len(SEEDS) + SPARE, now)
    clean = [deal for deal in deals if not deal.refunded]
    chosen.shuffle(clean)
    expected: Counter[tuple[str, int | str]] = Counter()
    spoilt: list[tuple[Kind, Deal]] = []
    for kind, spoil in SEEDS.items():
        for _ in range(EACH):
            deal = clean.pop()
            spoil(deal)
            spoilt.append((kind, deal))
    trade = Trade(house, list(deals), now, strangers=EACH)
    trade.build()
    for kind, deal in spoilt:
        name = named_by(house.connection.provider, kind)
        expected[name.value, f"PF-{deal.stem}" if kind == Kind.DOCUMENT_TWICE else deal.attempt] += 1
    return trade, expected


def test_two_hundred_discrepancies_are_all_named_and_nothing_else_is(any_house: House) -> None:
    trade, expected = seeded(any_house, 1, timezone.now())
    trade.read()
    report = looked_at(trade)
    strangers = [row for row in report.differences if row.kind == Kind.CHARGE_UNKNOWN]
    assert len(strangers) == EACH
    others = [row for row in report.differences if row.kind != Kind.CHARGE_UNKNOWN]
    found = Counter((row.kind.value, row.attempt or row.subject) for row in others)
    assert found - expected == Counter()
    assert expected - found == Counter()
    assert sum(expected.values()) + EACH == 200
    assert len({row.kind for row in report.differences}) == 1 + len({kind for kind, _ in expected})
    assert all(row.sentence and row.advice and row.subject for row in report.differences)


def test_a_clean_month_raises_no_alarm(any_house: House) -> None:
    trade = Trade(any_house, list(month_of_deals(120, timezone.now())), timezone.now())
    trade.build()
    trade.read()
    report = looked_at(trade)
    assert report.differences == []
    assert len(report.items) == 120 + 14
    assert all(item.is_equal for item in report.items)
    [total] = report.totals
    assert total.is_equal
    assert total.stripe == sum(deal.amount - deal.refunded for deal in trade.deals)
    assert all(row.is_equal for row in report.days)
    assert len(report.payouts) > 20
    assert all(payout.adds_up for payout in report.payouts)


@pytest.mark.thorough
def test_the_sum_of_what_is_named_is_what_the_sides_are_apart(house: House) -> None:
    trade, _ = seeded(house, 3, timezone.now())
    trade.read()
    report = looked_at(trade)
    [total] = [row for row in report.totals if row.currency == "AUD"]
    unequal = [item for item in report.items if not item.is_equal]
    named = {row.attempt for row in report.differences} | {row.subject for row in report.differences}
    assert unequal
    assert all(item.attempt in named or item.source_id in named or item.stripe_id in named for item in unequal)
    assert total.stripe - total.ours == sum(i.stripe - i.ours for i in unequal if i.currency == "AUD")
    assert total.books - total.ours == sum(i.books - i.ours for i in unequal if i.currency == "AUD")


def test_payouts_that_do_not_add_up_or_come_back_are_named(house: House) -> None:
    trade = Trade(house, list(month_of_deals(60, timezone.now())), timezone.now())
    trade.build()
    trade.read()
    first, second, third = Payout.objects.order_by("-made_at")[5:8]
    house.world.post("/stripe/_control", {"misstate_payout": {"payout": first.stripe_payout_id, "amount": 1}})
    house.world.post("/stripe/_control", {"fail_payout": {"payout": second.stripe_payout_id}})
    trade.read()
    Payout.objects.filter(pk=third.pk).update(status="on_its_way")
    report = looked_at(trade)
    assert {(row.kind, row.subject) for row in report.differences} == {
        (Kind.PAYOUT_SUM, first.stripe_payout_id),
        (Kind.PAYOUT_FAILED, second.stripe_payout_id),
        (Kind.PAYOUT_LATE, third.stripe_payout_id),
    }


def test_a_payment_that_somebody_entered_in_clearing_is_named(house: House) -> None:
    trade = Trade(house, list(month_of_deals(9, timezone.now())), timezone.now())
    trade.build()
    trade.read()
    LedgerPayment.objects.create(
        merchant=house.merchant,
        organisation_id=house.connection.organisation_id,
        ledger_id="by-hand",
        is_received=True,
        is_standing=True,
        amount=4_200,
        currency="AUD",
        on=trade.deals[0].day,
        account="615",
        document_number="INV-1",
        read_at=trade.now - timedelta(hours=1),
    )
    [row] = looked_at(trade).differences
    assert (row.kind, row.gap, row.subject) == (Kind.CLEARING_FOREIGN, Money(4_200, "AUD"), "INV-1")


def test_the_number_of_statements_does_not_grow(house: House) -> None:
    trade = Trade(house, list(month_of_deals(40, timezone.now())), timezone.now())
    trade.build()
    trade.read()
    with CaptureQueriesContext(connection) as few:
        looked_at(trade)
    assert len(few) <= 25
