"""Sums over a list, which may be long: asked for with a limit on how long the answer may take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError, connection
from django.db.models import Count, QuerySet
from django.db.models.expressions import BaseExpression
from django_subatomic.db import transaction

from wisepay.money import Money

LIMIT_MS = 3_000


@dataclass(frozen=True, slots=True)
class Total:
    """One figure of the panel."""

    label: str
    amount: Money | str


class TakesTooLong(Exception):
    """The sums were not computed in time."""


def compute_in_time[T](compute: Callable[[], T], *, limit_ms: int = LIMIT_MS) -> T:
    """What `compute` answers, which asks the database. Raises TakesTooLong."""
    try:
        with transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(limit_ms)])
            found = compute()
            cursor.execute("SELECT set_config('statement_timeout', '0', true)")
            return found
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") == "57014":
            raise TakesTooLong from error
        raise


def sum_by_currency(
    rows: QuerySet[Any, Any],
    sums: Mapping[str, BaseExpression],
    *,
    counted: str,
    currency: str = "currency",
) -> list[tuple[str, dict[str, int]]]:
    """The sums of each currency, those of the most rows first, each with how many rows under `counted`.

    One statement of bounded time. Raises TakesTooLong.
    """
    named = {f"sum_of_{name}": expression for name, expression in sums.items()}  # no column is called so
    grouped = rows.order_by().values(currency).annotate(number_of_rows=Count("pk"), **named)
    found: list[dict[str, Any]] = compute_in_time(lambda: list(grouped.order_by("-number_of_rows", currency)))
    return [
        (row[currency], {counted: row["number_of_rows"]} | {name: row[f"sum_of_{name}"] or 0 for name in sums})
        for row in found
    ]


def describe_sums(
    found: list[tuple[str, dict[str, int]]], labels: Mapping[str, str], *, counted: str, count_label: str
) -> list[Total]:
    """The figures of a panel: how many rows, and each sum that is not nothing, with its currency where several are."""
    totals = [Total(count_label, f"{sum(row[counted] for _, row in found):,}")]
    for currency, row in found:
        named = f" in {currency}" if len(found) > 1 else ""
        totals += [Total(f"{label}{named}", Money(row[name], currency)) for name, label in labels.items() if row[name]]
    return totals
