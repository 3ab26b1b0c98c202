"""The list of the invoices that the books hold for a merchant's clients."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import DateField, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce

from accounting.ledger_session import annotate_connected_books
from accounting.ledgers import build_document_url
from accounting.models import LedgerInvoice
from accounting.models.mirror import NO_DUE_DAY
from merchants.listings import MerchantListing
from payers.filters import CompanyFilters, find_by_company
from payments.payment_filters import build_amount_filter
from wisepay import clock
from wisepay.clock import format_date, get_local_date
from wisepay.lists.filters import AmountFilter, ChoiceFilter, DayFilter, SearchFilter
from wisepay.lists.ordering import Sort
from wisepay.lists.tables import ListColumn, build_table, link_out
from wisepay.lists.totals import Total, describe_sums, sum_by_currency
from wisepay.money import list_minor_amounts
from wisepay.templatetags.wisepay import BADGES, badge

STATES = [
    ("open", "Outstanding"),
    ("overdue", "Overdue"),
    ("paid", "Paid"),
    ("draft", "Draft"),
    ("voided", "Voided"),
    ("deleted", "Deleted"),
]
TOTALS = {"total": "Invoiced", "due": "Outstanding", "overdue": "Overdue"}


def build_due_expression() -> Coalesce:
    """The day that an invoice is due; those without one last."""
    return Coalesce("due_on", Value(NO_DUE_DAY, DateField()))


class InvoiceFilters(CompanyFilters):
    """What a merchant filters invoices by."""

    q = SearchFilter(label="Search", method="pass_all")
    status = ChoiceFilter(label="State", method="filter_status", choices=STATES)
    since = DayFilter(label="Due from", field_name="due_on", lookup_expr="gte")
    until = DayFilter(label="Due to", field_name="due_on", lookup_expr="lte")
    issued_since = DayFilter(label="Dated from", field_name="issued_on", lookup_expr="gte")
    company = SearchFilter(label="Client", method="filter_company")
    at_least = AmountFilter(label="Outstanding from", method="filter_at_least")

    def filter_status(self, rows: QuerySet[LedgerInvoice], name: str, value: str) -> QuerySet[LedgerInvoice]:
        """As the books say, and overdue by the merchant's day."""
        if value == "overdue":
            return rows.filter(status="open", due__gt=0, due_on__lt=get_local_date(clock.now(), self.zone))
        return rows.filter(status=value)

    def filter_at_least(self, rows: QuerySet[LedgerInvoice], name: str, value: Decimal) -> QuerySet[LedgerInvoice]:
        """Of which so much is not paid yet."""
        return rows.filter(build_amount_filter(at_least=value, column="due"))


def get_state(invoice: Any) -> str:
    """The state of the badge: what is due and past its day is overdue."""
    is_late = invoice.status == "open" and invoice.due and invoice.due_on and invoice.due_on < invoice.today
    return "overdue" if is_late else str(invoice.status)


def show_day(day: date | None) -> str:
    """A day as people read it."""
    return format_date(day) if day else ""


def show_number(invoice: Any, zone: str) -> str:
    """The number, which leads to the invoice's page in the books while they are the connected ones."""
    provider = invoice.provider if invoice.organisation_id == invoice.connected_id else ""
    return link_out(build_document_url(provider or "", "invoice", invoice.ledger_id), str(invoice))


COLUMNS = {
    "number": ListColumn("Invoice", str, show_number, look="cell-ref"),
    "company": ListColumn("Client", lambda i: i.company.name if i.company else ""),
    "state": ListColumn(
        "State", lambda i: BADGES[get_state(i)][1], lambda i, zone: badge(get_state(i)), look="cell-side"
    ),
    "issued_on": ListColumn("Dated", lambda i: i.issued_on, lambda i, zone: show_day(i.issued_on), look="nowrap"),
    "due_on": ListColumn(
        "Due", lambda i: i.due_on, lambda i, zone: show_day(i.due_on), look="nowrap cell-side", sort="due"
    ),
    "total": ListColumn(
        "Total", lambda i: i.money.decimal, lambda i, zone: str(i.money), look="cell-num", sort="total"
    ),
    "due": ListColumn(
        "Outstanding", lambda i: i.due_money.decimal, lambda i, zone: str(i.due_money) if i.due else "", look="cell-num"
    ),
    "currency": ListColumn("Currency", lambda i: i.currency, is_shown=False),
    "remark": ListColumn("Reference", lambda i: i.remark, is_shown=False),
    "ledger_id": ListColumn("Id in the books", lambda i: i.ledger_id, look="mono", is_shown=False),
}


class InvoiceList(MerchantListing[LedgerInvoice]):
    """The invoices of the books over all clients, those that were read last on top."""

    name, title = "invoices", "Invoices"
    search_label = "Number, client, reference, amount"
    has_totals = True
    table_class = build_table("InvoiceTable", COLUMNS)
    filters_class = InvoiceFilters
    sorts = (
        Sort("-created", "Newest first"),
        Sort("created", "Oldest first", is_descending=False),
        Sort("due", "Due first first", build_due_expression(), date, is_descending=False),
        Sort("-due", "Due last first", build_due_expression(), date),
        Sort("-total", "Largest first", F("total")),
        Sort("total", "Smallest first", F("total"), is_descending=False),
    )

    def list_rows(self) -> QuerySet[LedgerInvoice]:
        """Every invoice that was ever read."""
        return LedgerInvoice.objects.filter(merchant=self.merchant)

    def build_search(self, text: str) -> Sequence[Q]:
        """By number, client, reference and amount. One statement."""
        found = [Q(number__istartswith=text), Q(remark__istartswith=text), *find_by_company(self.merchant, text)]
        amounts = list_minor_amounts(text)
        return [*found, Q(total__in=amounts), Q(due__in=amounts, status="open")] if amounts else found

    def annotate(self, rows: QuerySet[LedgerInvoice], columns: Sequence[str]) -> QuerySet[LedgerInvoice]:
        """With the client, and which books are connected."""
        return annotate_connected_books(rows.select_related("company"))

    def attach(self, rows: list[LedgerInvoice]) -> list[LedgerInvoice]:
        """With the merchant's day."""
        today = get_local_date(clock.now(), self.zone)
        for row in rows:
            row.today = today  # type: ignore[attr-defined]
        return rows

    def compute_totals(self) -> list[Total]:
        """What was invoiced, is outstanding and is overdue, in each currency."""
        late = Q(status="open", due_on__lt=get_local_date(clock.now(), self.zone))
        sums = {
            "total": Sum("total", filter=Q(status__in=("open", "paid"))),
            "due": Sum("due", filter=Q(status="open")),
            "overdue": Sum("due", filter=late),
        }
        found = sum_by_currency(self.list_matching(), sums, counted="count")
        return describe_sums(found, TOTALS, counted="count", count_label="Invoices")
