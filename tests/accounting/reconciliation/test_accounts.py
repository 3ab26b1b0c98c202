"""The clearing and the prepayments account are explained to the cent, whatever is wrong with the month."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, CreditNote, Posting
from accounting.reconciliation.clearing import BEFORE, NAMED, UNPAID, clearing_statements
from accounting.reconciliation.days import Period
from accounting.reconciliation.prepayments import open_credits, prepayments_statements
from accounting.reconciliation.report import reconcile
from payments.models import Payout
from tests.accounting.reconciliation.deals import ZONE, month_of_deals
from tests.accounting.reconciliation.stage import Trade
from tests.accounting.reconciliation.test_discrepancies import seeded
from tests.people import House


def last_days(trade: Trade, count: int) -> Period:
    today = trade.now.astimezone(ZONE).date()
    return Period(today - timedelta(days=count), today, ZONE)


@pytest.fixture
def trade(house: House) -> Trade:
    """A clean month."""
    made = Trade(house, list(month_of_deals(40, timezone.now())), timezone.now())
    made.build()
    made.read()
    return made


def test_a_month_that_is_paid_out_leaves_only_what_is_on_its_way(trade: Trade) -> None:
    report = reconcile(trade.house.merchant, last_days(trade, 40), now=trade.now)
    [statement] = clearing_statements(report, clearing="615")
    assert statement.opening.amount == 0
    assert statement.is_explained
    kinds = {entry.what for entry in statement.entries}
    assert kinds == {"Payment to clearing", "Refund of the PF_CR credit", "Payout", "Stripe's fees in the payout"}
    paid = Payout.objects.count()
    assert sum(entry.what == "Payout" for entry in statement.entries) == paid
    assert {reason.why for reason in statement.reasons} <= {UNPAID}


def test_what_was_left_before_a_period_is_its_opening(trade: Trade) -> None:
    whole = clearing_statements(reconcile(trade.house.merchant, last_days(trade, 40), now=trade.now), clearing="615")[0]
    part = clearing_statements(reconcile(trade.house.merchant, last_days(trade, 12), now=trade.now), clearing="615")[0]
    assert part.opening.amount > 0
    assert part.closing == whole.closing
    assert part.is_explained


@pytest.mark.thorough
def test_with_two_hundred_differences_the_reasons_still_come_to_what_is_left(any_house: House) -> None:
    trade, _ = seeded(any_house, 4, timezone.now())
    trade.read()
    clearing = AccountingSettings.objects.get().clearing_account
    for days in (40, 15):
        report = reconcile(trade.house.merchant, last_days(trade, days), now=trade.now)
        for statement in clearing_statements(report, clearing=clearing):
            assert statement.is_explained
            assert {r.why for r in statement.reasons} & {NAMED, BEFORE}
    first = reconcile(trade.house.merchant, last_days(trade, 40), now=trade.now)
    [aud] = [s for s in clearing_statements(first, clearing=clearing) if s.currency == "AUD"]
    apart = sum(item.books - item.stripe for item in first.items if item.currency == "AUD")
    assert sum(reason.amount.amount for reason in aud.reasons if reason.why == NAMED) == apart


def test_prepayments_cancel_out_until_a_credit_is_missing(trade: Trade) -> None:
    period = last_days(trade, 40)
    [statement] = prepayments_statements(trade.house.merchant, period)
    assert (statement.closing.amount, statement.reasons) == (0, [])
    assert len(statement.entries) == 80
    deal = trade.deals[3]
    Posting.objects.filter(kind="credit_note", payment=deal.payment).update(state="rejected")
    CreditNote.objects.filter(payment=deal.payment).update(state="rejected")
    [statement] = prepayments_statements(trade.house.merchant, period)
    [reason] = statement.reasons
    assert reason.amount == statement.closing
    assert reason.amount.amount == deal.amount
    assert reason.why == f"PF-{deal.stem}: its PF_CR credit was refused by the books"


def test_a_changed_invoice_counts_by_its_newest_amount(trade: Trade) -> None:
    deal = trade.deals[5]
    made = Posting.objects.get(kind="invoice", payment=deal.payment)
    made.pk, made.kind, made.amount = None, "invoice_change", deal.amount + 500
    made.save()
    [statement] = prepayments_statements(trade.house.merchant, last_days(trade, 40))
    assert statement.closing.amount == 500
    assert statement.is_explained
    [change] = [entry for entry in statement.entries if entry.what == "PF invoice, new amount"]
    assert change.amount.amount == 500


def test_credits_that_wait_are_summed(trade: Trade) -> None:
    found = open_credits(trade.house.merchant)
    assert found.count == 40
    assert [total.amount for total in found.totals] == [sum(d.amount - d.refunded for d in trade.deals)]
