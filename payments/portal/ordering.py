"""Read the payments of one or several companies in one order, from indexes."""

from collections.abc import Callable, Sequence

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from payers.models import PayerAccess
from payments.models import Payment
from payments.payment_filters import build_amount_expression, build_date_expression
from payments.portal.access import list_visible_payments
from wisepay.models import User

MAX_MERGED_COMPANIES = 6  # companies whose lists are read side by side, each in the order of its index
PaymentQueryFilter = Callable[[QuerySet[Payment]], QuerySet[Payment]]


def list_first_ids(
    accesses: Sequence[PayerAccess],
    user: User,
    *,
    sort: str,
    stop: int,
    apply_filter: PaymentQueryFilter,
    scan_limit: int | None = None,
) -> list[int]:
    """The ids of the first `stop` visible payments that `apply_filter` leaves, in the order `sort`. One query.

    `sort` is date, amount or company, with a minus for descending. PostgreSQL reads the list of one company in the
    order of an index, but sorts everything when there are several: so a few lists are read one by one and merged.
    With `scan_limit` only so many rows of each list are read: what is found is right, but there may be more.
    """
    name, is_descending = sort.removeprefix("-"), sort.startswith("-")
    by_name = sorted(accesses, key=lambda access: (access.company.name.casefold(), access.company_id))
    groups = [[access] for access in by_name] if len(by_name) <= MAX_MERGED_COMPANIES else [by_name]
    branches = []
    for rank, group in enumerate(reversed(groups) if name == "company" and is_descending else groups):
        order = build_order_by(name, is_descending, is_one_company=len(by_name) <= MAX_MERGED_COMPANIES)
        rows = list_visible_payments(group, user)
        if scan_limit is not None:
            scanned = rows.annotate(sort_key=build_sort_key(name, rank), day=build_date_expression()).order_by(*order)
            rows = Payment.objects.filter(pk__in=scanned.values("pk")[:scan_limit])
        branches.append(
            apply_filter(rows)
            .annotate(sort_key=build_sort_key(name, rank), day=build_date_expression())
            .order_by(*order)
        )
    if not branches:
        return []
    if len(branches) == 1:
        return list(branches[0].values_list("pk", flat=True)[:stop])
    merged = [rows.values_list("pk", "sort_key", "day")[:stop] for rows in branches]
    merged_order = ("sort_key", "-day", "-pk") if name == "company" else build_order_by(name, is_descending)
    return [row[0] for row in merged[0].union(*merged[1:], all=True).order_by(*merged_order)[:stop]]


def build_sort_key(name: str, rank: int) -> Coalesce | Value:
    """What rows are ordered by; a company's rows all share its rank."""
    if name == "amount":
        return build_amount_expression()
    return Value(rank) if name == "company" else build_date_expression()


def build_order_by(name: str, is_descending: bool, *, is_one_company: bool = False) -> tuple[str, ...]:
    """The arguments of `order_by`; both directions are an index read forwards or backwards."""
    if name == "company":
        by_name = () if is_one_company else ("-company__name" if is_descending else "company__name",)
        return (*by_name, "-day", "-pk")
    return ("-sort_key", "-pk") if is_descending else ("sort_key", "pk")
