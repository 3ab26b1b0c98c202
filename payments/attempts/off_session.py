"""Charging a saved method while its payer is not there: the same three phases as every payment."""

from datetime import datetime

from django_subatomic.db import transaction, transaction_required

from payers.models import TermsAcceptance
from payments.access import list_attempts
from payments.attempts.charge_policies import check_charge_policies
from payments.attempts.services import send_attempt
from payments.errors import AlreadyPaid, AttemptInProgress, MerchantNotReady, MethodUnusable
from payments.method_choices import supports_currency
from payments.models import Attempt, GatewayAccount, Payment, SavedMethod
from payments.operations.services import FIRST_CHECK_AFTER, lock_payment
from wisepay import outbox
from wisepay.references import new_reference


def charge_saved_method(
    payment: Payment, *, method: SavedMethod, acceptance: TermsAcceptance | None, now: datetime
) -> Attempt:
    """Commit the intention to charge the payment to `method` off-session, ask the gateway, write down its word.

    The answered attempt may still be `processing`: nobody knows then, and the outbox keeps asking. Raises what
    `promise_charge` and the guards raise; then nothing is stored.
    """
    with transaction():
        check_charge_policies(payment, amount=payment.amount, locks=True, now=now)
        attempt = create_off_session_attempt(payment, method=method, acceptance=acceptance, now=now)
    send_attempt(attempt, now=now)
    return attempt


@transaction_required
def create_off_session_attempt(
    payment: Payment, *, method: SavedMethod, acceptance: TermsAcceptance | None, now: datetime
) -> Attempt:
    """The intention alone: an attempt whose key and words are its own, so that saying them again charges once.

    The charge policies were asked in the same transaction. Raises AlreadyPaid, AttemptInProgress,
    MerchantNotReady or MethodUnusable.
    """
    locked = lock_payment(payment)
    account = get_chargeable_account(locked)
    kept = method.lock()
    if kept.state != "active" or kept.account_id != account.pk or kept.company_id != locked.company_id:
        raise MethodUnusable(f"{method} can't be used any more.")
    if not supports_currency(kept, locked.currency) or (not kept.is_card and not account.takes_bank_debits):
        raise MethodUnusable(f"{method} can't pay in {locked.currency}.")
    attempt = Attempt.objects.create(
        payment=locked,
        amount=locked.amount,
        **build_off_session_fields(account, kept, acceptance, payment=locked, now=now),
    )
    attempt.payment = payment
    outbox.enqueue(
        f"attempt:{attempt.pk}", "payments.resolve_attempt", run_after=now + FIRST_CHECK_AFTER, attempt_id=attempt.pk
    )
    return attempt


def get_chargeable_account(payment: Payment) -> GatewayAccount:
    """The account that takes the money of a payment that is owed and that nobody else is paying.

    Raises AlreadyPaid, AttemptInProgress or MerchantNotReady.
    """
    if payment.state not in ("open", "reversed"):
        raise AlreadyPaid(f"{payment} is {payment.state}.")
    if any(attempt.is_live for attempt in list_attempts(payment)):
        raise AttemptInProgress(f"A payment of {payment} is on its way.")
    account = GatewayAccount.objects.filter(merchant=payment.merchant).first()
    if account is None or not payment.merchant.takes_payments:
        raise MerchantNotReady(f"{payment.merchant} takes no payments at the moment.")
    return account


def build_off_session_fields(
    account: GatewayAccount,
    method: SavedMethod,
    acceptance: TermsAcceptance | None,
    *,
    payment: Payment,
    now: datetime,
) -> dict[str, object]:
    """The columns of an attempt that nobody is there for: who saved the method counts as the payer."""
    reference = new_reference()
    proof = acceptance or method.acceptance
    owner = method.owner
    return {
        "reference": reference,
        "account": account,
        "state": "processing",
        "state_at": now,
        "created_at": now,
        "idempotency_key": f"attempt-{reference}",
        "is_off_session": True,
        "saved_method": method,
        "stripe_payment_method_id": method.stripe_payment_method_id,
        "stripe_mandate_id": method.stripe_mandate_id,
        "stripe_customer_id": method.stripe_customer_id,
        "method_types": [method.kind],
        "method_kind": method.kind,
        "brand": method.brand,
        "last4": method.last4,
        "user": owner,
        "acceptance": proof,
        "payer_name": (owner.name if owner and owner.name else payment.company.name)[:120],
        "payer_email": owner.email if owner else payment.company.email or (proof.email if proof else ""),
        "ip": None,
    }
