"""Find a merchant's payments by whatever a person holds in hand: ids, numbers, addresses, amounts, words."""

import re
from collections.abc import Callable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Upper
from django.db.models.lookups import Exact

from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import Attempt, BalanceTransaction, Dispute, Payment, Payout, Refund, SavedMethod
from payments.payment_filters import WORD_PATTERN, build_amount_filter, build_names_match, build_words_match
from wisepay.events import add_once
from wisepay.money import InvalidAmount, parse_major_units

MAX_COMPANIES, MAX_IDS = 200, 1_000  # so many are known by their ids; more are looked for in the order of the list
LONGEST_TERM = 100
OWN_REFERENCE = re.compile(r"[0-9a-z]{6,20}")
DOCUMENT_NUMBER = re.compile(r"PF(?:_[A-Z]{2})?-([0-9A-Z]{4,20})(?:[-/][0-9]{1,4}){0,2}", re.IGNORECASE)
GATEWAY_ID = re.compile(r"(pi|ch|py|txn|re|pyr|dp|du|po|pm|card)_\w{3,240}")
WHOLE_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
LAST_FOUR = re.compile(r"(?:[·•*x.\s]{1,24}|ending\s+)?([0-9]{4})", re.IGNORECASE)
AMOUNT = re.compile(r"(?:[A-Z]{0,3}\s?[^\w\s.,-])?(?:[A-Z]{3})?\s*([\d,]+(?:\.\d+)?)\s*(?:[A-Z]{3})?", re.IGNORECASE)
PLAIN_AMOUNT = re.compile(r"[0-9]+")

type Finder = Callable[[Merchant, str], list[Q]]
PAYMENT_FINDERS: list[Finder] = []


def register_payment_finder[F: Finder](finder: F) -> F:
    """Register a function of an upper floor that finds payments by what it knows of them.

    It answers conditions on payments, each of which an index answers.
    """
    add_once(PAYMENT_FINDERS, finder)
    return finder


def build_search(merchant: Merchant, text: str) -> list[Q]:
    """The conditions of which a payment meets one when the text finds it. At most one statement."""
    term = text.strip().removeprefix("#")[:LONGEST_TERM]
    found = [condition for find in PAYMENT_FINDERS for condition in find(merchant, term)]
    found += find_by_gateway_id(merchant, term) + find_by_reference(term)
    if GATEWAY_ID.fullmatch(term) or DOCUMENT_NUMBER.fullmatch(term):
        return found
    if "@" in term:
        return found + find_by_address(merchant, term)
    found.append(Q(is_same_text("details__purchase_order", term)))
    found += find_by_last_four(term) + find_by_amount(term)
    if AMOUNT.fullmatch(term) and not PLAIN_AMOUNT.fullmatch(term):
        return found
    return found + find_by_words(merchant, term)


def find_by_reference(term: str) -> list[Q]:
    """By the beginning of our own reference, or the number of a document that is made of it."""
    document = DOCUMENT_NUMBER.fullmatch(term)
    if document:
        stem = document[1].lower()
        return [
            Q(reference__startswith=stem),
            Q(pk__in=Refund.objects.filter(reference__startswith=stem).values("payment")),
        ]
    lowered = term.lower()
    if not OWN_REFERENCE.fullmatch(lowered):
        return []
    attempts = Attempt.objects.filter(reference__startswith=lowered).values("payment")
    return [Q(reference__startswith=lowered), Q(pk__in=attempts)]


def find_by_gateway_id(merchant: Merchant, term: str) -> list[Q]:
    """By an id of the gateway's: of the payment, its charge, what moved the balance, and what went back."""
    found = GATEWAY_ID.fullmatch(term)
    if not found:
        return []
    of_merchant = {"account__merchant": merchant}
    lines = BalanceTransaction.objects.filter(**of_merchant, attempt__isnull=False).values("attempt__payment")
    payouts = Payout.objects.filter(**of_merchant, stripe_payout_id=term)
    methods = SavedMethod.objects.filter(**of_merchant, stripe_payment_method_id=term)
    by_kind: dict[str, list[QuerySet[Any, Any]]] = {
        "pi": [Attempt.objects.filter(**of_merchant, stripe_payment_intent_id=term).values("payment")],
        "txn": [lines.filter(stripe_id=term)],
        "po": [lines.filter(payout__in=payouts)],
        "re": [Refund.objects.filter(stripe_refund_id=term).values("payment")],
        "dp": [Dispute.objects.filter(stripe_dispute_id=term).values("attempt__payment")],
        "pm": [Attempt.objects.filter(saved_method__in=methods).values("payment")],
    }
    kind = {"pyr": "re", "du": "dp", "card": "pm"}.get(found[1], found[1])
    return [Q(pk__in=rows) for rows in by_kind.get(kind, [lines.filter(source_id=term)])]


def find_by_address(merchant: Merchant, term: str) -> list[Q]:
    """By an e-mail address, or its beginning: of who paid, of the company, and whom a quote was sent to."""
    is_whole = WHOLE_ADDRESS.fullmatch(term) is not None
    lookup = "iexact" if is_whole else "istartswith"
    companies = PayerCompany.objects.filter(merchant=merchant, **{f"email__{lookup}": term})
    paid = Attempt.objects.filter(**{f"payer_email__{lookup}": term}).values("payment")
    return [Q(pk__in=paid), Q(company__in=companies), Q(is_same_text("details__billing__email", term))]


def is_same_text(path: str, term: str) -> Exact:
    """Whether a text inside the payment's details is the term, without regard to case; an index knows it."""
    return Exact(Upper(KT(path)), Upper(Value(term)))


def find_by_last_four(term: str) -> list[Q]:
    """By the last digits of a card or a bank account."""
    found = LAST_FOUR.fullmatch(term)
    return [Q(pk__in=Attempt.objects.filter(last4=found[1]).values("payment"))] if found else []


def find_by_amount(term: str) -> list[Q]:
    """By an amount as people type it, in whatever currency."""
    found = AMOUNT.fullmatch(term)
    if not found:
        return []
    try:
        return [build_amount_filter(amount=parse_major_units(found[1]))]
    except InvalidAmount:
        return []


def find_by_words(merchant: Merchant, term: str) -> list[Q]:
    """By words of the company, of the purpose, and of who paid. One statement.

    PostgreSQL can't tell how rare a word is: so what is rare is looked up first and known by its ids from then on, and
    what is common is asked of each row in the order of the list, where no index answers it.
    """
    words = WORD_PATTERN.findall(term.casefold())
    companies = PayerCompany.objects.filter(merchant=merchant, name__icontains=term)
    if not words:
        return [Q(company__in=companies)]
    purposes, names = build_words_match(words, are_whole=True), build_names_match(words)
    payments = Payment.objects.filter(purposes, merchant=merchant)
    attempts = Attempt.objects.filter(names, payment__merchant=merchant)
    looked_up = [
        companies.order_by().annotate(kind=Value(0)).values_list("kind", "pk")[: MAX_COMPANIES + 1],
        payments.order_by().annotate(kind=Value(1)).values_list("kind", "pk")[: MAX_IDS + 1],
        attempts.order_by().annotate(kind=Value(2)).values_list("kind", "payment")[: MAX_IDS + 1],
    ]
    keys: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for kind, key in looked_up[0].union(*looked_up[1:], all=True):
        keys[kind].append(key)
    of_who = Attempt.objects.filter(Q(Coalesce(names, Value(False))), payment=OuterRef("pk"))
    found = [Q(company__in=keys[0] if len(keys[0]) <= MAX_COMPANIES else companies)]
    found.append(Q(pk__in=keys[1]) if len(keys[1]) <= MAX_IDS else Q(Coalesce(purposes, Value(False))))
    found.append(Q(pk__in=keys[2]) if len(keys[2]) <= MAX_IDS else Q(Exists(of_who)))
    return [condition for condition, key in zip(found, keys.values(), strict=True) if key]
