"""Columns of the list of payments that upper floors know of: what to select, and how it is shown."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models.expressions import BaseExpression

from wisepay.lists.tables import ListColumn


@dataclass(frozen=True, slots=True)
class PaymentColumn:
    """A column; the rows have what `build_expression` selects under the column's name."""

    column: ListColumn
    build_expression: Callable[[], BaseExpression]


PAYMENT_COLUMNS: dict[str, PaymentColumn] = {}


def register_payment_column(name: str, column: ListColumn, build_expression: Callable[[], BaseExpression]) -> None:
    """Add a column to the list of payments. Raises ValueError if there is one of that name."""
    if name in PAYMENT_COLUMNS:
        raise ValueError(f"there is a column {name} already")
    PAYMENT_COLUMNS[name] = PaymentColumn(column, build_expression)
