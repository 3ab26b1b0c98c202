"""Stripe's objects parsed: statuses, methods, refunds, disputes; and its units, steps and limits of currencies."""

import calendar
from datetime import UTC, date, datetime
from typing import Any

import stripe

from payments.gateways.protocol import (
    DisputeStatus,
    OperationResult,
    OperationStatus,
    RefundResult,
    RefundStatus,
    RemoteAction,
    RemoteDispute,
    RemoteMethod,
)
from wisepay.money import Money, get_currency_digits, split_codes

STATUSES: dict[str, OperationStatus] = {
    "requires_action": "requires_action",
    "processing": "processing",
    "requires_capture": "processing",
    "succeeded": "succeeded",
    "canceled": "cancelled",
    "requires_confirmation": "failed",
    "requires_payment_method": "failed",
}
REFUND_STATUSES: dict[str, RefundStatus] = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}
DISPUTE_STATUSES: dict[str, DisputeStatus] = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "closed",
    "won": "won",
    "lost": "lost",
    "prevented": "won",
}
# A page that needs Stripe.js or a session of its own is opened by handleNextAction; these stand by themselves.
ACTION_URLS = ("hosted_voucher_url", "hosted_verification_url", "hosted_instructions_url", "url")
ACTION_DEADLINES = ("expires_at", "expires_after", "arrival_date")


def parse_payment_intent(intent: stripe.PaymentIntent) -> OperationResult:
    """Parse a PaymentIntent; `latest_charge` and `payment_method` have to be expanded."""
    error = get_field(intent, "last_payment_error")
    status = parse_status(intent.status, error)
    failure = error if status == "failed" else None
    charge = get_field(intent, "latest_charge")
    used = get_field(get_field(charge, "payment_method_details"), "type") and get_field(
        charge, "payment_method_details"
    )
    method = get_field(error, "payment_method") or get_field(intent, "payment_method")
    received = intent.amount_received if status == "succeeded" else intent.amount
    return OperationResult(
        status=status,
        intent_id=intent.id,
        amount=from_stripe(received, intent.currency),
        client_secret=get_field(intent, "client_secret") or "",
        method=parse_method(used or method, id=get_id(method) or get_id(get_field(charge, "payment_method"))),
        failure_code=get_field(failure, "decline_code") or get_field(failure, "code") or "",
        failure_message=get_field(failure, "message") or "",
        reference=get_field(get_field(intent, "metadata"), "attempt") or "",
        action=parse_next_action(get_field(intent, "next_action")),
    )


def parse_setup_intent(setup: stripe.SetupIntent) -> OperationResult:
    """Parse a SetupIntent; `payment_method` has to be expanded."""
    error = get_field(setup, "last_setup_error")
    status = parse_status(setup.status, error)
    failure = error if status == "failed" else None
    method = get_field(setup, "payment_method") or get_field(error, "payment_method")
    return OperationResult(
        status=status,
        intent_id=setup.id,
        client_secret=get_field(setup, "client_secret") or "",
        method=parse_method(method, id=get_id(method), mandate_id=get_id(get_field(setup, "mandate"))),
        failure_code=get_field(failure, "decline_code") or get_field(failure, "code") or "",
        failure_message=get_field(failure, "message") or "",
        reference=get_field(get_field(setup, "metadata"), "setup") or "",
        action=parse_next_action(get_field(setup, "next_action")),
    )


def parse_next_action(action: Any) -> RemoteAction:
    """Parse what is asked of the payer; 3-D Secure, which Stripe.js shows in our page, is an empty one.

    Each kind has an object of its own name, with a page of Stripe's and a deadline under names of their own.
    """
    kind = str(get_field(action, "type") or "")
    if kind in ("", "use_stripe_sdk"):
        return RemoteAction()
    details = get_field(action, kind)
    urls = (get_field(details, name) for name in ACTION_URLS)
    until = next((value for name in ACTION_DEADLINES if (value := get_field(details, name))), None)
    return RemoteAction(
        kind=kind[:60],
        url=next((str(url) for url in urls if url and str(url).startswith(("https://", "http://"))), "")[:2000],
        expires_at=datetime.fromtimestamp(until, UTC) if isinstance(until, int) else None,
    )


def parse_status(stripe_status: str, error: Any) -> OperationStatus:
    """Parse a status. An intent that failed and was cancelled afterwards counts as failed."""
    status = STATUSES.get(stripe_status, "processing")
    return "failed" if status == "cancelled" and error else status


def parse_method(described: Any, *, id: str = "", mandate_id: str = "") -> RemoteMethod:  # noqa: A002
    """Parse a payment method, or the details of one on a charge; only the ids are known of one that is not expanded."""
    kind = get_field(described, "type")
    if not kind:
        return RemoteMethod(id=id, mandate_id=mandate_id)
    detail = get_field(described, kind)
    return RemoteMethod(
        id=id,
        kind=kind,
        brand=get_field(detail, "brand") or get_field(detail, "bank_name") or "",
        last4=get_field(detail, "last4") or "",
        expires_on=_last_day(get_field(detail, "exp_year"), get_field(detail, "exp_month")),
        mandate_id=mandate_id or get_id(get_field(detail, "mandate")),
        customer_id=get_id(get_field(described, "customer")),
        fingerprint=get_field(detail, "fingerprint") or "",
    )


def parse_refund(refund: stripe.Refund) -> RefundResult:
    """Parse a Refund."""
    return RefundResult(
        status=REFUND_STATUSES.get(refund.status or "", "processing"),
        refund_id=refund.id,
        amount=from_stripe(refund.amount, refund.currency),
        failure_code=get_field(refund, "failure_reason") or "",
        reference=get_field(get_field(refund, "metadata"), "refund") or "",
    )


def parse_dispute(dispute: stripe.Dispute) -> RemoteDispute:
    """Parse a Dispute. Source: docs.stripe.com/disputes/how-disputes-work (`warning_…` are inquiries)."""
    evidence = get_field(dispute, "evidence_details")
    due_by = get_field(evidence, "due_by")
    return RemoteDispute(
        status=DISPUTE_STATUSES.get(dispute.status, "open"),
        dispute_id=dispute.id,
        amount=from_stripe(dispute.amount, dispute.currency),
        reason=dispute.reason,
        due_by=datetime.fromtimestamp(due_by, UTC) if due_by else None,
        has_evidence=bool(get_field(evidence, "has_evidence")),
        fee=parse_dispute_fee(dispute),
    )


def parse_dispute_fee(dispute: stripe.Dispute) -> Money | None:
    """What Stripe keeps for a dispute, over all of its lines; None while it has none."""
    lines = get_field(dispute, "balance_transactions") or []
    if not lines:
        return None
    return from_stripe(sum(get_field(line, "fee") or 0 for line in lines), lines[0].currency)


def _last_day(year: int | None, month: int | None) -> date | None:
    return date(year, month, calendar.monthrange(year, month)[1]) if year and month else None


def get_field(thing: object, name: str) -> Any:
    """Read an attribute that Stripe may leave out; the SDK raises if it is absent."""
    return getattr(thing, name, None)


def get_id(thing: object) -> str:
    """Read the id of something that is an id, or expanded, or absent."""
    return thing if isinstance(thing, str) else get_field(thing, "id") or ""


ZERO_DECIMALS = split_codes("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF")
THREE_DECIMALS = split_codes("BHD JOD KWD OMR TND")
# Counted with two decimals that have to be 00 ("special cases").
WHOLE_ONLY = frozenset({"ISK", "UGX"})
TWO_DECIMALS = split_codes(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "WST XCD XCG YER ZAR ZMW"
)
CURRENCIES = ZERO_DECIMALS | THREE_DECIMALS | WHOLE_ONLY | TWO_DECIMALS

# Minor units at Stripe. Of a currency without a row Stripe asks for as much as MINIMUM_ELSEWHERE is worth, which only
# it knows.
MINIMUMS = {
    **dict.fromkeys(split_codes("ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD USD ZAR"), 50),
    "AED": 200, "BGN": 100, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "MXN": 1000, "MYR": 200,
    "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
# By how many digits `amount` may have for every method; cards of some networks take more.
MAXIMUM = 99_999_999
MAXIMUMS = {"IDR": 999_999_999_999, "COP": 9_999_999_999, "INR": 999_999_999}


class UnreadableAmount(ValueError):
    """Stripe named an amount that is no whole number of the currency's minor units."""


def get_stripe_digits(currency: str) -> int:
    """How many decimals Stripe counts the currency with; two where Stripe does not say otherwise."""
    return 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def to_stripe(money: Money) -> int:
    """The amount in the units that Stripe counts this currency in. Raises UnreadableAmount for a part of a unit."""
    return rescale(money.amount, get_currency_digits(money.currency), get_stripe_digits(money.currency))


def from_stripe(amount: int, currency: str) -> Money:
    """The reverse of `to_stripe`. Raises UnreadableAmount where our units can't hold it."""
    code = currency.upper()
    return Money(rescale(amount, get_stripe_digits(code), get_currency_digits(code)), code)


def rescale(amount: int, digits: int, wanted: int) -> int:
    """The amount with `wanted` decimals instead of `digits`. Raises UnreadableAmount instead of rounding."""
    if wanted >= digits:
        return amount * int(10 ** (wanted - digits))
    whole, rest = divmod(amount, int(10 ** (digits - wanted)))
    if rest:
        raise UnreadableAmount(f"{amount} with {digits} decimals does not fit into {wanted}")
    return whole


def get_step(currency: str) -> int:
    """The minor units of ours that a charge has to be a multiple of."""
    ours, theirs = get_currency_digits(currency), get_stripe_digits(currency)
    if currency in THREE_DECIMALS:
        return int(10 ** (ours - 2))  # "the least-significant (last) digit has to be 0"
    return int(10 ** max(ours - theirs, 0))


def get_charge_limits(currency: str) -> tuple[Money, Money]:
    """The least and the most that can be charged at once."""
    step = get_step(currency)
    least, most = MINIMUMS.get(currency, 1), MAXIMUMS.get(currency, MAXIMUM)
    ours = 10 ** get_currency_digits(currency)
    theirs = 10 ** get_stripe_digits(currency)
    return (
        Money(-(-least * ours // (theirs * step)) * step, currency),
        Money(most * ours // (theirs * step) * step, currency),
    )


def find_amount_problem(money: Money) -> str:
    """Why this amount can't be charged, as a sentence; empty when it can."""
    currency = money.currency
    if currency not in CURRENCIES:
        return f"Payments can't be taken in {currency}. Quote in another currency."
    least, most = get_charge_limits(currency)
    step = Money(get_step(currency), currency)
    if money.amount < least.amount:
        return f"At least {least} has to be paid at once."
    if money.amount > most.amount:
        return f"At most {most} can be paid at once."
    if money.amount % step.amount:
        return f"Amounts in {currency} have to be multiples of {step}."
    return ""
