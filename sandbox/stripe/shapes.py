"""The shapes of Stripe's objects about payments, each with every field that Stripe shows."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]
ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")


def build_address(given: Obj | None = None) -> Obj:
    """An address with null for what is not given."""
    return {field: (given or {}).get(field) or None for field in ADDRESS_FIELDS}


def build_billing_details(given: Obj | None = None) -> Obj:
    """Billing details with null for what is not given."""
    details = given or {}
    plain = {field: details.get(field) or None for field in ("email", "name", "phone", "tax_id")}
    return {"address": build_address(details.get("address")), **plain}


def build_payment_intent(name: str, secret: str, created: int, amount: int, currency: str) -> Obj:
    """A payment intent that nobody has tried to pay."""
    return {
        "id": name,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": secret,
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": None,
        "customer_account": None,
        "description": None,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def build_setup_intent(name: str, secret: str, created: int) -> Obj:
    """A setup intent that nobody has confirmed."""
    return {
        "id": name,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": secret,
        "created": created,
        "customer": None,
        "description": None,
        "excluded_payment_method_types": None,
        "flow_directions": None,
        "last_setup_error": None,
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": "requires_payment_method",
        "usage": "off_session",
    }


def build_charge(name: str, created: int, intent: Obj, method: Obj, details: Obj) -> Obj:
    """A charge for an intent, before its outcome is known. `details` is `payment_method_details`."""
    return {
        "id": name,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": intent["statement_descriptor_suffix"],
        "captured": False,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": details,
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def build_outcome(kind: str, message: str, reason: str | None = None, network: str | None = None) -> Obj:
    """The network's decision about a charge: `kind` is authorized, issuer_declined or invalid."""
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network or ("approved_by_network" if kind == "authorized" else "declined_by_network"),
        "reason": reason,
        "seller_message": message,
        "type": kind,
    }


def build_balance_transaction(
    name: str, created: int, available: int, source: Obj, *, amount: int, fee: int, kind: str
) -> Obj:
    """A line of the account's balance, in minor units; `available` is an epoch second."""
    fees = {"amount": fee, "application": None, "currency": source["currency"], "type": "stripe_fee"}
    return {
        "id": name,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available,
        "balance_type": "payments",
        "created": created,
        "currency": source["currency"],
        "description": source.get("description"),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [{**fees, "description": "Stripe processing fees"}] if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": source["id"],
        "status": "pending",
        "type": kind,
    }


def build_payout(name: str, created: int, arrives: int, amount: int, currency: str) -> Obj:
    """Money on its way to the account's bank; `created` and `arrives` are epoch seconds."""
    return {
        "id": name,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": arrives,
        "automatic": True,
        "balance_transaction": None,
        "created": created,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": "ba_practice",
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "completed",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": None,
        "type": "bank_account",
    }


def build_refund(name: str, created: int, charge: Obj, amount: int, kind: str) -> Obj:
    """A refund that went through; `kind` is the type of the payment method."""
    details: Obj = {"type": kind}
    if kind == "card":
        details["card"] = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
        details["card"] |= {"type": "refund"}
    else:
        details[kind] = {}
    return {
        "id": name,
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": details,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def build_dispute(name: str, created: int, charge: Obj, amount: int, reason: str, method: Obj) -> Obj:
    """A dispute of a charge; of a card it needs a response, of a bank debit it is lost at once."""
    card = method["type"] == "card"
    details: Obj = {"type": method["type"]}
    if card:
        brand = method["card"]["brand"]
        details["card"] = {"brand": brand, "case_type": "chargeback", "network_reason_code": "83"}
        details["card"] |= {"network": brand}
    return {
        "id": name,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": created + 7 * 86400 if card else None,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": details,
        "reason": reason,
        "status": "needs_response" if card else "lost",
    }
