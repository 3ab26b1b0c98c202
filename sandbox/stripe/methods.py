"""Payment methods: made from cards or bank accounts, found by id, attached to customers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.stripe import banks, cards
from sandbox.stripe.accounts import Account
from sandbox.stripe.calls import Call
from sandbox.stripe.errors import ApiError, missing_object
from sandbox.stripe.events import emit
from sandbox.stripe.shapes_people import payment_method

Obj = dict[str, Any]
READY_MADE = "pm_card_"
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
        bank_number = banks.check(kind, raw)
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
    """The payment method with this id; `pm_card_…` makes a fresh test card as Stripe does."""
    token = name.removeprefix(READY_MADE)
    if name.startswith(READY_MADE) and token in cards.TOKENS:
        return keep(account, *build(account, {"type": "card", "card": {"token": f"tok_{token}"}}))
    return account.find("payment_method", name, param)


def usable(account: Account, method: Obj, customer: str | None) -> None:
    """Raise when this method must not pay for this customer."""
    if account.private(method["id"]).get("spent"):
        raise ApiError(SPENT, param="payment_method")
    if method["customer"] and method["customer"] != customer:
        raise ApiError(
            "The PaymentMethod belongs to another Customer. Name that Customer to use it.",
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


def attach(call: Call) -> Obj:
    """POST /v1/payment_methods/{id}/attach."""
    method = named(call.account, call.path["id"])
    customer = call.params.get("customer")
    if not customer:
        raise ApiError("Missing required param: customer.", code="parameter_missing", param="customer")
    if call.account.private(method["id"]).get("spent"):
        raise ApiError(SPENT, param="payment_method")
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
    if not method["customer"]:
        raise ApiError("The payment method you provided is not attached to a customer so detachment is impossible.")
    method["customer"] = None
    call.account.private(method["id"])["spent"] = True
    emit(call.account, "payment_method.detached", method)
    return method
