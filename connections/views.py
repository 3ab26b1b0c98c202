"""Configure > Accounting Connections."""

from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections import services
from connections.availability import list_tiers
from connections.models import Authorisation, Connection
from connections.oauth_flow import (
    AuthorisationRefused,
    cancel_authorisation,
    connect_organisation,
    receive_authorisation,
    start_authorisation,
)
from connections.providers import PROVIDERS
from connections.verification import verify_connection
from connections.view_models import (
    ConnectionCard,
    describe_budgets,
    get_connection_alert,
    list_available_providers,
    list_connection_cards,
    list_connection_history,
)
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.errors import Unavailable
from wisepay.http import SignedInRequest

CONSENT_PAGES = [urlsplit(getattr(settings, f"{info.settings_prefix}_AUTHORIZE_URL")) for info in PROVIDERS.values()]
# Browsers hold a form's redirects to form-action as well, and consent pages redirect over several hosts.
CONNECT_CSP: dict[str, list[str]] = {
    **cast("dict[str, list[str]]", settings.SECURE_CSP),
    "form-action": [
        CSP.SELF,
        *dict.fromkeys(f"{page.scheme}://{page.netloc}" for page in CONSENT_PAGES),
        *(info.consent_hosts for info in PROVIDERS.values()),
    ],
}


# The errors that a provider may answer instead of a code, and what to do about them.
DENIAL_MESSAGES = {
    "access_denied": "Access was not allowed, so nothing was connected. You can try again.",
    "temporarily_unavailable": "The accounting package does not answer at the moment. Please try again soon.",
    "server_error": "The accounting package had trouble of its own. Please try again soon.",
    "invalid_scope": "The accounting package does not allow all that Wise-Pay needs. Please tell our support.",
    "unauthorized_client": "The accounting package does not accept our app. Please tell our support.",
}
DEFAULT_DENIAL_MESSAGE = "The accounting package did not allow access, so nothing was connected. You can try again."


def render_connections(request: MerchantRequest, merchant: Merchant, template: str) -> HttpResponse:
    """Render the cards of all tiers in the template or a part of it."""
    now = clock.now()
    cards = list_connection_cards(merchant, now=now)
    context = {
        "merchant": merchant,
        "cards": cards,
        "providers": list_available_providers(merchant),
        "history": list_connection_history(merchant, now=now),
        "is_live": any(card.is_live for card in cards),
        "is_divided": len(cards) > 1,
        "budgets": describe_budgets(cards),
    }
    return render(request, template, context)


@csp_override(CONNECT_CSP)
@require_GET
@merchant_page(Right.SETTINGS)
def list_connections(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Configure > Accounting Connections."""
    return render_connections(request, merchant, "connections/list.html")


@require_GET
@merchant_page(Right.SETTINGS)
def panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The part of the page that changes; without htmx the whole page."""
    if not request.headers.get("HX-Request"):
        return redirect("connections:list", merchant.reference)
    return render_connections(request, merchant, "connections/list.html#panel")


@require_POST
@merchant_page(Right.SETTINGS)
def connect(request: MerchantRequest, merchant: Merchant, tier: str) -> HttpResponse:
    """Send the browser to the accounting package's consent page."""
    if tier not in list_tiers(merchant):
        raise Http404
    try:
        url = start_authorisation(
            merchant,
            user=request.user,
            tier=tier,
            provider=request.POST.get("provider", ""),
            now=clock.now(),
        )
    except AuthorisationRefused as error:
        messages.error(request, str(error))
        return redirect("connections:list", merchant.reference)
    return redirect(url)


@login_required
@require_GET
def callback(request: HttpRequest, provider: str) -> HttpResponse:
    """Receive the browser from the provider."""
    member = cast(SignedInRequest, request)
    if error := request.GET.get("error"):
        cancel_authorisation(member.user, provider, state=request.GET.get("state", ""), now=clock.now())
        return _render_refusal(request, DENIAL_MESSAGES.get(error, DEFAULT_DENIAL_MESSAGE))
    try:
        authorisation = receive_authorisation(
            user=member.user,
            provider=provider,
            state=request.GET.get("state", ""),
            code=request.GET.get("code", ""),
            company=request.GET.get("realmId", ""),
            now=clock.now(),
        )
    except AuthorisationRefused as error:
        return _render_refusal(request, str(error))
    except Unavailable:
        return _render_refusal(request, "The accounting package does not answer at the moment. Please try again soon.")
    merchant = authorisation.merchant
    record_request_audit(member, "connection.authorised", merchant_id=merchant.pk, subject=authorisation.tier)
    if len(authorisation.organisations) > 1:
        return redirect("connections:choose", merchant.reference, authorisation.reference)
    messages.success(request, f"Connected to {authorisation.organisations[0]['name']}.")
    return redirect_after_connecting(merchant)


def redirect_after_connecting(merchant: Merchant) -> HttpResponse:
    """To the connections, or on to the next step of a change of company that is under way."""
    is_changing = find_left_organisation(list_connection_cards(merchant, now=clock.now()))
    return redirect(f"connections:{'change_company' if is_changing else 'list'}", merchant.reference)


def _render_refusal(request: HttpRequest, message: str) -> HttpResponse:
    """The page after an authorisation that connected nothing: why, and where to start again."""
    found = (
        cast(SignedInRequest, request).user.memberships.select_related("merchant", "role").order_by("merchant__name")
    )
    context = {"message": message, "memberships": [one for one in found if one.may(Right.SETTINGS)][:5]}
    return render(request, "connections/refused.html", context, status=400)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def choose(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Choose which of several organisations to connect."""
    authorisation = get_object_or_404(Authorisation, reference=reference, merchant=merchant, user=request.user)
    error = ""
    if request.method == "POST":
        try:
            chosen = request.POST.get("organisation", "")
            connection = connect_organisation(authorisation, organisation_id=chosen, now=clock.now())
        except AuthorisationRefused as refusal:
            error = str(refusal)
        else:
            messages.success(request, f"Connected to {connection.organisation_name}.")
            return redirect_after_connecting(merchant)
    context = {"merchant": merchant, "authorisation": authorisation, "error": error}
    return render(request, "connections/choose.html", context, status=422 if error else 200)


@require_POST
@merchant_page(Right.SETTINGS)
def verify(request: MerchantRequest, merchant: Merchant, tier: str) -> HttpResponse:
    """Check if this token is still valid."""
    connection = get_object_or_404(Connection.objects.select_related("merchant"), merchant=merchant, tier=tier)
    try:
        is_good = verify_connection(connection, by=request.user.email, now=clock.now())
    except Unavailable as error:
        messages.warning(request, f"The accounting package can't say at the moment: {error}.")
    else:
        which = f"The {connection.get_tier_display()} connection" if merchant.has_multi_connection else "The connection"
        if is_good:
            messages.success(request, f"{which} works.")
        else:
            messages.error(request, f"The token is no longer valid. {which} has to be connected again.")
    return redirect("connections:list", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def disconnect(request: MerchantRequest, merchant: Merchant, tier: str) -> HttpResponse:
    """Disconnect one tier."""
    connection = get_object_or_404(Connection.objects.select_related("merchant"), merchant=merchant, tier=tier)
    services.disconnect(connection, by=request.user.email, now=clock.now())
    record_request_audit(request, "connection.disconnected", merchant_id=merchant.pk, subject=tier)
    messages.success(request, "Disconnected. Payments go on; what has to be booked waits.")
    return redirect("connections:list", merchant.reference)


@csp_override(CONNECT_CSP)
@require_GET
@merchant_page(Right.SETTINGS)
def change_company(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The steps from one company in the accounting package to another: disconnect all, connect, choose accounts."""
    cards = list_connection_cards(merchant, now=clock.now())
    live = [card for card in cards if card.is_live]
    context = {"merchant": merchant, "cards": cards, "live": live, "is_divided": len(cards) > 1}
    context["left"] = find_left_organisation(cards)
    context["providers"] = list_available_providers(merchant)
    return render(request, "connections/change_company.html", context)


def find_left_organisation(cards: list[ConnectionCard]) -> str:
    """The company that was left, while some connections are of the new one already and some are not; or nothing."""
    live = {card.connection.organisation_id for card in cards if card.is_live}
    left = [card.connection for card in cards if not card.is_live and card.connection.organisation_id]
    return next((row.organisation_name for row in left if live and row.organisation_id not in live), "")


@require_POST
@merchant_page(Right.SETTINGS)
def disconnect_all(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Disconnect all tiers, the first step to another company."""
    count = services.disconnect_all(merchant, by=request.user.email, now=clock.now())
    record_request_audit(request, "connection.all_disconnected", merchant_id=merchant.pk, detail=f"{count} connections")
    messages.success(request, "Everything is disconnected. Payments go on; what has to be booked waits.")
    return redirect("connections:change_company", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def connection_alert(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's alert while a connection does not work; empty otherwise."""
    context = {"merchant": merchant, "alert": get_connection_alert(merchant)}
    return render(request, "connections/alert.html", context)
