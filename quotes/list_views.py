"""The console's list of quotes: the page, its totals, its files, and what was refused."""

from datetime import timedelta
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from merchants.access import MerchantRequest, merchant_page
from merchants.lists import answer_file, render_list, render_totals
from merchants.models import Merchant
from merchants.rights import Right
from payers.company_ids import list_open_mismatches
from quotes.lists import QuoteList
from quotes.refusals import REFUSED_ACTION
from wisepay import clock
from wisepay.models import AuditEntry

REFUSALS_SHOWN = 20


@require_GET
@merchant_page(Right.SEE)
def list_quotes(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Every checkout, newest first, as the address filters, searches and orders them."""
    listing = QuoteList(request.GET, merchant)
    context: dict[str, Any] = (
        {} if request.GET else {"mismatches": list_open_mismatches(merchant), "asks_refusals": True}
    )
    return render_list(request, merchant, listing, "quotes/list.html", context)


@require_GET
@merchant_page(Right.SEE)
def quote_totals(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of what they come to."""
    return render_totals(request, merchant, QuoteList(request.GET, merchant))


@require_GET
@merchant_page(Right.SEE)
def export_quotes(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every quote that matches, as a file."""
    return answer_file(request, merchant, QuoteList(request.GET, merchant), format_name)


@require_GET
@merchant_page(Right.SEE)
def refused_quotes(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of the quotes that were refused in the last month, the newest first."""
    rows = AuditEntry.objects.filter(merchant_id=merchant.pk, action=REFUSED_ACTION)
    rows = rows.filter(at__gt=clock.now() - timedelta(days=30)).select_related("details")
    context = {"merchant": merchant, "refusals": list(rows.order_by("-pk")[:REFUSALS_SHOWN])}
    return render(request, "quotes/refused.html", context)
