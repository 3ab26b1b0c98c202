"""Answers that the floors below ask of accounting: which invoices may be paid, who pays automatically, what is owed,
and the numbers of the books in the list of payments.

Registered when Django is ready.
"""

from collections.abc import Sequence

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q

from accounting.configuration.currencies import check_bookable_currency
from accounting.invoices.balances import list_payable_invoices
from accounting.invoices.services import check_payment_allocations
from accounting.models import AutoPayMapping, LedgerInvoice, PaymentAllocation, Posting
from accounting.paynow_links.services import check_linked_invoice, read_linked_invoice
from merchants.models import Merchant
from merchants.saved_queries import register_list
from payments.console.columns import register_payment_column
from payments.console.search import register_payment_finder
from payments.payer_admin.badges import StatusBadge, build_auto_pay_badge, register_auto_pay_reader
from payments.portal.addable_methods import register_currency_reader
from wisepay.lists.tables import ListColumn

__all__ = [
    "check_bookable_currency",
    "check_linked_invoice",
    "check_payment_allocations",
    "get_mapping_badges",
    "get_owed_currencies",
    "read_linked_invoice",
]


register_list("invoices", page="accounting:invoices")
register_list("postings", page="accounting:posted")
register_list("scheduled", page="autopay:list")


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


@register_payment_finder
def find_payments_of_documents(merchant: Merchant, term: str) -> list[Q]:
    """By the number of an invoice that was paid, and of whatever was posted for a payment."""
    invoices = LedgerInvoice.objects.filter(merchant=merchant, number__iexact=term)
    postings = Posting.objects.filter(merchant=merchant, number=term.upper(), payment__isnull=False)
    return [
        Q(pk__in=PaymentAllocation.objects.filter(invoice__in=invoices).values("payment")),
        Q(pk__in=postings.values("payment")),
    ]


def build_numbers_expression() -> ArraySubquery:
    """The numbers of what was posted for a payment."""
    rows = Posting.objects.filter(payment=OuterRef("pk")).exclude(state="cancelled").order_by("number")
    return ArraySubquery(rows.values("number").distinct())


register_payment_column(
    "pf_numbers",
    ListColumn("PF numbers", lambda p: ", ".join(p.pf_numbers), look="mono", is_shown=False),
    build_numbers_expression,
)
