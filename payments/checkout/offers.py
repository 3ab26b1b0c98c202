"""What the page of a payer with an account offers: saved methods, kinds of new ones, and the terms of each."""

import json
from dataclasses import dataclass

from payers.models import PayerAccess
from payments.access import Visitor
from payments.method_choices import (
    BANK_DEBIT,
    CARD,
    TERMS_KINDS,
    TermsCheckbox,
    build_terms_checkbox,
    get_gateway_method_type,
    list_allowed_methods,
    list_usable_methods,
    supports_currency,
)
from payments.models import GatewayAccount, Payment, SavedMethod


@dataclass(frozen=True, slots=True)
class CheckoutOffer:
    """The ways to pay that one visitor can choose from; `types` is JSON for the script."""

    saved_methods: list[SavedMethod]
    methods: list[str]
    types: str
    may_save: bool
    may_share: bool
    checkboxes: list[TermsCheckbox]


def get_checkout_offer(payment: Payment, account: GatewayAccount, visitor: Visitor) -> CheckoutOffer:
    """What this visitor can pay this payment with."""
    asker = visitor.build_person(ip="", user_agent="")
    allowed = list_allowed_methods(payment.methods, account, payment.currency)
    methods = [method for method in allowed if method == CARD or asker.has_account]
    saved = list_usable_methods(asker, payment.company, account)
    return CheckoutOffer(
        saved_methods=[
            m
            for m in saved
            if (CARD if m.is_card else BANK_DEBIT) in methods and supports_currency(m, payment.currency)
        ],
        methods=methods,
        types=json.dumps({get_gateway_method_type(m, payment.currency): m for m in methods}),
        may_save=asker.has_account,
        may_share=visitor.access is not None and visitor.access.scope == PayerAccess.Scope.COMPANY,
        checkboxes=[
            build_terms_checkbox(payment.merchant, method, saves=saves)
            for method in methods
            for saves in (True, False)
            if (method, saves) in TERMS_KINDS
            and (saves or not payment.needs_account)
            and (asker.has_account or not saves)
        ],
    )
