"""Parse Stripe's objects: statuses, amounts, methods, refunds, disputes."""

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
from payments.gateways.stripe.currencies import from_stripe
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
