"""Rows of long lists in our words, whichever books wrote them."""

from collections.abc import Callable, Iterable
from typing import Any

import structlog

log = structlog.get_logger(__name__)

Row = dict[str, Any]
NAMES = ("Id", "InvoiceID", "CreditNoteID", "ContactID")


def readable[T](rows: Iterable[Row], read: Callable[[Row], T]) -> Iterable[T]:
    """The rows in our words; one that nobody can read must not hold up the others, so it is told of and left out."""
    for row in rows:
        try:
            yield read(row)
        except (KeyError, ValueError, TypeError, ArithmeticError) as error:
            names = [row.get(name) for name in NAMES if row.get(name)]
            log.error("mirror.unreadable", document=names[:1], error=repr(error)[:200])
