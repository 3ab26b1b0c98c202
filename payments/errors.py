"""Why a payment cannot be tried now or was refused; each message is written for the payer and says what to do."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from payments.failure_codes import (
    ACCOUNT_BLOCKED,
    ACCOUNT_CLOSED,
    ACCOUNT_NOT_FOUND,
    CARD_EXPIRED,
    MANDATE_ENDED,
    NOT_AUTHORISED,
    OWNER_CHANGED,
)
from payments.models import GatewayOperation


class CannotPay(Exception):
    """The base of all reasons; `code` is for programs."""

    code = "cannot_pay"


class AlreadyPaid(CannotPay):
    """It is paid; nothing more is due."""

    code = "already_paid"


class AttemptInProgress(CannotPay):
    """Another attempt has not ended yet, so a second one could pay twice."""

    code = "attempt_in_progress"


class PaymentExpired(CannotPay):
    """The deadline passed, or the quote was withdrawn."""

    code = "expired"


class AmountChanged(CannotPay):
    """The amount is not the one that the payer was shown."""

    code = "amount_changed"


class AmountRefused(CannotPay):
    """The gateway can't charge this amount: too little, too much, or not in this currency."""

    code = "amount_refused"


class CurrencyRefused(CannotPay):
    """The merchant's books can't hold this currency, so it could not be booked."""

    code = "currency_refused"


class GuestRefused(CannotPay):
    """A guest cannot pay this."""

    code = "guest_refused"


class TooManyAttempts(CannotPay):
    """A limit against card testing was reached; `wait` seconds until the next try may pass."""

    code = "too_many_attempts"

    def __init__(self, message: str, *, wait: int) -> None:
        super().__init__(message)
        self.wait = wait


class MerchantBraked(TooManyAttempts):
    """So many cards were declined at this merchant that no new ones are taken for a while."""


class StormDetected(MerchantBraked):
    """The same, and the brake is not on yet."""


class MerchantNotReady(CannotPay):
    """The merchant has not finished the set-up, or has switched payments off."""

    code = "merchant_not_ready"


class MethodNotAllowed(CannotPay):
    """CPQ, the merchant, the currency or the gateway does not allow this kind of method."""

    code = "method_not_allowed"


class MethodUnusable(CannotPay):
    """The saved method is somebody else's, removed, or invalid."""

    code = "method_unusable"


class VisitorChanged(CannotPay):
    """Somebody signed in or out since the page was opened, so it would be paid by another person than it says."""

    code = "visitor_changed"

    def __init__(self, message: str, *, is_signed_out: bool) -> None:
        super().__init__(message)
        self.is_signed_out = is_signed_out


class MustSaveMethod(CannotPay):
    """The quote recurs, so the method has to be saved."""

    code = "must_save_method"


class TermsNotAccepted(CannotPay):
    """The terms were not accepted, or not the ones in force."""

    code = "terms_not_accepted"


class NothingToRefund(CannotPay):
    """More than the remaining amount, or the payment is not paid."""

    code = "nothing_to_refund"


class RefundNotAllowed(NothingToRefund):
    """The person who orders the refund has no right to it, or not to so much at once."""

    code = "refund_not_allowed"


GENERAL_DEBIT_FAILURE = "Your bank refused the debit. Nothing was taken, or it went back to you. Pay by another method."
GENERAL_CARD_FAILURE = "Your bank declined this card. Nothing was charged. Try another card, or ask your bank why."

# What only the merchant can mend: the payer's bank was never asked (docs.stripe.com/error-codes).
GATEWAY_REFUSAL = _(
    "The payment could not be made, and nothing was charged. This is not your bank's doing. "
    "Please contact the merchant."
)

# Stripe's decline codes (docs.stripe.com/declines/codes). Codes that point at fraud or theft fall to GENERAL.
CARD_FAILURES = {
    "insufficient_funds": "There isn't enough money on this card. Nothing was charged. Try another card.",
    **dict.fromkeys(CARD_EXPIRED, "This card has expired. Nothing was charged. Try another card."),
    "incorrect_cvc": "The security code is not right. Nothing was charged. Check the code and try again.",
    "invalid_cvc": "The security code is not right. Nothing was charged. Check the code and try again.",
    "incorrect_number": "The card number is not right. Nothing was charged. Check it and try again.",
    **dict.fromkeys(
        ("incorrect_zip", "incorrect_postal_code"),
        "The postal code does not match this card. Nothing was charged. Check it and try again.",
    ),
    "invalid_expiry_month": "The expiry date is not right. Nothing was charged. Check it and try again.",
    "invalid_expiry_year": "The expiry date is not right. Nothing was charged. Check it and try again.",
    "processing_error": "The bank could not process the card just now. Nothing was charged. Please try again.",
    "try_again_later": "The bank could not answer just now. Nothing was charged. Please try again.",
    "issuer_not_available": "Your bank could not be reached. Nothing was charged. Please try again.",
    "card_not_supported": "This card can't be used for this kind of purchase. Nothing was charged. Try another card.",
    "currency_not_supported": "This card can't pay in this currency. Nothing was charged. Try another card.",
    "card_velocity_exceeded": "This card has reached its limit. Nothing was charged. Try another card.",
    "withdrawal_count_limit_exceeded": "This card has reached its limit. Nothing was charged. Try another card.",
    "payment_intent_authentication_failure": (
        "Your bank could not confirm that it was you, so nothing was charged. Try again or use another card."
    ),
    "setup_intent_authentication_failure": (
        "Your bank could not confirm that it was you, so nothing was saved. Try again or use another card."
    ),
    "authentication_required": "Your bank wants to confirm that it is you. Nothing was charged. Please try again.",
    "gateway_key": "The merchant's card service is not set up correctly. Nothing was charged. Please contact them.",
    "never_arrived": "The payment did not reach the bank. Nothing was charged. Please try again.",
}


# Why a bank sent a debit back (docs.stripe.com/declines/network-codes, /payments/ach-direct-debit, /au-becs-debit).
DEBIT_FAILURES: dict[str, Any] = {
    "insufficient_funds": "There was not enough money in the account. You can pay again, or by another method.",
    **dict.fromkeys(ACCOUNT_CLOSED, "The bank account is closed. Please pay by another method."),
    **dict.fromkeys(
        ACCOUNT_NOT_FOUND, "The bank could not find this account. Check its number, or pay by another method."
    ),
    "incorrect_account_holder_name": _("The name is not the one of this account. Check it, or pay by another method."),
    **dict.fromkeys(ACCOUNT_BLOCKED, "The bank does not allow debits from this account. Please pay by another method."),
    **dict.fromkeys(OWNER_CHANGED, "The account has another owner now. Please pay by another method."),
    **dict.fromkeys(NOT_AUTHORISED, "The bank says that this debit was not authorised. Please pay by another method."),
    **dict.fromkeys(MANDATE_ENDED, "The permission to debit this account has ended. Please pay by another method."),
}
DEBIT_FAILURES |= {code: CARD_FAILURES[code] for code in ("gateway_key", "never_arrived")}


# What the gateway says of the request itself, before any bank is asked (docs.stripe.com/error-codes).
REQUEST_FAILURES = {
    "resource_missing": "This payment method was removed, so nothing was charged. Please choose another one.",
    "customer_missing": "Your saved payment methods have ended, so nothing was charged. Please pay with a new one.",
    "token_missing": _(
        "What you typed could not be used any more, so nothing was charged. Load the page again and type it once more. "
        "If you read this again, please contact the merchant."
    ),
    "amount_too_small": "This amount is too small to be charged. Nothing was charged. Please contact the merchant.",
    "amount_too_large": "This amount is too large to be charged. Nothing was charged. Please contact the merchant.",
    "gateway_key": CARD_FAILURES["gateway_key"],
    "gateway_permission": CARD_FAILURES["gateway_key"],
    "undecided": _(
        "Nobody can find out any more how this payment ended, and the merchant was told. Please ask them before you "
        "pay again."
    ),
    "never_arrived": CARD_FAILURES["never_arrived"],
}


def explain_failure(code: str, *, is_debit: bool = False, was_declined: bool = True) -> str:
    """Return the message for a failure code. Without `was_declined` the gateway refused before a bank was asked."""
    if code in REQUEST_FAILURES:
        return str(REQUEST_FAILURES[code])
    known, general = (DEBIT_FAILURES, GENERAL_DEBIT_FAILURE) if is_debit else (CARD_FAILURES, GENERAL_CARD_FAILURE)
    return str(known.get(code, general if was_declined or not code else GATEWAY_REFUSAL))


def get_operation_failure(operation: GatewayOperation | None) -> str:
    """Return the message for a failed or reversed operation; empty for every other."""
    if operation is None or operation.state not in ("failed", "reversed"):
        return ""
    if operation.state == "reversed":
        return "The bank took this payment back after it had settled, so it is owed again."
    is_debit = operation.method_kind not in ("", "card")
    return explain_failure(operation.failure_code, is_debit=is_debit, was_declined=operation.was_declined)


# What only the merchant can mend, in words for the merchant; all else is the payer's and their bank's.
MERCHANT_FAILURES = {
    "gateway_key": "Stripe does not accept the keys that are saved under Gateway. Nothing was charged.",
    "never_arrived": "It did not reach Stripe. Nothing was charged; the payer can try again.",
    "resource_missing": "Stripe no longer has this method. Nothing was charged; the payer has to add another one.",
    "token_missing": "Stripe lacks what the payer typed: too old, or typed for another account. Nothing was charged.",
    "customer_missing": "Stripe no longer has this customer. Nothing was charged; the payer has to use a new method.",
    "amount_too_small": "The amount is below what Stripe charges. Nothing was charged.",
    "amount_too_large": "The amount is above what Stripe charges. Nothing was charged.",
}


def describe_failure_to_merchant(operation: GatewayOperation | None) -> str:
    """Return why an operation failed or was reversed, in words for the merchant; empty for every other."""
    if operation is None or operation.state not in ("failed", "reversed"):
        return ""
    if operation.state == "reversed":
        return "The payer's bank took this payment back after it had settled, so it is owed again."
    code = operation.failure_code
    if code in MERCHANT_FAILURES:
        return MERCHANT_FAILURES[code]
    if not operation.was_declined:
        said = f": {operation.failure_message}" if operation.failure_message else ""
        return f"Stripe refused it before the payer's bank was asked{said.rstrip('.')}. Nothing was charged."
    reason = f" ({code.replace('_', ' ')})" if code else ""
    if operation.method_kind not in ("", "card"):
        return f"The payer's bank refused the debit{reason}. Nothing was taken, or it went back to the payer."
    return f"The payer's bank declined the card{reason}. Nothing was charged; the payer can try another one."
