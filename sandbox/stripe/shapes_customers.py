"""The shapes of customers, payment methods and webhook endpoints."""

from __future__ import annotations

from typing import Any

from sandbox.stripe.shapes import build_billing_details

Obj = dict[str, Any]
API_VERSION = "2026-10-28.endive"


def build_customer(name: str, created: int) -> Obj:
    """A customer of whom nothing is known."""
    return {
        "id": name,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": name[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def build_payment_method(name: str, created: int, kind: str, details: Obj, billed: Obj | None) -> Obj:
    """A payment method of the type `kind`, not attached to anyone."""
    return {
        "id": name,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": build_billing_details(billed),
        "created": created,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        kind: details,
    }


def build_confirmation_token(name: str, created: int, expires: int, method: Obj) -> Obj:
    """What a browser collected, for the server to confirm with once."""
    preview = {
        key: value for key, value in method.items() if key not in ("id", "object", "created", "livemode", "metadata")
    }
    return {
        "id": name,
        "object": "confirmation_token",
        "created": created,
        "expires_at": expires,
        "livemode": False,
        "mandate_data": None,
        "payment_intent": None,
        "payment_method_options": None,
        "payment_method_preview": preview,
        "return_url": None,
        "setup_future_usage": None,
        "setup_intent": None,
        "shipping": None,
        "use_stripe_sdk": True,
    }


def build_mandate(name: str, method: Obj, acceptance: Obj, *, multi_use: bool) -> Obj:
    """The payer's consent to be debited."""
    kind = method["type"]
    details: Obj = {"type": kind, kind: {}}
    if kind in ("sepa_debit", "bacs_debit", "au_becs_debit"):
        details[kind] = {"reference": name[-16:].upper(), "url": ""}
    body: Obj = {
        "id": name,
        "object": "mandate",
        "customer_acceptance": acceptance,
        "livemode": False,
        "payment_method": method["id"],
        "payment_method_details": details,
        "status": "active",
        "type": "multi_use" if multi_use else "single_use",
    }
    return {**body, "multi_use": {}} if multi_use else body


def build_webhook_endpoint(name: str, created: int, url: str, events: list[str]) -> Obj:
    """An address that receives events. Its secret is shown only once, at creation."""
    return {
        "id": name,
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": created,
        "description": None,
        "enabled_events": events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
    }


def build_event(name: str, created: int, kind: str, item: Obj, request: Obj) -> Obj:
    """Something that happened to `item`, which must be a copy."""
    return {
        "id": name,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": {"object": item},
        "livemode": False,
        "pending_webhooks": 0,
        "request": request,
        "type": kind,
    }


def build_account_object(name: str, created: int, country: str, currency: str, business: str) -> Obj:
    """The account itself, as its own key sees it."""
    return {
        "id": name,
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": business,
            "product_description": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": None,
        },
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": country,
        "created": created,
        "default_currency": currency,
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {"statement_descriptor_prefix": None},
            "dashboard": {"display_name": business, "timezone": "Etc/UTC"},
            "payments": {"statement_descriptor": "PRACTICE"},
        },
        "type": "standard",
    }
