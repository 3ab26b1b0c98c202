"""What accounting tells the floors below that ask: what may be charged, who pays by itself, what is owed.

Found when Django is ready.
"""

from collections.abc import Sequence

from django.db.models import Count, Q

from accounting.invoice_room import payable_invoices
from accounting.models import AutoPayMapping
from accounting.paying import guard_shares
from payments.additions import currency_reader
from payments.payer_marks import Mark, auto_pay_reader, mark_of_mappings

__all__ = ["auto_pay_marks", "guard_shares", "owed_currencies"]


@auto_pay_reader
def auto_pay_marks(companies: Sequence[int]) -> dict[int, Mark]:
    """The Auto-Pay mark of each of these companies that has mappings."""
    rows = AutoPayMapping.objects.filter(company__in=companies, state="active").order_by().values("company")
    counted = rows.annotate(all=Count("pk"), theirs=Count("pk", filter=Q(origin=AutoPayMapping.Origin.PAYER)))
    return {row["company"]: mark_of_mappings(row["all"], is_payers=row["theirs"] > 0) for row in counted}


@currency_reader
def owed_currencies(companies: Sequence[int]) -> dict[int, str]:
    """The currency of the invoice that each of these companies has to pay first."""
    rows = payable_invoices(companies).order_by("company", "due_on", "pk").distinct("company")
    return {company: currency for company, currency in rows.values_list("company", "currency") if company is not None}
