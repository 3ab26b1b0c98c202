"""What a payer may add in their settings: which kinds for which company, in which currency, under which terms."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery

from merchants.models import Merchant
from payers.models import PayerAccess, PayerCompany
from payments.consent import Act, Order, build_consent_context
from payments.models import GatewayAccount, Payment
from payments.saved_methods.choices import (
    BANK_DEBIT,
    CARD,
    get_gateway_method_type,
    list_allowed_methods,
)
from wisepay import clock
from wisepay.events import add_once


@dataclass(frozen=True, slots=True)
class AddableMethods:
    """A company with the merchant's account at the gateway and the currency that its next payment will have."""

    company: PayerCompany
    account: GatewayAccount | None
    currency: str
    kinds: Sequence[str]


def list_addable_methods(accesses: Sequence[PayerAccess]) -> dict[int, AddableMethods]:
    """What can be added for each company, by its id. Three queries at most.

    The currency is the one of the company's last payment, else of what it owes, else of its merchant's last payment;
    without any no bank account can be added, because the currency decides what kind of debit it is.
    """
    companies = {access.company_id: access.company for access in accesses}
    merchants = {company.merchant_id for company in companies.values()}
    accounts = {account.merchant_id: account for account in GatewayAccount.objects.filter(current_of__in=merchants)}
    currencies = get_company_currencies(list(companies))
    found = {}
    for pk, company in companies.items():
        account, currency = accounts.get(company.merchant_id), currencies[pk]
        kinds = list_allowed_methods((CARD, BANK_DEBIT), account, currency) if account else []
        found[pk] = AddableMethods(company, account, currency, kinds)
    return found


def get_company_currencies(companies: list[int]) -> dict[int, str]:
    """The currency that each company's next payment will have, by its id; empty where it is unknown."""
    newest = Payment.objects.order_by("-created_at").values("currency")
    own = Subquery(newest.filter(company=OuterRef("pk"))[:1])
    usual = Subquery(newest.filter(merchant=OuterRef("merchant"))[:1])
    rows = list(PayerCompany.objects.filter(pk__in=companies).values_list("pk", own, usual))
    unpaid = [pk for pk, paid, _ in rows if not paid]
    owed = {pk: currency for reader in CURRENCY_READERS for pk, currency in reader(unpaid).items()} if unpaid else {}
    return {pk: paid or owed.get(pk) or likely or "" for pk, paid, likely in rows}


CurrencyReader = Callable[[Sequence[int]], Mapping[int, str]]
CURRENCY_READERS: list[CurrencyReader] = []


def register_currency_reader[R: CurrencyReader](reader: R) -> R:
    """Register a function that answers in which currency companies owe, by their ids.

    Companies that owe nothing may be missing from the answer.
    """
    add_once(CURRENCY_READERS, reader)
    return reader


def build_addition_context(addable: AddableMethods, kind: str) -> dict[str, Any]:
    """The context of the page with Stripe's form."""
    return {
        "company": addable.company,
        "merchant": addable.company.merchant,
        "account": addable.account,
        "currency": addable.currency,
        "gateway_kind": get_gateway_method_type(kind, addable.currency),
        "types": json.dumps([get_gateway_method_type(kind, addable.currency)]),
        "consent": build_saving_consent(addable.company.merchant, kind),
    }


def build_saving_consent(merchant: Merchant, kind: str) -> dict[str, Any]:
    """What saving a method of this kind means, and the texts that are accepted with it."""
    order = Order(merchant, kind, [Act.SAVE])
    return build_consent_context(order, now=clock.now())
