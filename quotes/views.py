"""Pages about quotes: the integration's tab, the way back to Order Porter, the API's documentation."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.models import AccountingSettings
from accounting.posting.services import is_ready_to_post
from connections.models import Connection, Tier
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from merchants.services import Prerequisite, list_prerequisites
from payers.company_ids import MismatchRefused, settle_mismatch
from payers.models import CompanyMismatch
from payments.models import GatewayAccount
from quotes.api import api
from quotes.docs import list_problem_fields, parse_operations
from quotes.forms import IntegrationForm
from quotes.link_pages import render_linked_return
from quotes.models import CpqConnection, CpqIntegration, Quote
from quotes.services import (
    create_signed_return_url,
    get_checkout_status,
    get_integration,
    get_last_attempt,
    save_integration,
    sync_quote_state,
)
from quotes.timeline import get_timeline
from wisepay import clock
from wisepay.accounts.services import ask_for_proof, has_reauthenticated, redirect_to_reauthentication
from wisepay.addresses import build_public_url
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes

RETURN_STATUSES = {"paid": "paid", "saved": "saved", "processing": "processing", "failed": "failed"}


@require_GET
def return_to_quote(request: HttpRequest, reference: str) -> HttpResponse:
    """Send the payer back to the quote with a signed result."""
    quote = get_object_or_404(Quote.objects.select_related("payment__merchant"), reference=reference)
    now = clock.now()
    sync_quote_state(quote, now=now)
    quote.payment.refresh_from_db()
    if not quote.return_url:
        return render_linked_return(request, quote)
    attempt = get_last_attempt(quote.payment)
    status = get_checkout_status(quote, attempt, now=now)
    pending = attempt.money if attempt and attempt.is_live else quote.payment.due
    amount = quote.payment.paid or pending
    url = create_signed_return_url(
        quote,
        status=RETURN_STATUSES.get(status, "cancelled"),
        amount=amount.plain,
        currency=amount.currency,
        now=now,
    )
    response = HttpResponse(status=303)
    response["Location"] = url
    return response


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_integration(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Integrations › ConnectWise Sell: Is Enabled, Generate, Save, Display."""
    integration = get_integration(merchant)
    initial = {"is_enabled": integration.is_enabled, "hosts": "\n".join(integration.hosts)}
    form = IntegrationForm(request.POST or None, initial=initial)
    staged = request.POST.get("new_key") == "1" or "generate" in (request.POST.get("act"), request.GET.get("act"))
    is_replacing = request.method == "POST" and staged and integration.api_key and form.is_valid()
    if is_replacing and (proof := ask_for_proof(request, then=f"{request.path}?act=generate")):
        return proof
    if request.method == "POST" and form.is_valid() and request.POST.get("act") == "save":
        return save_integration_form(request, integration, form, new_key=staged)
    context = build_integration_context(merchant, form) | {"staged": staged}
    return render(request, "quotes/integration.html", context, status=422 if form.errors else 200)


def save_integration_form(
    request: MerchantRequest, integration: CpqIntegration, form: IntegrationForm, *, new_key: bool
) -> HttpResponse:
    """Save a valid form, and write down what it changed."""
    changes = [describe_changes(form), "new key" if new_key else ""]
    save_integration(integration, **form.cleaned_data, new_key=new_key, by=request.user, now=clock.now())
    action = "cpq_integration.key_replaced" if new_key and integration.api_key else "cpq_integration.saved"
    detail = "; ".join(filter(None, changes))
    record_request_audit(request, action, merchant_id=integration.merchant_id, detail=detail)
    messages.success(request, "Saved. Display the key to copy it." if new_key else "Saved.")
    return redirect("quotes:integration", integration.merchant.reference)


@require_GET
@merchant_page(Right.SETTINGS)
def display_key(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Show the API key, after the admin signed in again."""
    if not has_reauthenticated(request):
        return redirect_to_reauthentication(request)
    integration = get_integration(merchant)
    if not integration.api_key:
        return redirect("quotes:integration", merchant.reference)
    record_request_audit(request, "cpq_integration.key_displayed", merchant_id=merchant.pk)
    initial = {"is_enabled": integration.is_enabled, "hosts": "\n".join(integration.hosts)}
    context = build_integration_context(merchant, IntegrationForm(initial=initial))
    return render(request, "quotes/integration.html", context | {"api_key": integration.api_key.decrypt()})


def build_integration_context(merchant: Merchant, form: IntegrationForm) -> dict[str, Any]:
    """What the tab shows."""
    return {
        "merchant": merchant,
        "integration": get_integration(merchant),
        "form": form,
        "prerequisites": list_prerequisites(merchant),
        "api_url": build_public_url(reverse("quotes:cpq_v1:api-root").rstrip("/")),
    }


@require_POST
@merchant_page(Right.MANAGE_PAYERS)
def settle_company(request: MerchantRequest, merchant: Merchant, mismatch_ref: str) -> HttpResponse:
    """Say which company an id means: the one that was chosen, or (`move`) the other one."""
    mismatch = get_object_or_404(CompanyMismatch, merchant=merchant, reference=mismatch_ref)
    answer = request.POST.get("act")
    if answer in ("keep", "move"):
        settle(request, mismatch, moves=answer == "move")
    else:
        messages.error(request, "Choose one of the two answers.")
    return redirect("quotes:list", merchant.reference)


def settle(request: MerchantRequest, mismatch: CompanyMismatch, *, moves: bool) -> None:
    """Settle who is who, write it down, and say what became of it."""
    try:
        is_settled = settle_mismatch(mismatch, moves=moves, by=request.user, now=clock.now())
    except MismatchRefused as error:
        messages.error(request, str(error))
        return
    if not is_settled:
        messages.error(request, "Somebody settled this already.")
        return
    where = f"{mismatch.other or 'no company'}" if moves else f"{mismatch.company}"
    detail = f"{mismatch} is {where}"[:200]
    record_request_audit(request, "payer_company.id_settled", merchant_id=mismatch.merchant_id, detail=detail)
    messages.success(request, "Saved. What was paid before stays where it is.")


@require_GET
@merchant_page(Right.SEE)
def quote_callbacks(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The panel of a payment's quote: the callbacks to CPQ."""
    quote = Quote.objects.filter(merchant=merchant, payment__reference=reference).first()
    rows = list(quote.callbacks.order_by("pk")) if quote else []
    return render(request, "quotes/callbacks.html", {"merchant": merchant, "quote": quote, "rows": rows})


@require_GET
@merchant_page(Right.SEE)
def quote_timeline(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The panel of a payment's quote: its steps from acceptance to the ledger."""
    rows = Quote.objects.select_related("payment", "merchant")
    quote = rows.filter(merchant=merchant, payment__reference=reference).first()
    steps = get_timeline(quote, now=clock.now()) if quote else []
    is_moving = any(step.state == "moving" for step in steps)
    context = {"merchant": merchant, "reference": reference, "steps": steps, "is_moving": is_moving, "quote": quote}
    return render(request, "quotes/timeline.html", context)


@require_GET
@merchant_page(Right.SEE)
def setup_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's checklist: what is left to do before quotes can be paid and booked."""
    integration = get_integration(merchant)
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    account = GatewayAccount.find_current(merchant)
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY, state="connected").first()
    has_accounts = bool(chosen and connection and is_ready_to_post(chosen, connection))
    accounts = f"Accounts of {connection.organisation_name} chosen" if connection else "Accounts chosen"
    is_linked = CpqConnection.objects.filter(merchant=merchant, is_enabled=True, confirmed_at__isnull=False).exists()
    ready = is_linked or (integration.is_enabled and bool(integration.api_key))
    steps = [
        Prerequisite("gateway_keys", "Stripe keys saved", account is not None, "payments:gateway"),
        Prerequisite("connection", "Accounting package connected", connection is not None, "connections:list"),
        Prerequisite("accounts", accounts, has_accounts, "accounting:accounts"),
        Prerequisite("takes_payments", "Payments enabled", merchant.takes_payments, "merchants:details"),
        Prerequisite("integration", "ConnectWise enabled", ready, "quotes:integration"),
        *list_prerequisites(merchant),
    ]
    if account and account.silence_reason:
        steps.append(Prerequisite("webhooks", "Stripe's events arrive", False, "payments:gateway"))
    if chosen and chosen.warning:
        steps.append(Prerequisite("books", "Settings of the accounting package", False, "accounting:accounts"))
    done = sum(step.is_met for step in steps)
    return render(request, "quotes/setup.html", {"merchant": merchant, "steps": steps, "done": done})


@require_GET
def api_docs(request: HttpRequest) -> HttpResponse:
    """The documentation of the API."""
    root = reverse("quotes:cpq_v1:api-root")
    schema = api.get_openapi_schema(path_prefix=root)
    context = {
        "schema": schema,
        "operations": parse_operations(schema),
        "problem": list_problem_fields(schema),
        "api_url": build_public_url(root.rstrip("/")),
    }
    return render(request, "quotes/api_docs.html", context)
