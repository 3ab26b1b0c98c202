"""What payment intents and setup intents have in common: their client secret, their methods, their confirmation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sandbox.stripe.accounts import StripeAccount, check_client_secret
from sandbox.stripe.calls import StripeCall, copy_params, merge_metadata
from sandbox.stripe.errors import StripeApiError, build_unexpected_state_error
from sandbox.stripe.payment_methods import cards, confirmation_tokens, methods
from sandbox.stripe.payments.checks import check_return_url
from sandbox.stripe.payments.three_d_secure import build_next_action
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
UPDATABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
NOT_AUTHENTICATED = (
    "We are unable to authenticate your payment method. Please choose a different payment method and try again."
)


class IntentKind(NamedTuple):
    """How Stripe names a kind of intent in its API and in its refusals."""

    table: str
    name: str
    incompatible_code: str
    fields: tuple[str, ...]
    attempt_options: tuple[str, ...]


def build_client_secret(account: StripeAccount, key: str) -> str:
    """A new intent's client secret, which starts with its id."""
    return f"{key}_secret_{account.world.id('s', 25)[2:]}"


def get_intent(call: StripeCall, kind: IntentKind) -> Obj:
    """The intent in the path; a browser must prove by the client secret that it may see it."""
    intent = call.account.find(kind.table, call.path["id"], "intent")
    if call.browser:
        check_client_secret(intent, call.client_secret)
    return intent


def check_method_choice(given: Obj) -> None:
    """Raise StripeApiError when a call lists its types of method and asks for the dashboard's as well."""
    automatic = given.get("automatic_payment_methods") or {}
    if given.get("allowed_payment_method_types") and automatic.get("enabled"):
        raise StripeApiError(
            "Say either automatic_payment_methods or allowed_payment_method_types, not both.",
            param="allowed_payment_method_types",
        )


def offer_dashboard_methods(intent: Obj, given: Obj) -> None:
    """Let the intent be confirmed with every type of method that the dashboard has switched on."""
    redirects = (given.get("automatic_payment_methods") or {}).get("allow_redirects", "always")
    intent["automatic_payment_methods"] = {"allow_redirects": redirects, "enabled": True}


def apply_common_params(account: StripeAccount, intent: Obj, given: Obj, kind: IntentKind) -> None:
    """Copy the parameters that need no check, the metadata and the customer."""
    copy_params(intent, given, kind.fields)
    merge_metadata(intent, given.get("metadata"))
    if customer := given.get("customer"):
        account.find("customer", customer, "customer")
        intent["customer"] = customer


def resolve_method(account: StripeAccount, intent: Obj, given: Obj, kind: IntentKind) -> Obj | None:
    """The payment method that the parameters name, saved on the intent; raises StripeApiError."""
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
            f"The PaymentMethod provided ({method['type']}) is not allowed for this {kind.name}. Its "
            f"types are: {', '.join(intent['payment_method_types'])}.",
            code=kind.incompatible_code,
            param="payment_method",
        )
    intent.update(payment_method=method["id"], status="requires_confirmation")
    return method


def resolve_method_of_new(account: StripeAccount, intent: Obj, given: Obj, kind: IntentKind) -> Obj | None:
    """The payment method that a new intent is to be confirmed with at once, or None when it is confirmed later."""
    if given.get("confirm"):
        return resolve_method_to_confirm(account, intent, given, kind)
    resolve_method(account, intent, given, kind)
    return None


def resolve_method_to_confirm(account: StripeAccount, intent: Obj, given: Obj, kind: IntentKind) -> Obj:
    """The payment method of a confirmation; raises StripeApiError when there is none."""
    method = resolve_method(account, intent, given, kind)
    if method is None:
        raise build_unexpected_state_error(intent, "confirm", "it's missing a payment method")
    return method


def save_attempt_options(account: StripeAccount, intent: Obj, given: Obj, kind: IntentKind) -> None:
    """Save how a confirmation is to run; raises StripeApiError before a confirmation token is used up."""
    options = account.private_data(intent["id"])
    options.update({name: given[name] for name in kind.attempt_options if name in given})
    if token := given.get("confirmation_token"):
        confirmation_tokens.apply_token_options(account, token, options)
    check_return_url(intent, options)


def check_status(intent: Obj, verb: str, statuses: Iterable[str]) -> None:
    """Raise StripeApiError unless the intent has one of these statuses."""
    if intent["status"] not in statuses:
        raise build_unexpected_state_error(intent, verb, f"it has a status of {intent['status']}")


def require_action(account: StripeAccount, intent: Obj) -> None:
    """Ask the payer to authenticate with the bank."""
    intent.update(status="requires_action", next_action=build_next_action(account, intent))
    create_event(account, f"{intent['object']}.requires_action", intent)


def build_decline(intent: Obj, method: Obj, reason: cards.CardDecline, **details: Any) -> StripeApiError:
    """The 402 by which Stripe answers that the issuer declined."""
    objects: dict[str, Any] = {intent["object"]: intent, "payment_method": method}
    return StripeApiError(reason.message, status=402, type_="card_error", code=reason.code, **(details | objects))


def build_authentication_failure(intent: Obj, method: Obj) -> Obj:
    """The error that an intent carries after a failed authentication."""
    return {
        "code": f"{intent['object']}_authentication_failure",
        "message": NOT_AUTHENTICATED,
        "payment_method": method,
        "type": "invalid_request_error",
    }
