"""Answers that the floors below ask of accounting: which invoices may be paid, who pays automatically, what is owed.

Registered when Django is ready.
"""

from collections.abc import Sequence

from django.db.models import Count, Q

from accounting.configuration.currencies import check_bookable_currency
from accounting.invoices.balances import list_payable_invoices
from accounting.invoices.services import check_payment_allocations
from accounting.models import AutoPayMapping
from accounting.paynow_links.services import check_linked_invoice, read_linked_invoice
from payments.payer_admin.badges import StatusBadge, build_auto_pay_badge, register_auto_pay_reader
from payments.portal.addable_methods import register_currency_reader

__all__ = [
    "check_bookable_currency",
    "check_linked_invoice",
    "check_payment_allocations",
    "get_mapping_badges",
    "get_owed_currencies",
    "read_linked_invoice",
]


@register_auto_pay_reader
def get_mapping_badges(companies: Sequence[int]) -> dict[int, StatusBadge]:
    """The Auto-Pay mark of each of these companies that has mappings."""
    rows = AutoPayMapping.objects.filter(company__in=companies, state="active").order_by().values("company")
    counted = rows.annotate(all=Count("pk"), theirs=Count("pk", filter=Q(origin=AutoPayMapping.Origin.PAYER)))
    return {row["company"]: build_auto_pay_badge(row["all"], is_payers=row["theirs"] > 0) for row in counted}


@register_currency_reader
def get_owed_currencies(companies: Sequence[int]) -> dict[int, str]:
    """The currency of the invoice that each of these companies has to pay first."""
    rows = list_payable_invoices(companies).order_by("company", "due_on", "pk").distinct("company")
    return {company: currency for company, currency in rows.values_list("company", "currency") if company is not None}
