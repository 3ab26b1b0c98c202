"""Payment intents: create, update, confirm, cancel, capture, and what each may say no to."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import charging, methods, shapes, tokens
from sandbox.stripe.accounts import Account, secret_fits
from sandbox.stripe.calls import Call, copy_given, merge_metadata
from sandbox.stripe.checks import (
    check_amount,
    check_confirm_only,
    check_currency,
    check_return_url,
    check_words,
    payment_types,
)
from sandbox.stripe.errors import ApiError, unexpected_state
from sandbox.stripe.events import emit

Obj = dict[str, Any]
PLAIN = (
    "description",
    "receipt_email",
    "statement_descriptor_suffix",
    "statement_descriptor",
    "setup_future_usage",
    "transfer_group",
    "capture_method",
    "on_behalf_of",
    "payment_method_options",
    "excluded_payment_method_types",
    "application_fee_amount",
)
OPTIONS = (
    "return_url",
    "use_stripe_sdk",
    "off_session",
    "error_on_requires_action",
    "mandate",
    "mandate_data",
)
CANCELLABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
OPEN = CANCELLABLE[:3]


def create(call: Call) -> Obj:
    """POST /v1/payment_intents."""
    account, given = call.account, call.params
    check_currency(given["currency"])
    check_amount(given["amount"], given["currency"].lower())
    if not given.get("confirm"):
        check_confirm_only(given)
    name = account.world.id("pi")
    secret = f"{name}_secret_{account.world.id('s', 25)[2:]}"
    intent = shapes.payment_intent(name, secret, account.now(), given["amount"], given["currency"].lower())
    intent["confirmation_method"] = given.get("confirmation_method", "automatic")
    choose_types(intent, given)
    apply(account, intent, given)
    if given.get("confirm"):
        prepare(account, intent, given)
    method = method_of(account, intent, given)
    if given.get("confirm") and method is None:
        raise missing_method(intent)
    account.add(intent)
    emit(account, "payment_intent.created", intent)
    if given.get("confirm") and method:
        charging.attempt(account, intent, method)
    return intent


def choose_types(intent: Obj, given: Obj) -> None:
    """Which kinds of method may pay: those named, or those of the dashboard for the currency."""
    allowed, automatic = given.get("allowed_payment_method_types"), given.get("automatic_payment_methods")
    if allowed and (automatic or {}).get("enabled"):
        raise ApiError(
            "Say either automatic_payment_methods or allowed_payment_method_types, not both.",
            param="allowed_payment_method_types",
        )
    if allowed is None and (automatic is None or automatic.get("enabled")):
        redirects = (automatic or {}).get("allow_redirects", "always")
        intent["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}
    banned = given.get("excluded_payment_method_types") or []
    intent["payment_method_types"] = payment_types(intent["currency"], allowed, banned)


def apply(account: Account, intent: Obj, given: Obj) -> None:
    """Take over what create, update and confirm have in common."""
    check_words(given, intent)
    copy_given(intent, given, PLAIN)
    merge_metadata(intent, given.get("metadata"))
    if customer := given.get("customer"):
        account.find("customer", customer, "customer")
        intent["customer"] = customer
    if shipping := given.get("shipping"):
        plain = {field: shipping.get(field) for field in ("carrier", "name", "phone", "tracking_number")}
        intent["shipping"] = {"address": shapes.address(shipping.get("address")), **plain}


def method_of(account: Account, intent: Obj, given: Obj) -> Obj | None:
    """The method that these parameters name, kept on the intent; raises ApiError."""
    if token := given.get("confirmation_token"):
        method = tokens.redeem(account, token, intent)
    elif name := given.get("payment_method"):
        method = methods.named(account, name)
        methods.usable(account, method, intent)
    elif data := given.get("payment_method_data"):
        method = methods.keep(account, *methods.build(account, data))
    else:
        return account.table("payment_method").get(intent["payment_method"] or "")
    if method["type"] not in intent["payment_method_types"]:
        raise ApiError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Its "
            f"types are: {', '.join(intent['payment_method_types'])}.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")
    return method


def prepare(account: Account, intent: Obj, given: Obj) -> None:
    """Remember how an attempt shall run; raises ApiError before a confirmation token is used up."""
    options = account.private(intent["id"])
    options.update({"off_session": False, "error_on_requires_action": False, "mandate": None})
    options.update({name: given[name] for name in OPTIONS if name in given})
    if token := given.get("confirmation_token"):
        tokens.lend(account, token, options)
    check_return_url(intent, options)


def missing_method(intent: Obj) -> ApiError:
    """The refusal to confirm an intent without a way to pay."""
    return unexpected_state(intent, "confirm", "it's missing a payment method")


def found(call: Call) -> Obj:
    """The intent in the path; a browser must prove that it may see it."""
    intent = call.account.find("payment_intent", call.path["id"], "intent")
    if call.browser:
        secret_fits(intent, call.client_secret)
    return intent


def retrieve(call: Call) -> Obj:
    """GET /v1/payment_intents/{id}."""
    intent = found(call)
    secret = call.params.get("client_secret")
    if secret:
        secret_fits(intent, secret)
    return intent


def update(call: Call) -> Obj:
    """POST /v1/payment_intents/{id}."""
    intent, given = found(call), call.params
    if intent["status"] not in OPEN and set(given) - {"metadata", "description", "receipt_email", "expand"}:
        raise unexpected_state(intent, "update", f"it has a status of {intent['status']}")
    currency = str(given.get("currency") or intent["currency"]).lower()
    check_currency(currency)
    if "amount" in given:
        check_amount(given["amount"], currency)
        intent["amount"] = given["amount"]
    intent["currency"] = currency
    apply(call.account, intent, given)
    method_of(call.account, intent, given)
    return intent


def confirm(call: Call) -> Obj:
    """POST /v1/payment_intents/{id}/confirm; raises the 402 of a decline."""
    account, intent, given = call.account, found(call), call.params
    if intent["status"] == "succeeded":
        raise unexpected_state(intent, "confirm", "it has already succeeded after being previously confirmed")
    if intent["status"] not in OPEN:
        raise unexpected_state(intent, "confirm", f"it has a status of {intent['status']}")
    if call.browser and intent["confirmation_method"] == "manual":
        raise unexpected_state(intent, "confirm", "its confirmation_method is manual: confirm on a server")
    if call.browser:
        given.setdefault("use_stripe_sdk", True)
    apply(account, intent, given)
    prepare(account, intent, given)
    method = method_of(account, intent, given)
    if method is None:
        raise missing_method(intent)
    charging.attempt(account, intent, method)
    return intent


def cancel(call: Call) -> Obj:
    """POST /v1/payment_intents/{id}/cancel."""
    intent = found(call)
    if intent["status"] not in CANCELLABLE:
        raise unexpected_state(intent, "cancel", f"it has a status of {intent['status']}")
    intent.update(
        status="canceled",
        canceled_at=call.account.now(),
        cancellation_reason=call.params.get("cancellation_reason"),
        next_action=None,
        amount_capturable=0,
    )
    emit(call.account, "payment_intent.canceled", intent)
    return intent


def capture(call: Call) -> Obj:
    """POST /v1/payment_intents/{id}/capture."""
    intent = found(call)
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "capture", f"it has a status of {intent['status']}")
    amount = int(call.params.get("amount_to_capture") or intent["amount_capturable"])
    if not 0 < amount <= intent["amount_capturable"]:
        raise ApiError("The amount is more than can be captured.", param="amount_to_capture")
    charge = call.account.find("charge", intent["latest_charge"])
    charging.collect(call.account, charge, amount)
    emit(call.account, "charge.captured", charge)
    charging.finish(call.account, intent)
    return intent
