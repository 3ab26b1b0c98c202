"""Payment intents: create, update, confirm, cancel, capture, and what each may say no to."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import StripeAccount, check_client_secret
from sandbox.stripe.calls import StripeCall, copy_params, merge_metadata
from sandbox.stripe.errors import StripeApiError, build_unexpected_state_error
from sandbox.stripe.payment_methods import confirmation_tokens, methods
from sandbox.stripe.payments import charging
from sandbox.stripe.payments.checks import (
    check_amount,
    check_confirm_only,
    check_currency,
    check_return_url,
    check_texts,
    list_payment_method_types,
)
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
SIMPLE_FIELDS = (
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
ATTEMPT_OPTIONS = (
    "return_url",
    "use_stripe_sdk",
    "off_session",
    "error_on_requires_action",
    "mandate",
    "mandate_data",
)
CANCELLABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")
UPDATABLE = CANCELLABLE[:3]


def create(call: StripeCall) -> Obj:
    """POST /v1/payment_intents."""
    account, given = call.account, call.params
    check_currency(given["currency"])
    check_amount(given["amount"], given["currency"].lower())
    if not given.get("confirm"):
        check_confirm_only(given)
    name = account.world.id("pi")
    secret = f"{name}_secret_{account.world.id('s', 25)[2:]}"
    intent = shapes.build_payment_intent(name, secret, account.now(), given["amount"], given["currency"].lower())
    intent["confirmation_method"] = given.get("confirmation_method", "automatic")
    set_method_types(intent, given)
    apply_params(account, intent, given)
    if given.get("confirm"):
        save_attempt_options(account, intent, given)
    method = resolve_method(account, intent, given)
    if given.get("confirm") and method is None:
        raise build_missing_method_error(intent)
    account.add(intent)
    create_event(account, "payment_intent.created", intent)
    if given.get("confirm") and method:
        charging.attempt_payment(account, intent, method)
    return intent


def set_method_types(intent: Obj, given: Obj) -> None:
    """Which kinds of method may pay: those named, or those of the dashboard for the currency."""
    allowed, automatic = given.get("allowed_payment_method_types"), given.get("automatic_payment_methods")
    if allowed and (automatic or {}).get("enabled"):
        raise StripeApiError(
            "Say either automatic_payment_methods or allowed_payment_method_types, not both.",
            param="allowed_payment_method_types",
        )
    if allowed is None and (automatic is None or automatic.get("enabled")):
        redirects = (automatic or {}).get("allow_redirects", "always")
        intent["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}
    banned = given.get("excluded_payment_method_types") or []
    intent["payment_method_types"] = list_payment_method_types(intent["currency"], allowed, banned)


def apply_params(account: StripeAccount, intent: Obj, given: Obj) -> None:
    """Take over what create, update and confirm have in common."""
    check_texts(given, intent)
    copy_params(intent, given, SIMPLE_FIELDS)
    merge_metadata(intent, given.get("metadata"))
    if customer := given.get("customer"):
        account.find("customer", customer, "customer")
        intent["customer"] = customer
    if shipping := given.get("shipping"):
        plain = {field: shipping.get(field) for field in ("carrier", "name", "phone", "tracking_number")}
        intent["shipping"] = {"address": shapes.build_address(shipping.get("address")), **plain}


def resolve_method(account: StripeAccount, intent: Obj, given: Obj) -> Obj | None:
    """The method that these parameters name, kept on the intent; raises ApiError."""
    if token := given.get("confirmation_token"):
        method = confirmation_tokens.redeem_token(account, token, intent)
    elif name := given.get("payment_method"):
        method = methods.get_method(account, name)
        methods.check_usable(account, method, intent)
    elif data := given.get("payment_method_data"):
        method = methods.save_method(account, *methods.build_method(account, data))
    else:
        return account.table("payment_method").get(intent["payment_method"] or "")
    if method["type"] not in intent["payment_method_types"]:
        raise StripeApiError(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent. Its "
            f"types are: {', '.join(intent['payment_method_types'])}.",
            code="payment_intent_incompatible_payment_method",
            param="payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")
    return method


def save_attempt_options(account: StripeAccount, intent: Obj, given: Obj) -> None:
    """Remember how an attempt shall run; raises ApiError before a confirmation token is used up."""
    options = account.private_data(intent["id"])
    options.update({"off_session": False, "error_on_requires_action": False, "mandate": None})
    options.update({name: given[name] for name in ATTEMPT_OPTIONS if name in given})
    if token := given.get("confirmation_token"):
        confirmation_tokens.apply_token_options(account, token, options)
    check_return_url(intent, options)


def build_missing_method_error(intent: Obj) -> StripeApiError:
    """The refusal to confirm an intent without a way to pay."""
    return build_unexpected_state_error(intent, "confirm", "it's missing a payment method")


def get_intent(call: StripeCall) -> Obj:
    """The intent in the path; a browser must prove that it may see it."""
    intent = call.account.find("payment_intent", call.path["id"], "intent")
    if call.browser:
        check_client_secret(intent, call.client_secret)
    return intent


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/payment_intents/{id}."""
    intent = get_intent(call)
    secret = call.params.get("client_secret")
    if secret:
        check_client_secret(intent, secret)
    return intent


def update(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}."""
    intent, given = get_intent(call), call.params
    if intent["status"] not in UPDATABLE and set(given) - {"metadata", "description", "receipt_email", "expand"}:
        raise build_unexpected_state_error(intent, "update", f"it has a status of {intent['status']}")
    currency = str(given.get("currency") or intent["currency"]).lower()
    check_currency(currency)
    if "amount" in given:
        check_amount(given["amount"], currency)
        intent["amount"] = given["amount"]
    intent["currency"] = currency
    apply_params(call.account, intent, given)
    resolve_method(call.account, intent, given)
    return intent


def confirm(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}/confirm; raises the 402 of a decline."""
    account, intent, given = call.account, get_intent(call), call.params
    if intent["status"] == "succeeded":
        raise build_unexpected_state_error(
            intent, "confirm", "it has already succeeded after being previously confirmed"
        )
    if intent["status"] not in UPDATABLE:
        raise build_unexpected_state_error(intent, "confirm", f"it has a status of {intent['status']}")
    if call.browser and intent["confirmation_method"] == "manual":
        raise build_unexpected_state_error(intent, "confirm", "its confirmation_method is manual: confirm on a server")
    if call.browser:
        given.setdefault("use_stripe_sdk", True)
    apply_params(account, intent, given)
    save_attempt_options(account, intent, given)
    method = resolve_method(account, intent, given)
    if method is None:
        raise build_missing_method_error(intent)
    charging.attempt_payment(account, intent, method)
    return intent


def cancel(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}/cancel."""
    intent = get_intent(call)
    if intent["status"] not in CANCELLABLE:
        raise build_unexpected_state_error(intent, "cancel", f"it has a status of {intent['status']}")
    intent.update(
        status="canceled",
        canceled_at=call.account.now(),
        cancellation_reason=call.params.get("cancellation_reason"),
        next_action=None,
        amount_capturable=0,
    )
    create_event(call.account, "payment_intent.canceled", intent)
    return intent


def capture(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}/capture."""
    intent = get_intent(call)
    if intent["status"] != "requires_capture":
        raise build_unexpected_state_error(intent, "capture", f"it has a status of {intent['status']}")
    amount = int(call.params.get("amount_to_capture") or intent["amount_capturable"])
    if not 0 < amount <= intent["amount_capturable"]:
        raise StripeApiError("The amount is more than can be captured.", param="amount_to_capture")
    charge = call.account.find("charge", intent["latest_charge"])
    charging.record_charge_in_balance(call.account, charge, amount)
    create_event(call.account, "charge.captured", charge)
    charging.complete_intent(call.account, intent)
    return intent
