"""The list of a merchant's automatic payments: what will be charged, and everything that ever was scheduled."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import F, Q, QuerySet, Sum
from django.http import QueryDict
from django.urls import reverse

from accounting.autopay.selectors import NEEDS_ATTENTION, RELATED_ROWS, describe_row
from accounting.models import LIVE_SCHEDULED, ScheduledPayment
from merchants.listings import MerchantListing
from merchants.models import Merchant
from payers.filters import CompanyFilters
from payments.standings import annotate_standings, attach_annotated_standing
from wisepay import clock
from wisepay.lists.filters import ChoiceFilter, DayFilter, SearchFilter
from wisepay.lists.ordering import Sort
from wisepay.lists.tables import ListColumn, build_table, link
from wisepay.lists.totals import Total, describe_sums, sum_by_currency
from wisepay.money import list_minor_amounts
from wisepay.templatetags.wisepay import BADGES, badge, when

SHOWN = [
    ("all", "All"),
    ("attention", "Needs a person"),
    ("settled", "Settled"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
]


class ScheduledFilters(CompanyFilters):
    """What a merchant filters automatic payments by."""

    q = SearchFilter(label="Search", method="pass_all")
    show = ChoiceFilter(label="Which", method="pass_all", choices=SHOWN, empty_label="To come")
    since = DayFilter(label="From", method="filter_since")
    until = DayFilter(label="To", method="filter_until")
    company = SearchFilter(label="Company", method="filter_company")

    def filter_since(self, rows: QuerySet[ScheduledPayment], name: str, value: date) -> QuerySet[ScheduledPayment]:
        """Charged on that day or later."""
        return rows.filter(run_at__gte=self.get_start(value))

    def filter_until(self, rows: QuerySet[ScheduledPayment], name: str, value: date) -> QuerySet[ScheduledPayment]:
        """Charged on that day or before."""
        return rows.filter(run_at__lt=self.get_end(value))


def link_scheduled(one: Any, zone: str) -> str:
    """The invoice, which leads to the automatic payment's page."""
    return link(one.list_path, str(one.invoice))


COLUMNS = {
    "invoice": ListColumn("Reference", lambda s: str(s.invoice), link_scheduled, look="cell-ref"),
    "company": ListColumn("Company", lambda s: s.company.name),
    "method": ListColumn("Method", lambda s: str(s.method or "")),
    "amount": ListColumn("Amount", lambda s: s.money.decimal, lambda s, zone: str(s.money), look="cell-num"),
    "currency": ListColumn("Currency", lambda s: s.invoice.currency, is_shown=False),
    "run_at": ListColumn(
        "Scheduled Date", lambda s: s.run_at, lambda s, zone: when(s.run_at, zone), look="nowrap", sort="date"
    ),
    "state": ListColumn(
        "Status", lambda s: BADGES[s.shown.state][1], lambda s, zone: badge(s.shown.state), look="cell-side"
    ),
    "reason": ListColumn("Why", lambda s: s.reason, look="cell-words"),
    "created": ListColumn(
        "Created", lambda s: s.created_at, lambda s, zone: when(s.created_at, zone), look="nowrap", is_shown=False
    ),
    "reference": ListColumn("Our reference", lambda s: s.reference, look="mono", is_shown=False),
    "payment": ListColumn(
        "Payment", lambda s: s.payment.reference if s.payment_id else "", look="mono", is_shown=False
    ),
}


class ScheduledList(MerchantListing[ScheduledPayment]):
    """What will be charged, the next one first; of what is over the newest first."""

    name, title = "scheduled", "Automatic Payments"
    search_label = "Invoice, company, amount"
    has_totals = True
    table_class = build_table("ScheduledTable", COLUMNS)
    filters_class = ScheduledFilters
    sorts = (
        Sort("date", "Next first", F("run_at"), datetime, is_descending=False),
        Sort("-date", "Last first", F("run_at"), datetime),
        Sort("-created", "Newest first"),
    )

    def __init__(self, query: QueryDict, merchant: Merchant, *, is_paused: bool) -> None:
        self.is_paused = is_paused
        super().__init__(query, merchant)

    @property
    def default_sort(self) -> Sort:
        """What is to come in the order in which it comes."""
        return self.sorts[2] if self.query.get("show") else self.sorts[0]

    def list_rows(self) -> QuerySet[ScheduledPayment]:
        """Those that are asked for: to come, needing a person, in a state, or all."""
        rows, asked = ScheduledPayment.objects.filter(merchant=self.merchant), self.query.get("show", "")
        if asked == "attention":
            return rows.filter(NEEDS_ATTENTION)
        if asked in ("settled", "failed", "cancelled"):
            return rows.filter(state=asked)
        return rows if asked == "all" else rows.filter(state__in=LIVE_SCHEDULED)

    def build_search(self, text: str) -> Sequence[Q]:
        """By invoice, company, references and amount."""
        found = [Q(invoice__number__iexact=text), Q(reference=text.lower()), Q(payment__reference=text.lower())]
        found.append(Q(amount__in=list_minor_amounts(text)))
        return [*found, Q(company__name__icontains=text)]

    def annotate(self, rows: QuerySet[ScheduledPayment], columns: Sequence[str]) -> QuerySet[ScheduledPayment]:
        """With what they are about, and how their payment stands."""
        rows = rows.select_related(*RELATED_ROWS).defer("payment__details", "payment__methods")
        return annotate_standings(rows, payment="payment")

    def attach(self, rows: list[ScheduledPayment]) -> list[ScheduledPayment]:
        """With the state of the badge, and where their pages are."""
        now, path = clock.now(), reverse("autopay:detail", args=[self.merchant.reference, "REFERENCE"])
        for row in rows:
            standing = ""
            if row.state == "settled" and row.payment is not None:
                attach_annotated_standing(row.payment, row, now=now)
                standing = row.payment.standing
            row.shown = describe_row(row, paused=self.is_paused, standing=standing)  # type: ignore[attr-defined]
            row.list_path = path.replace("REFERENCE", row.reference)  # type: ignore[attr-defined]
        return rows

    def compute_totals(self) -> list[Total]:
        """What they come to, in each currency."""
        found = sum_by_currency(
            self.list_matching(), {"total": Sum("amount")}, counted="count", currency="invoice__currency"
        )
        return describe_sums(found, {"total": "Together"}, counted="count", count_label="Automatic payments")
