"""Setup intents: saving a payment method for later without charging it."""

from __future__ import annotations

from typing import Any

from sandbox.stripe import shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods import banks, cards, methods
from sandbox.stripe.payment_methods.mandates import get_or_create_mandate
from sandbox.stripe.payments import confirmation
from sandbox.stripe.payments.checks import check_confirm_only
from sandbox.stripe.payments.confirmation import UPDATABLE, IntentKind, check_status
from sandbox.stripe.payments.next_actions import ask_for_action, must_verify_account
from sandbox.stripe.payments.three_d_secure import needs_challenge
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
SIMPLE_FIELDS = ("description", "usage", "on_behalf_of", "payment_method_options", "excluded_payment_method_types")
ATTEMPT_OPTIONS = ("return_url", "use_stripe_sdk", "mandate_data")
SETUP_INTENT = IntentKind(
    "setup_intent", "SetupIntent", "setup_intent_invalid_parameter", SIMPLE_FIELDS, ATTEMPT_OPTIONS
)


def create(call: StripeCall) -> Obj:
    """POST /v1/setup_intents."""
    account, given = call.account, call.params
    name = account.world.id("seti")
    intent = shapes.build_setup_intent(name, confirmation.build_client_secret(account, name), account.now())
    set_method_types(intent, given)
    confirmation.apply_common_params(account, intent, given, SETUP_INTENT)
    if given.get("confirm"):
        confirmation.save_attempt_options(account, intent, given, SETUP_INTENT)
    else:
        check_confirm_only(given)
    method = confirmation.resolve_method_of_new(account, intent, given, SETUP_INTENT)
    account.add(intent)
    create_event(account, "setup_intent.created", intent)
    if method:
        attempt_setup(account, intent, method)
    return intent


def set_method_types(intent: Obj, given: Obj) -> None:
    """Set the types of method that may be saved: those named, or those of the dashboard."""
    allowed = given.get("allowed_payment_method_types")
    confirmation.check_method_choice(given)
    if allowed is None:
        confirmation.offer_dashboard_methods(intent, given)
    known, banned = ("card", *banks.DEBIT_TYPES), given.get("excluded_payment_method_types") or []
    intent["payment_method_types"] = [kind for kind in allowed or known if kind in known and kind not in banned]
    if not intent["payment_method_types"]:
        raise StripeApiError(
            "No valid payment method types for this SetupIntent.",
            code="setup_intent_invalid_parameter",
            param="allowed_payment_method_types",
        )


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/setup_intents/{id}."""
    return confirmation.get_intent(call, SETUP_INTENT)


def confirm(call: StripeCall) -> Obj:
    """POST /v1/setup_intents/{id}/confirm."""
    intent, given = confirmation.get_intent(call, SETUP_INTENT), call.params
    check_status(intent, "confirm", UPDATABLE)
    if call.browser:
        given.setdefault("use_stripe_sdk", True)
    confirmation.apply_common_params(call.account, intent, given, SETUP_INTENT)
    confirmation.save_attempt_options(call.account, intent, given, SETUP_INTENT)
    attempt_setup(
        call.account, intent, confirmation.resolve_method_to_confirm(call.account, intent, given, SETUP_INTENT)
    )
    return intent


def cancel(call: StripeCall) -> Obj:
    """POST /v1/setup_intents/{id}/cancel."""
    intent = confirmation.get_intent(call, SETUP_INTENT)
    check_status(intent, "cancel", UPDATABLE)
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
            confirmation.require_action(account, intent)
            return
        if behaviour.decline and behaviour.challenge == "never":
            raise record_decline(account, intent, method, behaviour.decline)
    else:
        intent["mandate"] = get_or_create_mandate(account, intent, method)
        if must_verify_account(account, intent, method):
            ask_for_action(account, intent, "verify_with_microdeposits", days=2)
            return
    complete_setup(account, intent, method)


def complete_setup(account: StripeAccount, intent: Obj, method: Obj) -> None:
    """Save the method, and attach it to the customer if there is one."""
    account.private_data(method["id"])["saved"] = True
    if intent["customer"] and not method["customer"]:
        methods.attach_to_customer(account, method, intent["customer"])
    intent.update(status="succeeded", next_action=None)
    create_event(account, "setup_intent.succeeded", intent)


def record_decline(account: StripeAccount, intent: Obj, method: Obj, reason: cards.CardDecline) -> StripeApiError:
    """Note the issuer's refusal and return the error to raise."""
    error: Obj = {"code": reason.code, "decline_code": reason.decline_code, "message": reason.message}
    reset_failed_setup(account, intent, {**error, "payment_method": method, "type": "card_error"})
    return confirmation.build_decline(intent, method, reason, decline_code=reason.decline_code)


def reset_failed_setup(account: StripeAccount, intent: Obj, error: Obj) -> None:
    """Back to the start."""
    intent.update(status="requires_payment_method", payment_method=None, next_action=None, last_setup_error=error)
    account.private_data(intent["id"]).pop("authenticated", None)
    create_event(account, "setup_intent.setup_failed", intent)


def complete_challenge(account: StripeAccount, intent: Obj, *, passed: bool) -> None:
    """The payer finished the bank's challenge: save the method, or fail."""
    method = account.table("payment_method")[intent["payment_method"]]
    if passed:
        account.private_data(intent["id"])["authenticated"] = True
        complete_setup(account, intent, method)
        return
    reset_failed_setup(account, intent, confirmation.build_authentication_failure(intent, method))
