"""Payment methods: created from cards or bank accounts, found by id, attached to customers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.calls import StripeCall, merge_metadata
from sandbox.stripe.errors import StripeApiError, build_missing_object_error
from sandbox.stripe.payment_methods import banks, cards
from sandbox.stripe.shapes import build_billing_details
from sandbox.stripe.shapes_customers import build_payment_method
from sandbox.stripe.webhooks.events import create_event

Obj = dict[str, Any]
CARD_TOKEN_PREFIX = "pm_card_"  # noqa: S105
BANK_TOKEN_PREFIX = "pm_usBankAccount_"  # noqa: S105
ALREADY_USED = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, or was "
    "detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must "
    "attach it to a Customer first."
)


def build_method(account: StripeAccount, given: Obj) -> tuple[Obj, Obj]:
    """A payment method and its private data; neither is stored yet. Raises StripeApiError."""
    kind = str(given.get("type") or "card")
    name, now = account.world.id("pm"), account.now()
    raw = given.get(kind)
    if not isinstance(raw, dict):
        raise StripeApiError(f"Missing required param: {kind}.", code="parameter_missing", param=kind)
    billed = given.get("billing_details")
    if kind == "card":
        number, month, year = parse_card_number(raw, now)
        shown = cards.build_card_details(number, month, year, cvc=bool(raw.get("cvc")) or "token" in raw)
        hidden = {"card": number if number in cards.CARDS else ""}
    elif kind in banks.DEBIT_TYPES:
        bank_number = banks.check_bank_details(kind, raw, billed or {})
        shown = banks.build_bank_details(kind, bank_number, raw)
        hidden = {"bank": bank_number}
        if kind == "nz_bank_account":
            shown["account_holder_name"] = raw.get("account_holder_name") or (billed or {}).get("name")
    else:
        raise StripeApiError(f"Practice does not know the payment method type {kind}.", param="type")
    return build_payment_method(name, now, kind, shown, billed), hidden


def parse_card_number(raw: Obj, now: int) -> tuple[str, int, int]:
    """A card's number, month and year, from its digits or from a test token."""
    if "token" in raw:
        token = str(raw["token"]).removeprefix("tok_")
        if token not in cards.CARD_TOKENS:
            raise build_missing_object_error("token", str(raw["token"]), "card[token]")
        return cards.CARD_TOKENS[token], 12, datetime.fromtimestamp(now, UTC).year + 3
    today = datetime.fromtimestamp(now, UTC)
    return cards.check_card(raw, (today.year, today.month))


def save_method(account: StripeAccount, method: Obj, hidden: Obj) -> Obj:
    """Store a built payment method."""
    account.private_data(method["id"]).update(hidden)
    return account.add(method)


def get_method(account: StripeAccount, name: str, param: str = "payment_method") -> Obj:
    """The payment method with this id; `pm_card_…` and `pm_usBankAccount_…` make fresh ones as Stripe does."""
    token = name.removeprefix(CARD_TOKEN_PREFIX)
    if name.startswith(CARD_TOKEN_PREFIX) and token in cards.CARD_TOKENS:
        return save_method(account, *build_method(account, {"type": "card", "card": {"token": f"tok_{token}"}}))
    number = banks.BANK_TOKENS.get(name.removeprefix(BANK_TOKEN_PREFIX)) if name.startswith(BANK_TOKEN_PREFIX) else None
    if number:
        bank = {"routing_number": "110000000", "account_number": number}
        billed = {"name": "Practice Payer"}
        return save_method(
            account,
            *build_method(account, {"type": "us_bank_account", "us_bank_account": bank, "billing_details": billed}),
        )
    return account.find("payment_method", name, param)


def check_usable(account: StripeAccount, method: Obj, intent: Obj) -> None:
    """Raise when this method must not serve this intent's customer."""
    name, owner, customer = method["id"], method["customer"], intent["customer"]
    if account.private_data(method["id"]).get("spent"):
        raise StripeApiError(ALREADY_USED, param="payment_method")
    if owner and not customer:
        kind = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
        raise StripeApiError(
            f"The payment method supplied ({name}) belongs to the Customer {owner}. "
            f"Please include the Customer in the `customer` parameter on the {kind}.",
            param="payment_method",
        )
    if owner and owner != customer:
        raise StripeApiError(
            f"The PaymentMethod {name} does not belong to the Customer you supplied {customer}. "
            "Please use this PaymentMethod with the Customer that it belongs to instead.",
            param="payment_method",
        )
    if method.get("us_bank_account", {}).get("status_details", {}).get("blocked"):
        raise StripeApiError(
            "This bank account was blocked after a failed debit. Use another payment method.",
            code="payment_method_bank_account_blocked",
            param="payment_method",
        )


def attach_to_customer(account: StripeAccount, method: Obj, customer: str) -> None:
    """Make the method the customer's own."""
    account.find("customer", customer, "customer")
    method["customer"] = customer
    account.private_data(method["id"]).pop("spent", None)
    create_event(account, "payment_method.attached", method)


def create(call: StripeCall) -> Obj:
    """POST /v1/payment_methods."""
    method, hidden = build_method(call.account, call.params)
    method["metadata"] = call.params.get("metadata") or {}
    return save_method(call.account, method, hidden)


def retrieve(call: StripeCall) -> Obj:
    """GET /v1/payment_methods/{id}."""
    return call.account.find("payment_method", call.path["id"], "payment_method")


def retrieve_for_customer(call: StripeCall) -> Obj:
    """GET /v1/customers/{owner}/payment_methods/{id}."""
    call.account.find("customer", call.path["owner"])
    method = call.account.table("payment_method").get(call.path["id"])
    if method is None or method["customer"] != call.path["owner"]:
        raise build_missing_object_error("payment_method", call.path["id"], "payment_method")
    return method


def update(call: StripeCall) -> Obj:
    """POST /v1/payment_methods/{id}: billing details, a card's expiry, metadata; attached methods only."""
    method, given = retrieve(call), call.params
    if not method["customer"]:
        raise StripeApiError("You must save this PaymentMethod to a customer before you can update it.")
    merge_metadata(method, given.get("metadata"))
    if "billing_details" in given:
        details = {**method["billing_details"], **(given["billing_details"] or {})}
        method["billing_details"] = build_billing_details(details)
    if "card" in given and method["type"] == "card":
        dates = {field: given["card"][field] for field in ("exp_month", "exp_year") if field in given["card"]}
        method["card"] = {**method["card"], **dates}
    create_event(call.account, "payment_method.updated", method)
    return method


def attach(call: StripeCall) -> Obj:
    """POST /v1/payment_methods/{id}/attach."""
    method = get_method(call.account, call.path["id"])
    customer = call.params.get("customer")
    if not customer:
        raise StripeApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    if call.account.private_data(method["id"]).get("spent"):
        raise StripeApiError(ALREADY_USED, param="payment_method")
    if method["customer"] not in (None, customer):
        raise StripeApiError("The payment method you provided has already been attached to a customer.")
    behaviour = cards.get_behaviour(call.account.private_data(method["id"]).get("card") or "")
    if method["type"] == "card" and behaviour.decline and behaviour.challenge == "never":
        decline = behaviour.decline
        raise StripeApiError(
            decline.message,
            status=402,
            type_="card_error",
            code=decline.code,
            decline_code=decline.decline_code,
        )
    attach_to_customer(call.account, method, customer)
    return method


def detach(call: StripeCall) -> Obj:
    """POST /v1/payment_methods/{id}/detach."""
    method = call.account.find("payment_method", call.path["id"], "payment_method")
    return detach_from_customer(call.account, method)


def detach_from_customer(account: StripeAccount, method: Obj) -> Obj:
    """Take the method from its customer, for good; raises StripeApiError when it has none."""
    before = {"customer": method["customer"]}
    if not before["customer"]:
        raise StripeApiError(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    method["customer"] = None
    account.private_data(method["id"])["spent"] = True
    create_event(account, "payment_method.detached", method, before)
    return method


def update_card_details(account: StripeAccount, method: Obj, params: Obj) -> Obj:
    """Update a card with newer `exp_month`, `exp_year`, `last4`; raises StripeApiError for other kinds."""
    if method["type"] != "card":
        raise StripeApiError("Only cards are renewed by their network.", param="payment_method")
    before = {field: method["card"][field] for field in params}
    method["card"] = {**method["card"], **params}
    create_event(account, "payment_method.automatically_updated", method, {"card": before})
    return method
