"""Create the row of a gateway operation, after checking that it may be paid, for its customer."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django_subatomic.db import transaction_required

from merchants.models import Merchant
from merchants.services import list_prerequisites
from payers.models import PayerCompany, TermsAcceptance
from payments.consent import Consent, get_main_acceptance, record_consent
from payments.errors import (
    AlreadyPaid,
    AttemptInProgress,
    GuestRefused,
    MerchantNotReady,
    PaymentExpired,
)
from payments.models import (
    Attempt,
    GatewayAccount,
    Payment,
    Refund,
    SavedMethod,
    Setup,
)
from payments.operations.customers import ensure_customer, find_customer_id
from payments.operations.limits import reserve_attempt
from payments.saved_methods.choices import PaymentChoice, Person, get_gateway_method_type
from wisepay import outbox
from wisepay.addresses import new_reference
from wisepay.errors import Rejected
from wisepay.outbox import Retry


def check_payable(
    payment: Payment, *, attempts: Sequence[Attempt], now: datetime, has_account: bool = False
) -> GatewayAccount:
    """Check that the payment can be paid now, and return the gateway account that would take the money.

    Raises AlreadyPaid, PaymentExpired, AttemptInProgress, GuestRefused or MerchantNotReady.
    `attempts` are all of the payment's; a payer without an account is a guest.
    """
    if payment.state in ("succeeded", "saved"):
        raise AlreadyPaid(f"This {payment.subject} is already paid.")
    if payment.state == "cancelled" or payment.is_expired(now):
        raise PaymentExpired(f"This {payment.subject} can no longer be paid{payment.replacement_hint}.")
    if any(attempt.is_live for attempt in attempts):
        raise AttemptInProgress(f"A payment for this {payment.subject} is being processed. Please wait for its result.")
    if not has_account:
        check_guest(payment)
    return get_ready_account(payment.merchant)


def check_guest(payment: Payment) -> None:
    """Check that a guest can pay it. Raises GuestRefused with the reason why that needs a Wise-Pay account."""
    if payment.needs_account:
        raise GuestRefused(
            "This quote has a recurring part, so a payment method has to be saved for it. "
            "That needs a Wise-Pay account: a guest cannot pay it."
        )
    if "card" not in payment.methods:
        raise GuestRefused(
            f"This {payment.subject} is paid by bank debit, which needs a Wise-Pay account; guests pay by card."
        )


def get_ready_account(merchant: Merchant) -> GatewayAccount:
    """Return the gateway account of a merchant who has finished the set-up. Raises MerchantNotReady."""
    account: GatewayAccount | None = getattr(merchant, "gateway_account", None)
    ready = merchant.takes_payments and all(p.is_met for p in list_prerequisites(merchant))
    if account is None or not ready:
        raise MerchantNotReady(f"{merchant.name} can't take payments at the moment. Please contact them.")
    return account


def get_customer_id(payment: Payment, person: Person, *, check: Callable[[], object], now: datetime) -> str:
    """Return the customer id of the payer's company; guests have none. Raises Unavailable or MerchantNotReady.

    Nothing is created for a try that is refused: `check`, a step of a transaction that raises what the try itself
    would raise, comes before the first customer.
    """
    if not person.has_account:
        return ""
    account = get_ready_account(payment.merchant)
    try:
        return ensure_checked_customer(account, payment.company, check=check, now=now)
    except Rejected as error:
        raise MerchantNotReady(f"{payment.merchant.name} can't take payments at the moment.") from error


def ensure_checked_customer(
    account: GatewayAccount, company: PayerCompany, *, check: Callable[[], object], now: datetime
) -> str:
    """Return the company's customer id, created after `check` has passed. Raises what that and `ensure_customer` do."""
    if customer_id := find_customer_id(account, company):
        return customer_id
    with reserve_attempt(company.merchant, now=now):
        check()
    return ensure_customer(account, company, now=now)


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
    consent: Consent | None = None,
    acceptance: TermsAcceptance | None = None,
    now: datetime,
) -> dict[str, Any]:
    """Build the columns that every attempt and setup begins with, and record what its payer agreed to.

    Without a `consent` nobody was there, and it rests on an earlier `acceptance`.
    """
    reference = new_reference()
    method = choice.saved_method
    if consent is not None:
        accepted = record_consent(consent, person, company=company, operation=reference, now=now)
        acceptance = get_main_acceptance(accepted)
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
        "registration": person.registration,
        "shares_method": choice.shares,
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
