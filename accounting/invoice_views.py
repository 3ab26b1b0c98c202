"""The payer's pages of invoices: Outstanding Payments, Pay Invoice, Batch Pay Now, Print PDF."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from accounting.guards import Doubt, possible_duplicates, sentences_of
from accounting.invoice_forms import BatchForm, PayInvoiceForm
from accounting.invoice_pdf import NoDocument, has_document, read_document
from accounting.invoice_room import out_of_use, payable_invoices
from accounting.invoice_rows import (
    OwedInvoice,
    invoice_for,
    invoice_rows,
    newest_attempts,
    outstanding,
    row_of,
    whole_companies,
    with_schedule,
)
from accounting.models import LedgerInvoice
from accounting.paying import OUT_OF_USE, MayBePaidAlready, promise_invoice_payment, why_not
from payers.access import PayerRequest, access_of, payer_page
from payers.models import PayerCompany
from payments.errors import CannotPay
from payments.models import Payment
from payments.portal import asked_page, widget
from payments.portal_access import WHOLE

MOST = 99  # invoices of one batch: what their numbers have room for


@require_GET
@payer_page
def outstanding_payments(request: PayerRequest) -> HttpResponse:
    """Outstanding Payments: the widget, or the full list as a page."""
    found = outstanding(request.accesses, request.person, now=timezone.now(), page=asked_page(request))
    return widget(request, "outstanding", found, folder="invoices")


@require_http_methods(["GET", "POST"])
@payer_page
def pay_invoice(request: PayerRequest, reference: str) -> HttpResponse:
    """One invoice: how it stands, and how much of it is paid now."""
    row = row_of(invoice_for(request, reference), now=timezone.now())
    reason = why_closed(row.invoice)
    form = PayInvoiceForm(request.POST or None, row=row) if row.room.left and not reason else None
    doubts = possible_duplicates([row.invoice], now=timezone.now()) if form else []
    if request.method == "POST" and form is not None and form.is_valid():
        payment = promised(request, form, row.company)
        if payment is not None:
            return redirect("payments:checkout", payment.reference)
    context = {
        "row": row,
        "invoice": row.invoice,
        "form": form,
        "warnings": sentences_of(doubts),
        "has_document": has_document(row.invoice),
        "why_not": reason,
    }
    is_wrong = request.method == "POST"
    return render(request, "invoices/pay.html", context, status=422 if is_wrong else 200)


def why_closed(invoice: LedgerInvoice) -> str:
    """Why the invoice takes no money, whatever is on its way; empty while it does."""
    if out_of_use([invoice]):
        return f"Invoice {invoice} {OUT_OF_USE}"
    return "" if invoice.is_payable else why_not(invoice)


@require_http_methods(["GET", "POST"])
@payer_page
def batch(request: PayerRequest) -> HttpResponse:
    """Batch Pay Now over the invoices of one company in one currency; which one is asked first where there are more."""
    groups = groups_of(request)
    asked = (request.GET.get("company", ""), request.GET.get("currency", ""))
    chosen = groups.get(asked) or (next(iter(groups.values())) if len(groups) == 1 else None)
    if not chosen:
        return render(request, "invoices/batch_choose.html", {"groups": list(groups.values())})
    form = BatchForm(request.POST or None, rows=chosen, picked=request.GET.get("invoice", ""))
    if request.method == "POST" and form.is_valid():
        payment = promised(request, form, chosen[0].company)
        if payment is not None:
            return redirect("payments:checkout", payment.reference)
    doubts = possible_duplicates([row.invoice for row in chosen], now=timezone.now())
    context = {"form": form, "lines": lines_of(form, doubts), "company": chosen[0].company, "first": chosen[0]}
    context |= {"warnings": sentences_of(doubts), "groups": groups, "action": request.get_full_path()}
    return render(request, "invoices/batch.html", context, status=422 if request.method == "POST" else 200)


@require_GET
@payer_page
def print_pdf(request: PayerRequest, reference: str) -> HttpResponse:
    """The invoice as the books print it; a sentence when they do not answer."""
    invoice = invoice_for(request, reference)
    try:
        document = read_document(invoice, now=timezone.now())
    except NoDocument as error:
        return render(request, "invoices/no_document.html", {"invoice": invoice, "why": str(error)}, status=503)
    response = HttpResponse(document, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{filename_of(invoice)}"'
    return response


def filename_of(invoice: LedgerInvoice) -> str:
    """A name for the document that every computer can keep."""
    safe = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in str(invoice))
    return f"invoice-{safe[:80]}.pdf"


def promised(request: PayerRequest, form: PayInvoiceForm | BatchForm, company: PayerCompany) -> Payment | None:
    """The payment that a valid form asks for; None when it cannot be, which the form then says where it belongs."""
    try:
        return promise_invoice_payment(
            company,
            form.parts(),
            by=request.user,
            origin=Payment.Origin.INVOICES,
            now=timezone.now(),
            confirmed=form.cleaned_data["confirmed"],
        )
    except MayBePaidAlready:
        form.add_error("confirmed", "Please read what may pay this already, and tick this if you want to pay anyway.")
    except CannotPay as error:
        form.add_error(field_of(form, error), str(error))
    return None


def field_of(form: PayInvoiceForm | BatchForm, error: CannotPay) -> str | None:
    """The field that an error is about."""
    if isinstance(form, PayInvoiceForm):
        return "amount"
    guilty = getattr(error, "invoice_id", None)
    return next((f"amount-{r.invoice.reference}" for r in form.rows if r.invoice.pk == guilty), None)


def lines_of(form: BatchForm, doubts: list[Doubt]) -> list[dict[str, Any]]:
    """The rows of a batch, each with what may pay it already; a credit could pay any of them and is said once."""
    return [
        {
            "row": line.row,
            "pick": line.pick,
            "amount": line.amount,
            "warnings": sentences_of([d for d in doubts if d.invoice_id == line.row.invoice.pk and d.kind != "credit"]),
        }
        for line in form.lines
    ]


def groups_of(request: PayerRequest) -> dict[tuple[str, str], list[OwedInvoice]]:
    """What can be paid together: the payable invoices by company and currency."""
    companies = whole_companies(request.accesses)
    asked = request.GET.get("company", "")
    if asked:
        access = access_of(request, asked)
        companies = {access.company_id: access.company} if access.scope == WHOLE else {}
    found = list(with_schedule(payable_invoices(list(companies)))[: MOST * 4])
    _, talks = newest_attempts([], found)
    groups: dict[tuple[str, str], list[OwedInvoice]] = {}
    for row in invoice_rows(found, companies, talks=talks, now=timezone.now()):
        group = groups.setdefault((row.company.reference, row.invoice.currency), [])
        if row.room.left and len(group) < MOST:
            group.append(row)
    return {key: rows for key, rows in groups.items() if rows}
