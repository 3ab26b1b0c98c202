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
    RemoteDispute,
    RemoteMethod,
)
from payments.gateways.stripe.currencies import from_stripe

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
    )


def _last_day(year: int | None, month: int | None) -> date | None:
    return date(year, month, calendar.monthrange(year, month)[1]) if year and month else None


def get_field(thing: object, name: str) -> Any:
    """Read an attribute that Stripe may leave out; the SDK raises if it is absent."""
    return getattr(thing, name, None)


def get_id(thing: object) -> str:
    """Read the id of something that is an id, or expanded, or absent."""
    return thing if isinstance(thing, str) else get_field(thing, "id") or ""
