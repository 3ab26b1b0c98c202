"""What a checkout offers: saved methods, kinds of new ones, and what each choice means and makes the payer accept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from payers.models import PayerAccess
from payments.access import Visitor
from payments.consent import (
    ConsentText,
    Order,
    build_consent_texts,
    build_order,
    get_schedule_key,
    list_statements,
)
from payments.gateways import get_gateway_units
from payments.models import GatewayAccount, Payment, SavedMethod
from payments.saved_methods.choices import (
    BANK_DEBIT,
    CARD,
    get_gateway_method_type,
    list_allowed_methods,
    list_usable_methods,
    supports_currency,
)


@dataclass(frozen=True, slots=True)
class OfferedStatement:
    """What one choice means, in sentences, when `amount` minor units are paid."""

    choice: str
    amount: int
    lines: list[str]
    is_shown: bool


@dataclass(frozen=True, slots=True)
class ConsentOffer:
    """What stands above the button: sentences and texts of every choice, and what the page says that recurs."""

    statements: list[OfferedStatement]
    texts: list[ConsentText]
    schedule: str


@dataclass(frozen=True, slots=True)
class CheckoutOffer:
    """The ways to pay that one visitor can choose from; `types` is JSON for the script.

    `due_units` and `full_units` are the amounts as the gateway counts them, for its own form in the page.
    """

    saved_methods: list[SavedMethod]
    methods: list[str]
    types: str
    may_save: bool
    may_share: bool
    consent: ConsentOffer
    due_units: int = 0
    full_units: int = 0


def get_checkout_offer(
    payment: Payment, account: GatewayAccount, visitor: Visitor | None, *, now: datetime
) -> CheckoutOffer:
    """What this visitor can pay this payment with; a guest (None) with a new card."""
    if visitor is None:
        consent = build_consent_offer(payment, {CARD: (CARD, False, None)}, now=now)
        types = json.dumps({CARD: CARD})
        return CheckoutOffer([], [CARD], types, may_save=False, may_share=False, consent=consent, **get_units(payment))
    asker = visitor.build_person(ip="", user_agent="")
    allowed = list_allowed_methods(payment.methods, account, payment.currency)
    methods = [method for method in allowed if method == CARD or asker.has_account]
    payable = list_allowed_methods(payment.methods, account, payment.currency, is_saved=True)
    saved = [
        m
        for m in list_usable_methods(asker, payment.company, account)
        if get_method_name(m) in payable and supports_currency(m, payment.currency)
    ]
    choices = list_choices(payment, methods, saved, may_save=asker.has_account)
    return CheckoutOffer(
        saved_methods=saved,
        methods=methods,
        types=json.dumps({get_gateway_method_type(m, payment.currency): m for m in methods}),
        may_save=asker.has_account,
        may_share=visitor.access is not None and visitor.access.scope == PayerAccess.Scope.COMPANY,
        consent=build_consent_offer(payment, choices, now=now),
        **get_units(payment),
    )


def get_units(payment: Payment) -> dict[str, int]:
    """The amounts of a payment as the gateway counts them: its form shows, and wallets ask for, what is charged."""
    return {
        "due_units": get_gateway_units(payment.due),
        "full_units": get_gateway_units(payment.full) if payment.full is not None else 0,
    }


def get_method_name(method: SavedMethod) -> str:
    """Whether a saved method is a card or a bank account, as choices call it."""
    return CARD if method.is_card else BANK_DEBIT


type Choice = tuple[str, bool, SavedMethod | None]


def list_choices(
    payment: Payment, methods: Sequence[str], saved: Sequence[SavedMethod], *, may_save: bool
) -> dict[str, Choice]:
    """Every choice by the name that the page's script gives it, the one that is made at first on top."""
    found: dict[str, Choice] = {f"saved-{m.reference}": (get_method_name(m), False, m) for m in saved}
    for method in methods:
        if not payment.needs_account:
            found[method] = (method, False, None)
        if may_save:
            found[f"{method}-save"] = (method, True, None)
    return found


def build_consent_offer(payment: Payment, choices: dict[str, Choice], *, now: datetime) -> ConsentOffer:
    """What each of these choices means, and which texts it makes the payer accept."""
    amounts = [payment.amount, *([payment.full_amount] if payment.full_amount else [])]
    orders: dict[tuple[str, int], Order] = {
        (name, amount): build_order(payment, method=method, amount=amount, saves=saves, saved_method=saved)
        for name, (method, saves, saved) in choices.items()
        for amount in amounts
    }
    first = next(iter(orders), None)
    return ConsentOffer(
        statements=[
            OfferedStatement(name, amount, list_statements(order, now=now), is_shown=(name, amount) == first)
            for (name, amount), order in orders.items()
        ],
        texts=build_consent_texts(payment.merchant, {name: orders[name, amounts[0]] for name in choices}),
        schedule=get_schedule_key(next(iter(orders.values())), now=now) if orders else "",
    )
