"""Configure > Accounting Connections."""

from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections import services
from connections.models import Authorisation, Connection, Tier
from connections.providers import LABELS
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from wisepay.audit import record_request
from wisepay.errors import Unavailable
from wisepay.http import SignedIn, never_cached

AUTHORIZE = urlsplit(settings.XERO_AUTHORIZE_URL)
# Browsers hold a form's redirects to form-action as well, and Xero's consent walks over several of its hosts.
CONNECT_CSP: dict[str, list[str]] = {
    **cast("dict[str, list[str]]", settings.SECURE_CSP),
    "form-action": [CSP.SELF, f"{AUTHORIZE.scheme}://{AUTHORIZE.netloc}", "https://*.xero.com"],
}


@csp_override(CONNECT_CSP)
@require_GET
@merchant_page(admin=True)
def list_connections(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The table of connections: one row while tiers are not split."""
    held = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    row = held or Connection(merchant=merchant, tier=Tier.WISE_PAY, state="never")
    context = {"merchant": merchant, "rows": [row], "providers": LABELS}
    return render(request, "connections/list.html", context)


@require_POST
@merchant_page(admin=True)
def connect(request: MerchantRequest, merchant: Merchant, tier: str) -> HttpResponse:
    """Send the browser to the accounting package's consent page."""
    if tier not in Tier.values:
        raise Http404
    try:
        url = services.start_authorisation(
            merchant,
            user=request.user,
            tier=tier,
            provider=request.POST.get("provider", ""),
            now=timezone.now(),
        )
    except services.AuthorisationRefused as error:
        messages.error(request, str(error))
        return redirect("connections:list", merchant.reference)
    return redirect(url)


@never_cached
@login_required
@require_GET
def callback(request: HttpRequest, provider: str) -> HttpResponse:
    """Where the provider sends the browser back to."""
    member = cast(SignedIn, request)
    if request.GET.get("error"):
        return _refused(request, "Access was not allowed, so nothing was connected. You can try again.")
    try:
        walk = services.finish_authorisation(
            user=member.user,
            provider=provider,
            state=request.GET.get("state", ""),
            code=request.GET.get("code", ""),
            now=timezone.now(),
        )
    except services.AuthorisationRefused as error:
        return _refused(request, str(error))
    except Unavailable:
        return _refused(request, "The accounting package does not answer at the moment. Please try again soon.")
    record_request(member, "connection.authorised", merchant_id=walk.merchant_id, subject=walk.tier)
    if len(walk.organisations) > 1:
        return redirect("connections:choose", walk.merchant.reference, walk.reference)
    messages.success(request, f"Connected to {walk.organisations[0]['name']}.")
    return redirect("connections:list", walk.merchant.reference)


def _refused(request: HttpRequest, sentence: str) -> HttpResponse:
    return render(request, "connections/refused.html", {"sentence": sentence}, status=400)


@require_http_methods(["GET", "POST"])
@merchant_page(admin=True)
def choose(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Which of several organisations to connect."""
    walk = get_object_or_404(Authorisation, reference=reference, merchant=merchant, user=request.user)
    error = ""
    if request.method == "POST":
        try:
            chosen = request.POST.get("organisation", "")
            connection = services.choose_organisation(walk, organisation_id=chosen, now=timezone.now())
        except services.AuthorisationRefused as refusal:
            error = str(refusal)
        else:
            messages.success(request, f"Connected to {connection.organisation_name}.")
            return redirect("connections:list", merchant.reference)
    context = {"merchant": merchant, "walk": walk, "error": error}
    return render(request, "connections/choose.html", context, status=422 if error else 200)


@require_POST
@merchant_page(admin=True)
def verify(request: MerchantRequest, merchant: Merchant, tier: str) -> HttpResponse:
    """Check if this token is still valid."""
    connection = get_object_or_404(Connection, merchant=merchant, tier=tier)
    try:
        is_good = services.verify_connection(connection, now=timezone.now())
    except Unavailable as error:
        messages.warning(request, f"The accounting package can't say at the moment: {error}.")
    else:
        if is_good:
            messages.success(request, "The connection works.")
        else:
            messages.error(request, "The token is no longer valid. Please connect again.")
    return redirect("connections:list", merchant.reference)


@require_POST
@merchant_page(admin=True)
def disconnect(request: MerchantRequest, merchant: Merchant, tier: str) -> HttpResponse:
    """Give the access back."""
    connection = get_object_or_404(Connection, merchant=merchant, tier=tier)
    services.disconnect(connection, user=request.user, now=timezone.now())
    record_request(request, "connection.disconnected", merchant_id=merchant.pk, subject=tier)
    messages.success(request, "Disconnected. Payments go on; what has to be booked waits.")
    return redirect("connections:list", merchant.reference)


@require_GET
@merchant_page()
def notice(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's notice while no connection works; empty otherwise."""
    held = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    return render(request, "connections/notice.html", {"merchant": merchant, "connection": held})
