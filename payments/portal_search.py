"""The pages of Transaction Search: the form, the list, and the same rows as a file."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from payers.access import PayerRequest, payer_page
from payers.models import PayerAccess
from payments.models import Attempt, Payment
from payments.portal import asked_page, zone_of
from payments.portal_access import visible_payments, with_companies
from payments.portal_order import shown_at
from payments.portal_rows import refund_note, standing_of
from payments.transactions import (
    COUNTED,
    METHODS,
    SORTS,
    STATUSES,
    Wish,
    chosen_accesses,
    find_payments,
    named_rows,
    telling_attempts,
    wished,
)
from wisepay.money import Money

EXPORTED, CHUNK = 100_000, 1000
BOM = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
HEADINGS = (
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


class SearchForm(forms.Form):
    """The filters, all of which live in the address."""

    q = forms.CharField(label="Reference, quote, purpose or company", required=False, max_length=100)
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
        text = self.cleaned_data[name].replace(",", "").strip()
        if not text:
            return None
        whole, _, rest = text.partition(".")
        if not (text.isascii() and whole.isdigit() and len(whole) <= 10 and (rest.isdigit() or "." not in text)):
            raise forms.ValidationError('Write an amount such as "625.00".')
        return Decimal(text)

    def clean_amount(self) -> Decimal | None:
        return self._clean_amount("amount")

    def clean_at_least(self) -> Decimal | None:
        return self._clean_amount("at_least")

    def clean_at_most(self) -> Decimal | None:
        return self._clean_amount("at_most")

    def wish(self, zone: str) -> Wish:
        """What a valid form asks for."""
        found = self.cleaned_data
        names = ("amount", "at_least", "at_most", "status", "method", "since", "until", "company", "merchant")
        chosen = {name: found[name] for name in names}
        return Wish(text=found["q"].strip(), sort=found["sort"] or "-date", zone=ZoneInfo(zone), **chosen)


@dataclass(frozen=True, slots=True)
class Row:
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
    form = SearchForm(request.accesses, request.GET)
    now = timezone.now()
    context: dict[str, Any] = {"form": form, "is_filtered": any(request.GET.get(name) for name in form.fields)}
    if not form.is_valid():
        return render(request, "portal/search.html", context, status=422)
    wish = form.wish(zone_of(request))
    found = find_payments(request.accesses, request.person, wish, page=asked_page(request), now=now)
    payments = with_companies(found.payments, request.accesses)
    context |= {"rows": rows_of(payments, now=now), "found": found, "wish": wish}
    context |= {"is_many": found.count > COUNTED, "counted": COUNTED, "sort": wish.sort}
    return render(request, "portal/search.html", context)


def rows_of(payments: Sequence[Payment], *, now: datetime) -> list[Row]:
    """The rows of these payments. One query."""
    attempts = telling_attempts(payments)
    return [row_of(payment, attempts.get(payment.pk), now=now) for payment in payments]


def row_of(payment: Payment, attempt: Attempt | None, *, now: datetime) -> Row:
    """One row, from what was read already."""
    at = (payment.paid_at or payment.created_at).astimezone(payment.merchant.zone)
    return Row(
        payment=payment,
        at=at,
        iso=at.isoformat(),
        day=f"{at.day} {at:%b %Y}",
        state=state_of(payment, attempt, now=now),
        note=refund_note(payment) if payment.refunded_amount else "",
        method=attempt.method if attempt else "",
        amount=payment.paid or payment.due,
    )


def state_of(payment: Payment, attempt: Attempt | None, *, now: datetime) -> str:
    """The badge of a payment."""
    if payment.state == "open" and payment.is_over(now) and not (attempt and attempt.is_live):
        return "expired"
    if payment.state == "cancelled":
        return "withdrawn"
    return payment.state if payment.state != "open" else standing_of(payment, attempt, None, now=now).state


@require_GET
@payer_page
def export(request: PayerRequest) -> HttpResponseBase:
    """The rows that the filters leave, newest first, as a CSV file that spreadsheets open."""
    form = SearchForm(request.accesses, request.GET)
    if not form.is_valid():
        return render(request, "portal/search.html", {"form": form, "is_filtered": True}, status=422)
    lines = csv_lines(request, form.wish(zone_of(request)), now=timezone.now())
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="transactions.csv"'
    return response


def csv_lines(request: PayerRequest, wish: Wish, *, now: datetime) -> Iterator[str]:
    """The file, a thousand payments at a time."""
    chosen = chosen_accesses(request.accesses, wish)
    visible = visible_payments(chosen, request.person)
    rows = wished(visible, wish, named_rows(visible, wish.text, chosen)[0], now=now)
    rows = rows.order_by(shown_at().desc(), "-pk")[:EXPORTED]
    yield BOM + csv_line(HEADINGS)
    chunk: list[Payment] = []
    for payment in rows.iterator(chunk_size=CHUNK):
        chunk.append(payment)
        if len(chunk) == CHUNK:
            yield csv_text(chunk, chosen, now=now)
            chunk = []
    if chunk:
        yield csv_text(chunk, chosen, now=now)


def csv_text(payments: Sequence[Payment], accesses: Sequence[PayerAccess], *, now: datetime) -> str:
    """The lines of these payments."""
    return "".join(csv_line(cells_of(row)) for row in rows_of(with_companies(payments, accesses), now=now))


def cells_of(row: Row) -> tuple[str, ...]:
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


def csv_line(cells: Sequence[str]) -> str:
    """The cells as a line that no spreadsheet takes for a formula."""
    sheet = io.StringIO()
    csv.writer(sheet).writerow([f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell for cell in cells])
    return sheet.getvalue()
