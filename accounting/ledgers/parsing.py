"""What parsing has in common, whichever accounting package wrote the rows."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import structlog

from wisepay.errors import Unavailable
from wisepay.money import Money, get_currency_digits

log = structlog.get_logger(__name__)

RemoteRow = dict[str, Any]
ID_FIELDS = ("Id", "InvoiceID", "CreditNoteID", "PaymentID", "ContactID")
UNREADABLE = (KeyError, ValueError, TypeError, AttributeError, ArithmeticError)


def parse_rows[T](rows: Iterable[RemoteRow], parse: Callable[[RemoteRow], T]) -> Iterable[T]:
    """Parse the rows of a long list; one that cannot be read is logged and left out, so that the others go on."""
    for row in rows:
        try:
            yield parse(row)
        except UNREADABLE as error:
            ids = [row.get(name) for name in ID_FIELDS if row.get(name)]
            log.error("mirror.unreadable", document=ids[:1], error=repr(error)[:200])


def parse_every_row[T](rows: Iterable[RemoteRow], parse: Callable[[RemoteRow], T]) -> list[T]:
    """Parse rows that were asked for. Raises Unavailable if one is unreadable: left out, it would seem not to exist."""
    try:
        return [parse(row) for row in rows]
    except UNREADABLE as error:
        raise Unavailable(f"A document could not be read ({type(error).__name__})") from error


def parse_money(value: object, currency: str) -> Money:
    """Parse an amount; nothing is zero."""
    digits = get_currency_digits(currency)
    return Money(int(round(Decimal(str(value or 0)), digits).scaleb(digits)), currency)


def is_same_amount(value: object, amount: Money) -> bool:
    """Return whether a number that was read is this amount."""
    return value is not None and Decimal(str(value)) == amount.decimal
