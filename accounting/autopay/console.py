"""The merchant's pages of automatic payments: what is scheduled, the calendar, failures, what matches nothing."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounting.autopay import acts
from accounting.autopay import rows as reading
from accounting.autopay.forms import ResolveForm
from accounting.autopay.reading import is_paused
from accounting.autopay.settings import arm_planning
from accounting.models import ScheduledPayment
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Membership, Merchant
from wisepay.audit import record_request

SHOWN = 6  # rows of a panel


def context_of(request: MerchantRequest, merchant: Merchant, **more: Any) -> dict[str, Any]:
    """What every page of these has."""
    return {
        "merchant": merchant,
        "counts": reading.counts_of(merchant),
        "is_paused": is_paused(merchant),
        "is_admin": request.membership.role == Membership.Role.ADMIN,
        **more,
    }


@require_GET
@merchant_page()
def scheduled_list(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Automatic Payments: what will be charged; with `show=all` everything that ever was scheduled."""
    shows_all = request.GET.get("show") == "all"
    found = reading.every_payment(merchant) if shows_all else reading.live_payments(merchant)
    page = Paginator(found, reading.PAGE).get_page(request.GET.get("page"))
    rows = reading.rows_of(page, paused=is_paused(merchant))
    context = context_of(request, merchant, page=page, rows=rows, shows_all=shows_all)
    return render(request, "autopay/list.html", context)


@require_GET
@merchant_page()
def panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's widget of the same."""
    found = reading.live_payments(merchant)[:SHOWN]
    context = context_of(request, merchant, rows=reading.rows_of(found, paused=is_paused(merchant)))
    return render(request, "autopay/panel.html", context)


@require_GET
@merchant_page()
def calendar(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What will be charged when, a month at a time."""
    month = reading.month_of(merchant, request.GET.get("month", ""), now=timezone.now())
    return render(request, "autopay/calendar.html", context_of(request, merchant, month=month))


@require_GET
@merchant_page()
def failures(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Transaction Failures."""
    page = Paginator(reading.failed_payments(merchant), reading.PAGE).get_page(request.GET.get("page"))
    context = context_of(request, merchant, page=page, rows=reading.rows_of(page, paused=False))
    return render(request, "autopay/failures.html", context)


@require_GET
@merchant_page()
def failures_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's widget of the same."""
    rows = reading.rows_of(reading.failed_payments(merchant)[:SHOWN], paused=False)
    return render(request, "autopay/failures_panel.html", context_of(request, merchant, rows=rows))


@require_GET
@merchant_page()
def unmatched(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Unmatched Auto-Payments."""
    page = Paginator(reading.unmatched_invoices(merchant), reading.PAGE).get_page(request.GET.get("page"))
    return render(request, "autopay/unmatched.html", context_of(request, merchant, page=page))


@require_GET
@merchant_page()
def unmatched_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's widget of the same."""
    rows = reading.unmatched_invoices(merchant)[:SHOWN]
    return render(request, "autopay/unmatched_panel.html", context_of(request, merchant, rows=rows))


@require_GET
@merchant_page()
def detail(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Show Details: one scheduled payment, its attempts and its steps."""
    return render_detail(request, merchant, reading.scheduled_at(merchant, scheduled_ref), ResolveForm())


def render_detail(
    request: MerchantRequest, merchant: Merchant, scheduled: ScheduledPayment, form: ResolveForm
) -> HttpResponse:
    """The page of one."""
    attempts = reading.attempts_at(scheduled)
    context = context_of(
        request,
        merchant,
        row=reading.row_of(scheduled, paused=is_paused(merchant)),
        attempts=attempts,
        settles_on=reading.settles_on(scheduled, attempts),
        steps=scheduled.history(),
        form=form,
    )
    return render(request, "autopay/detail.html", context, status=422 if form.errors else 200)


@require_POST
@merchant_page()
def check(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Check Request: ask the gateway how it stands now."""
    scheduled = reading.scheduled_at(merchant, scheduled_ref)
    asked = acts.check_request(scheduled, now=timezone.now())
    messages.info(request, "The gateway was asked." if asked else "There is nothing to ask the gateway about.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page(admin=True)
def cancel(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Cancel Payment, until it is pending."""
    scheduled = reading.scheduled_at(merchant, scheduled_ref)
    try:
        acts.cancel_scheduled(scheduled, by=request.user, now=timezone.now())
    except acts.NotPossible as error:
        messages.error(request, str(error))
    else:
        record_request(request, "autopay.cancelled", merchant_id=merchant.pk, subject=str(scheduled.invoice))
        messages.success(request, f"The automatic payment of {scheduled.invoice} is cancelled.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page()
def requeue(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Reset & Requeue, or Charge anyway for one that is held."""
    scheduled = reading.scheduled_at(merchant, scheduled_ref)
    try:
        acts.requeue(scheduled, by=request.user, now=timezone.now())
    except acts.NotPossible as error:
        messages.error(request, f"Not queued. {error}")
    else:
        record_request(
            request,
            "autopay.requeued",
            merchant_id=merchant.pk,
            subject=str(scheduled.invoice),
            detail=scheduled.reason,
        )
        messages.success(request, f"{scheduled.invoice} is queued again.")
    return redirect("autopay:detail", merchant.reference, scheduled_ref)


@require_POST
@merchant_page()
def resolve(request: MerchantRequest, merchant: Merchant, scheduled_ref: str) -> HttpResponse:
    """Mark as Resolved."""
    scheduled, form = reading.scheduled_at(merchant, scheduled_ref), ResolveForm(request.POST)
    if not form.is_valid():
        return render_detail(request, merchant, scheduled, form)
    note = form.cleaned_data["note"]
    try:
        acts.mark_resolved(scheduled, note=note, by=request.user, now=timezone.now())
    except acts.NotPossible as error:
        messages.error(request, str(error))
    else:
        record_request(
            request, "autopay.resolved", merchant_id=merchant.pk, subject=str(scheduled.invoice), detail=note
        )
        messages.success(request, f"The failure of {scheduled.invoice} is resolved.")
    return redirect("autopay:failures", merchant.reference)


@require_POST
@merchant_page()
def queue(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Queue: compare everything with the invoices now."""
    arm_planning(merchant, now=timezone.now())
    messages.success(request, "Comparing the invoices with what is scheduled. Reload in a moment.")
    return redirect("autopay:list", merchant.reference)
