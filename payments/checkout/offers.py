"""What the page of a payer with an account offers: kept methods, kinds of new ones, and the terms of each."""

import json
from dataclasses import dataclass

from merchants.models import Terms
from merchants.terms.services import get_current_terms, render_terms
from payments.checkout.visitors import Visitor
from payments.method_choices import (
    BANK_DEBIT,
    CARD,
    Person,
    get_gateway_method_type,
    list_allowed_methods,
    list_usable_methods,
    supports_currency,
)
from payments.models import GatewayAccount, Payment, SavedMethod


@dataclass(frozen=True, slots=True)
class TermsCheckbox:
    """A text to accept, shown when a new method of this kind is used, saved or not."""

    method: str
    saves: bool
    terms: Terms
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class CheckoutOffer:
    """Everything that can be chosen."""

    saved_methods: list[SavedMethod]
    methods: list[str]
    types: str
    checkboxes: list[TermsCheckbox]


TERMS_LABELS = {
    (CARD, True): "I accept the terms for saving my card for later use",
    (BANK_DEBIT, True): "I accept the terms for saving my bank details for later use",
    (BANK_DEBIT, False): "I accept the terms of this bank debit",
}
TERMS_KINDS = {
    (CARD, True): Terms.Kind.SAVED_CARD,
    (BANK_DEBIT, True): Terms.Kind.SAVED_BANK_ACCOUNT,
    (BANK_DEBIT, False): Terms.Kind.DIRECT_DEBIT,
}


def get_checkout_offer(payment: Payment, account: GatewayAccount, visitor: Visitor) -> CheckoutOffer:
    """What this visitor can pay this payment with."""
    methods = list_allowed_methods(payment.methods, account, payment.currency)
    asker = Person("", "", "", ip="", user_agent="", access=visitor.access, is_signed_in=visitor.is_signed_in)
    kept = list_usable_methods(asker, payment.company, account)
    return CheckoutOffer(
        saved_methods=[
            m for m in kept if (CARD if m.is_card else BANK_DEBIT) in methods and supports_currency(m, payment.currency)
        ],
        methods=methods,
        types=json.dumps({get_gateway_method_type(m, payment.currency): m for m in methods}),
        checkboxes=[
            build_terms_checkbox(payment, method, saves=saves)
            for method in methods
            for saves in (True, False)
            if (method, saves) in TERMS_KINDS and (saves or not payment.needs_account)
        ],
    )


def build_terms_checkbox(payment: Payment, method: str, *, saves: bool) -> TermsCheckbox:
    """The text in force for one way to pay."""
    terms = get_current_terms(payment.merchant, TERMS_KINDS[method, saves])
    return TermsCheckbox(method, saves, terms, render_terms(terms), TERMS_LABELS[method, saves])
