"""Create the row of a gateway operation, with the payer's acceptance of terms and the first check of its answer."""

from datetime import datetime, timedelta
from typing import Any

from django_subatomic.db import transaction_required

from merchants.models import Terms
from payers.models import PayerCompany, TermsAcceptance
from payers.terms import RequestSource, record_acceptance
from payments.method_choices import PaymentChoice, Person, get_gateway_method_type
from payments.models import Attempt, GatewayAccount, Payment, Refund, SavedMethod, Setup
from wisepay import outbox
from wisepay.outbox import Retry
from wisepay.references import new_reference

FIRST_CHECK_AFTER = timedelta(seconds=10)  # when a lost answer is first looked for
RETRY_WINDOW = timedelta(minutes=30)  # how long a payer may be charged after pressing Pay; a key lives a day


def lock_payment(payment: Payment) -> Payment:
    """Lock the payment; the row returned has the merchant that was read before."""
    locked = payment.lock()
    locked.merchant = payment.merchant
    return locked


@transaction_required
def build_operation_fields(
    account: GatewayAccount,
    choice: PaymentChoice,
    person: Person,
    *,
    company: PayerCompany,
    currency: str,
    acceptance: TermsAcceptance | None = None,
    now: datetime,
) -> dict[str, Any]:
    """Build the columns that every attempt and setup begins with, and record the accepted terms."""
    reference = new_reference()
    method = choice.saved_method
    if acceptance is None:
        acceptance = method.acceptance if method else record_accepted_terms(choice, person, company=company, now=now)
    return {
        "reference": reference,
        "account": account,
        "state": "processing",
        "state_at": now,
        "created_at": now,
        "idempotency_key": f"attempt-{reference}",
        "confirmation_token": choice.confirmation_token if method is None else "",
        "stripe_payment_method_id": method.stripe_payment_method_id if method else "",
        "stripe_mandate_id": method.stripe_mandate_id if method else "",
        "method_types": [method.kind if method else get_gateway_method_type(choice.method, currency)],
        "user": person.user,
        "acceptance": acceptance,
        "payer_name": person.name,
        "payer_email": person.email,
        "payer_phone": person.phone,
        "ip": person.ip or None,
        "user_agent": person.user_agent[:300],
    }


def build_saved_method_fields(method: SavedMethod) -> dict[str, Any]:
    """Build the columns that describe a saved method before the gateway describes it."""
    return {
        "saved_method": method,
        "stripe_customer_id": method.stripe_customer_id,
        "method_kind": method.kind,
        "brand": method.brand,
        "last4": method.last4,
    }


@transaction_required
def record_accepted_terms(
    choice: PaymentChoice, person: Person, *, company: PayerCompany, now: datetime
) -> TermsAcceptance | None:
    """Record that the payer accepted the terms, if there were any."""
    if choice.accepted_terms is None:
        return None
    return record_acceptance(
        company,
        terms=Terms.objects.get(pk=choice.accepted_terms, merchant=company.merchant_id),
        email=person.email,
        user=person.user if person.is_signed_in else None,
        source=RequestSource(ip=person.ip, user_agent=person.user_agent),
        now=now,
    )


@transaction_required
def enqueue_first_check(row: Attempt | Setup | Refund, handler: str, **ids: int) -> None:
    """Enqueue the handler that resolves the row if the gateway's answer is lost."""
    kind = row._meta.model_name
    outbox.enqueue(f"{kind}:{row.pk}", handler, run_after=row.created_at + FIRST_CHECK_AFTER, **ids)


def build_retry(row: Attempt | Setup | Refund, *, now: datetime) -> Retry:
    """Build the exception that has the outbox check an undecided row again."""
    return Retry(f"{row} is {row.state}", after=get_retry_delay(row.created_at, now=now))


def get_retry_delay(since: datetime, *, now: datetime) -> float:
    """Return the seconds until something undecided is checked again: a quarter of its age, an hour at most."""
    return min(max(10.0, (now - since).total_seconds() / 4), 3600.0)
