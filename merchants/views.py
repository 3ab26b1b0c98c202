"""Pages of the console that belong to the tenant itself."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis import RedisError

from merchants import services
from merchants.access import MerchantRequest, merchant_page
from merchants.forms import EventsForm, MerchantDetailsForm
from merchants.models import Merchant, Notification
from merchants.rights import Right
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes
from wisepay.heartbeats import list_silent_processes
from wisepay.secret_rotation import list_missing_keys

PAGE_SIZE = 50


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Redirect to the dashboard of the only merchant or to the payer's portal, or offer a choice."""
    found = list(Merchant.objects.filter(memberships__user=request.user.pk).order_by("name"))
    # The payers floor, which is above, relates its rows to the user under this name.
    is_payer = hasattr(request.user, "payer")
    if not found and is_payer:
        return redirect("/my/")
    if len(found) == 1 and not is_payer:
        return redirect("merchants:dashboard", found[0].reference)
    return render(request, "merchants/home.html", {"merchants": found, "is_payer": is_payer})


@require_GET
@merchant_page(Right.SEE)
def dashboard(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard: panels of every floor."""
    return render(request, "merchants/dashboard.html", {"merchant": merchant})


@require_GET
@merchant_page(Right.SEE)
def background_alert(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's alert while beat or the workers stand still, or a key of the stored secrets is missing."""
    context = {"merchant": merchant, "silent": list_silent_processes(now=clock.now()), "keys": has_missing_keys()}
    return render(request, "merchants/background.html", context)


def has_missing_keys() -> bool:
    """Whether stored secrets cannot be read because their key is not configured; looked at once a minute."""
    try:
        return bool(cache.get_or_set("missing-keys", lambda: len(list_missing_keys()), 60))
    except RedisError:
        return bool(list_missing_keys())


@require_GET
@merchant_page(Right.SETTINGS)
def list_merchants(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Configure > Merchants."""
    return render(request, "merchants/list.html", {"merchant": merchant})


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_details(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Details tab."""
    form = MerchantDetailsForm(request.POST or None, instance=merchant)
    if request.method == "POST" and form.is_valid():
        detail = describe_changes(form)
        form.save()
        record_request_audit(request, "merchant.details_saved", merchant_id=merchant.pk, detail=detail)
        messages.success(request, "Details saved.")
        return redirect("merchants:details", merchant.reference)
    status = 422 if form.errors else 200
    return render(request, "merchants/details.html", {"merchant": merchant, "form": form}, status=status)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_events(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Event Notifications tab."""
    # No box ticked is an answer as well, so an empty POST binds the form.
    before = list(merchant.event_notifications.filter(is_enabled=True).values_list("event", flat=True))
    form = EventsForm(request.POST if request.method == "POST" else None, initial={"events": before})
    if request.method == "POST" and form.is_valid():
        services.update_event_notifications(merchant, events=set(form.cleaned_data["events"]))
        record_request_audit(request, "events.saved", merchant_id=merchant.pk, detail=describe_changes(form))
        messages.success(request, "Event notifications saved.")
        return redirect("merchants:events", merchant.reference)
    rows = merchant.event_notifications.order_by("pk")
    status = 422 if form.errors else 200
    return render(request, "merchants/events.html", {"merchant": merchant, "rows": rows}, status=status)


@require_GET
@merchant_page(Right.SEE)
def notifications(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The person's notifications, newest first."""
    rows = Notification.objects.filter(user=request.user, merchant=merchant).order_by("-created_at")[:PAGE_SIZE]
    return render(request, "merchants/notifications.html", {"merchant": merchant, "rows": rows})


@require_GET
@merchant_page(Right.SEE)
def bell(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The number on the bell."""
    unread = Notification.objects.filter(user=request.user, merchant=merchant, read_at=None).count()
    return render(request, "merchants/bell.html", {"merchant": merchant, "unread": unread})


@require_POST
@merchant_page(Right.SEE)
def read_notification(request: MerchantRequest, merchant: Merchant, pk: int) -> HttpResponse:
    """Mark a notification as read, and redirect to the page that it is about."""
    notification = get_object_or_404(Notification, pk=pk, user=request.user, merchant=merchant)
    Notification.objects.filter(pk=notification.pk, read_at=None).update(read_at=clock.now())
    return redirect(notification.path)
