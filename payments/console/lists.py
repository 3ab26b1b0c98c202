"""The list of a merchant's payments: its filters, columns and order."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import JSONObject
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from merchants.listings import MerchantListing
from payers.filters import CompanyFilters
from payments.access import build_abandoned_filter
from payments.console.columns import PAYMENT_COLUMNS
from payments.console.search import build_search
from payments.gateways import build_page_url
from payments.models import Attempt, BalanceTransaction, Payment, Refund, describe_method
from payments.payment_filters import build_amount_expression, build_amount_filter, build_date_expression
from payments.saved_methods.choices import BANK_DEBIT, CARD, DEBIT_TYPES
from payments.standings import STANDINGS, annotate_standings, attach_annotated_standing, build_standing_filter
from wisepay import clock
from wisepay.lists.filters import AmountFilter, ChoiceFilter, DayFilter, SearchFilter
from wisepay.lists.ordering import Sort
from wisepay.lists.tables import ListColumn, build_table, link, link_out
from wisepay.lists.totals import Total, describe_sums, sum_by_currency
from wisepay.money import Money
from wisepay.templatetags.wisepay import BADGES, badge, when

PATH_MARK = "list_path"
METHODS = [(CARD, "Card"), (BANK_DEBIT, "Bank debit")]
TAKEN_STATES = ("succeeded", "reversed", "processing", "requires_action")

TOTALS = {"paid": "Paid", "refunded": "Given back", "left": "Left", "open": "Not paid"}


class PaymentFilters(CompanyFilters):
    """What a merchant filters payments by."""

    q = SearchFilter(label="Search", method="pass_all")
    standing = ChoiceFilter(label="State", method="filter_standing", choices=[(s, BADGES[s][1]) for s in STANDINGS])
    method = ChoiceFilter(label="Method", method="filter_method", choices=METHODS)
    origin = ChoiceFilter(label="For", choices=Payment.Origin.choices)
    since = DayFilter(label="From", method="filter_since")
    until = DayFilter(label="To", method="filter_until")
    at_least = AmountFilter(label="Amount from", method="filter_at_least")
    at_most = AmountFilter(label="Amount to", method="filter_at_most")
    currency = SearchFilter(label="Currency", method="filter_currency")
    company = SearchFilter(label="Payer", method="filter_company")

    def filter_standing(self, rows: QuerySet[Payment], name: str, value: str) -> QuerySet[Payment]:
        """How they stand now."""
        return rows.filter(build_standing_filter(value, now=clock.now()))

    def filter_method(self, rows: QuerySet[Payment], name: str, value: str) -> QuerySet[Payment]:
        """Paid, or being paid, by this kind of method."""
        kinds = [CARD] if value == CARD else sorted(DEBIT_TYPES.values())
        taken = Attempt.objects.filter(payment=OuterRef("pk"), state__in=TAKEN_STATES, method_kind__in=kinds)
        return rows.filter(Exists(taken))

    def filter_since(self, rows: QuerySet[Payment], name: str, value: date) -> QuerySet[Payment]:
        """Paid, or else created, on that day or later."""
        return rows.alias(dated=build_date_expression()).filter(dated__gte=self.get_start(value))

    def filter_until(self, rows: QuerySet[Payment], name: str, value: date) -> QuerySet[Payment]:
        """Paid, or else created, on that day or before."""
        return rows.alias(dated=build_date_expression()).filter(dated__lt=self.get_end(value))

    def filter_at_least(self, rows: QuerySet[Payment], name: str, value: Decimal) -> QuerySet[Payment]:
        """Of that amount or more; with the other limit at once, so that an index is asked for what is between."""
        return rows.filter(build_amount_filter(at_least=value, at_most=self.form.cleaned_data.get("at_most")))

    def filter_at_most(self, rows: QuerySet[Payment], name: str, value: Decimal) -> QuerySet[Payment]:
        """Of that amount or less."""
        has_both = self.form.cleaned_data.get("at_least") is not None
        return rows if has_both else rows.filter(build_amount_filter(at_most=value))

    def filter_currency(self, rows: QuerySet[Payment], name: str, value: str) -> QuerySet[Payment]:
        """In the currency of that code."""
        return rows.filter(currency=value.upper())


def get_paid(payment: Any) -> Money:
    """What was paid, else what is due."""
    found: Money = payment.paid or payment.due
    return found


def get_date(payment: Any) -> datetime:
    """When it was paid, else when it was created."""
    found: datetime = payment.paid_at or payment.created_at
    return found


def get_method(payment: Any) -> str:
    """The method that paid, or was tried last."""
    shown = payment.shown_attempt
    return describe_method(shown["method_kind"], shown["brand"], shown["last4"]) if shown else ""


def get_attempt(payment: Any, name: str) -> str:
    """Something of the attempt that paid, or was the last."""
    return str((payment.shown_attempt or {}).get(name) or "")


def get_gateway_url(payment: Any) -> str:
    """The gateway's own page of the payment."""
    shown = payment.shown_attempt or {}
    intent, account = shown.get("intent_id", ""), shown.get("gateway_account_id", "")
    return build_page_url("payment", intent, account_id=account, is_live=bool(shown.get("is_live")))


def get_fee(payment: Any) -> Money | None:
    """What the gateway kept of the charge."""
    line = payment.charge_line
    return Money(line["fee"], line["currency"]) if line else None


def get_settled_at(payment: Any) -> datetime | None:
    """When the money was available."""
    return parse_datetime(payment.charge_line["available_at"]) if payment.charge_line else None


def get_payout(payment: Any) -> str:
    """The payout that took it to the bank."""
    return str((payment.charge_line or {}).get("payout") or "")


def show_money(money: Money | None, zone: str = "") -> str:
    """An amount as people read it."""
    return str(money) if money is not None else ""


def show_instant(at: datetime | None, zone: str) -> str:
    """An instant in the merchant's zone."""
    return when(at, zone) if at else ""


def show_purpose(payment: Any, zone: str) -> str:
    """The purpose, which leads to the payment's page."""
    return link(getattr(payment, PATH_MARK), payment.purpose)


COLUMNS = {
    "purpose": ListColumn("Payment", lambda p: p.purpose, show_purpose, look="cell-wide"),
    "company": ListColumn("Payer", lambda p: p.company.name),
    "standing": ListColumn(
        "State", lambda p: BADGES[p.standing][1], lambda p, zone: badge(p.standing), look="cell-side"
    ),
    "method": ListColumn("Method", get_method),
    "dated": ListColumn(
        "Date", get_date, lambda p, zone: when(get_date(p), zone), look="nowrap cell-side", sort="date"
    ),
    "amount": ListColumn(
        "Amount", lambda p: get_paid(p).decimal, lambda p, zone: show_money(get_paid(p)), look="cell-num", sort="amount"
    ),
    "paid_on": ListColumn(
        "Paid", lambda p: p.paid_at, lambda p, zone: show_instant(p.paid_at, zone), look="nowrap", is_shown=False
    ),
    "created": ListColumn(
        "Created",
        lambda p: p.created_at,
        lambda p, zone: when(p.created_at, zone),
        look="nowrap",
        sort="created",
        is_shown=False,
    ),
    "currency": ListColumn("Currency", lambda p: p.currency, is_shown=False),
    "refunded": ListColumn(
        "Given back", lambda p: p.refunded.decimal if p.refunded_amount else None,
        lambda p, zone: show_money(p.refunded) if p.refunded_amount else "", look="cell-num", is_shown=False,
    ),
    "fee": ListColumn(
        "Fee", lambda p: fee.decimal if (fee := get_fee(p)) else None, lambda p, zone: show_money(get_fee(p)),
        look="cell-num", is_shown=False,
    ),
    "fee_currency": ListColumn("Fee currency", lambda p: fee.currency if (fee := get_fee(p)) else "", is_shown=False),
    "settled_on": ListColumn(
        "Settled", get_settled_at, lambda p, zone: show_instant(get_settled_at(p), zone), look="nowrap", is_shown=False
    ),
    "payout": ListColumn("Payout", get_payout, look="mono", is_shown=False),
    "reference": ListColumn("Reference", lambda p: p.reference, look="mono", is_shown=False),
    "order": ListColumn("Purchase order", lambda p: str(p.purchase_order or ""), is_shown=False),
    "payer_name": ListColumn("Paid by", lambda p: get_attempt(p, "payer_name"), is_shown=False),
    "payer_email": ListColumn("E-mail", lambda p: get_attempt(p, "payer_email"), is_shown=False),
    "origin": ListColumn("For", lambda p: p.get_origin_display(), is_shown=False),
    "staff": ListColumn("Refunded by", lambda p: ", ".join(p.staff), is_shown=False),
    "gateway_id": ListColumn(
        "At Stripe", lambda p: get_attempt(p, "intent_id"),
        lambda p, zone: link_out(get_gateway_url(p), get_attempt(p, "intent_id")), look="mono", is_shown=False,
    ),
}  # fmt: skip


class PaymentList(MerchantListing[Payment]):
    """The payments of a merchant, newest first; by the day that they were paid where days are asked for."""

    name, title = "payments", "Payments"
    has_totals = True
    search_label = "Payer, number, amount, id, e-mail"
    table_class = build_table("PaymentTable", COLUMNS | {name: c.column for name, c in PAYMENT_COLUMNS.items()})
    filters_class = PaymentFilters
    sorts = (
        Sort("-created", "Newest first"),
        Sort("created", "Oldest first", is_descending=False),
        Sort("-date", "Paid last first", build_date_expression(), datetime),
        Sort("date", "Paid first first", build_date_expression(), datetime, is_descending=False),
        Sort("-amount", "Largest first", build_amount_expression()),
        Sort("amount", "Smallest first", build_amount_expression(), is_descending=False),
    )

    @property
    def default_sort(self) -> Sort:
        """Days are asked for in their order, so that the index of days answers."""
        return self.sorts[2] if self.query.get("since") or self.query.get("until") else self.sorts[0]

    def list_rows(self) -> QuerySet[Payment]:
        """Those that were ever tried, or can be."""
        rows = Payment.objects.filter(merchant=self.merchant).exclude(build_abandoned_filter())
        return rows.alias(shown_amount=build_amount_expression())

    def build_search(self, text: str) -> Sequence[Q]:
        """By everything that a person holds in hand."""
        return build_search(self.merchant, text)

    def annotate(self, rows: QuerySet[Payment], columns: Sequence[str]) -> QuerySet[Payment]:
        """With the attempt that is shown, how they stand, and what the columns need."""
        lines = BalanceTransaction.objects.filter(attempt__payment=OuterRef("pk"), kind="charge").order_by("-pk")
        line = JSONObject(
            fee="fee", currency="currency", available_at="available_at", payout="payout__stripe_payout_id"
        )
        refunded_by = Refund.objects.filter(payment=OuterRef("pk"), ordered_by__isnull=False).order_by(
            "ordered_by__name"
        )
        extra: dict[str, Any] = {n: c.build_expression() for n, c in PAYMENT_COLUMNS.items() if n in columns}
        if {"fee", "fee_currency", "settled_on", "payout"} & set(columns):
            extra["charge_line"] = Subquery(lines.values(found=line)[:1])
        if "staff" in columns:
            extra["staff"] = ArraySubquery(refunded_by.values("ordered_by__name").distinct())
        if "order" in columns:
            extra["purchase_order"] = KT("details__purchase_order")
        return annotate_standings(rows).annotate(**extra).select_related("company").defer("details", "methods")

    def attach(self, rows: list[Payment]) -> list[Payment]:
        """With how they stand, and where their pages are."""
        now, path = clock.now(), reverse("payments:detail", args=[self.merchant.reference, "REFERENCE"])
        for row in rows:
            attach_annotated_standing(row, row, now=now)
            setattr(row, PATH_MARK, path.replace("REFERENCE", row.reference))
        return rows

    def compute_totals(self) -> list[Total]:
        """What was paid, given back, left, and is not paid, in each currency."""
        paid = Q(state="succeeded")
        sums = {
            "paid": Sum("paid_amount", filter=paid),
            "refunded": Sum("refunded_amount", filter=paid),
            "open": Sum("amount", filter=Q(state__in=("open", "reversed"))),
        }
        found = sum_by_currency(self.list_matching(), sums, counted="count")
        for _, row in found:
            row["left"] = row["paid"] - row["refunded"] if row["refunded"] else 0
        return describe_sums(found, TOTALS, counted="count", count_label="Payments")
