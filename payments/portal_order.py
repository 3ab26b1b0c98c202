"""Reading the payments of one or several companies in one order, from indexes."""

from collections.abc import Callable, Sequence

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from payers.models import PayerAccess
from payments.models import Payment
from payments.portal_access import visible_payments
from wisepay.models import User

MERGED = 6  # companies whose lists are read side by side, each in the order of its index
Narrow = Callable[[QuerySet[Payment]], QuerySet[Payment]]


def shown_at() -> Coalesce:
    """The day of a payment: when it was paid, else when it came."""
    return Coalesce("paid_at", "created_at")


def shown_amount() -> Coalesce:
    """The amount of a payment: what was paid, else what is due."""
    return Coalesce("paid_amount", "amount")


def first_keys(
    accesses: Sequence[PayerAccess], user: User, *, sort: str, stop: int, narrow: Narrow, within: int | None = None
) -> list[int]:
    """The ids of the first `stop` visible payments that `narrow` leaves, in the order `sort`. One query.

    `sort` is date, amount or company, with a minus for descending. PostgreSQL reads the list of one company in the
    order of an index, but sorts everything when there are several: so a few lists are read apart and merged.
    With `within` only so many rows of each list are looked at: what is found is right, but there may be more.
    """
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_name = sorted(accesses, key=lambda access: (access.company.name.casefold(), access.company_id))
    groups = [[access] for access in by_name] if len(by_name) <= MERGED else [by_name]
    branches = []
    for rank, group in enumerate(reversed(groups) if name == "company" and is_descending else groups):
        order = order_of(name, is_descending, is_one_company=len(by_name) <= MERGED)
        rows = visible_payments(group, user)
        if within is not None:
            looked_at = rows.annotate(sort_key=sort_key(name, rank), day=shown_at()).order_by(*order)
            rows = Payment.objects.filter(pk__in=looked_at.values("pk")[:within])
        branches.append(narrow(rows).annotate(sort_key=sort_key(name, rank), day=shown_at()).order_by(*order))
    if not branches:
        return []
    if len(branches) == 1:
        return list(branches[0].values_list("pk", flat=True)[:stop])
    merged = [rows.values_list("pk", "sort_key", "day")[:stop] for rows in branches]
    ways = ("sort_key", "-day", "-pk") if name == "company" else order_of(name, is_descending)
    return [row[0] for row in merged[0].union(*merged[1:], all=True).order_by(*ways)[:stop]]


def sort_key(name: str, rank: int) -> Coalesce | Value:
    """What rows are ordered by; a company's rows all share its rank."""
    if name == "amount":
        return shown_amount()
    return Value(rank) if name == "company" else shown_at()


def order_of(name: str, is_descending: bool, *, is_one_company: bool = False) -> tuple[str, ...]:
    """The order as Django says it; both directions are an index read forwards or backwards."""
    if name == "company":
        by_name = () if is_one_company else ("-company__name" if is_descending else "company__name",)
        return (*by_name, "-day", "-pk")
    return ("-sort_key", "-pk") if is_descending else ("sort_key", "pk")
