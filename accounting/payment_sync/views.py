"""The page Payment Sync: start one, watch it, and see what it did."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounting.mirror.jobs import get_current_job
from accounting.models import PaymentSync
from accounting.payment_sync.services import (
    build_sync_lines,
    get_default_since,
    list_applications,
    start_payment_sync,
)
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import BOOKS_WORK, Right
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.clock import get_day_start

PAGE_SIZE = 50
EARLIEST_DATE = date(1970, 1, 1)  # an earlier date has no instant in every time zone, and means everything as well


class PaymentSyncForm(forms.Form):
    """The date since when payments are synced; empty for the last sync."""

    since = forms.DateField(
        label="Payments updated after",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Left empty: since the last sync.",
    )

    def clean_since(self) -> date | None:
        """Refuse a day in the future."""
        found: date | None = self.cleaned_data["since"]
        if found is not None and found > clock.now().date():
            raise forms.ValidationError("Choose a day that has come.")
        return max(found, EARLIEST_DATE) if found else None


def get_since(merchant: Merchant, day: date | None, *, now: datetime) -> datetime:
    """When the day begins in the merchant's zone; without a day the default."""
    if day is None:
        return get_default_since(merchant, now=now)
    return get_day_start(max(day, EARLIEST_DATE), merchant.zone)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SEE, changes=BOOKS_WORK)
def payment_sync(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """GET shows the last sync, POST starts one."""
    form = PaymentSyncForm(request.POST if request.method == "POST" else None)
    now = clock.now()
    if request.method == "POST" and form.is_valid():
        since = get_since(merchant, form.cleaned_data["since"], now=now)
        start_payment_sync(merchant, since=since, by=request.user, now=now)
        record_request_audit(
            request, "payment_sync.requested", merchant_id=merchant.pk, detail=f"since {since:%Y-%m-%d}"
        )
        messages.success(request, "Syncing payments.")
        return redirect("accounting:payment_sync", merchant.reference)
    context = {"merchant": merchant, "form": form, **build_result_context(merchant, request.GET.get("page"))}
    return render(request, "payment_sync/payment_sync.html", context, status=422 if form.errors else 200)


def build_result_context(merchant: Merchant, number: str | None) -> dict[str, Any]:
    """The last sync with one page of its lines."""
    sync = get_current_job(PaymentSync, merchant)
    if sync is None or sync.state != "finished":
        return {"sync": sync, "lines": [], "page": None}
    sync.merchant = merchant
    page = Paginator(list_applications(sync), PAGE_SIZE).get_page(number)
    return {"sync": sync, "lines": build_sync_lines(sync, page), "page": page}
