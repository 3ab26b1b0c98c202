"""The merchant's pages of automatic payments: what is scheduled, the calendar, failures, unmatched invoices."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounting.autopay import actions, selectors
from accounting.autopay.decision_context import is_paused
from accounting.autopay.forms import ResolveForm
from accounting.autopay.lists import ScheduledList
from accounting.autopay.settings import schedule_planning
from accounting.models import ScheduledPayment
from merchants.access import MerchantRequest, merchant_page
from merchants.lists import answer_file, render_list, render_totals
from merchants.models import Merchant
from merchants.rights import AUTOPAY_WORK, Right
from wisepay import clock
from wisepay.audit import record_request_audit

PANEL_ROWS = 6  # rows of a panel


def build_page_context(request: MerchantRequest, merchant: Merchant, **more: Any) -> dict[str, Any]:
    """The context that every one of these pages has."""
    counts = selectors.get_counts(merchant)
    return {
        "merchant": merchant,
        "counts": counts,
        "is_paused": counts.is_paused,
        **more,
    }


@require_GET
@merchant_page(Right.SEE)
def scheduled_list(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Automatic Payments: what will be charged; with `show=all` everything that ever was scheduled."""
    context = build_page_context(request, merchant)
    listing = ScheduledList(request.GET, merchant, is_paused=context["is_paused"])
    return render_list(request, merchant, listing, "autopay/list.html", context)


@require_GET
@merchant_page(Right.SEE)
def scheduled_totals(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of what they come to."""
    return render_totals(request, merchant, ScheduledList(request.GET, merchant, is_paused=False))


@require_GET
@merchant_page(Right.SEE)
def export_scheduled(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every automatic payment that matches, as a file."""
    return answer_file(
        request, merchant, ScheduledList(request.GET, merchant, is_paused=is_paused(merchant)), format_name
    )


@require_GET
@merchant_page(Right.SEE)
def panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's widget of the same."""
    found = selectors.list_live_payments(merchant)[:PANEL_ROWS]
    context = build_page_context(request, merchant, rows=selectors.build_rows(found, paused=is_paused(merchant)))
    return render(request, "autopay/panel.html", context)


@require_GET
@merchant_page(Right.SEE)
def calendar(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What will be charged when, a month at a time."""
    month = selectors.get_calendar_month(merchant, request.GET.get("month", ""), now=clock.now())
    return render(request, "autopay/calendar.html", build_page_context(request, merchant, month=month))


@require_GET
@merchant_page(Right.SEE)
def failures(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Transaction Failures."""
    page = Paginator(selectors.list_failed_payments(merchant), selectors.PAGE_SIZE).get_page(request.GET.get("page"))
    context = build_page_context(request, merchant, page=page, rows=selectors.build_rows(page, paused=False))
    return render(request, "autopay/failures.html", context)


@require_GET
@merchant_page(Right.SEE)
def failures_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's widget of the same."""
    rows = selectors.build_rows(selectors.list_failed_payments(merchant)[:PANEL_ROWS], paused=False)
    return render(request, "autopay/failures_panel.html", build_page_context(request, merchant, rows=rows))


@require_GET
@merchant_page(Right.SEE)
def unmatched(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Unmatched Auto-Payments."""
    page = Paginator(selectors.list_unmatched_invoices(merchant), selectors.PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "autopay/unmatched.html", build_page_context(request, merchant, page=page))


@require_GET
@merchant_page(Right.SEE)
def unmatched_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's widget of the same."""
    rows = selectors.list_unmatched_invoices(merchant)[:PANEL_ROWS]
    return render(request, "autopay/unmatched_panel.html", build_page_context(request, merchant, rows=rows))


@require_GET
@merchant_page(Right.SEE)
def detail(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Show Details: one scheduled payment, its attempts and its steps."""
    return render_detail(request, merchant, selectors.get_scheduled_payment(merchant, scheduled_ref), ResolveForm())


def render_detail(
    request: MerchantRequest, merchant: Merchant, scheduled: ScheduledPayment, form: ResolveForm
) -> HttpResponse:
    """Render the page of one scheduled payment."""
    attempts = selectors.list_attempts(scheduled)
    context = build_page_context(
        request,
        merchant,
        row=selectors.build_row(scheduled, paused=is_paused(merchant)),
        attempts=attempts,
        settles_on=selectors.get_settlement_date(scheduled, attempts),
        steps=scheduled.list_state_changes(),
        form=form,
    )
    return render(request, "autopay/detail.html", context, status=422 if form.errors else 200)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def check(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Check Request: ask the gateway for its state."""
    scheduled = selectors.get_scheduled_payment(merchant, scheduled_ref)
    is_checked = actions.refresh_gateway_status(scheduled, now=clock.now())
    messages.info(request, "The gateway was asked." if is_checked else "There is nothing to ask the gateway about.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page(Right.AUTOMATIC_PAYMENTS)
def cancel(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Cancel Payment, until it is pending."""
    scheduled = selectors.get_scheduled_payment(merchant, scheduled_ref)
    try:
        actions.cancel_scheduled_payment(scheduled, by=request.user, now=clock.now())
    except actions.ActionNotPossible as error:
        messages.error(request, str(error))
    else:
        record_request_audit(request, "autopay.cancelled", merchant_id=merchant.pk, subject=str(scheduled.invoice))
        messages.success(request, f"The automatic payment of {scheduled.invoice} is cancelled.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def requeue(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Reset & Requeue, or Charge anyway for one that is held."""
    scheduled = selectors.get_scheduled_payment(merchant, scheduled_ref)
    try:
        actions.requeue_scheduled_payment(scheduled, by=request.user, now=clock.now())
    except actions.ActionNotPossible as error:
        messages.error(request, f"Not queued. {error}")
    else:
        record_request_audit(
            request,
            "autopay.requeued",
            merchant_id=merchant.pk,
            subject=str(scheduled.invoice),
            detail=scheduled.reason,
        )
        messages.success(request, f"{scheduled.invoice} is queued again.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def resolve(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Mark as Resolved."""
    scheduled, form = selectors.get_scheduled_payment(merchant, scheduled_ref), ResolveForm(request.POST)
    if not form.is_valid():
        return render_detail(request, merchant, scheduled, form)
    note = form.cleaned_data["note"]
    try:
        actions.resolve_scheduled_payment(scheduled, note=note, by=request.user, now=clock.now())
    except actions.ActionNotPossible as error:
        messages.error(request, str(error))
    else:
        record_request_audit(
            request, "autopay.resolved", merchant_id=merchant.pk, subject=str(scheduled.invoice), detail=note
        )
        messages.success(request, f"The failure of {scheduled.invoice} is resolved.")
    return redirect("autopay:failures", merchant.reference)


@require_POST
@merchant_page(Right.AUTOMATIC_PAYMENTS)
def reopen(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Take back Mark as Resolved, or Cancel Payment."""
    scheduled = selectors.get_scheduled_payment(merchant, scheduled_ref)
    note = scheduled.resolution
    try:
        actions.reopen_scheduled_payment(scheduled, now=clock.now())
    except actions.ActionNotPossible as error:
        messages.error(request, str(error))
    else:
        record_request_audit(
            request, "autopay.reopened", merchant_id=merchant.pk, subject=str(scheduled.invoice), detail=note
        )
        messages.success(request, f"{scheduled.invoice} is open again.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def queue(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Queue: schedule planning of all invoices."""
    schedule_planning(merchant, now=clock.now())
    messages.success(request, "Comparing the invoices with what is scheduled. Reload in a moment.")
    return redirect("autopay:list", merchant.reference)
