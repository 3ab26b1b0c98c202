"""Payment intents: create, update, confirm, cancel, capture, and what each refuses."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import StripeAccount, check_client_secret
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.currencies import check_amount, check_currency
from sandbox.stripe.errors import StripeApiError, build_unexpected_state_error
from sandbox.stripe.payments import charging, confirmation, fraud_warnings
from sandbox.stripe.payments.checks import (
    check_confirm_only,
    check_texts,
    list_payment_method_types,
)
from sandbox.stripe.payments.confirmation import UPDATABLE, IntentKind, check_status
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
PAYMENT_INTENT = IntentKind(
    "payment_intent", "PaymentIntent", "payment_intent_incompatible_payment_method", SIMPLE_FIELDS, ATTEMPT_OPTIONS
)
CANCELLABLE = (*UPDATABLE, "requires_capture")


def create(call: StripeCall) -> Obj:
    """POST /v1/payment_intents."""
    account, given = call.account, call.params
    check_currency(given["currency"])
    check_amount(given["amount"], given["currency"].lower())
    if not given.get("confirm"):
        check_confirm_only(given)
    name = account.world.id("pi")
    secret = confirmation.build_client_secret(account, name)
    intent = shapes.build_payment_intent(name, secret, account.now(), given["amount"], given["currency"].lower())
    intent["confirmation_method"] = given.get("confirmation_method", "automatic")
    set_method_types(intent, given)
    apply_params(account, intent, given)
    if given.get("confirm"):
        save_attempt_options(account, intent, given)
    method = confirmation.resolve_method_of_new(account, intent, given, PAYMENT_INTENT)
    account.add(intent)
    create_event(account, "payment_intent.created", intent)
    if method:
        charging.attempt_payment(account, intent, method)
    return intent


def set_method_types(intent: Obj, given: Obj) -> None:
    """Set the types of method that may pay: those named, or those of the dashboard for the currency."""
    allowed, automatic = given.get("allowed_payment_method_types"), given.get("automatic_payment_methods")
    confirmation.check_method_choice(given)
    if allowed is None and (automatic is None or automatic.get("enabled")):
        confirmation.offer_dashboard_methods(intent, given)
    banned = given.get("excluded_payment_method_types") or []
    intent["payment_method_types"] = list_payment_method_types(intent["currency"], allowed, banned)


def apply_params(account: StripeAccount, intent: Obj, given: Obj) -> None:
    """Copy the parameters that create, update and confirm have in common."""
    check_texts(given, intent)
    confirmation.apply_common_params(account, intent, given, PAYMENT_INTENT)
    if shipping := given.get("shipping"):
        plain = {field: shipping.get(field) for field in ("carrier", "name", "phone", "tracking_number")}
        intent["shipping"] = {"address": shapes.build_address(shipping.get("address")), **plain}


def save_attempt_options(account: StripeAccount, intent: Obj, given: Obj) -> None:
    """Save how this attempt is to run; what an earlier attempt asked for no longer counts."""
    defaults = {"off_session": False, "error_on_requires_action": False, "mandate": None}
    account.private_data(intent["id"]).update(defaults)
    fraud_warnings.check_session(account, given)
    confirmation.save_attempt_options(account, intent, given, PAYMENT_INTENT)


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/payment_intents/{id}."""
    intent = confirmation.get_intent(call, PAYMENT_INTENT)
    secret = call.params.get("client_secret")
    if secret:
        check_client_secret(intent, secret)
    return intent


def update(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}."""
    intent, given = confirmation.get_intent(call, PAYMENT_INTENT), call.params
    if intent["status"] not in UPDATABLE and set(given) - {"metadata", "description", "receipt_email", "expand"}:
        raise build_unexpected_state_error(intent, "update", f"it has a status of {intent['status']}")
    currency = str(given.get("currency") or intent["currency"]).lower()
    check_currency(currency)
    if "amount" in given:
        check_amount(given["amount"], currency)
        intent["amount"] = given["amount"]
    intent["currency"] = currency
    apply_params(call.account, intent, given)
    confirmation.resolve_method(call.account, intent, given, PAYMENT_INTENT)
    return intent


def confirm(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}/confirm; raises the 402 of a decline."""
    account, intent, given = call.account, confirmation.get_intent(call, PAYMENT_INTENT), call.params
    if intent["status"] == "succeeded":
        raise build_unexpected_state_error(
            intent, "confirm", "it has already succeeded after being previously confirmed"
        )
    check_status(intent, "confirm", UPDATABLE)
    if call.browser and intent["confirmation_method"] == "manual":
        raise build_unexpected_state_error(intent, "confirm", "its confirmation_method is manual: confirm on a server")
    if call.browser:
        given.setdefault("use_stripe_sdk", True)
    apply_params(account, intent, given)
    save_attempt_options(account, intent, given)
    charging.attempt_payment(
        account, intent, confirmation.resolve_method_to_confirm(account, intent, given, PAYMENT_INTENT)
    )
    return intent


def cancel(call: StripeCall) -> Obj:
    """POST /v1/payment_intents/{id}/cancel."""
    intent = confirmation.get_intent(call, PAYMENT_INTENT)
    check_status(intent, "cancel", CANCELLABLE)
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
    intent = confirmation.get_intent(call, PAYMENT_INTENT)
    check_status(intent, "capture", ("requires_capture",))
    amount = int(call.params.get("amount_to_capture") or intent["amount_capturable"])
    if not 0 < amount <= intent["amount_capturable"]:
        raise StripeApiError("The amount is more than can be captured.", param="amount_to_capture")
    charge = call.account.find("charge", intent["latest_charge"])
    charging.record_charge_in_balance(call.account, charge, amount)
    create_event(call.account, "charge.captured", charge)
    charging.complete_intent(call.account, intent)
    return intent
