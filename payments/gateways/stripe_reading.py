"""Stripe's objects in our words: statuses, amounts, methods, and its three ways to say no."""

import calendar
from datetime import date
from typing import Any

import stripe

from payments.gateways.words import DisputeFacts, DisputeStatus, Method, Outcome, RefundOutcome, RefundStatus, Status
from wisepay.errors import Rejected, Unavailable
from wisepay.money import Money, digits_of

STATUSES: dict[str, Status] = {
    "requires_action": "requires_action",
    "processing": "processing",
    "requires_capture": "processing",
    "succeeded": "succeeded",
    "canceled": "cancelled",
    "requires_confirmation": "failed",
    "requires_payment_method": "failed",
}
REFUND_STATUSES: dict[str, RefundStatus] = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}
DISPUTE_STATUSES: dict[str, DisputeStatus] = {"won": "won", "lost": "lost", "prevented": "won"}
# Currencies that Stripe counts in other units than ISO 4217 does (docs.stripe.com/currencies).
TWO_DECIMALS_AT_STRIPE = frozenset({"ISK", "UGX"})


def to_stripe(money: Money) -> int:
    """The amount in the units that Stripe counts this currency in."""
    return (
        money.amount * 100
        if money.currency in TWO_DECIMALS_AT_STRIPE and not digits_of(money.currency)
        else money.amount
    )


def from_stripe(amount: int, currency: str) -> Money:
    """The reverse of `to_stripe`."""
    code = currency.upper()
    return Money(amount // 100 if code in TWO_DECIMALS_AT_STRIPE and not digits_of(code) else amount, code)


def outcome_of(intent: stripe.PaymentIntent) -> Outcome:
    """A PaymentIntent in our words; `latest_charge` and `payment_method` have to be expanded."""
    error = of(intent, "last_payment_error")
    status = status_of(intent.status, error)
    failure = error if status == "failed" else None
    charge = of(intent, "latest_charge")
    used = of(of(charge, "payment_method_details"), "type") and of(charge, "payment_method_details")
    kept = of(error, "payment_method") or of(intent, "payment_method")
    received = intent.amount_received if status == "succeeded" else intent.amount
    return Outcome(
        status=status,
        intent_id=intent.id,
        amount=from_stripe(received, intent.currency),
        client_secret=of(intent, "client_secret") or "",
        method=method_of(used or kept, id=id_of(kept) or id_of(of(charge, "payment_method"))),
        failure_code=of(failure, "decline_code") or of(failure, "code") or "",
        failure_message=of(failure, "message") or "",
        reference=of(of(intent, "metadata"), "attempt") or "",
    )


def setup_outcome(setup: stripe.SetupIntent) -> Outcome:
    """A SetupIntent in our words; `payment_method` has to be expanded."""
    error = of(setup, "last_setup_error")
    status = status_of(setup.status, error)
    failure = error if status == "failed" else None
    kept = of(setup, "payment_method") or of(error, "payment_method")
    return Outcome(
        status=status,
        intent_id=setup.id,
        client_secret=of(setup, "client_secret") or "",
        method=method_of(kept, id=id_of(kept), mandate_id=id_of(of(setup, "mandate"))),
        failure_code=of(failure, "decline_code") or of(failure, "code") or "",
        failure_message=of(failure, "message") or "",
        reference=of(of(setup, "metadata"), "setup") or "",
    )


def status_of(said: str, error: Any) -> Status:
    """The gateway's status in our words. One that failed and was ended afterwards has failed: the reason counts."""
    status = STATUSES.get(said, "processing")
    return "failed" if status == "cancelled" and error else status


def method_of(described: Any, *, id: str = "", mandate_id: str = "") -> Method:  # noqa: A002
    """A payment method, or the details of one on a charge, in our words; nothing where it is only an id."""
    kind = of(described, "type")
    if not kind:
        return Method(id=id, mandate_id=mandate_id)
    detail = of(described, kind)
    return Method(
        id=id,
        kind=kind,
        brand=of(detail, "brand") or of(detail, "bank_name") or "",
        last4=of(detail, "last4") or "",
        expires_on=_last_day(of(detail, "exp_year"), of(detail, "exp_month")),
        mandate_id=mandate_id or id_of(of(detail, "mandate")),
        customer_id=id_of(of(described, "customer")),
    )


def refund_outcome(refund: stripe.Refund) -> RefundOutcome:
    """A Refund in our words."""
    return RefundOutcome(
        status=REFUND_STATUSES.get(refund.status or "", "processing"),
        refund_id=refund.id,
        amount=from_stripe(refund.amount, refund.currency),
        failure_code=of(refund, "failure_reason") or "",
        reference=of(of(refund, "metadata"), "refund") or "",
    )


def dispute_facts(dispute: stripe.Dispute) -> DisputeFacts:
    """A Dispute in our words; an inquiry (`warning_…`) is open until it is closed, which takes no money."""
    status: DisputeStatus = (
        "won" if dispute.status == "warning_closed" else DISPUTE_STATUSES.get(dispute.status, "open")
    )
    return DisputeFacts(status, dispute.id, from_stripe(dispute.amount, dispute.currency), dispute.reason)


def _last_day(year: int | None, month: int | None) -> date | None:
    return date(year, month, calendar.monthrange(year, month)[1]) if year and month else None


def of(thing: object, name: str) -> Any:
    """An attribute that Stripe may leave out; the SDK raises where it is absent."""
    return getattr(thing, name, None)


def id_of(thing: object) -> str:
    """The id of something that is an id, or expanded, or absent."""
    return thing if isinstance(thing, str) else of(thing, "id") or ""


def no(error: stripe.StripeError) -> Exception:
    """Stripe's no in the three ways of this house."""
    if isinstance(error, stripe.RateLimitError):
        return Unavailable("Stripe asks us to slow down", retry_after=2)
    if isinstance(error, stripe.APIConnectionError):
        return Unavailable("Stripe does not answer")
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return Rejected("gateway_key", "Stripe does not accept the secret key.")
    status = error.http_status or 0
    if status >= 500 or status == 409 or isinstance(error, stripe.APIError):
        return Unavailable(f"Stripe answered {status}")
    if isinstance(error, stripe.IdempotencyError):
        return Rejected("idempotency", "Stripe knows this key with other words.")
    return Rejected(error.code or "refused", error.user_message or "Stripe refused the request.")
