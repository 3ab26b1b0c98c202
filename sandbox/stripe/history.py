"""A past for an account: charges, refunds, disputes and fees of days gone by, created by one order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.stripe import balance, shapes
from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.errors import StripeApiError
from sandbox.stripe.payment_methods import banks, cards
from sandbox.stripe.payments import disputes, refunds
from sandbox.stripe.shapes_customers import build_payment_method

Obj = dict[str, Any]
HistoryEntry = Callable[[StripeAccount, Obj, list[Obj]], Obj]
CARD = "4242424242424242"


class PastStripeAccount(StripeAccount):
    """The account as it was at a second of the past."""

    at = 0

    def now(self) -> int:
        return self.at


def create_history(account: StripeAccount, entries: list[Obj]) -> list[Obj]:
    """Do each entry at its second `at`; what it created, in order. No events are created. Raises StripeApiError.

    A charge has `amount`, `currency`, `reference` (metadata `attempt`) and `method` (card or us_bank_account);
    a refund or dispute says `of`, the place of its charge in the list.
    """
    created: list[Obj] = []
    then = PastStripeAccount(account.world, account.data)
    for entry in entries:
        if entry.get("kind") not in ENTRIES:
            raise StripeApiError(f"kind is one of {', '.join(ENTRIES)}", param="kind")
        then.at = int(entry.get("at") or account.now())
        created.append(ENTRIES[entry["kind"]](then, entry, created))
    return created


def create_past_charge(account: StripeAccount, entry: Obj, created: list[Obj]) -> Obj:
    """An intent that was paid, and its charge, which is the answer."""
    name = account.world.id("pi")
    amount, currency = int(entry["amount"]), str(entry.get("currency") or "aud")
    intent = shapes.build_payment_intent(name, f"{name}_secret_{name}", account.now(), amount, currency)
    intent["metadata"] = {"attempt": str(entry["reference"])} if entry.get("reference") else {}
    method = account.add(build_past_method(account, str(entry.get("method") or "card")))
    details = {method["type"]: method[method["type"]], "type": method["type"]}
    item = account.add(shapes.build_charge(account.world.id("ch"), account.now(), intent, method, details))
    line = balance.record_balance_transaction(account, item, amount, kind="charge", fee=calculate_fee(amount), days=2)
    item.update(paid=True, status="succeeded", captured=True, amount_captured=amount, balance_transaction=line["id"])
    intent.update(status="succeeded", amount_received=amount, latest_charge=item["id"], payment_method=method["id"])
    account.add(intent)
    return item


def calculate_fee(amount: int) -> int:
    """Stripe's fee for a charge, in minor units: 2.9 % and 30, at most all."""
    return min((amount * 29 + 500) // 1000 + 30, amount)


def build_past_method(account: StripeAccount, kind: str) -> Obj:
    """A card or bank account that was not saved."""
    if kind == "card":
        shown = cards.build_card_details(CARD, 12, 2034, cvc=True)
    else:
        shown = banks.build_bank_details(
            kind, "000123456789", dict.fromkeys(banks.DEBIT_TYPES[kind].routing, "110000000")
        )
    return build_payment_method(account.world.id("pm"), account.now(), kind, shown, None)


def create_past_refund(account: StripeAccount, entry: Obj, created: list[Obj]) -> Obj:
    """Money that went back and arrived."""
    paid = created[int(entry["of"])]
    amount = int(entry.get("amount") or paid["amount"])
    refunds.check_refundable(account, paid, amount)
    item = shapes.build_refund(
        account.world.id("re"), account.now(), paid, amount, paid["payment_method_details"]["type"]
    )
    item["metadata"] = {"refund": str(entry["reference"])} if entry.get("reference") else {}
    refunds.record_refund_in_balance(account, paid, item)
    return account.add(item)


def create_past_dispute(account: StripeAccount, entry: Obj, created: list[Obj]) -> Obj:
    """What the payer's bank took back."""
    return disputes.create_dispute(account, created[int(entry["of"])])


def create_past_fee(account: StripeAccount, entry: Obj, created: list[Obj]) -> Obj:
    """What Stripe charges for something else than a payment: a line of its own."""
    source = {"id": None, "currency": str(entry.get("currency") or "aud"), "description": "Radar"}
    return balance.record_balance_transaction(account, source, -int(entry["amount"]), kind="stripe_fee", category="fee")


ENTRIES: dict[str, HistoryEntry] = {
    "charge": create_past_charge,
    "refund": create_past_refund,
    "dispute": create_past_dispute,
    "fee": create_past_fee,
}
