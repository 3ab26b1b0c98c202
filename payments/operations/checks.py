"""Check that a payment can be paid now; each check raises the reason if not."""

from collections.abc import Sequence
from datetime import datetime

from merchants.models import Merchant
from merchants.services import list_prerequisites
from payments.errors import AlreadyPaid, AttemptInProgress, GuestRefused, MerchantNotReady, PaymentExpired
from payments.models import Attempt, GatewayAccount, Payment


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
