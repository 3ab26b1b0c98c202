"""Payment methods: made from cards or bank accounts, found by id, attached to customers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.stripe import banks, cards
from sandbox.stripe.accounts import Account
from sandbox.stripe.calls import Call, merge_metadata
from sandbox.stripe.errors import ApiError, missing_object
from sandbox.stripe.events import emit
from sandbox.stripe.shapes import billing
from sandbox.stripe.shapes_people import payment_method

Obj = dict[str, Any]
READY_MADE = "pm_card_"
READY_BANK = "pm_usBankAccount_"
SPENT = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, or was "
    "detached from a Customer. It may not be used again. To use a PaymentMethod multiple times, you must "
    "attach it to a Customer first."
)


def build(account: Account, given: Obj) -> tuple[Obj, Obj]:
    """A payment method and what to remember privately of it; neither is kept yet. Raises ApiError."""
    kind = str(given.get("type") or "card")
    name, now = account.world.id("pm"), account.now()
    raw = given.get(kind)
    if not isinstance(raw, dict):
        raise ApiError(f"Missing required param: {kind}.", code="parameter_missing", param=kind)
    billed = given.get("billing_details")
    if kind == "card":
        number, month, year = number_of(raw, now)
        shown = cards.details(number, month, year, cvc=bool(raw.get("cvc")) or "token" in raw)
        kept = {"card": number if number in cards.CARDS else ""}
    elif kind in banks.BANKS:
        bank_number = banks.check(kind, raw, billed or {})
        shown = banks.details(kind, bank_number, raw)
        kept = {"bank": bank_number}
        if kind == "nz_bank_account":
            shown["account_holder_name"] = raw.get("account_holder_name") or (billed or {}).get("name")
    else:
        raise ApiError(f"Practice does not know the payment method type {kind}.", param="type")
    return payment_method(name, now, kind, shown, billed), kept


def number_of(raw: Obj, now: int) -> tuple[str, int, int]:
    """A card's number, month and year, from its digits or from a test token."""
    if "token" in raw:
        token = str(raw["token"]).removeprefix("tok_")
        if token not in cards.TOKENS:
            raise missing_object("token", str(raw["token"]), "card[token]")
        return cards.TOKENS[token], 12, datetime.fromtimestamp(now, UTC).year + 3
    today = datetime.fromtimestamp(now, UTC)
    return cards.check(raw, (today.year, today.month))


def keep(account: Account, method: Obj, kept: Obj) -> Obj:
    """Store a built payment method."""
    account.private(method["id"]).update(kept)
    return account.add(method)


def named(account: Account, name: str, param: str = "payment_method") -> Obj:
    """The payment method with this id; `pm_card_…` and `pm_usBankAccount_…` make fresh ones as Stripe does."""
    token = name.removeprefix(READY_MADE)
    if name.startswith(READY_MADE) and token in cards.TOKENS:
        return keep(account, *build(account, {"type": "card", "card": {"token": f"tok_{token}"}}))
    number = banks.TOKENS.get(name.removeprefix(READY_BANK)) if name.startswith(READY_BANK) else None
    if number:
        said = {"routing_number": "110000000", "account_number": number}
        billed = {"name": "Practice Payer"}
        return keep(
            account,
            *build(account, {"type": "us_bank_account", "us_bank_account": said, "billing_details": billed}),
        )
    return account.find("payment_method", name, param)


def usable(account: Account, method: Obj, intent: Obj) -> None:
    """Raise when this method must not serve this intent's customer."""
    name, owner, customer = method["id"], method["customer"], intent["customer"]
    if account.private(method["id"]).get("spent"):
        raise ApiError(SPENT, param="payment_method")
    if owner and not customer:
        kind = "PaymentIntent" if intent["object"] == "payment_intent" else "SetupIntent"
        raise ApiError(
            f"The payment method supplied ({name}) belongs to the Customer {owner}. "
            f"Please include the Customer in the `customer` parameter on the {kind}.",
            param="payment_method",
        )
    if owner and owner != customer:
        raise ApiError(
            f"The PaymentMethod {name} does not belong to the Customer you supplied {customer}. "
            "Please use this PaymentMethod with the Customer that it belongs to instead.",
            param="payment_method",
        )
    if method.get("us_bank_account", {}).get("status_details", {}).get("blocked"):
        raise ApiError(
            "This bank account was blocked after a failed debit. Use another payment method.",
            code="payment_method_bank_account_blocked",
            param="payment_method",
        )


def attach_to(account: Account, method: Obj, customer: str) -> None:
    """Make the method the customer's own."""
    account.find("customer", customer, "customer")
    method["customer"] = customer
    account.private(method["id"]).pop("spent", None)
    emit(account, "payment_method.attached", method)


def create(call: Call) -> Obj:
    """POST /v1/payment_methods."""
    method, kept = build(call.account, call.params)
    method["metadata"] = call.params.get("metadata") or {}
    return keep(call.account, method, kept)


def retrieve(call: Call) -> Obj:
    """GET /v1/payment_methods/{id}."""
    return call.account.find("payment_method", call.path["id"], "payment_method")


def of_customer(call: Call) -> Obj:
    """GET /v1/customers/{owner}/payment_methods/{id}."""
    call.account.find("customer", call.path["owner"])
    method = call.account.table("payment_method").get(call.path["id"])
    if method is None or method["customer"] != call.path["owner"]:
        raise missing_object("payment_method", call.path["id"], "payment_method")
    return method


def update(call: Call) -> Obj:
    """POST /v1/payment_methods/{id}: billing details, a card's expiry, metadata; attached methods only."""
    method, given = retrieve(call), call.params
    if not method["customer"]:
        raise ApiError("You must save this PaymentMethod to a customer before you can update it.")
    merge_metadata(method, given.get("metadata"))
    if "billing_details" in given:
        said = {**method["billing_details"], **(given["billing_details"] or {})}
        method["billing_details"] = billing(said)
    if "card" in given and method["type"] == "card":
        dates = {field: given["card"][field] for field in ("exp_month", "exp_year") if field in given["card"]}
        method["card"] = {**method["card"], **dates}
    emit(call.account, "payment_method.updated", method)
    return method


def attach(call: Call) -> Obj:
    """POST /v1/payment_methods/{id}/attach."""
    method = named(call.account, call.path["id"])
    customer = call.params.get("customer")
    if not customer:
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    if call.account.private(method["id"]).get("spent"):
        raise ApiError(SPENT, param="payment_method")
    if method["customer"] not in (None, customer):
        raise ApiError("The payment method you provided has already been attached to a customer.")
    behaviour = cards.behaviour_of(call.account.private(method["id"]).get("card") or "")
    if method["type"] == "card" and behaviour.decline and behaviour.challenge == "never":
        decline = behaviour.decline
        raise ApiError(
            decline.message,
            status=402,
            type_="card_error",
            code=decline.code,
            decline_code=decline.decline_code,
        )
    attach_to(call.account, method, customer)
    return method


def detach(call: Call) -> Obj:
    """POST /v1/payment_methods/{id}/detach."""
    method = call.account.find("payment_method", call.path["id"], "payment_method")
    return detach_from(call.account, method)


def detach_from(account: Account, method: Obj) -> Obj:
    """Take the method from its customer, for good; raises ApiError when it has none."""
    before = {"customer": method["customer"]}
    if not before["customer"]:
        raise ApiError("The payment method you provided is not attached to a customer so detachment is impossible.")
    method["customer"] = None
    account.private(method["id"])["spent"] = True
    emit(account, "payment_method.detached", method, before)
    return method


def renew(account: Account, method: Obj, said: Obj) -> Obj:
    """The card's network sent newer details (`exp_month`, `exp_year`, `last4`); raises ApiError for other kinds."""
    if method["type"] != "card":
        raise ApiError("Only cards are renewed by their network.", param="payment_method")
    before = {field: method["card"][field] for field in said}
    method["card"] = {**method["card"], **said}
    emit(account, "payment_method.automatically_updated", method, {"card": before})
    return method
