"""Rows of reconciliation: a large month compared on all three sides, and the ledger's payments read back."""

import math
import time
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounting.models import LedgerPayment, LedgerPaymentCursor, Posting
from accounting.reconciliation.clearing import build_clearing_statements
from accounting.reconciliation.ledger_payments import sync_ledger_payments
from accounting.reconciliation.periods import Period
from accounting.reconciliation.report import ReconciliationReport, reconcile
from payers.models import PayerCompany
from payments.models import Attempt, BalanceTransaction, BalanceTransactionCursor, GatewayAccount, Payment, Payout
from tests.accounting.reconciliation.builders import build_attempt, build_payment, build_postings
from tests.accounting.reconciliation.ledger_builder import LedgerBuilder, reset_rate_limits
from tests.accounting.reconciliation.payment_cases import CLEARING, ZONE, PaymentCase
from tests.bench.results import record_measurement
from tests.tenants import Tenant

STATEMENTS = 24  # as many for any month; BEGIN and COMMIT, which keep the cursors open, are two of them
COUNT, BATCH, WRONG, PAID = 50_000, 5_000, 100, 2_100


def create_month(tenant: Tenant, count: int) -> Tenant:
    """Create so many payments of a merchant, a hundred of them not in the ledger. Needs a transactional test."""
    now = timezone.now()
    account, company = GatewayAccount.objects.get(merchant=tenant.merchant), tenant.company()
    step, size = timedelta(days=27) / count, min(BATCH, count)
    for begin in range(0, count, size):
        numbers = range(begin, begin + size)
        deals = [deal_of(n, now - timedelta(days=30) + step * n, is_wrong=n % (count // WRONG) == 0) for n in numbers]
        build(tenant, deals, account, company)
    BalanceTransactionCursor.objects.create(account=account, known_until=now)
    LedgerPaymentCursor.objects.create(
        merchant=tenant.merchant,
        organisation_id=tenant.connection.organisation_id,
        begins_at=now - timedelta(days=60),
        known_until=now,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE payments_balancetransaction, payments_attempt, accounting_posting")
    return tenant


def deal_of(number: int, at: datetime, *, is_wrong: bool) -> PaymentCase:
    """One payment, in the ledger or not."""
    deal = PaymentCase(number, at, 10_000 + number % 7_000)
    deal.intent = f"pi_bench{number}"
    deal.posting = "" if is_wrong else "posted"
    return deal


def build(tenant: Tenant, deals: list[PaymentCase], account: GatewayAccount, company: PayerCompany) -> None:
    """The rows of some payments on all three sides, paid out together."""
    payments = Payment.objects.bulk_create(build_payment(deal, company) for deal in deals)
    pairs = zip(deals, payments, strict=True)
    attempts = Attempt.objects.bulk_create(build_attempt(deal, one, account) for deal, one in pairs)
    for deal, payment, attempt in zip(deals, payments, attempts, strict=True):
        deal.payment, deal.attempt = payment.pk, attempt.pk
    postings = Posting.objects.bulk_create(
        one for deal in deals for one in build_postings(deal, company, tenant.connection.organisation_id)
    )
    payment_postings = [one for one in postings if one.kind == "payment"]
    LedgerPayment.objects.bulk_create(build_ledger_payment(one, tenant) for one in payment_postings)
    payout = Payout.objects.create(
        account=account,
        stripe_payout_id=f"po_bench{deals[0].number}",
        amount=sum(deal.amount for deal in deals),
        currency="AUD",
        status="paid",
        arrives_on=deals[-1].day,
        created_at=deals[-1].at,
        transactions_read_at=deals[-1].at,
    )
    BalanceTransaction.objects.bulk_create(build_balance_transaction(deal, account, payout) for deal in deals)


def build_ledger_payment(posting: Posting, tenant: Tenant) -> LedgerPayment:
    """The ledger payment of a posting."""
    assert posting.on is not None
    return LedgerPayment(
        merchant=tenant.merchant,
        organisation_id=tenant.connection.organisation_id,
        ledger_id=posting.ledger_id,
        is_received=True,
        is_standing=True,
        amount=posting.amount or 0,
        currency="AUD",
        on=posting.on,
        account=CLEARING,
        posting=posting,
    )


def build_balance_transaction(deal: PaymentCase, account: GatewayAccount, payout: Payout) -> BalanceTransaction:
    """The balance transaction of a payment."""
    return BalanceTransaction(
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


def count_read_calls(tenant: Tenant) -> int:
    """Count the calls that reading the ledger's payments takes."""
    reset_rate_limits(tenant)
    before = len(tenant.world.journal(tenant.connection.provider))
    sync_ledger_payments(tenant.merchant, now=timezone.now() + timedelta(hours=1))
    return len(tenant.world.journal(tenant.connection.provider)) - before


def compare_month(tenant: Tenant, count: int) -> ReconciliationReport:
    """Reconcile the whole month, and check the number of differences."""
    now = timezone.now()
    today = now.astimezone(ZONE).date()
    found = reconcile(tenant.merchant, Period(today - timedelta(days=35), today, ZONE), now=now)
    assert len(found.items) == count
    assert len(found.differences) == WRONG
    return found


def test_a_large_month_is_compared(transactional_db: None, tenant: Tenant) -> None:
    merchant = create_month(tenant, COUNT)
    begin = time.perf_counter()
    [statement] = build_clearing_statements(compare_month(merchant, COUNT), clearing=CLEARING)
    spent = time.perf_counter() - begin
    assert statement.is_explained
    assert record_measurement(
        "Reconciliation: 50,000 movements three ways, and the clearing account explained", spent, "s", bound=12
    ).holds


@pytest.mark.parametrize("count", [200, 2_000])
def test_the_statements_of_a_month(transactional_db: None, tenant: Tenant, count: int) -> None:
    merchant = create_month(tenant, count)
    with CaptureQueriesContext(connection) as seen:
        compare_month(merchant, count)
    name = f"Reconciliation: {count} movements three ways"
    assert record_measurement(name, len(seen), "statements", bound=STATEMENTS).holds


# A page of Xero's holds 1,000 payments; QuickBooks answers for 2,000, and for the invoices that they name in another.
FEWEST = {"xero": lambda count: math.ceil(count / 1_000), "quickbooks": lambda count: 2 * math.ceil(count / 2_000)}


def test_the_payments_of_the_ledger_are_read_back(any_tenant: Tenant) -> None:
    provider = any_tenant.connection.provider
    now = timezone.now()
    deals = [PaymentCase(number, now - timedelta(days=9) + timedelta(minutes=number), 10_000) for number in range(PAID)]
    builder = LedgerBuilder(any_tenant, deals)
    builder.create_contact()
    builder.create_invoices(deals)
    account, company = GatewayAccount.objects.get(merchant=any_tenant.merchant), any_tenant.company()
    payments = Payment.objects.bulk_create(build_payment(deal, company) for deal in deals)
    attempts = Attempt.objects.bulk_create(build_attempt(d, p, account) for d, p in zip(deals, payments, strict=True))
    for deal, payment, attempt in zip(deals, payments, attempts, strict=True):
        deal.payment, deal.attempt = payment.pk, attempt.pk
    Posting.objects.bulk_create(
        one for deal in deals for one in build_postings(deal, company, any_tenant.connection.organisation_id)
    )
    calls = count_read_calls(any_tenant)
    assert LedgerPayment.objects.exclude(posting=None).count() == PAID
    name = f"Payments of the ledger, {provider}"
    assert record_measurement(f"{name}: {PAID:,} read back", calls, "calls", bound=FEWEST[provider](PAID)).holds
    assert record_measurement(f"{name}: nothing new", count_read_calls(any_tenant), "calls", bound=1).holds
