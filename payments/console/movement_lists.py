"""The lists of what the gateway moved: payouts to the bank, and disputes of payers."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.db.models import Q, QuerySet, Sum
from django.urls import reverse

from merchants.listings import MerchantFilters, MerchantListing
from payments.gateways import build_page_url
from payments.models import Dispute, Payout
from wisepay.clock import format_date
from wisepay.lists.filters import ChoiceFilter, DayFilter, SearchFilter
from wisepay.lists.ordering import Sort
from wisepay.lists.tables import ListColumn, build_table, link, link_out
from wisepay.lists.totals import Total, describe_sums, sum_by_currency
from wisepay.money import list_minor_amounts
from wisepay.templatetags.wisepay import when

PATH_MARK = "list_path"
DISPUTE_STATES = {
    "inquiry": "The bank asks",
    "open": "Open",
    "won": "Won",
    "lost": "Lost",
    "closed": "Closed without a dispute",
}


class PayoutFilters(MerchantFilters):
    """What a merchant filters payouts by."""

    q = SearchFilter(label="Search", method="pass_all")
    status = ChoiceFilter(label="State", choices=Payout.Status.choices)
    since = DayFilter(label="Arrives from", field_name="arrives_on", lookup_expr="gte")
    until = DayFilter(label="Arrives to", field_name="arrives_on", lookup_expr="lte")


def link_payout(payout: Any, zone: str) -> str:
    """Its id, which leads to the payout's page of the gateway."""
    account = payout.account
    url = build_page_url(
        "payout", payout.stripe_payout_id, account_id=account.stripe_account_id, is_live=account.is_live
    )
    return link_out(url, payout.stripe_payout_id)


PAYOUT_COLUMNS = {
    "payout": ListColumn("Payout", lambda p: p.stripe_payout_id, link_payout, look="mono"),
    "status": ListColumn("State", lambda p: p.get_status_display(), look="cell-side"),
    "arrives_on": ListColumn(
        "Arrives", lambda p: p.arrives_on, lambda p, zone: format_date(p.arrives_on), look="nowrap"
    ),
    "created": ListColumn(
        "Made",
        lambda p: p.created_at,
        lambda p, zone: when(p.created_at, zone),
        look="nowrap cell-side",
        sort="created",
    ),
    "amount": ListColumn("Amount", lambda p: p.money.decimal, lambda p, zone: str(p.money), look="cell-num"),
    "currency": ListColumn("Currency", lambda p: p.currency, is_shown=False),
    "account": ListColumn("Account", lambda p: p.account.label, is_shown=False),
}


class PayoutList(MerchantListing[Payout]):
    """What the gateway paid out to the merchant's bank, the newest first."""

    name, title = "payouts", "Payouts"
    search_label = "Id or amount"
    has_totals = True
    table_class = build_table("PayoutTable", PAYOUT_COLUMNS)
    filters_class = PayoutFilters
    sorts = (Sort("-created", "Newest first"), Sort("created", "Oldest first", is_descending=False))

    def list_rows(self) -> QuerySet[Payout]:
        """Those of every account of the merchant."""
        return Payout.objects.filter(account__merchant=self.merchant)

    def build_search(self, text: str) -> Sequence[Q]:
        """By id and amount."""
        return [Q(stripe_payout_id=text), Q(amount__in=list_minor_amounts(text))]

    def annotate(self, rows: QuerySet[Payout], columns: Sequence[str]) -> QuerySet[Payout]:
        """With their account."""
        return rows.select_related("account")

    def compute_totals(self) -> list[Total]:
        """What was paid out, in each currency."""
        sums = {"paid": Sum("amount", filter=Q(status="paid")), "coming": Sum("amount", filter=Q(status="on_its_way"))}
        found = sum_by_currency(self.list_matching(), sums, counted="count")
        labels = {"paid": "Paid out", "coming": "On its way"}
        return describe_sums(found, labels, counted="count", count_label="Payouts")


class DisputeFilters(MerchantFilters):
    """What a merchant filters disputes by."""

    q = SearchFilter(label="Search", method="pass_all")
    state = ChoiceFilter(label="State", choices=list(DISPUTE_STATES.items()))
    due_until = DayFilter(label="To be answered by", method="filter_due")
    since = DayFilter(label="From", method="filter_since")

    def filter_due(self, rows: QuerySet[Dispute], name: str, value: date) -> QuerySet[Dispute]:
        """To be answered on that day or before."""
        return rows.filter(due_by__lt=self.get_end(value), state__in=("inquiry", "open"))

    def filter_since(self, rows: QuerySet[Dispute], name: str, value: date) -> QuerySet[Dispute]:
        """Raised on that day or later."""
        return rows.filter(created_at__gte=self.get_start(value))


def show_due(dispute: Dispute, zone: str) -> str:
    """Until when the merchant can answer, while that is still asked."""
    return when(dispute.due_by, zone) if dispute.due_by and dispute.state in ("inquiry", "open") else ""


def link_dispute(dispute: Any, zone: str) -> str:
    """Its id, which leads to the dispute's page of the gateway."""
    account, stripe_id = dispute.attempt.account, dispute.stripe_dispute_id
    url = build_page_url("dispute", stripe_id, account_id=account.stripe_account_id, is_live=account.is_live)
    return link_out(url, stripe_id)


DISPUTE_COLUMNS = {
    "payment": ListColumn(
        "Payment", lambda d: d.attempt.payment.purpose,
        lambda d, zone: link(getattr(d, PATH_MARK), d.attempt.payment.purpose), look="cell-wide",
    ),
    "company": ListColumn("Payer", lambda d: d.attempt.payment.company.name),
    "state": ListColumn("State", lambda d: DISPUTE_STATES[d.state], look="cell-side"),
    "reason": ListColumn("Reason", lambda d: d.reason.replace("_", " ").capitalize()),
    "due_by": ListColumn("Answer by", lambda d: d.due_by, show_due, look="nowrap cell-side"),
    "answered": ListColumn("Answered", lambda d: "Yes" if d.has_evidence else "No", is_shown=False),
    "amount": ListColumn("Amount", lambda d: d.money.decimal, lambda d, zone: str(d.money), look="cell-num"),
    "currency": ListColumn("Currency", lambda d: d.attempt.payment.currency, is_shown=False),
    "created": ListColumn(
        "Raised", lambda d: d.created_at, lambda d, zone: when(d.created_at, zone), look="nowrap", is_shown=False,
        sort="created",
    ),
    "dispute": ListColumn("At Stripe", lambda d: d.stripe_dispute_id, link_dispute, look="mono"),
}  # fmt: skip


class DisputeList(MerchantListing[Dispute]):
    """What payers disputed at their bank, the newest first."""

    name, title = "disputes", "Disputes"
    search_label = "Payer, id or amount"
    table_class = build_table("DisputeTable", DISPUTE_COLUMNS)
    filters_class = DisputeFilters
    sorts = (Sort("-created", "Newest first"), Sort("created", "Oldest first", is_descending=False))

    def list_rows(self) -> QuerySet[Dispute]:
        """Those of every payment of the merchant."""
        return Dispute.objects.filter(attempt__payment__merchant=self.merchant)

    def build_search(self, text: str) -> Sequence[Q]:
        """By the payer, ids, what was paid, and the amount."""
        return [
            Q(attempt__payment__company__name__icontains=text),
            Q(stripe_dispute_id=text) | Q(attempt__stripe_payment_intent_id=text),
            Q(attempt__payment__purpose__icontains=text),
            Q(attempt__payment__reference=text.lower()),
            Q(amount__in=list_minor_amounts(text)),
        ]

    def annotate(self, rows: QuerySet[Dispute], columns: Sequence[str]) -> QuerySet[Dispute]:
        """With their payment, its payer and its account."""
        rows = rows.select_related("attempt__payment__company", "attempt__account")
        return rows.defer("attempt__payment__details", "attempt__payment__methods")

    def attach(self, rows: list[Dispute]) -> list[Dispute]:
        """With the page of the payment."""
        path = reverse("payments:detail", args=[self.merchant.reference, "REFERENCE"])
        for row in rows:
            setattr(row, PATH_MARK, path.replace("REFERENCE", row.attempt.payment.reference))
        return rows
