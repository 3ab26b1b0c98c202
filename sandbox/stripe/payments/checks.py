"""Checks of parameters, texts and methods."""

from __future__ import annotations

import re
from typing import Any

from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods.banks import DEBIT_TYPES

Obj = dict[str, Any]
CONFIRM_ONLY = (
    "confirmation_token",
    "error_on_requires_action",
    "mandate",
    "mandate_data",
    "off_session",
    "return_url",
    "use_stripe_sdk",
)
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")


def check_confirm_only(given: Obj) -> None:
    """Raise for parameters that only make sense together with confirm=true."""
    for name in CONFIRM_ONLY:
        if name in given:
            raise StripeApiError(
                f"The parameter `{name}` cannot be passed unless `confirm` is set to true.", param=name
            )


def check_texts(given: Obj, intent: Obj) -> None:
    """Raise for texts that Stripe would not print or mail."""
    mail = given.get("receipt_email")
    if mail and not EMAIL.match(mail):
        raise StripeApiError(f"Invalid email address: {mail}", code="email_invalid", param="receipt_email")
    if given.get("statement_descriptor") and "card" in intent["payment_method_types"]:
        raise StripeApiError(
            "statement_descriptor is not supported for cards: use statement_descriptor_suffix.",
            code="payment_intent_invalid_parameter",
            param="statement_descriptor",
        )
    suffix = given.get("statement_descriptor_suffix")
    if suffix and (len(suffix) > 22 or not re.search("[A-Za-z]", suffix) or re.search(r"[<>\\'\"*]", suffix)):
        raise StripeApiError(
            "The statement descriptor suffix holds at most 22 characters, at least one letter, and none of "
            "the characters < > \\ ' \" *.",
            param="statement_descriptor_suffix",
        )
    if len(given.get("description") or "") > 1000:
        raise StripeApiError("Invalid string: at most 1000 characters.", param="description")


def check_return_url(intent: Obj, options: Obj) -> None:
    """Raise when a method of the dashboard might redirect the payer and there is no return_url."""
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] != "never" and not options.get("return_url"):
        kind = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
        raise StripeApiError(
            f"This {kind} accepts payment methods enabled in your Dashboard, some of which redirect. "
            "Provide a `return_url`, or set automatic_payment_methods[allow_redirects] to never.",
            param="return_url",
        )


def list_payment_method_types(currency: str, allowed: list[str] | None, banned: list[str]) -> list[str]:
    """The kinds of method that can pay in this currency, out of those allowed."""
    fitting = ["card", *(kind for kind, bank in DEBIT_TYPES.items() if bank.currency == currency)]
    named = fitting if allowed is None else [kind for kind in allowed if kind in fitting]
    found = [kind for kind in named if kind not in banned]
    if not found:
        raise StripeApiError(
            f"No valid payment method types for this PaymentIntent in {currency}.",
            code="payment_intent_invalid_parameter",
            param="allowed_payment_method_types",
        )
    return found
