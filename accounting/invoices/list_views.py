"""The console's list of invoices: the page, its totals, and its files."""

from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from accounting.invoices.lists import InvoiceList
from merchants.access import MerchantRequest, merchant_page
from merchants.lists import answer_file, render_list, render_totals
from merchants.models import Merchant
from merchants.rights import Right


@require_GET
@merchant_page(Right.SEE)
def list_invoices(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The invoices of every client, as the address filters, searches and orders them."""
    return render_list(request, merchant, InvoiceList(request.GET, merchant), "accounting/invoices.html")


@require_GET
@merchant_page(Right.SEE)
def invoice_totals(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of what they come to."""
    return render_totals(request, merchant, InvoiceList(request.GET, merchant))


@require_GET
@merchant_page(Right.SEE)
def export_invoices(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every invoice that matches, as a file."""
    return answer_file(request, merchant, InvoiceList(request.GET, merchant), format_name)
