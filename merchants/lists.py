"""Lists of a merchant's console: their pages, and the same rows as files."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from merchants.access import MerchantRequest
from merchants.models import Merchant
from merchants.saved_queries import LIST_PAGES, list_saved_views
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.budgets import Budget, spend
from wisepay.http import too_many_requests
from wisepay.lists.exports import MAX_XLSX_ROWS, TooManyRows, answer_csv, answer_xlsx
from wisepay.lists.listings import Listing, build_view_query
from wisepay.lists.totals import TakesTooLong

TOO_MANY_ROWS = f"An Excel file holds at most {MAX_XLSX_ROWS:,} rows. Choose days or other filters, or take CSV."


def render_list(
    request: MerchantRequest,
    merchant: Merchant,
    listing: Listing[Any],
    template: str,
    context: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """The page of a list; with 422 where a filter is not understood."""
    page = listing.read_page() if listing.is_valid else None
    table = listing.table_class(page.rows if page else [], chosen=listing.chosen, zone=merchant.time_zone)
    path = reverse(LIST_PAGES[listing.name], args=[merchant.reference]).rstrip("/")
    shown = {
        "merchant": merchant,
        "listing": listing,
        "page": page,
        "table": table,
        "headings": table.list_headings(listing.sort),
        "saved_views": list_saved_views(request.membership, listing.name),
        "export_url": f"{path}/export",
        "totals_url": f"{path}/totals" if listing.has_totals else "",
        "current_query": build_view_query(request.GET.urlencode()),
    }
    return render(request, template, {**shown, **(context or {})}, status=200 if page else 422)


def render_totals(request: MerchantRequest, merchant: Merchant, listing: Listing[Any]) -> HttpResponse:
    """The panel of what a list adds up to."""
    context: dict[str, Any] = {"merchant": merchant, "listing": listing, "totals": [], "is_too_long": False}
    try:
        context["totals"] = listing.compute_totals() if listing.is_valid else []
    except TakesTooLong:
        context["is_too_long"] = True
    return render(request, "lists/totals.html", context, status=200 if listing.is_valid else 422)


def answer_file(
    request: MerchantRequest, merchant: Merchant, listing: Listing[Any], format_name: str
) -> HttpResponseBase:
    """Everything that matches, as a file; that it was taken is written down. Raises Http404 for another format."""
    if format_name not in ("csv", "xlsx"):
        raise Http404
    page = reverse(LIST_PAGES[listing.name], args=[merchant.reference])
    back = f"{page}?{build_view_query(request.GET.urlencode())}"
    if not listing.is_valid:
        messages.error(request, "No file was made: correct the filters that are marked.")
        return redirect(back)
    if format_name == "xlsx" and listing.is_longer_than(MAX_XLSX_ROWS):
        messages.error(request, TOO_MANY_ROWS)
        return redirect(back)
    if wait := spend(Budget.FILES_OF_PERSON, request.user.pk, now=clock.now()):
        return too_many_requests(request, wait=wait)
    detail = f"{format_name.upper()}; {listing.describe()}".removesuffix("; ")
    record_request_audit(request, "list.exported", merchant_id=merchant.pk, subject=listing.title, detail=detail)
    answer = answer_csv if format_name == "csv" else answer_xlsx
    try:
        return answer(listing.name, listing.table_class.list_getters(), listing.read_batches(), zone=merchant.zone)
    except TooManyRows:  # they came while the workbook was written
        messages.error(request, TOO_MANY_ROWS)
        return redirect(back)
