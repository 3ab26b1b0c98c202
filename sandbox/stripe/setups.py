"""Setup intents: keeping a payment method for later without charging it."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import banks, cards, methods, shapes, tokens
from sandbox.stripe.accounts import Account, secret_fits
from sandbox.stripe.calls import Call, copy_given, merge_metadata
from sandbox.stripe.challenge import next_action, wants_challenge
from sandbox.stripe.charging import NOT_AUTHENTICATED
from sandbox.stripe.checks import check_confirm_only, check_return_url
from sandbox.stripe.errors import ApiError, unexpected_state
from sandbox.stripe.events import emit
from sandbox.stripe.mandates import consent

Obj = dict[str, Any]
PLAIN = ("description", "usage", "on_behalf_of", "payment_method_options", "excluded_payment_method_types")
OPTIONS = ("return_url", "use_stripe_sdk", "mandate_data")
OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(call: Call) -> Obj:
    """POST /v1/setup_intents."""
    account, given = call.account, call.params
    name = account.world.id("seti")
    intent = shapes.setup_intent(name, f"{name}_secret_{account.world.id('s', 25)[2:]}", account.now())
    choose_types(intent, given)
    apply(account, intent, given)
    if given.get("confirm"):
        prepare(account, intent, given)
    else:
        check_confirm_only(given)
    method = method_of(account, intent, given)
    if given.get("confirm") and method is None:
        raise missing_method(intent)
    account.add(intent)
    emit(account, "setup_intent.created", intent)
    if given.get("confirm") and method:
        attempt(account, intent, method)
    return intent


def choose_types(intent: Obj, given: Obj) -> None:
    """Which kinds of method may be kept."""
    allowed = given.get("allowed_payment_method_types")
    automatic = given.get("automatic_payment_methods")
    if allowed is None:
        redirects = (automatic or {}).get("allow_redirects", "always")
        intent["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}
    elif automatic and automatic.get("enabled"):
        raise ApiError(
            "Say either automatic_payment_methods or allowed_payment_method_types, not both.",
            param="allowed_payment_method_types",
        )
    known, banned = ("card", *banks.BANKS), given.get("excluded_payment_method_types") or []
    intent["payment_method_types"] = [kind for kind in allowed or known if kind in known and kind not in banned]
    if not intent["payment_method_types"]:
        raise ApiError(
            "No valid payment method types for this SetupIntent.",
            code="setup_intent_invalid_parameter",
            param="allowed_payment_method_types",
        )


def apply(account: Account, intent: Obj, given: Obj) -> None:
    """Take over what create and confirm have in common."""
    copy_given(intent, given, PLAIN)
    merge_metadata(intent, given.get("metadata"))
    if customer := given.get("customer"):
        account.find("customer", customer, "customer")
        intent["customer"] = customer


def method_of(account: Account, intent: Obj, given: Obj) -> Obj | None:
    """The method that these parameters name, kept on the intent."""
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
            f"The PaymentMethod provided ({method['type']}) is not allowed for this SetupIntent. Its "
            f"types are: {', '.join(intent['payment_method_types'])}.",
            code="setup_intent_invalid_parameter",
            param="payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")
    return method


def prepare(account: Account, intent: Obj, given: Obj) -> None:
    """Remember how an attempt shall run; raises ApiError before a confirmation token is used up."""
    options = account.private(intent["id"])
    options.update({name: given[name] for name in OPTIONS if name in given})
    if token := given.get("confirmation_token"):
        tokens.lend(account, token, options)
    check_return_url(intent, options)


def missing_method(intent: Obj) -> ApiError:
    """The refusal to confirm an intent without a method to keep."""
    return unexpected_state(intent, "confirm", "it's missing a payment method")


def found(call: Call) -> Obj:
    """The intent in the path; a browser must prove that it may see it."""
    intent = call.account.find("setup_intent", call.path["id"], "intent")
    if call.browser:
        secret_fits(intent, call.client_secret)
    return intent


def retrieve(call: Call) -> Obj:
    """GET /v1/setup_intents/{id}."""
    return found(call)


def confirm(call: Call) -> Obj:
    """POST /v1/setup_intents/{id}/confirm."""
    intent, given = found(call), call.params
    if intent["status"] not in OPEN:
        raise unexpected_state(intent, "confirm", f"it has a status of {intent['status']}")
    if call.browser:
        given.setdefault("use_stripe_sdk", True)
    apply(call.account, intent, given)
    prepare(call.account, intent, given)
    method = method_of(call.account, intent, given)
    if method is None:
        raise missing_method(intent)
    attempt(call.account, intent, method)
    return intent


def cancel(call: Call) -> Obj:
    """POST /v1/setup_intents/{id}/cancel."""
    intent = found(call)
    if intent["status"] not in OPEN:
        raise unexpected_state(intent, "cancel", f"it has a status of {intent['status']}")
    intent.update(status="canceled", cancellation_reason=call.params.get("cancellation_reason"), next_action=None)
    emit(call.account, "setup_intent.canceled", intent)
    return intent


def attempt(account: Account, intent: Obj, method: Obj) -> None:
    """Ask the payer's bank to allow later charges; raises the 402 of Stripe when it does not."""
    options = account.private(intent["id"])
    intent.update(next_action=None, last_setup_error=None)
    if method["type"] == "card":
        behaviour = cards.behaviour_of(account.private(method["id"]).get("card") or "")
        if wants_challenge(account, behaviour, method, options):
            intent.update(status="requires_action", next_action=next_action(account, intent))
            emit(account, "setup_intent.requires_action", intent)
            return
        if behaviour.decline and behaviour.challenge == "never":
            raise decline(account, intent, method, behaviour.decline)
    else:
        intent["mandate"] = consent(account, intent, method)
    succeed(account, intent, method)


def succeed(account: Account, intent: Obj, method: Obj) -> None:
    """The method is kept; it belongs to the customer if there is one."""
    account.private(method["id"])["saved"] = True
    if intent["customer"] and not method["customer"]:
        methods.attach_to(account, method, intent["customer"])
    intent.update(status="succeeded", next_action=None)
    emit(account, "setup_intent.succeeded", intent)


def decline(account: Account, intent: Obj, method: Obj, reason: cards.Decline) -> ApiError:
    """Note the issuer's refusal and return the error to raise."""
    error: Obj = {"code": reason.code, "decline_code": reason.decline_code, "message": reason.message}
    failed(account, intent, {**error, "payment_method": method, "type": "card_error"})
    return ApiError(
        reason.message,
        status=402,
        type_="card_error",
        code=reason.code,
        decline_code=reason.decline_code,
        setup_intent=intent,
        payment_method=method,
    )


def failed(account: Account, intent: Obj, error: Obj) -> None:
    """Back to the start."""
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error=error)
    account.private(intent["id"]).pop("authenticated", None)
    emit(account, "setup_intent.setup_failed", intent)


def answered_challenge(account: Account, intent: Obj, *, passed: bool) -> None:
    """The payer finished the bank's challenge: keep the method, or fail."""
    method = account.table("payment_method")[intent["payment_method"]]
    if passed:
        account.private(intent["id"])["authenticated"] = True
        succeed(account, intent, method)
        return
    error = {"code": "setup_intent_authentication_failure", "message": NOT_AUTHENTICATED}
    failed(account, intent, {**error, "payment_method": method, "type": "invalid_request_error"})
