"""Rows of reconciliation: a large month compared on all three sides, and the payments of the books read back."""

import math
import time
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.models import LedgerPayment, MoneyCursor, Posting
from accounting.reconciliation.clearing import clearing_statements
from accounting.reconciliation.days import Period
from accounting.reconciliation.reading import read_ledger_payments
from accounting.reconciliation.report import Report, reconcile
from payers.models import PayerCompany
from payments.models import Attempt, GatewayAccount, Movement, MovementCursor, Payment, Payout
from tests.accounting.reconciliation.deals import CLEARING, ZONE, Deal
from tests.accounting.reconciliation.shelf import Shelf, in_no_time
from tests.accounting.reconciliation.stage import attempt_row, payment_row, postings_of
from tests.bench.rows import row
from tests.people import House

COUNT, BATCH, WRONG, PAID = 50_000, 5_000, 100, 2_100


def month(house: House, count: int) -> House:
    """A merchant with so many payments, of which a hundred are not in the books. Needs a test without a transaction."""
    now = timezone.now()
    account, company = GatewayAccount.objects.get(merchant=house.merchant), house.company()
    step, size = timedelta(days=27) / count, min(BATCH, count)
    for begin in range(0, count, size):
        numbers = range(begin, begin + size)
        deals = [deal_of(n, now - timedelta(days=30) + step * n, is_wrong=n % (count // WRONG) == 0) for n in numbers]
        build(house, deals, account, company)
    MovementCursor.objects.create(account=account, known_until=now, stripe_account_id=account.stripe_account_id)
    MoneyCursor.objects.create(
        merchant=house.merchant,
        organisation_id=house.connection.organisation_id,
        begins_at=now - timedelta(days=60),
        known_until=now,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE payments_movement, payments_attempt, accounting_posting")
    return house


def deal_of(number: int, at: datetime, *, is_wrong: bool) -> Deal:
    """One payment, in the books or not."""
    deal = Deal(number, at, 10_000 + number % 7_000)
    deal.intent = f"pi_bench{number}"
    deal.posting = "" if is_wrong else "posted"
    return deal


def build(house: House, deals: list[Deal], account: GatewayAccount, company: PayerCompany) -> None:
    """The rows of some payments on all three sides, paid out together."""
    payments = Payment.objects.bulk_create(payment_row(deal, company) for deal in deals)
    pairs = zip(deals, payments, strict=True)
    attempts = Attempt.objects.bulk_create(attempt_row(deal, one, account) for deal, one in pairs)
    for deal, payment, attempt in zip(deals, payments, attempts, strict=True):
        deal.payment, deal.attempt = payment.pk, attempt.pk
    postings = Posting.objects.bulk_create(
        one for deal in deals for one in postings_of(deal, company, house.connection.organisation_id)
    )
    papers = [one for one in postings if one.kind == "payment"]
    LedgerPayment.objects.bulk_create(paper_of(one, house) for one in papers)
    payout = Payout.objects.create(
        account=account,
        stripe_payout_id=f"po_bench{deals[0].number}",
        amount=sum(deal.amount for deal in deals),
        currency="AUD",
        status="paid",
        arrives_on=deals[-1].day,
        made_at=deals[-1].at,
        lines_at=deals[-1].at,
    )
    Movement.objects.bulk_create(movement_of(deal, account, payout) for deal in deals)


def paper_of(posting: Posting, house: House) -> LedgerPayment:
    """The payment of the books that a posting made."""
    assert posting.on is not None
    return LedgerPayment(
        merchant=house.merchant,
        organisation_id=house.connection.organisation_id,
        ledger_id=posting.ledger_id,
        is_received=True,
        is_standing=True,
        amount=posting.amount or 0,
        currency="AUD",
        on=posting.on,
        account=CLEARING,
        posting=posting,
    )


def movement_of(deal: Deal, account: GatewayAccount, payout: Payout) -> Movement:
    """The line of the balance."""
    return Movement(
        account=account,
        stripe_id=f"txn_bench{deal.number}",
        kind="charge",
        amount=deal.amount,
        currency="AUD",
        paid_amount=deal.amount,
        paid_currency="AUD",
        source_id=f"ch_bench{deal.number}",
        intent_id=deal.intent,
        happened_at=deal.at,
        available_at=deal.at,
        attempt_id=deal.attempt,
        payout=payout,
    )


def read_back(house: House) -> int:
    """How many calls it takes to read the payments of the books."""
    in_no_time(house)
    before = len(house.world.journal(house.connection.provider))
    read_ledger_payments(house.merchant, now=timezone.now() + timedelta(hours=1))
    return len(house.world.journal(house.connection.provider)) - before


def compared(house: House, count: int) -> Report:
    """The report of the whole month."""
    now = timezone.now()
    today = now.astimezone(ZONE).date()
    found = reconcile(house.merchant, Period(today - timedelta(days=35), today, ZONE), now=now)
    assert len(found.items) == count
    assert len(found.differences) == WRONG
    return found


def test_a_large_month_is_compared(transactional_db: None, house: House) -> None:
    merchant = month(house, COUNT)
    begin = time.perf_counter()
    [statement] = clearing_statements(compared(merchant, COUNT), clearing=CLEARING)
    spent = time.perf_counter() - begin
    assert statement.is_explained
    assert row(
        "Reconciliation: 50,000 movements three ways, and the clearing account explained", spent, "s", bound=12
    ).holds


@pytest.mark.parametrize("count", [200, 2_000])
def test_the_statements_of_a_month(transactional_db: None, house: House, count: int) -> None:
    merchant = month(house, count)
    with CaptureQueriesContext(connection) as seen:
        compared(merchant, count)
    assert row(f"Reconciliation: {count} movements three ways", len(seen), "statements", bound=21).holds


# A page of Xero's holds 1,000 payments; QuickBooks answers for 2,000, and for the invoices that they name in another.
FEWEST = {"xero": lambda count: math.ceil(count / 1_000), "quickbooks": lambda count: 2 * math.ceil(count / 2_000)}


def test_the_payments_of_the_books_are_read_back(any_house: House) -> None:
    provider = any_house.connection.provider
    now = timezone.now()
    deals = [Deal(number, now - timedelta(days=9) + timedelta(minutes=number), 10_000) for number in range(PAID)]
    shelf = Shelf(any_house, deals)
    shelf.be_known()
    shelf.pay(deals)
    account, company = GatewayAccount.objects.get(merchant=any_house.merchant), any_house.company()
    payments = Payment.objects.bulk_create(payment_row(deal, company) for deal in deals)
    attempts = Attempt.objects.bulk_create(attempt_row(d, p, account) for d, p in zip(deals, payments, strict=True))
    for deal, payment, attempt in zip(deals, payments, attempts, strict=True):
        deal.payment, deal.attempt = payment.pk, attempt.pk
    Posting.objects.bulk_create(
        one for deal in deals for one in postings_of(deal, company, any_house.connection.organisation_id)
    )
    calls = read_back(any_house)
    assert LedgerPayment.objects.exclude(posting=None).count() == PAID
    name = f"Payments of the books, {provider}"
    assert row(f"{name}: {PAID:,} read back", calls, "calls", bound=FEWEST[provider](PAID)).holds
    assert row(f"{name}: nothing new", read_back(any_house), "calls", bound=1).holds
