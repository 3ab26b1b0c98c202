"""The list of a merchant's quotes: its filters, columns and order."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.urls import reverse
from django.utils.html import format_html

from merchants.listings import MerchantListing
from payers.filters import CompanyFilters
from payments.console.search import build_search
from payments.models import Payment
from payments.payment_filters import build_amount_expression
from payments.standings import STANDINGS, annotate_standings, attach_annotated_standing, build_standing_filter
from quotes.models import Quote
from wisepay import clock
from wisepay.lists.filters import ChoiceFilter, DayFilter, SearchFilter
from wisepay.lists.ordering import Sort
from wisepay.lists.tables import ListColumn, build_table, link
from wisepay.lists.totals import Total, describe_sums, sum_by_currency
from wisepay.money import Money
from wisepay.templatetags.wisepay import BADGES, badge, when

OWN_STATES = ("withdrawn", "saved")  # of the quote itself, which go before how its payment stands
PATH_MARK = "list_path"
STATES = [(state, BADGES[state][1]) for state in ("withdrawn", *STANDINGS)]
TOTALS = {"total": "Totals of these quotes", "paid": "Paid"}


class QuoteFilters(CompanyFilters):
    """What a merchant filters quotes by."""

    company_path = "payment__company"

    q = SearchFilter(label="Search", method="pass_all")
    standing = ChoiceFilter(label="State", method="filter_standing", choices=STATES)
    source = ChoiceFilter(label="Came by", choices=Quote.Source.choices)
    since = DayFilter(label="From", method="filter_since")
    until = DayFilter(label="To", method="filter_until")
    company = SearchFilter(label="Payer", method="filter_company")

    def filter_standing(self, rows: QuerySet[Quote], name: str, value: str) -> QuerySet[Quote]:
        """How they stand now."""
        if value == "withdrawn":
            return rows.filter(state=value)
        paid = Q(payment__in=Payment.objects.filter(build_standing_filter(value, now=clock.now())))
        return rows.filter(Q(state=value) if value == "saved" else paid & ~Q(state__in=OWN_STATES))

    def filter_since(self, rows: QuerySet[Quote], name: str, value: date) -> QuerySet[Quote]:
        """Came on that day or later."""
        return rows.filter(created_at__gte=self.get_start(value))

    def filter_until(self, rows: QuerySet[Quote], name: str, value: date) -> QuerySet[Quote]:
        """Came on that day or before."""
        return rows.filter(created_at__lt=self.get_end(value))


def get_amount(quote: Quote, minor: int) -> Decimal:
    """An amount of the quote in major units."""
    return Money(minor, quote.currency).decimal


def show_amount(quote: Quote, minor: int) -> str:
    """An amount of the quote as people read it; nothing where there is none."""
    return str(Money(minor, quote.currency)) if minor else ""


def get_recurring(quote: Quote) -> str:
    """What recurs, in words."""
    return str(quote.payment.recurring or "")


def link_quote(quote: Any, zone: str) -> str:
    """The number, which leads to the payment's page, and the version."""
    number = link(getattr(quote, PATH_MARK), str(quote.number))
    return format_html('{} <span class="muted">v{}</span>', number, quote.version)


COLUMNS = {
    "number": ListColumn("Quote", lambda q: f"{q.number} v{q.version}", link_quote, look="nowrap num", sort="number"),
    "name": ListColumn("Name", lambda q: q.name, look="cell-wide"),
    "company": ListColumn("Payer", lambda q: q.payment.company.name),
    "standing": ListColumn(
        "State", lambda q: BADGES[q.standing][1], lambda q, zone: badge(q.standing), look="cell-side"
    ),
    "created": ListColumn(
        "Came",
        lambda q: q.created_at,
        lambda q, zone: when(q.created_at, zone),
        look="nowrap cell-side",
        sort="created",
    ),
    "due": ListColumn("Due now", lambda q: q.payment.due.decimal, lambda q, zone: str(q.payment.due), look="cell-num"),
    "currency": ListColumn("Currency", lambda q: q.currency, is_shown=False),
    "total": ListColumn(
        "Total",
        lambda q: get_amount(q, q.total),
        lambda q, zone: show_amount(q, q.total),
        look="cell-num",
        is_shown=False,
    ),
    "tax": ListColumn(
        "Tax", lambda q: get_amount(q, q.tax), lambda q, zone: show_amount(q, q.tax), look="cell-num", is_shown=False
    ),
    "recurring": ListColumn("Recurring", get_recurring, is_shown=False),
    "order": ListColumn("Purchase order", lambda q: q.purchase_order_number, is_shown=False),
    "opportunity": ListColumn("Opportunity", lambda q: q.opportunity_id, is_shown=False),
    "source": ListColumn("Came by", lambda q: q.get_source_display(), is_shown=False),
    "reference": ListColumn("Payment", lambda q: q.payment.reference, look="mono", is_shown=False),
}


class QuoteList(MerchantListing[Quote]):
    """The quotes of a merchant, the newest first."""

    name, title = "quotes", "Quotes"
    search_label = "Number, name, payer, order"
    has_totals = True
    table_class = build_table("QuoteTable", COLUMNS)
    filters_class = QuoteFilters
    sorts = (
        Sort("-created", "Newest first"),
        Sort("created", "Oldest first", is_descending=False),
        Sort("-number", "Highest number first", F("number")),
        Sort("number", "Lowest number first", F("number"), is_descending=False),
    )

    def list_rows(self) -> QuerySet[Quote]:
        """All of them."""
        return Quote.objects.filter(merchant=self.merchant)

    def build_search(self, text: str) -> Sequence[Q]:
        """By everything that finds a quote's payment."""
        payments = Payment.objects.filter(merchant=self.merchant).alias(shown_amount=build_amount_expression())
        return [Q(payment__in=payments.filter(found).values("pk")) for found in build_search(self.merchant, text)]

    def annotate(self, rows: QuerySet[Quote], columns: Sequence[str]) -> QuerySet[Quote]:
        """With the payment, its payer, and how it stands."""
        rows = rows.select_related("payment__company").defer("payment__details", "payment__methods", "customer")
        return annotate_standings(rows, payment="payment")

    def attach(self, rows: list[Quote]) -> list[Quote]:
        """With how they stand, and where their pages are."""
        now, path = clock.now(), reverse("payments:detail", args=[self.merchant.reference, "REFERENCE"])
        for row in rows:
            attach_annotated_standing(row.payment, row, now=now)
            setattr(row, PATH_MARK, path.replace("REFERENCE", row.payment.reference))
        return rows

    def compute_totals(self) -> list[Total]:
        """What they come to, and what was paid of it, in each currency."""
        sums = {"total": Sum("total"), "paid": Sum("payment__paid_amount", filter=Q(payment__state="succeeded"))}
        return describe_sums(
            sum_by_currency(self.list_matching(), sums, counted="count"), TOTALS, counted="count", count_label="Quotes"
        )
