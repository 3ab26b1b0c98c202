"""What whoever follows a PayNow Link sees: the form for a number, an invoice, and why a link opens nothing."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounting.invoices.balances import InvoiceBalance
from accounting.invoices.duplicates import DuplicateWarning, find_duplicate_warnings
from accounting.models import LedgerContact, LedgerInvoice
from accounting.paynow_links.forms import FindInvoiceForm, PayLinkedInvoiceForm, PrepaymentForm
from accounting.paynow_links.prepayments import list_prepayment_currencies, takes_prepayments
from accounting.paynow_links.services import LinkClosed, check_link
from merchants.models import PayNowLink
from wisepay import clock
from wisepay.money import InvalidAmount, Money


def render_no_link(request: HttpRequest) -> HttpResponse:
    """The page for every kind of no: nobody learns from it which merchants, invoices or links there are."""
    title = _("This link can't be opened")
    message = _("Open it again from the newest mail or invoice that you have. If that does not help, ask who sent it.")
    return render(request, "error.html", {"title": title, "message": message}, status=404)


def render_closed_link(request: HttpRequest, error: LinkClosed) -> HttpResponse:
    """Why a link that was good opens nothing now, for somebody who has it."""
    context = {"merchant": error.link.merchant, "reason": error.reason}
    return render(request, "paynow_links/closed.html", context, status=410)


def render_find(
    request: HttpRequest, link: PayNowLink, form: FindInvoiceForm, *, is_missing: bool = False
) -> HttpResponse:
    """The form for number and amount; the same for a number that does not exist and for an amount that is not its."""
    check_link(link)
    context = {"merchant": link.merchant, "form": form, "is_missing": is_missing, "path": request.path}
    if is_missing and takes_prepayments(link):
        typed = {"reference": form.cleaned_data["invoice"], "amount": form.cleaned_data["amount"]}
        offer = PrepaymentForm(None, currencies=list_prepayment_currencies(link.merchant), initial=typed)
        context |= {"offer": offer, "offer_path": f"{request.path}/prepayments"}
    return render(request, "paynow_links/find.html", context, status=422 if form.errors or is_missing else 200)


def render_invoice(
    request: HttpRequest,
    invoice: LedgerInvoice,
    *,
    balance: InvoiceBalance | None = None,
    form: PayLinkedInvoiceForm | None = None,
    reason: str = "",
    is_unread: bool = False,
    status: int = 200,
) -> HttpResponse:
    """The page of an invoice; `is_unread` while the books do not say what is due."""
    context = {
        "invoice": invoice,
        "merchant": invoice.merchant,
        "client": get_client_name(invoice),
        "balance": balance,
        "payable": Money(balance.payable if balance else 0, invoice.currency),
        "form": form,
        "warnings": list_warnings(invoice) if form is not None else [],
        "reason": reason,
        "is_unread": is_unread,
        "said": read_said_amount(request, invoice, balance) if form is not None else None,
        "path": request.path,
    }
    return render(request, "paynow_links/invoice.html", context, status=status)


def get_client_name(invoice: LedgerInvoice) -> str:
    """Whom the invoice is for."""
    if invoice.company is not None:
        return str(invoice.company.name)
    ids = {"merchant": invoice.merchant_id, "organisation_id": invoice.organisation_id}
    rows = LedgerContact.objects.filter(**ids, contact_id=invoice.contact_id)
    return rows.values_list("name", flat=True).first() or ""


def list_warnings(invoice: LedgerInvoice) -> list[str]:
    """What may pay the invoice already, each once."""
    found = find_duplicate_warnings([invoice], now=clock.now())
    return list(dict.fromkeys(describe_warning(warning) for warning in found))


def describe_warning(warning: DuplicateWarning) -> str:
    """What may pay the invoice already, without what only the client's own people may know of other payments."""
    if warning.kind != "credit":
        return warning.message
    return _("There is a credit that is not used yet. It may be meant for this invoice.")


def read_said_amount(request: HttpRequest, invoice: LedgerInvoice, balance: InvoiceBalance | None) -> Money | None:
    """The amount that the link said, where another one can be paid now."""
    try:
        said = Money.parse_typed(request.GET.get("said", "")[:40], invoice.currency)
    except InvalidAmount:
        return None
    return said if balance is not None and said.amount != balance.payable else None
