"""The clearing and the prepayments account are explained to the cent, whatever is wrong with the month."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, CreditNote, Posting
from accounting.reconciliation.clearing import (
    BROUGHT_FORWARD,
    NAMED_DIFFERENCES,
    NOT_PAID_OUT,
    build_clearing_statements,
)
from accounting.reconciliation.periods import Period
from accounting.reconciliation.prepayments import build_prepayments_statements, get_open_credits
from accounting.reconciliation.report import reconcile
from payments.models import Payout
from tests.accounting.reconciliation.builders import ReconciliationScenario
from tests.accounting.reconciliation.payment_cases import ZONE, build_month
from tests.accounting.reconciliation.test_discrepancies import build_random_month
from tests.tenants import Tenant


def last_days(trade: ReconciliationScenario, count: int) -> Period:
    today = trade.now.astimezone(ZONE).date()
    return Period(today - timedelta(days=count), today, ZONE)


@pytest.fixture
def trade(tenant: Tenant) -> ReconciliationScenario:
    """A clean month."""
    made = ReconciliationScenario(tenant, list(build_month(40, timezone.now())), timezone.now())
    made.build()
    made.read_stripe()
    return made


def test_a_month_that_is_paid_out_leaves_only_what_is_on_its_way(trade: ReconciliationScenario) -> None:
    report = reconcile(trade.tenant.merchant, last_days(trade, 40), now=trade.now)
    [statement] = build_clearing_statements(report, clearing="615")
    assert statement.opening.amount == 0
    assert statement.is_explained
    kinds = {entry.description for entry in statement.entries}
    assert kinds == {"Payment to clearing", "Refund of the PF_CR credit", "Payout", "Stripe's fees in the payout"}
    paid = Payout.objects.count()
    assert sum(entry.description == "Payout" for entry in statement.entries) == paid
    assert {reason.text for reason in statement.reasons} <= {NOT_PAID_OUT}


def test_what_was_left_before_a_period_is_its_opening(trade: ReconciliationScenario) -> None:
    whole = build_clearing_statements(
        reconcile(trade.tenant.merchant, last_days(trade, 40), now=trade.now), clearing="615"
    )[0]
    part = build_clearing_statements(
        reconcile(trade.tenant.merchant, last_days(trade, 12), now=trade.now), clearing="615"
    )[0]
    assert part.opening.amount > 0
    assert part.closing == whole.closing
    assert part.is_explained


@pytest.mark.thorough
def test_with_two_hundred_differences_the_reasons_still_come_to_what_is_left(any_tenant: Tenant) -> None:
    trade, _ = build_random_month(any_tenant, 4, timezone.now())
    trade.read_stripe()
    clearing = AccountingSettings.objects.get().clearing_account
    for days in (40, 15):
        report = reconcile(trade.tenant.merchant, last_days(trade, days), now=trade.now)
        for statement in build_clearing_statements(report, clearing=clearing):
            assert statement.is_explained
            assert {r.text for r in statement.reasons} & {NAMED_DIFFERENCES, BROUGHT_FORWARD}
    first = reconcile(trade.tenant.merchant, last_days(trade, 40), now=trade.now)
    [aud] = [s for s in build_clearing_statements(first, clearing=clearing) if s.currency == "AUD"]
    apart = sum(item.books - item.stripe for item in first.items if item.currency == "AUD")
    assert sum(reason.amount.amount for reason in aud.reasons if reason.text == NAMED_DIFFERENCES) == apart


def test_prepayments_cancel_out_until_a_credit_is_missing(trade: ReconciliationScenario) -> None:
    period = last_days(trade, 40)
    [statement] = build_prepayments_statements(trade.tenant.merchant, period)
    assert (statement.closing.amount, statement.reasons) == (0, [])
    assert len(statement.entries) == 80
    deal = trade.cases[3]
    Posting.objects.filter(kind="credit_note", payment=deal.payment).update(state="rejected")
    CreditNote.objects.filter(payment=deal.payment).update(state="rejected")
    [statement] = build_prepayments_statements(trade.tenant.merchant, period)
    [reason] = statement.reasons
    assert reason.amount == statement.closing
    assert reason.amount.amount == deal.amount
    assert reason.text == f"PF-{deal.stem}: its PF_CR credit was refused by the books"


def test_a_changed_invoice_counts_by_its_newest_amount(trade: ReconciliationScenario) -> None:
    deal = trade.cases[5]
    made = Posting.objects.get(kind="invoice", payment=deal.payment)
    made.pk, made.kind, made.amount = None, "invoice_change", deal.amount + 500
    made.save()
    [statement] = build_prepayments_statements(trade.tenant.merchant, last_days(trade, 40))
    assert statement.closing.amount == 500
    assert statement.is_explained
    [change] = [entry for entry in statement.entries if entry.description == "PF invoice, new amount"]
    assert change.amount.amount == 500


def test_credits_that_wait_are_summed(trade: ReconciliationScenario) -> None:
    found = get_open_credits(trade.tenant.merchant)
    assert found.count == 40
    assert [total.amount for total in found.totals] == [sum(d.amount - d.refunded for d in trade.cases)]
