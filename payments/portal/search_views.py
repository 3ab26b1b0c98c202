"""The pages of Transaction Search: the form, the list, and the same rows as a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from payers.access import PayerRequest, payer_page
from payers.models import PayerAccess
from payments.models import Attempt, Payment
from payments.payment_filters import build_date_expression
from payments.portal.access import attach_companies, list_visible_payments
from payments.portal.search import (
    MAX_COUNTED,
    METHODS,
    SORTS,
    STATUSES,
    TransactionFilters,
    apply_filters,
    build_text_filters,
    filter_accesses,
    find_payments,
    find_shown_attempts,
)
from payments.portal.view_models import format_refund_note, get_payment_standing
from payments.portal.widgets import get_page_number, get_time_zone
from wisepay import clock
from wisepay.forms import WordsField
from wisepay.money import InvalidAmount, Money, parse_major_units
from wisepay.spreadsheets import render_csv_line

MAX_EXPORTED, CHUNK_SIZE = 100_000, 1000
BYTE_ORDER_MARK = "\ufeff"
CSV_HEADINGS = (
    "Date",
    "Reference",
    "Purpose",
    "Merchant",
    "Company",
    "Status",
    "Method",
    "Amount",
    "Refunded",
    "Currency",
    "Payment reference",
)


def _choices(none: str, options: dict[str, str]) -> list[tuple[str, str]]:
    return [("", none), *options.items()]


def _amount(label: str) -> forms.CharField:
    return forms.CharField(
        label=label, required=False, max_length=20, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )


def _day(label: str) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, input_formats=["%Y-%m-%d"], widget=forms.DateInput(attrs={"type": "date"})
    )


class TransactionSearchForm(forms.Form):
    """The filters, all of which live in the address."""

    q = WordsField(label="Reference, quote, purpose or company", required=False, max_length=100)
    amount = _amount("Amount")
    at_least = _amount("Amount from")
    at_most = _amount("Amount to")
    status = forms.ChoiceField(required=False, choices=_choices("Any", STATUSES))
    method = forms.ChoiceField(required=False, choices=_choices("Any", METHODS))
    since = _day("From")
    until = _day("To")
    company = forms.ChoiceField(required=False)
    merchant = forms.ChoiceField(required=False)
    sort = forms.ChoiceField(required=False, choices=_choices("Newest first", SORTS), widget=forms.HiddenInput)

    def __init__(self, accesses: Sequence[PayerAccess], data: Any) -> None:
        super().__init__(data)
        companies = {access.company.reference: access.company.name for access in accesses}
        merchants = {access.company.merchant.reference: access.company.merchant.name for access in accesses}
        self.has_companies, self.has_merchants = len(companies) > 1, len(merchants) > 1
        for name, options in (("company", companies), ("merchant", merchants)):
            self.fields[name].choices = _choices("All", options)  # type: ignore[attr-defined]

    def _clean_amount(self, name: str) -> Decimal | None:
        text = self.cleaned_data[name].strip()
        try:
            return parse_major_units(text) if text else None
        except InvalidAmount as error:
            raise forms.ValidationError(str(error)) from None

    def clean_amount(self) -> Decimal | None:
        return self._clean_amount("amount")

    def clean_at_least(self) -> Decimal | None:
        return self._clean_amount("at_least")

    def clean_at_most(self) -> Decimal | None:
        return self._clean_amount("at_most")

    def get_filters(self, zone: str) -> TransactionFilters:
        """What a valid form asks for."""
        found = self.cleaned_data
        names = ("amount", "at_least", "at_most", "status", "method", "since", "until", "company", "merchant")
        chosen = {name: found[name] for name in names}
        return TransactionFilters(text=found["q"].strip(), sort=found["sort"] or "-date", zone=ZoneInfo(zone), **chosen)


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """One payment of the list; `at` is in the merchant's zone, `iso` and `day` say the same."""

    payment: Payment
    at: datetime
    iso: str
    day: str
    state: str
    note: str
    method: str
    amount: Money


@require_GET
@payer_page
def search(request: PayerRequest) -> HttpResponse:
    """Transaction Search."""
    form = TransactionSearchForm(request.accesses, request.GET)
    now = clock.now()
    context: dict[str, Any] = {"form": form, "is_filtered": any(request.GET.get(name) for name in form.fields)}
    if not form.is_valid():
        return render(request, "portal/search.html", context, status=422)
    filters = form.get_filters(get_time_zone(request))
    found = find_payments(request.accesses, request.person, filters, page=get_page_number(request), now=now)
    payments = attach_companies(found.payments, request.accesses)
    context |= {"rows": list_transaction_rows(payments, now=now), "found": found, "wish": filters}
    context |= {"is_many": found.count > MAX_COUNTED, "counted": MAX_COUNTED, "sort": filters.sort}
    return render(request, "portal/search.html", context)


def list_transaction_rows(payments: Sequence[Payment], *, now: datetime) -> list[TransactionRow]:
    """The rows of these payments. One query."""
    attempts = find_shown_attempts(payments)
    return [get_transaction_row(payment, attempts.get(payment.pk), now=now) for payment in payments]


def get_transaction_row(payment: Payment, attempt: Attempt | None, *, now: datetime) -> TransactionRow:
    """One row, from what was read already."""
    at = (payment.paid_at or payment.created_at).astimezone(payment.merchant.zone)
    return TransactionRow(
        payment=payment,
        at=at,
        iso=at.isoformat(),
        day=f"{at.day} {at:%b %Y}",
        state=get_badge_state(payment, attempt, now=now),
        note=format_refund_note(payment) if payment.refunded_amount else "",
        method=attempt.method if attempt else "",
        amount=payment.paid or payment.due,
    )


def get_badge_state(payment: Payment, attempt: Attempt | None, *, now: datetime) -> str:
    """The badge of a payment."""
    if payment.state == "open" and payment.is_expired(now) and not (attempt and attempt.is_live):
        return "expired"
    if payment.state == "cancelled":
        return "withdrawn"
    return payment.state if payment.state != "open" else get_payment_standing(payment, attempt, None, now=now).state


@require_GET
@payer_page
def export(request: PayerRequest) -> HttpResponseBase:
    """The rows that the filters leave, newest first, as a CSV file that spreadsheets open."""
    form = TransactionSearchForm(request.accesses, request.GET)
    if not form.is_valid():
        return render(request, "portal/search.html", {"form": form, "is_filtered": True}, status=422)
    lines = export_csv_lines(request, form.get_filters(get_time_zone(request)), now=clock.now())
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="transactions.csv"'
    return response


def export_csv_lines(request: PayerRequest, filters: TransactionFilters, *, now: datetime) -> Iterator[str]:
    """The file, a thousand payments at a time."""
    chosen = filter_accesses(request.accesses, filters)
    visible = list_visible_payments(chosen, request.person)
    rows = apply_filters(visible, filters, build_text_filters(visible, filters.text, chosen)[0], now=now)
    keys = rows.order_by(build_date_expression().desc(), "-pk").values_list("pk", flat=True)[:MAX_EXPORTED]
    yield BYTE_ORDER_MARK + render_csv_line(CSV_HEADINGS)
    for chunk in batched(keys, CHUNK_SIZE):
        found = rows.in_bulk(chunk)
        yield render_csv_rows([found[key] for key in chunk if key in found], chosen, now=now)


def render_csv_rows(payments: Sequence[Payment], accesses: Sequence[PayerAccess], *, now: datetime) -> str:
    """The lines of these payments."""
    return "".join(
        render_csv_line(build_csv_cells(row))
        for row in list_transaction_rows(attach_companies(payments, accesses), now=now)
    )


def build_csv_cells(row: TransactionRow) -> tuple[str, ...]:
    """One line of the file; amounts are plain numbers, the date is the merchant's."""
    payment = row.payment
    return (
        row.at.date().isoformat(),
        str(payment.details.get("reference") or ""),
        payment.purpose,
        payment.merchant.name,
        payment.company.name,
        row.state,
        row.method,
        row.amount.plain,
        Money(payment.refunded_amount, payment.currency).plain,
        payment.currency,
        payment.reference,
    )
