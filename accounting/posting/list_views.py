"""The console's list of everything that was posted: the page and its files."""

from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from accounting.posting.lists import PostingList
from merchants.access import MerchantRequest, merchant_page
from merchants.lists import answer_file, render_list
from merchants.models import Merchant
from merchants.rights import Right


@require_GET
@merchant_page(Right.SEE)
def list_postings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Every posting, as the address filters, searches and orders them."""
    return render_list(request, merchant, PostingList(request.GET, merchant), "accounting/posted.html")


@require_GET
@merchant_page(Right.SEE)
def export_postings(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every posting that matches, as a file."""
    return answer_file(request, merchant, PostingList(request.GET, merchant), format_name)
