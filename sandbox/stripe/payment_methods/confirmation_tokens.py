"""Confirmation tokens: what the browser's Payment Element collected, to be used once by the server."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import forms
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError, StripeParameterError
from sandbox.stripe.payment_methods import methods
from sandbox.stripe.shapes import build_address
from sandbox.stripe.shapes_customers import build_confirmation_token

Obj = dict[str, Any]
TOKEN_LIFETIME = 12 * 3600
# docs.stripe.com/payments/finalize-payments-on-the-server says so; the config `stripe_acss_tokens` is kinder.
WITHOUT_TOKENS = ("acss_debit",)
KNOWN_PARAMS = frozenset(
    {"payment_method_data", "return_url", "setup_future_usage", "shipping", "mandate_data", "expand"}
)


def create(call: StripeCall) -> Obj:
    """POST /v1/confirmation_tokens, by a browser with its publishable key only."""
    if not call.browser:
        raise StripeApiError("Confirmation tokens are made in the browser, with the publishable key.", status=403)
    account, given = call.account, call.params
    for name in set(given) - KNOWN_PARAMS:
        raise StripeParameterError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    method, saved = methods.build_method(account, given.get("payment_method_data") or {})
    token = build_confirmation_token(account.world.id("ctoken"), account.now(), account.now() + TOKEN_LIFETIME, method)
    token["return_url"] = given.get("return_url")
    token["setup_future_usage"] = given.get("setup_future_usage")
    if given.get("mandate_data"):
        ip, agent = call.client_address
        online = {"ip_address": ip, "user_agent": agent}
        token["mandate_data"] = {"customer_acceptance": {"online": online, "type": "online"}}
    if shipping := given.get("shipping"):
        token["shipping"] = {"name": shipping.get("name"), "phone": shipping.get("phone")}
        token["shipping"]["address"] = build_address(shipping.get("address"))
    account.private_data(token["id"]).update(saved=saved, method=method)
    return account.add(token)


def parse_browser_params(encoded: str) -> Obj:
    """The browser's own form: it has no typed parameters, so only its shape is read."""
    found = forms.decode_form(encoded)
    if isinstance(found.get("expand"), dict):
        found["expand"] = forms.list_values(found["expand"])
    return found


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/confirmation_tokens/{id}."""
    return call.account.find("confirmation_token", call.path["id"], "confirmation_token")


def redeem_token(account: StripeAccount, name: str, intent: Obj) -> Obj:
    """Use the token up for this intent and return its payment method; raises StripeApiError."""
    token = account.find("confirmation_token", name, "confirmation_token")
    if token["payment_intent"] or token["setup_intent"]:
        raise StripeApiError(
            f"The ConfirmationToken {name} was used already. Each can confirm one intent once.",
            code="confirmation_token_already_used",
            param="confirmation_token",
        )
    if token["expires_at"] <= account.now():
        raise StripeApiError(
            f"The ConfirmationToken {name} has expired.",
            code="confirmation_token_expired",
            param="confirmation_token",
        )
    hidden = account.private_data(name)
    kind = hidden["method"]["type"]
    if kind in WITHOUT_TOKENS and not account.world.config.get("stripe_acss_tokens"):
        raise StripeApiError(
            f"Confirmation tokens can't be used with the payment method type {kind}.",
            code="confirmation_token_unsupported_payment_method",
            param="confirmation_token",
        )
    method = methods.save_method(account, hidden.pop("method"), hidden.pop("saved"))
    token[intent["object"]] = intent["id"]
    if "setup_future_usage" in intent and token["setup_future_usage"]:
        intent["setup_future_usage"] = token["setup_future_usage"]
    if token["shipping"] and "shipping" in intent and not intent["shipping"]:
        intent["shipping"] = {"carrier": None, "tracking_number": None, **token["shipping"]}
    apply_token_options(account, name, account.private_data(intent["id"]))
    return method


def apply_token_options(account: StripeAccount, name: str, options: Obj) -> None:
    """Copy the token's options to an attempt, without using it up; raises a 404."""
    token = account.find("confirmation_token", name, "confirmation_token")
    for field in ("mandate_data", "return_url"):
        if token[field]:
            options.setdefault(field, token[field])
