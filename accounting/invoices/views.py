"""The payer's pages of invoices: Outstanding Payments, Pay Invoice, Batch Pay Now, Print PDF."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounting.invoices.balances import list_payable_invoices
from accounting.invoices.duplicates import DuplicateWarning, find_duplicate_warnings, list_warning_messages
from accounting.invoices.forms import BatchForm, PayInvoiceForm
from accounting.invoices.pdf import DocumentUnavailable, get_invoice_pdf, has_document
from accounting.invoices.selectors import (
    OutstandingInvoice,
    annotate_scheduled_payment,
    get_attempts_by_quote_and_invoice,
    get_fully_visible_companies,
    get_outstanding_invoice,
    get_visible_invoice,
    list_outstanding,
    list_outstanding_invoices,
)
from accounting.invoices.services import MayBePaidAlready, create_invoice_payment, get_closed_reason
from accounting.models import LedgerInvoice
from merchants.models import Merchant
from payers.access import PayerRequest, get_company_access, payer_page
from payers.models import PayerCompany
from payments.errors import CannotPay
from payments.models import Payment
from payments.portal.access import WHOLE_COMPANY
from payments.portal.widgets import get_page_number, render_widget
from wisepay import clock

MAX_BATCH_SIZE = 99  # invoices of one batch: as many as the numbers of their postings can tell apart


@require_GET
@payer_page
def outstanding_payments(request: PayerRequest) -> HttpResponse:
    """Outstanding Payments: the widget, or the full list as a page."""
    found = list_outstanding(request.accesses, request.person, now=clock.now(), page=get_page_number(request))
    return render_widget(request, "outstanding", found, folder="invoices")


@require_http_methods(["GET", "POST"])
@payer_page
def pay_invoice(request: PayerRequest, reference: str) -> HttpResponse:
    """Pay Invoice: one invoice, and the form for how much of it is paid now."""
    row = get_outstanding_invoice(get_visible_invoice(request, reference), now=clock.now())
    reason = get_closed_reason(row.invoice, row.balance)
    form = PayInvoiceForm(request.POST or None, row=row) if row.balance.payable and not reason else None
    warnings = find_duplicate_warnings([row.invoice], now=clock.now()) if form else []
    if request.method == "POST" and form is not None and form.is_valid():
        payment = create_payment_from_form(request, form, row.company)
        if payment is not None:
            return redirect("payments:checkout", payment.reference)
    context = {
        "row": row,
        "invoice": row.invoice,
        "form": form,
        "warnings": list_warning_messages(warnings),
        "credit_of": find_credit_holder(warnings, row.company),
        "has_document": has_document(row.invoice),
        "why_not": reason,
    }
    is_wrong = request.method == "POST"
    return render(request, "invoices/pay.html", context, status=422 if is_wrong else 200)


def find_credit_holder(warnings: list[DuplicateWarning], company: PayerCompany) -> Merchant | None:
    """The merchant who could use a credit instead of the payment; None where no credit is among the warnings."""
    return company.merchant if any(warning.kind == "credit" for warning in warnings) else None


@require_http_methods(["GET", "POST"])
@payer_page
def batch_payment(request: PayerRequest) -> HttpResponse:
    """Batch Pay Now: invoices of one company in one currency, which is chosen first when there are more."""
    groups = group_payable_invoices(request)
    asked = (request.GET.get("company", ""), request.GET.get("currency", ""))
    chosen = groups.get(asked) or (next(iter(groups.values())) if len(groups) == 1 else None)
    if not chosen:
        return render(request, "invoices/batch_choose.html", {"groups": list(groups.values())})
    form = BatchForm(request.POST or None, rows=chosen, picked=request.GET.get("invoice", ""))
    if request.method == "POST" and form.is_valid():
        payment = create_payment_from_form(request, form, chosen[0].company)
        if payment is not None:
            return redirect("payments:checkout", payment.reference)
    warnings = find_duplicate_warnings([row.invoice for row in chosen], now=clock.now())
    context = {
        "form": form,
        "lines": build_batch_lines(form, warnings),
        "company": chosen[0].company,
        "first": chosen[0],
    }
    context |= {"credit_of": find_credit_holder(warnings, chosen[0].company)}
    context |= {"warnings": list_warning_messages(warnings), "groups": groups, "action": request.get_full_path()}
    return render(request, "invoices/batch.html", context, status=422 if request.method == "POST" else 200)


@require_GET
@payer_page
def print_pdf(request: PayerRequest, reference: str) -> HttpResponse:
    """The invoice as the ledger prints it, or a page with the reason why there is none."""
    invoice = get_visible_invoice(request, reference)
    try:
        document = get_invoice_pdf(invoice, person=request.user, now=clock.now())
    except DocumentUnavailable as error:
        answer = render(request, "invoices/no_document.html", {"invoice": invoice, "why": str(error)}, status=503)
        if error.wait:
            answer.status_code, answer["Retry-After"] = 429, str(error.wait)
        return answer
    response = HttpResponse(document, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{build_filename(invoice)}"'
    return response


def build_filename(invoice: LedgerInvoice) -> str:
    """A file name of letters and digits only."""
    safe = "".join(character if character.isascii() and character.isalnum() else "-" for character in str(invoice))
    return f"invoice-{safe[:80]}.pdf"


def create_payment_from_form(
    request: PayerRequest, form: PayInvoiceForm | BatchForm, company: PayerCompany
) -> Payment | None:
    """Create the payment that a valid form asks for; None when that is refused, with the error in the form."""
    try:
        return create_invoice_payment(
            company,
            form.build_amounts(),
            by=request.user,
            origin=Payment.Origin.INVOICES,
            now=clock.now(),
            confirmed=form.cleaned_data["confirmed"],
        )
    except MayBePaidAlready:
        form.add_error("confirmed", "Please read what may pay this already, and tick this if you want to pay anyway.")
    except CannotPay as error:
        form.add_error(get_error_field(form, error), str(error))
    return None


def get_error_field(form: PayInvoiceForm | BatchForm, error: CannotPay) -> str | None:
    """The name of the form's field that an error is about."""
    if isinstance(form, PayInvoiceForm):
        return "amount"
    invoice_id = getattr(error, "invoice_id", None)
    return next((f"amount-{r.invoice.reference}" for r in form.rows if r.invoice.pk == invoice_id), None)


def build_batch_lines(form: BatchForm, warnings: list[DuplicateWarning]) -> list[dict[str, Any]]:
    """The lines of a batch with their warnings; credits may pay any invoice and are shown once for all."""
    return [
        {
            "row": line.row,
            "pick": line.pick,
            "amount": line.amount,
            "warnings": list_warning_messages(
                [w for w in warnings if w.invoice_id == line.row.invoice.pk and w.kind != "credit"]
            ),
        }
        for line in form.lines
    ]


def group_payable_invoices(request: PayerRequest) -> dict[tuple[str, str], list[OutstandingInvoice]]:
    """The payable invoices by company and currency: what can be paid together."""
    companies = get_fully_visible_companies(request.accesses)
    asked = request.GET.get("company", "")
    if asked:
        access = get_company_access(request, asked)
        companies = {access.company_id: access.company} if access.scope == WHOLE_COMPANY else {}
    found = list(annotate_scheduled_payment(list_payable_invoices(list(companies)))[: MAX_BATCH_SIZE * 4])
    _, attempts = get_attempts_by_quote_and_invoice([], found)
    groups: dict[tuple[str, str], list[OutstandingInvoice]] = {}
    for row in list_outstanding_invoices(found, companies, attempts=attempts, now=clock.now()):
        group = groups.setdefault((row.company.reference, row.invoice.currency), [])
        if row.balance.payable and len(group) < MAX_BATCH_SIZE:
            group.append(row)
    return {key: rows for key, rows in groups.items() if rows}
