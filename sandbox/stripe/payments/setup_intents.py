"""Setup intents: keeping a payment method for later without charging it."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import StripeAccount, check_client_secret
from sandbox.stripe.calls import StripeCall, copy_params, merge_metadata
from sandbox.stripe.errors import StripeApiError, build_unexpected_state_error
from sandbox.stripe.payment_methods import banks, cards, confirmation_tokens, methods
from sandbox.stripe.payment_methods.mandates import get_or_create_mandate
from sandbox.stripe.payments.charging import NOT_AUTHENTICATED
from sandbox.stripe.payments.checks import check_confirm_only, check_return_url
from sandbox.stripe.payments.three_d_secure import build_next_action, needs_challenge
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
SIMPLE_FIELDS = ("description", "usage", "on_behalf_of", "payment_method_options", "excluded_payment_method_types")
ATTEMPT_OPTIONS = ("return_url", "use_stripe_sdk", "mandate_data")
UPDATABLE = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(call: StripeCall) -> Obj:
    """POST /v1/setup_intents."""
    account, given = call.account, call.params
    name = account.world.id("seti")
    intent = shapes.build_setup_intent(name, f"{name}_secret_{account.world.id('s', 25)[2:]}", account.now())
    set_method_types(intent, given)
    apply_params(account, intent, given)
    if given.get("confirm"):
        save_attempt_options(account, intent, given)
    else:
        check_confirm_only(given)
    method = resolve_method(account, intent, given)
    if given.get("confirm") and method is None:
        raise build_missing_method_error(intent)
    account.add(intent)
    create_event(account, "setup_intent.created", intent)
    if given.get("confirm") and method:
        attempt_setup(account, intent, method)
    return intent


def set_method_types(intent: Obj, given: Obj) -> None:
    """Which kinds of method may be kept."""
    allowed = given.get("allowed_payment_method_types")
    automatic = given.get("automatic_payment_methods")
    if allowed is None:
        redirects = (automatic or {}).get("allow_redirects", "always")
        intent["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}
    elif automatic and automatic.get("enabled"):
        raise StripeApiError(
            "Say either automatic_payment_methods or allowed_payment_method_types, not both.",
            param="allowed_payment_method_types",
        )
    known, banned = ("card", *banks.DEBIT_TYPES), given.get("excluded_payment_method_types") or []
    intent["payment_method_types"] = [kind for kind in allowed or known if kind in known and kind not in banned]
    if not intent["payment_method_types"]:
        raise StripeApiError(
            "No valid payment method types for this SetupIntent.",
            code="setup_intent_invalid_parameter",
            param="allowed_payment_method_types",
        )


def apply_params(account: StripeAccount, intent: Obj, given: Obj) -> None:
    """Take over what create and confirm have in common."""
    copy_params(intent, given, SIMPLE_FIELDS)
    merge_metadata(intent, given.get("metadata"))
    if customer := given.get("customer"):
        account.find("customer", customer, "customer")
        intent["customer"] = customer


def resolve_method(account: StripeAccount, intent: Obj, given: Obj) -> Obj | None:
    """The method that these parameters name, kept on the intent."""
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
            f"The PaymentMethod provided ({method['type']}) is not allowed for this SetupIntent. Its "
            f"types are: {', '.join(intent['payment_method_types'])}.",
            code="setup_intent_invalid_parameter",
            param="payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")
    return method


def save_attempt_options(account: StripeAccount, intent: Obj, given: Obj) -> None:
    """Remember how an attempt shall run; raises ApiError before a confirmation token is used up."""
    options = account.private_data(intent["id"])
    options.update({name: given[name] for name in ATTEMPT_OPTIONS if name in given})
    if token := given.get("confirmation_token"):
        confirmation_tokens.apply_token_options(account, token, options)
    check_return_url(intent, options)


def build_missing_method_error(intent: Obj) -> StripeApiError:
    """The refusal to confirm an intent without a method to keep."""
    return build_unexpected_state_error(intent, "confirm", "it's missing a payment method")


def get_intent(call: StripeCall) -> Obj:
    """The intent in the path; a browser must prove that it may see it."""
    intent = call.account.find("setup_intent", call.path["id"], "intent")
    if call.browser:
        check_client_secret(intent, call.client_secret)
    return intent


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/setup_intents/{id}."""
    return get_intent(call)


def confirm(call: StripeCall) -> Obj:
    """POST /v1/setup_intents/{id}/confirm."""
    intent, given = get_intent(call), call.params
    if intent["status"] not in UPDATABLE:
        raise build_unexpected_state_error(intent, "confirm", f"it has a status of {intent['status']}")
    if call.browser:
        given.setdefault("use_stripe_sdk", True)
    apply_params(call.account, intent, given)
    save_attempt_options(call.account, intent, given)
    method = resolve_method(call.account, intent, given)
    if method is None:
        raise build_missing_method_error(intent)
    attempt_setup(call.account, intent, method)
    return intent


def cancel(call: StripeCall) -> Obj:
    """POST /v1/setup_intents/{id}/cancel."""
    intent = get_intent(call)
    if intent["status"] not in UPDATABLE:
        raise build_unexpected_state_error(intent, "cancel", f"it has a status of {intent['status']}")
    intent.update(status="canceled", cancellation_reason=call.params.get("cancellation_reason"), next_action=None)
    create_event(call.account, "setup_intent.canceled", intent)
    return intent


def attempt_setup(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """Ask the payer's bank to allow later charges; raises the 402 of Stripe when it does not."""
    options = account.private_data(intent["id"])
    intent.update(next_action=None, last_setup_error=None)
    if method["type"] == "card":
        behaviour = cards.get_behaviour(account.private_data(method["id"]).get("card") or "")
        if needs_challenge(account, behaviour, method, options):
            intent.update(status="requires_action", next_action=build_next_action(account, intent))
            create_event(account, "setup_intent.requires_action", intent)
            return
        if behaviour.decline and behaviour.challenge == "never":
            raise record_decline(account, intent, method, behaviour.decline)
    else:
        intent["mandate"] = get_or_create_mandate(account, intent, method)
    complete_setup(account, intent, method)


def complete_setup(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """The method is kept; it belongs to the customer if there is one."""
    account.private_data(method["id"])["saved"] = True
    if intent["customer"] and not method["customer"]:
        methods.attach_to_customer(account, method, intent["customer"])
    intent.update(status="succeeded", next_action=None)
    create_event(account, "setup_intent.succeeded", intent)


def record_decline(account: StripeAccount, intent: Obj, method: Obj, reason: cards.CardDecline) -> StripeApiError:
    """Note the issuer's refusal and return the error to raise."""
    error: Obj = {"code": reason.code, "decline_code": reason.decline_code, "message": reason.message}
    reset_failed_setup(account, intent, {**error, "payment_method": method, "type": "card_error"})
    return StripeApiError(
        reason.message,
        status=402,
        type_="card_error",
        code=reason.code,
        decline_code=reason.decline_code,
        setup_intent=intent,
        payment_method=method,
    )


def reset_failed_setup(account: StripeAccount, intent: Obj, error: Obj) -> None:
    """Back to the start."""
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error=error)
    account.private_data(intent["id"]).pop("authenticated", None)
    create_event(account, "setup_intent.setup_failed", intent)


def complete_challenge(account: StripeAccount, intent: Obj, *, passed: bool) -> None:
    """The payer finished the bank's challenge: keep the method, or fail."""
    method = account.table("payment_method")[intent["payment_method"]]
    if passed:
        account.private_data(intent["id"])["authenticated"] = True
        complete_setup(account, intent, method)
        return
    error = {"code": "setup_intent_authentication_failure", "message": NOT_AUTHENTICATED}
    reset_failed_setup(account, intent, {**error, "payment_method": method, "type": "invalid_request_error"})
