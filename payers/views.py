"""Pages of a payer's own settings, and seeing as a payer."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST
from django_subatomic.db import transaction

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payers.access import IMPERSONATION_KEY, PORTAL_PATH, PayerRequest, payer_page
from payers.completion import save_details
from payers.forms import PayerDetailsForm, ReasonForm
from payers.models import PayerAccess
from payers.notifications import EVENT_DESCRIPTIONS, PayerEvent, get_preferences, save_preferences
from wisepay import outbox
from wisepay.audit import record_request_audit


@require_http_methods(["GET", "POST"])
@payer_page
def my_details(request: PayerRequest) -> HttpResponse:
    """Settings > My Details."""
    form = PayerDetailsForm.for_payer(request.payer, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        save_details(request.payer, request.person, form.get_details())
        messages.success(request, "Details saved.")
        return redirect("payers:my_details")
    return render(request, "payers/my_details.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@payer_page
def my_notifications(request: PayerRequest) -> HttpResponse:
    """Settings > Notifications."""
    if request.method == "POST":
        save_preferences(request.person, events=request.POST.getlist("events"))
        messages.success(request, "Notifications saved.")
        return redirect("payers:my_notifications")
    preferences = get_preferences(request.person)
    rows = [
        {"event": e.value, "label": e.label, "why": EVENT_DESCRIPTIONS[e], "is_enabled": preferences[e.value]}
        for e in PayerEvent
    ]
    return render(request, "payers/my_notifications.html", {"rows": rows})


@require_POST
@merchant_page(Right.PEOPLE)
def start_impersonation(request: MerchantRequest, merchant: Merchant, access_ref: str) -> HttpResponse:
    """See as this payer: their view of this merchant's companies, to look at and nothing else."""
    rows = PayerAccess.objects.select_related("user__payer", "company").filter(company__merchant=merchant)
    access = rows.filter(reference=access_ref, state="active").first()
    if access is None:
        raise Http404
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return render(request, "payers/see_as.html", {"merchant": merchant, "access": access, "form": form}, status=422)
    with transaction():
        entry = record_request_audit(
            request,
            "payer.seen_as",
            merchant_id=merchant.pk,
            subject=access.user.email,
            detail=form.cleaned_data["reason"],
            about=access.user,
        )
        outbox.enqueue(
            f"seen-as:{entry.details_id}", "payers.email_seen_as", access_id=access.pk, entry_id=entry.details_id
        )
    request.session[IMPERSONATION_KEY] = access.reference
    return redirect(PORTAL_PATH)


@login_required
@require_POST
def stop_impersonation(request: HttpRequest) -> HttpResponse:
    """Back to the console."""
    reference = request.session.pop(IMPERSONATION_KEY, None)
    rows = PayerAccess.objects.select_related("user", "company__merchant")
    access = rows.filter(reference=reference).first() if reference else None
    if access is None:
        return redirect("merchants:home")
    merchant = access.company.merchant
    record_request_audit(
        request, "payer.seen_as_ended", merchant_id=merchant.pk, subject=access.user.email, about=access.user
    )
    return redirect("payer_admin:payer", merchant.reference, access.user.reference)
