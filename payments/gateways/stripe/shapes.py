"""Parse Stripe's objects: statuses, amounts, methods, refunds, disputes."""

import calendar
from datetime import date
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
from payments.gateways.stripe.fields import (
    get_field,
    get_id,
    get_text,
    get_time,
    require_id,
    require_money,
    require_word,
)
from wisepay.money import Money

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


def parse_payment_intent(intent: stripe.PaymentIntent, *, expected: str = "") -> OperationResult:
    """Parse a PaymentIntent, the `expected` one; `latest_charge` and `payment_method` have to be expanded."""
    error = get_field(intent, "last_payment_error")
    status = parse_status(require_word(intent, "status"), error)
    code, message = parse_failure(error if status == "failed" else None)
    charge = get_field(intent, "latest_charge")
    used = get_field(charge, "payment_method_details")
    used = used if get_text(used, "type") else None
    method = get_field(error, "payment_method") or get_field(intent, "payment_method")
    return OperationResult(
        status=status,
        intent_id=require_id(intent, expected=expected),
        amount=require_money(intent, "amount_received" if status == "succeeded" else "amount"),
        client_secret=get_text(intent, "client_secret"),
        method=parse_method(used or method, id=get_id(method) or get_id(get_field(charge, "payment_method"))),
        failure_code=code,
        failure_message=message,
        reference=get_text(get_field(intent, "metadata"), "attempt"),
        action=parse_next_action(get_field(intent, "next_action")),
    )


def parse_setup_intent(setup: stripe.SetupIntent, *, expected: str = "") -> OperationResult:
    """Parse a SetupIntent, the `expected` one; `payment_method` has to be expanded."""
    error = get_field(setup, "last_setup_error")
    status = parse_status(require_word(setup, "status"), error)
    code, message = parse_failure(error if status == "failed" else None)
    method = get_field(setup, "payment_method") or get_field(error, "payment_method")
    return OperationResult(
        status=status,
        intent_id=require_id(setup, expected=expected),
        client_secret=get_text(setup, "client_secret"),
        method=parse_method(method, id=get_id(method), mandate_id=get_id(get_field(setup, "mandate"))),
        failure_code=code,
        failure_message=message,
        reference=get_text(get_field(setup, "metadata"), "setup"),
        action=parse_next_action(get_field(setup, "next_action")),
    )


def parse_failure(error: Any) -> tuple[str, str]:
    """Code and message of why an intent failed: the bank's reason where one is named, else Stripe's."""
    code = get_text(error, "decline_code", longest=60) or get_text(error, "code", longest=60)
    return code, get_text(error, "message", longest=300)


def parse_next_action(action: Any) -> RemoteAction:
    """Parse what is asked of the payer; 3-D Secure, which Stripe.js shows in our page, is an empty one.

    Each kind has an object of its own name, with a page of Stripe's and a deadline under names of their own.
    """
    kind = get_text(action, "type", longest=60)
    if kind in ("", "use_stripe_sdk"):
        return RemoteAction()
    details = get_field(action, kind)
    urls = (get_text(details, name, longest=2000) for name in ACTION_URLS)
    until = (get_time(get_field(details, name)) for name in ACTION_DEADLINES)
    return RemoteAction(
        kind=kind,
        url=next((url for url in urls if url.startswith(("https://", "http://"))), ""),
        expires_at=next((instant for instant in until if instant is not None), None),
    )


def parse_status(stripe_status: str, error: Any) -> OperationStatus:
    """Parse a status. An intent that failed and was cancelled afterwards counts as failed."""
    status = STATUSES.get(stripe_status, "processing")
    return "failed" if status == "cancelled" and error else status


def parse_method(described: Any, *, id: str = "", mandate_id: str = "") -> RemoteMethod:  # noqa: A002
    """Parse a payment method, or the details of one on a charge; only the ids are known of one that is not expanded."""
    kind = get_text(described, "type", longest=20)
    if not kind:
        return RemoteMethod(id=id, mandate_id=mandate_id, customer_id=get_id(get_field(described, "customer")))
    detail = get_field(described, kind)
    return RemoteMethod(
        id=id,
        kind=kind,
        brand=get_text(detail, "brand", longest=60) or get_text(detail, "bank_name", longest=60),
        last4=get_text(detail, "last4", longest=4),
        expires_on=build_last_day(get_field(detail, "exp_year"), get_field(detail, "exp_month")),
        mandate_id=mandate_id or get_id(get_field(detail, "mandate")),
        customer_id=get_id(get_field(described, "customer")),
        fingerprint=get_text(detail, "fingerprint", longest=64),
        blocked=get_text(get_field(get_field(detail, "status_details"), "blocked"), "reason", longest=60),
    )


def parse_refund(refund: stripe.Refund) -> RefundResult:
    """Parse a Refund."""
    return RefundResult(
        status=REFUND_STATUSES.get(require_word(refund, "status"), "processing"),
        refund_id=require_id(refund),
        amount=require_money(refund, "amount"),
        failure_code=get_text(refund, "failure_reason", longest=60),
        reference=get_text(get_field(refund, "metadata"), "refund"),
    )


def parse_dispute(dispute: stripe.Dispute) -> RemoteDispute:
    """Parse a Dispute. Source: docs.stripe.com/disputes/how-disputes-work (`warning_…` are inquiries)."""
    evidence = get_field(dispute, "evidence_details")
    return RemoteDispute(
        status=DISPUTE_STATUSES.get(require_word(dispute, "status"), "open"),
        dispute_id=require_id(dispute),
        amount=require_money(dispute, "amount"),
        reason=get_text(dispute, "reason", longest=60),
        due_by=get_time(get_field(evidence, "due_by")),
        has_evidence=get_field(evidence, "has_evidence") is True,
        fee=parse_dispute_fee(dispute),
    )


def parse_dispute_fee(dispute: stripe.Dispute) -> Money | None:
    """What Stripe keeps for a dispute, over all of its lines; None while it has none, or says so in no way we know."""
    lines = get_field(dispute, "balance_transactions")
    if not isinstance(lines, list):
        return None
    total: Money | None = None
    for line in lines:
        try:
            fee = require_money(line, "fee", may_be_negative=True)
        except ValueError:
            return None
        if total is not None and total.currency != fee.currency:
            return None
        total = fee if total is None else total + fee
    return total


def build_last_day(year: object, month: object) -> date | None:
    """The last day of a card's month; None for what is no month."""
    if not isinstance(year, int) or not isinstance(month, int) or not (2000 <= year <= 2200 and 1 <= month <= 12):
        return None
    return date(year, month, calendar.monthrange(year, month)[1])
