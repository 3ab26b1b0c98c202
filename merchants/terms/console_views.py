"""Configure > Terms and Disclaimers: the texts that payers accept, version by version."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from merchants.access import MerchantRequest, merchant_page
from merchants.forms import TermsForm
from merchants.models import Merchant, Terms
from merchants.rights import Right
from merchants.terms.services import ACCEPTED_WHEN, create_terms_version, get_current_terms, render_terms
from wisepay import clock
from wisepay.audit import record_request_audit


@require_GET
@merchant_page(Right.SETTINGS)
def list_terms(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Every kind with its newest version."""
    rows = [
        {"terms": get_current_terms(merchant, kind.value), "where": ACCEPTED_WHEN[kind.value]} for kind in Terms.Kind
    ]
    return render(request, "merchants/terms.html", {"merchant": merchant, "rows": rows})


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_terms(request: MerchantRequest, merchant: Merchant, kind: str) -> HttpResponse:
    """One kind: the text that stands, as payers read it, what it was before, and a new version."""
    if kind not in Terms.Kind.values:
        raise Http404
    current = get_current_terms(merchant, kind)
    form = TermsForm(request.POST or None, initial={"text": current.text})
    if request.method == "POST" and form.is_valid():
        fresh = create_terms_version(
            merchant, kind=kind, text=form.cleaned_data["text"], by=request.user, now=clock.now()
        )
        if fresh.version == current.version:
            messages.info(request, "The text is the same, so there is no new version.")
        else:
            detail = f"Version: {current.version} → {fresh.version}"
            record_request_audit(request, "terms.published", merchant_id=merchant.pk, subject=str(fresh), detail=detail)
            messages.success(request, f"Version {fresh.version} is published. Payers accept it from now on.")
        return redirect("merchants:terms_kind", merchant.reference, kind)
    older = merchant.terms.filter(kind=kind).select_related("created_by", "merchant").order_by("-version")
    versions = [{"terms": one, "text": render_terms(one)} for one in older]
    context = {"merchant": merchant, "form": form, "current": current, "versions": versions}
    context["where"] = ACCEPTED_WHEN[kind]
    return render(request, "merchants/terms_kind.html", context, status=422 if form.errors else 200)
