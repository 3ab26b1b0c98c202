"""Configure › Automatic Payments: the settings and the billing terms."""

from typing import Any

from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from accounting.autopay import terms
from accounting.autopay.decision_context import is_paused
from accounting.autopay.forms import AutoPaySettingsForm, BillingTermForm
from accounting.autopay.previews import ChargePreview, list_charges_once_enabled, list_term_charges
from accounting.autopay.settings import get_offered_limits, save_autopay_settings
from accounting.models import AutoPaySettings, BillingTerm
from connections.models import Connection
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_settings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The settings, and the list of billing terms."""
    data = request.POST if request.method == "POST" else None
    chosen = AutoPaySettings.get_or_default(merchant)
    form = AutoPaySettingsForm(data, chosen=chosen, limits=get_offered_limits(merchant))
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["is_enabled"] and not chosen.is_enabled:
            preview = list_charges_once_enabled(merchant, now=clock.now(), **form.cleaned_data)
            if must_confirm(request, preview):
                return render_preview(request, merchant, preview, title="Switch automatic payments on")
        detail = describe_changes(form)
        save_autopay_settings(merchant, now=clock.now(), **form.cleaned_data)
        record_request_audit(request, "autopay.settings_saved", merchant_id=merchant.pk, detail=detail)
        messages.success(request, "Automatic payments saved.")
        return redirect("autopay:settings", merchant.reference)
    context = {"merchant": merchant, "form": form, **build_terms_context(merchant)}
    return render(request, "autopay/settings.html", context, status=422 if form.errors else 200)


def build_terms_context(merchant: Merchant) -> dict[str, Any]:
    """The billing terms, with what they cover in the connected organisation, and when its terms were read."""
    current = terms.list_current_terms(merchant)
    covered = Prefetch("ledger_terms", queryset=current)
    return {
        "terms": merchant.billing_terms.filter(is_active=True).prefetch_related(covered).order_by("name"),
        "read": current.order_by("-read_at").first(),
        "uncovered": current.filter(billing_term=None).count(),
        "is_connected": Connection.objects.filter(merchant=merchant, state="connected").exists(),
    }


def must_confirm(request: MerchantRequest, preview: ChargePreview) -> bool:
    """Whether something would be charged that the person has not been shown yet."""
    return bool(preview.rows) and request.POST.get("confirmed") != "on"


def render_preview(request: MerchantRequest, merchant: Merchant, preview: ChargePreview, *, title: str) -> HttpResponse:
    """What a change will charge and when, with the form's fields to send again."""
    hidden = [
        (name, value)
        for name in request.POST
        if name not in ("csrfmiddlewaretoken", "confirmed")
        for value in request.POST.getlist(name)
    ]
    back = reverse("autopay:settings", args=[merchant.reference])
    context = {"merchant": merchant, "title": title, "back": back, "preview": preview, "hidden": hidden}
    return render(request, "autopay/preview.html", context | {"button": "Save"})


@require_POST
@merchant_page(Right.SETTINGS)
def refresh_terms(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Refresh Billing Terms."""
    terms.schedule_terms_import(merchant, now=clock.now())
    messages.success(request, "Reading the terms of the accounting package. Reload in a moment.")
    return redirect("autopay:settings", merchant.reference)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_term(request: MerchantRequest, merchant: Merchant, term_ref: str = "") -> HttpResponse:
    """Add Billing Term, or edit one."""
    term = get_object_or_404(BillingTerm, merchant=merchant, reference=term_ref, is_active=True) if term_ref else None
    form = BillingTermForm(request.POST if request.method == "POST" else None, merchant=merchant, term=term)
    if request.method == "POST" and form.is_valid():
        preview = list_term_charges(merchant, term, now=clock.now(), **form.cleaned_data)
        if not is_paused(merchant) and must_confirm(request, preview):
            return render_preview(request, merchant, preview, title=f"Save {form.cleaned_data['name']}")
        detail = describe_changes(form)
        saved = terms.save_term(merchant, term, now=clock.now(), **form.cleaned_data)
        record_request_audit(request, "autopay.term_saved", merchant_id=merchant.pk, subject=saved.name, detail=detail)
        messages.success(request, f"{saved} saved.")
        return redirect("autopay:settings", merchant.reference)
    context = {"merchant": merchant, "form": form, "term": term}
    return render(request, "autopay/term.html", context, status=422 if form.errors else 200)


@require_POST
@merchant_page(Right.SETTINGS)
def remove_term(request: MerchantRequest, merchant: Merchant, term_ref: str) -> HttpResponse:
    """Remove a billing term that no mapping uses."""
    term = get_object_or_404(BillingTerm, merchant=merchant, reference=term_ref, is_active=True)
    try:
        terms.remove_term(term, now=clock.now())
    except terms.TermInUse:
        messages.error(request, f"{term} is used by Auto-Pay mappings. End those first.")
    else:
        record_request_audit(request, "autopay.term_removed", merchant_id=merchant.pk, subject=term.name)
        messages.success(request, f"{term} is removed.")
    return redirect("autopay:settings", merchant.reference)
