"""The console's pages about payments and the gateway's keys."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payers.models import TermsAcceptance
from payments.access import get_merchant_payment
from payments.consent import get_acceptances_by_operation
from payments.console.forms import GatewayKeysForm
from payments.errors import describe_failure_to_merchant
from payments.gateway_accounts import (
    ENABLED_EVENTS,
    KEY_PERMISSIONS,
    ChangeNotShown,
    EndpointNotMade,
    PublishableKeyOfAnother,
    change_gateway_account,
    connect_gateway_account,
    count_open_at,
    get_webhook_url,
    set_bank_debits,
)
from payments.gateways import build_page_url
from payments.models import Attempt, GatewayAccount, Payment, Setup
from payments.operations.limits import lift_brake
from payments.reversals.return_rates import list_debit_returns
from payments.standings import attach_standings
from wisepay import clock
from wisepay.accounts.services import ask_for_proof
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_values
from wisepay.errors import NotPermitted, Rejected, Unavailable
from wisepay.mail import list_refused_addresses
from wisepay.models import User

MODES = {"live": [True], "test": [False]}  # by their names in a path; any other finds no account
CHANGE_PROBLEM = "Read what changes, and tick that you have. Numbers may have changed meanwhile."


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_gateway(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Gateway tab: keys in, tested on save, never out again."""
    account = GatewayAccount.find_current(merchant)
    if request.POST.get("act") == "debits" and account is not None:
        return _switch_debits(request, merchant)
    form = GatewayKeysForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        if account is not None and (proof := ask_for_proof(request)):
            return proof
        if saved := _save(form, merchant, by=request.user):
            return _finish_saving(request, saved, is_first=account is None)
    context = {
        "merchant": merchant,
        "form": form,
        "account": account,
        "others": GatewayAccount.objects.filter(merchant=merchant, current_of=None).order_by("pk"),
        "webhook_url": get_webhook_url(merchant),
        "events": ENABLED_EVENTS,
        "permissions": KEY_PERMISSIONS,
    }
    return render(request, "payments/gateway.html", context, status=422 if form.errors else 200)


def _finish_saving(request: MerchantRequest, saved: GatewayAccount, *, is_first: bool) -> HttpResponse:
    """Record that keys were saved; those of another account go on to the page that says what changing to it does."""
    action = "gateway.keys_saved" if is_first else "gateway.keys_replaced"
    detail = f"Publishable key: {saved.publishable_key[:8]}… of {saved.label}"
    record_request_audit(request, action, merchant_id=saved.merchant_id, detail=detail)
    if not saved.is_current:
        return redirect("payments:change_account", saved.merchant.reference, saved.stripe_account_id, saved.mode)
    messages.success(request, "Keys tested and saved.")
    return redirect("payments:gateway", saved.merchant.reference)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def change_account(request: MerchantRequest, merchant: Merchant, account_id: str, mode: str) -> HttpResponse:
    """Say what changing to another Stripe account or mode does to what is open, and do it after a tick."""
    rows = GatewayAccount.objects.filter(merchant=merchant, current_of=None, is_live__in=MODES.get(mode, []))
    target = get_object_or_404(rows, stripe_account_id=account_id)
    if request.method == "POST":
        if proof := ask_for_proof(request):
            return proof
        if _change(request, target):
            return redirect("payments:gateway", merchant.reference)
    present = GatewayAccount.find_current(merchant)
    context = {
        "merchant": merchant,
        "target": target,
        "present": present,
        "change": count_open_at(present) if present else None,
        "problem": CHANGE_PROBLEM if request.method == "POST" else "",
    }
    return render(request, "payments/change_account.html", context, status=422 if context["problem"] else 200)


def _change(request: MerchantRequest, target: GatewayAccount) -> bool:
    """Change to the account, if its page was read as it stands; False otherwise."""
    if request.POST.get("is_understood") != "1":
        return False
    try:
        change_gateway_account(target, shown=request.POST.get("shown", ""), by=request.user, now=clock.now())
    except ChangeNotShown:
        return False
    record_request_audit(request, "gateway.account_changed", merchant_id=target.merchant_id, detail=target.label)
    messages.success(request, f"Payments go to {target.label} from now on.")
    return True


def _switch_debits(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    is_on = bool(request.POST.get("takes_bank_debits"))
    was_on = GatewayAccount.objects.filter(current_of=merchant, takes_bank_debits=True).exists()
    set_bank_debits(merchant, is_on=is_on)
    detail = describe_values(bank_debits=(was_on, is_on))
    record_request_audit(request, "gateway.bank_debits", merchant_id=merchant.pk, detail=detail)
    messages.success(request, "Payers can pay by bank debit now." if is_on else "Bank debits are off.")
    return redirect("payments:gateway", merchant.reference)


def _save(form: GatewayKeysForm, merchant: Merchant, *, by: User) -> GatewayAccount | None:
    """Save the keys of a valid form; a refusal becomes the form's error."""
    try:
        return connect_gateway_account(merchant, **form.cleaned_data, by=by, now=clock.now())
    except PublishableKeyOfAnother:
        form.add_error(
            "publishable_key",
            "This is not the publishable key of the same Stripe account and mode as the secret key. Copy both from "
            "one page at Stripe. Nothing was saved.",
        )
    except EndpointNotMade:
        form.add_error(
            "webhook_secret",
            "This key may not make the webhook endpoint. Allow it “Webhook endpoints: Write” at Stripe, or make an "
            "endpoint with the address and events above, and enter its signing secret here. Nothing was saved.",
        )
    except NotPermitted as error:
        form.add_error("secret_key", f"{error.message} Give it every permission of the list above. Nothing was saved.")
    except Rejected as error:
        is_key = error.code == "gateway_key"
        why = "Stripe does not accept this secret key." if is_key else f"Stripe refused: {error.message}"
        form.add_error("secret_key", f"{why} Nothing was saved.")
    except Unavailable:
        form.add_error(None, "Stripe does not answer at the moment, so the keys could not be tested. Try again.")
    return None


@require_POST
@merchant_page(Right.TAKE_PAYMENTS)
def resume_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Take new cards again at once after a storm of declines."""
    if lift_brake(merchant, by=request.user, now=clock.now()):
        record_request_audit(request, "payments.brake_lifted", merchant_id=merchant.pk)
        messages.success(request, "New cards and bank accounts are taken again.")
    return redirect("payments:list", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def payment_detail(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """One payment: what is due, every attempt, and where its documents are."""
    [payment] = attach_standings([get_merchant_payment(merchant, reference)], now=clock.now())
    operations: list[Attempt | Setup] = [
        *payment.attempts.order_by("pk").select_related("payment", "account", "acceptance__terms"),
        *payment.setups.order_by("pk").select_related("account", "acceptance__terms"),
    ]
    accepted = get_acceptances_by_operation(operation.reference for operation in operations)
    attempts = [_describe_operation(operation, accepted) for operation in operations]
    refused = list_refused_addresses(one["row"].payer_email for one in attempts)
    for one in attempts:
        one["mail_refused"] = refused.get(one["row"].payer_email.lower())
    return render(request, "payments/detail.html", {"merchant": merchant, "payment": payment, "attempts": attempts})


def _describe_operation(operation: Attempt | Setup, accepted: Mapping[str, list[TermsAcceptance]]) -> dict[str, Any]:
    # One that nobody was there for rests on an earlier acceptance.
    rests_on = [operation.acceptance] if operation.acceptance is not None else []
    acceptances = accepted.get(operation.reference, rests_on)
    account = operation.account
    url = build_page_url(
        "payment",
        operation.intent_id if isinstance(operation, Attempt) else "",
        account_id=account.stripe_account_id,
        is_live=account.is_live,
    )
    failure = describe_failure_to_merchant(operation)
    return {"row": operation, "failure": failure, "acceptances": acceptances, "gateway_url": url}


@require_GET
@merchant_page(Right.SEE)
def recent_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of the newest payments."""
    paid = Payment.objects.filter(merchant=merchant, state__in=["succeeded", "reversed"]).select_related("company")
    rows = attach_standings(paid.order_by("-paid_at")[:8], now=clock.now())
    return render(request, "payments/recent.html", {"merchant": merchant, "rows": rows})


@require_GET
@merchant_page(Right.BOOKS)
def return_rates(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of bank debits that came back, beside what the scheme allows."""
    rows = list_debit_returns(merchant, now=clock.now())
    return render(request, "payments/return_rates.html", {"merchant": merchant, "rows": rows})
