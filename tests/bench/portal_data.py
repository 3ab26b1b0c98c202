"""A company with very many payments, written straight into the tables, for the portal's rows."""

from datetime import timedelta

from django.db import connection
from django.utils import timezone

from payers.models import PayerCompany
from payments.models import Attempt, GatewayAccount, Payment
from tests.payments.portal.factories import PortalPayer, create_company, create_payer
from tests.tenants import Tenant
from wisepay.addresses import new_reference

BATCH = 2000
METHODS = (("card", "visa", "4242"), ("card", "mastercard", "4444"), ("au_becs_debit", "Practice Bank", "6789"))
WORK = ("Managed services", "Firewall replacement", "Laptops and desks", "Backup renewal", "Migration of mail")


def create_big_payer(tenant: Tenant, count: int) -> tuple[PortalPayer, PayerCompany]:
    """A payer whose company has `count` payments over some years: two open, four in five paid, the rest over.

    Needs a test without a transaction around it: what autovacuum does in life is done once.
    """
    ada, where = create_payer("ada@big.example"), create_company(tenant, "Big Company")
    ada.give_access(where)
    for begin in range(0, count, BATCH):
        payments = Payment.objects.bulk_create(
            build_payment(where, number) for number in range(begin, min(begin + BATCH, count))
        )
        account = GatewayAccount.objects.get(merchant=tenant.merchant)
        Attempt.objects.bulk_create(build_attempt(one, account, number) for number, one in enumerate(payments))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE payments_payment, payments_attempt")
    return ada, where


def build_payment(where: PayerCompany, number: int) -> Payment:
    """The payment of that number; the first two are open, every fifth of the others was never paid."""
    at = timezone.now() - timedelta(minutes=17 * number)
    is_paid = number > 1 and number % 5 != 0
    amount = 1000 + number * 37 % 900_000
    return Payment(
        reference=new_reference(),
        merchant=where.merchant,
        company=where,
        currency="AUD",
        amount=amount,
        paid_amount=amount if is_paid else None,
        paid_at=at + timedelta(hours=1) if is_paid else None,
        purpose=f"Quote {number} v1: {WORK[number % 5]}",
        details={"reference": f"Q{number}-1", "title": f"Quote {number}", "rows": []},
        methods=["card"],
        done_path="/done",
        expires_at=at + timedelta(days=30) if is_paid or number < 2 else at,
        created_at=at,
        state="succeeded" if is_paid else "open",
        state_at=at,
    )


def build_attempt(of: Payment, account: GatewayAccount, number: int) -> Attempt:
    """The attempt that paid it, or failed."""
    kind, brand, last4 = METHODS[number % 3]
    reference = new_reference()
    return Attempt(
        reference=reference,
        payment=of,
        account=account,
        amount=of.amount,
        state="succeeded" if of.paid_amount else "failed",
        state_at=of.created_at,
        created_at=of.created_at,
        idempotency_key=f"bench-{reference}",
        confirmation_token="ctoken_bench",
        method_kind=kind,
        brand=brand,
        last4=last4,
        payer_name="Accounts Payable",
        payer_email="accounts@big.example",
        ip="127.0.0.1",
    )
