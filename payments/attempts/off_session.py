"""Create an attempt to charge a saved method while its payer is not present."""

from datetime import datetime

from django_subatomic.db import transaction_required

from payers.models import TermsAcceptance
from payments.access import list_attempts
from payments.attempts.services import create_attempt
from payments.errors import AlreadyPaid, AttemptInProgress, MerchantNotReady, MethodUnusable
from payments.method_choices import PaymentChoice, Person, supports_currency
from payments.models import Attempt, GatewayAccount, Payment, SavedMethod
from payments.operations.services import build_operation_fields, build_saved_method_fields, lock_payment


@transaction_required
def create_off_session_attempt(
    payment: Payment, *, method: SavedMethod, acceptance: TermsAcceptance | None, now: datetime
) -> Attempt:
    """Create the attempt; `send_attempt` charges it after the transaction.

    The charge policies were checked in the same transaction. Raises AlreadyPaid, AttemptInProgress,
    MerchantNotReady or MethodUnusable.
    """
    locked = lock_payment(payment)
    account = get_chargeable_account(locked)
    locked_method = method.lock()
    check_chargeable_method(locked_method, account, locked)
    owner = locked_method.owner
    proof = acceptance or locked_method.acceptance
    fields = build_operation_fields(
        account,
        PaymentChoice(saved_method=locked_method),
        get_off_session_person(locked_method, locked, proof),
        company=locked.company,
        currency=locked.currency,
        acceptance=proof,
        now=now,
    )
    fields |= build_saved_method_fields(locked_method) | {"user": owner, "is_off_session": True}
    attempt = create_attempt(locked, amount=locked.amount, **fields)
    attempt.payment = payment
    return attempt


def get_chargeable_account(payment: Payment) -> GatewayAccount:
    """Return the account that takes the money of a payment that is owed and that nobody is paying.

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


def check_chargeable_method(method: SavedMethod, account: GatewayAccount, payment: Payment) -> None:
    """Check that the method can pay this payment. Raises MethodUnusable."""
    if method.state != "active" or method.account_id != account.pk or method.company_id != payment.company_id:
        raise MethodUnusable(f"{method} can't be used any more.")
    if not supports_currency(method, payment.currency) or (not method.is_card and not account.takes_bank_debits):
        raise MethodUnusable(f"{method} can't pay in {payment.currency}.")


def get_off_session_person(method: SavedMethod, payment: Payment, acceptance: TermsAcceptance | None) -> Person:
    """Return whoever saved the method as the payer; without an owner the payer company."""
    owner = method.owner
    email = owner.email if owner else payment.company.email or (acceptance.email if acceptance else "")
    name = (owner.name if owner and owner.name else payment.company.name)[:120]
    return Person(name=name, email=email, phone="", ip="", user_agent="")
