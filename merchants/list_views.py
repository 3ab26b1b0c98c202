"""Saving and removing views of lists."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.forms import SavedViewForm
from merchants.models import Merchant
from merchants.rights import Right
from merchants.saved_queries import LIST_PAGES, ViewRefused, remove_view, save_view
from wisepay.lists.listings import build_view_query


@require_POST
@merchant_page(Right.SEE)
def saved_views(request: MerchantRequest, merchant: Merchant, list_name: str) -> HttpResponse:
    """Save what the address asks for under a name, or remove one that was saved."""
    if list_name not in LIST_PAGES:
        raise Http404
    form = SavedViewForm(request.POST)
    query = build_view_query(request.POST.get("query", ""))
    if not form.is_valid():
        messages.error(request, "; ".join(str(error) for errors in form.errors.values() for error in errors))
    elif form.cleaned_data["act"] == "remove":
        is_removed = remove_view(request.membership, list_name, view=form.cleaned_data["old"])
        messages.success(request, "Removed." if is_removed else "There is no view of that name.")
    else:
        try:
            save_view(request.membership, list_name, view=form.cleaned_data["name"], query=query)
            messages.success(request, "Saved. Only you see your views.")
        except ViewRefused as refused:
            messages.error(request, str(refused))
    page = reverse(LIST_PAGES[list_name], args=[merchant.reference])
    return redirect(f"{page}?{query}" if query else page)
