"""Rows of long lists in our words, whichever books wrote them."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import structlog

from wisepay.money import Money, get_currency_digits

log = structlog.get_logger(__name__)

RemoteRow = dict[str, Any]
ID_FIELDS = ("Id", "InvoiceID", "CreditNoteID", "ContactID")


def parse_rows[T](rows: Iterable[RemoteRow], read: Callable[[RemoteRow], T]) -> Iterable[T]:
    """The rows in our words; one that nobody can read must not hold up the others, so it is told of and left out."""
    for row in rows:
        try:
            yield read(row)
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            names = [row.get(name) for name in ID_FIELDS if row.get(name)]
            log.error("mirror.unreadable", document=names[:1], error=repr(error)[:200])


def parse_money(value: object, currency: str) -> Money:
    """A number that was read, as money; nothing is nought."""
    digits = get_currency_digits(currency)
    return Money(int(round(Decimal(str(value or 0)), digits).scaleb(digits)), currency)


def is_same_amount(value: object, amount: Money) -> bool:
    """Whether a number that was read is this amount."""
    return value is not None and Decimal(str(value)) == amount.decimal
