"""Conditions on payments that the pages of payers and of merchants share: words, amounts, methods."""

import re
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cache

from django.db.models import BooleanField, F, Func, Q, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from wisepay.money import get_currency_digits, list_currencies

WORD_PATTERN = re.compile(r"[^\W_]+")


def build_date_expression() -> Coalesce:
    """The date of a payment: when it was paid, else when it was created."""
    return Coalesce("paid_at", "created_at")


def build_amount_expression() -> Coalesce:
    """The amount of a payment: what was paid, else what is due."""
    return Coalesce("paid_amount", "amount")


class PaymentWordsVector(Func):
    """The words of a payment; the expression is the one of the index payment_words."""

    template = "to_tsvector('simple'::regconfig, translate(%(expressions)s, '-_/.:@', '      '))"
    arg_joiner = " || ' ' || "
    output_field = TextField()


class WordsMatch(Func):
    """Whether the words of a payment match the query, asked of the index."""

    template = "(%(expressions)s)"
    arg_joiner = " @@ "
    output_field = BooleanField()


def build_words_query(words: Sequence[str], *, are_whole: bool = False) -> Func:
    """What asks for texts in which each of these begins a word.

    With `are_whole` they are whole words, but for the last one, which begins one unless it is a number: whoever types
    has got that far, and the index need not gather everything that begins with a common word.
    """
    last = len(words) - 1
    parts = (w if are_whole and (number < last or w.isdecimal()) else f"{w}:*" for number, w in enumerate(words))
    template = "to_tsquery('simple'::regconfig, %(expressions)s)"
    return Func(Value(" & ".join(parts)), template=template, output_field=TextField())


def build_words_match(words: Sequence[str], *, are_whole: bool = False) -> WordsMatch:
    """Every one of these is in the words of the payment, as `build_words_query` says."""
    vector = PaymentWordsVector(F("reference"), F("purpose"), Coalesce(KT("details__reference"), Value("")))
    return WordsMatch(vector, build_words_query(words, are_whole=are_whole))


class NamesVector(Func):
    """The words of who paid; the expression is the one of the index attempt_names."""

    template = "to_tsvector('simple'::regconfig, translate(%(expressions)s, '-_/.:@', '      '))"
    output_field = TextField()


def build_names_match(words: Sequence[str]) -> WordsMatch:
    """Every one of these is a word of the name of who paid, or the last one begins it."""
    return WordsMatch(NamesVector(F("payer_name")), build_words_query(words, are_whole=True))


@cache
def group_unusual_currencies() -> dict[int, list[str]]:
    """The currencies that do not have two decimals, by how many they have."""
    found: dict[int, list[str]] = {}
    for code in sorted(list_currencies()):
        if get_currency_digits(code) != 2:
            found.setdefault(get_currency_digits(code), []).append(code)
    return found


def build_amount_filter(
    *,
    amount: Decimal | None = None,
    at_least: Decimal | None = None,
    at_most: Decimal | None = None,
    column: str = "shown_amount",
) -> Q:
    """The amounts in major units, whatever the decimals of the currency: ranges that an index can be asked for.

    `column` is in minor units of the row's currency; payments have the `build_amount_expression` as `shown_amount`.
    """
    asked = {"": amount, "__gte": at_least, "__lte": at_most}
    limits = {f"{column}{lookup}": amount for lookup, amount in asked.items() if amount is not None}
    if not limits:
        return Q()
    odd = group_unusual_currencies()
    found = build_minor_unit_filter(limits, 2) & ~Q(currency__in=[code for codes in odd.values() for code in codes])
    for digits, codes in odd.items():
        found |= build_minor_unit_filter(limits, digits) & Q(currency__in=codes)
    return found


def build_minor_unit_filter(limits: dict[str, Decimal], digits: int) -> Q:
    """The limits in minor units of that many decimals; nothing has a fraction of one."""
    minor = {name: amount.scaleb(digits) for name, amount in limits.items()}
    if any("__" not in name and amount != amount.to_integral_value() for name, amount in minor.items()):
        return Q(pk__in=[])
    up = {name: int(amount.to_integral_value(ROUND_CEILING)) for name, amount in minor.items() if "gte" in name}
    down = {name: int(amount.to_integral_value(ROUND_FLOOR)) for name, amount in minor.items() if "gte" not in name}
    return Q(**up, **down)
