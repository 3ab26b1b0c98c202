"""What the page of a payer with an account offers: kept methods, kinds of new ones, and the terms of each."""

import json
from dataclasses import dataclass

from merchants.models import Terms
from merchants.terms import current_terms, shown_text
from payments.choices import BANK_DEBIT, CARD, Person, allowed_methods, fits_currency, gateway_kind, usable_methods
from payments.models import GatewayAccount, Payment, SavedMethod
from payments.visitors import Visitor


@dataclass(frozen=True, slots=True)
class Tick:
    """A text to accept, shown when a new method of this kind is used, saved or not."""

    method: str
    saves: bool
    terms: Terms
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Everything that can be chosen."""

    kept: list[SavedMethod]
    methods: list[str]
    types: str
    ticks: list[Tick]


LABELS = {
    (CARD, True): "I accept the terms for saving my card for later use",
    (BANK_DEBIT, True): "I accept the terms for saving my bank details for later use",
    (BANK_DEBIT, False): "I accept the terms of this bank debit",
}
KINDS = {
    (CARD, True): Terms.Kind.SAVED_CARD,
    (BANK_DEBIT, True): Terms.Kind.SAVED_BANK_ACCOUNT,
    (BANK_DEBIT, False): Terms.Kind.DIRECT_DEBIT,
}


def checkout_offer(payment: Payment, account: GatewayAccount, visitor: Visitor) -> Offer:
    """What this visitor can pay this payment with."""
    methods = allowed_methods(payment.methods, account, payment.currency)
    asker = Person("", "", "", ip="", user_agent="", access=visitor.access, is_signed_in=visitor.is_signed_in)
    kept = usable_methods(asker, payment.company, account)
    return Offer(
        kept=[m for m in kept if (CARD if m.is_card else BANK_DEBIT) in methods and fits_currency(m, payment.currency)],
        methods=methods,
        types=json.dumps({gateway_kind(m, payment.currency): m for m in methods}),
        ticks=[
            tick(payment, method, saves=saves)
            for method in methods
            for saves in (True, False)
            if (method, saves) in KINDS and (saves or not payment.needs_account)
        ],
    )


def tick(payment: Payment, method: str, *, saves: bool) -> Tick:
    """The text in force for one way to pay."""
    terms = current_terms(payment.merchant, KINDS[method, saves])
    return Tick(method, saves, terms, shown_text(terms), LABELS[method, saves])
