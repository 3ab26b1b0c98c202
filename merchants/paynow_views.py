"""The PayNow Links tab: which links there are, what each is pasted as, its settings, and replacing it."""

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from merchants.access import MerchantRequest, merchant_page
from merchants.forms import PayNowLinkForm
from merchants.models import Merchant, PayNowLink
from merchants.paynow_links import build_link_address, create_paynow_link, find_active_link, update_paynow_link
from merchants.rights import Right
from wisepay import clock
from wisepay.accounts.services import ask_for_proof, has_reauthenticated, redirect_to_reauthentication
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes

Kind = PayNowLink.Kind


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def paynow_links(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Generate links, and see which are active."""
    chosen = request.POST.get("kind") if request.method == "POST" else None
    if request.method == "POST" and chosen not in Kind.values:
        messages.error(request, "Choose one of the kinds of links.")
        return redirect("merchants:paynow_links", merchant.reference)
    if chosen is not None:
        is_replaced = find_active_link(merchant, chosen) is not None
        if is_replaced and (proof := ask_for_proof(request)):
            return proof
        link = create_paynow_link(merchant, kind=chosen, acts_as=request.user, now=clock.now())
        record_request_audit(request, "paynow_link.generated", merchant_id=merchant.pk, subject=link.kind)
        messages.success(request, f"PayNow Link for {link} generated.")
        return redirect("merchants:paynow_links", merchant.reference)
    active = {link.kind: link for link in merchant.paynow_links.filter(is_active=True).select_related("acts_as")}
    rows = [{"kind": kind, "label": kind.label, "link": active.get(kind.value)} for kind in Kind]
    return render(request, "merchants/paynow_links.html", {"merchant": merchant, "rows": rows})


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def display_link(request: MerchantRequest, merchant: Merchant, kind: str) -> HttpResponse:
    """PayNow Links Details: the key and the URL, after a fresh proof of who asks, and the link's settings."""
    link = get_active_link(merchant, kind)
    if not has_reauthenticated(request):
        return redirect_to_reauthentication(request)
    form = PayNowLinkForm(request.POST if request.method == "POST" else None, link=link)
    if request.method == "POST" and form.is_valid():
        detail = describe_changes(form)
        update_paynow_link(link, **form.changes)
        record_request_audit(request, "paynow_link.changed", merchant_id=merchant.pk, subject=kind, detail=detail)
        messages.success(request, f"PayNow Link for {link} saved.")
        return redirect("merchants:paynow_links", merchant.reference)
    record_request_audit(request, "paynow_link.displayed", merchant_id=merchant.pk, subject=kind)
    context = {"merchant": merchant, "link": link, "form": form, "has_buttons": has_buttons(link)}
    context |= build_link_address(link)
    return render(request, "merchants/paynow_link.html", context, status=422 if form.errors else 200)


def has_buttons(link: PayNowLink) -> bool:
    """Whether we can put the button on online invoices ourselves."""
    return bool(settings.XERO_PAYMENT_SERVICES) and link.kind == Kind.XERO


def get_active_link(merchant: Merchant, kind: str) -> PayNowLink:
    """The merchant's present link of a kind. Raises Http404."""
    link = find_active_link(merchant, kind) if kind in Kind.values else None
    if link is None:
        raise Http404
    return link


@require_GET
@merchant_page(Right.SETTINGS)
def warn_of_regenerating(request: MerchantRequest, merchant: Merchant, kind: str) -> HttpResponse:
    """What stops working when a link is generated anew; the button does it."""
    link = get_active_link(merchant, kind)
    return render(request, "merchants/paynow_regenerate.html", {"merchant": merchant, "link": link})
