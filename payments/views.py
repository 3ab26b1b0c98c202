"""The console's pages about payments and the gateway's keys, and the gateway's webhook."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from payments.access import payment_of
from payments.accounts import AccountBusy, save_gateway_account, switch_bank_debits, webhook_account
from payments.forms import GatewayForm
from payments.gateways import BadSignature, read_webhook
from payments.hearing import WANTED, order_of
from payments.models import Attempt, GatewayAccount, Payment, Setup
from payments.sentences import failure_of
from payments.transactions import chosen_only
from wisepay import outbox
from wisepay.audit import record_request
from wisepay.errors import Rejected, Unavailable

PAGE = 50


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest, merchant_ref: str) -> HttpResponse:
    """Verify, put into the outbox, answer: the event is only a reason to look again."""
    known = webhook_account(merchant_ref)
    if known is None:
        return HttpResponse(status=404)
    signature = request.headers.get("Stripe-Signature", "")
    try:
        try:
            event = read_webhook(request.body, signature=signature, secret=known[1])
        except BadSignature:
            # The secret may have been changed since this process remembered it.
            known = webhook_account(merchant_ref, reread=True) or known
            event = read_webhook(request.body, signature=signature, secret=known[1])
    except BadSignature:
        return HttpResponse("The signature is not right.", status=400, content_type="text/plain")
    order = order_of(event)
    if order is not None:
        name, which, value = order
        outbox.put(f"stripe:{known[0]}:{event.id}"[:200], name, account_id=known[0], run_after=None, **{which: value})
    return HttpResponse(status=200)


@require_http_methods(["GET", "POST"])
@merchant_page(admin=True)
def edit_gateway(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Gateway tab: keys in, tested on save, never out again."""
    account = GatewayAccount.objects.filter(merchant=merchant).first()
    if request.POST.get("act") == "debits" and account is not None:
        return _switch_debits(request, merchant)
    form = GatewayForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _save(form, merchant):
        record_request(request, "gateway.keys_saved", merchant_id=merchant.pk)
        messages.success(request, "Keys tested and saved.")
        return redirect("payments:gateway", merchant.reference)
    context = {
        "merchant": merchant,
        "form": form,
        "account": account,
        "webhook_url": webhook_url(merchant),
        "events": WANTED,
    }
    return render(request, "payments/gateway.html", context, status=422 if form.errors else 200)


def _switch_debits(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    wanted = bool(request.POST.get("takes_bank_debits"))
    switch_bank_debits(merchant, is_on=wanted)
    record_request(request, "gateway.bank_debits", merchant_id=merchant.pk, detail="on" if wanted else "off")
    messages.success(request, "Payers can pay by bank debit now." if wanted else "Bank debits are off.")
    return redirect("payments:gateway", merchant.reference)


def _save(form: GatewayForm, merchant: Merchant) -> bool:
    """Save the keys of a valid form; a refusal becomes the form's error."""
    try:
        save_gateway_account(merchant, **form.cleaned_data, now=timezone.now())
    except AccountBusy:
        form.add_error(
            None,
            "These keys are of another Stripe account, and a payment at the present one is being processed. "
            "Save them when it has ended.",
        )
    except Rejected:
        form.add_error("secret_key", "Stripe does not accept this secret key. Nothing was saved.")
    except Unavailable:
        form.add_error(None, "Stripe does not answer at the moment, so the keys could not be tested. Try again.")
    return not form.errors


def webhook_url(merchant: Merchant) -> str:
    """Where Stripe has to send this merchant's events."""
    return f"{settings.PUBLIC_URL}{reverse('payments:stripe_webhook', args=[merchant.reference])}"


@require_GET
@merchant_page()
def list_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """All payments, newest first, searchable by payer or quote."""
    rows = Payment.objects.filter(merchant=merchant).exclude(chosen_only()).select_related("company")
    rows = rows.order_by("-created_at")
    wanted = request.GET.get("q", "").replace("\0", "").strip()
    if wanted:
        rows = rows.filter(company__name__icontains=wanted) | rows.filter(purpose__icontains=wanted)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    return render(request, "payments/list.html", {"merchant": merchant, "page": page, "q": wanted})


@require_GET
@merchant_page()
def payment_detail(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """One payment: what was promised, every attempt, and where its documents are."""
    payment = payment_of(merchant, reference)
    attempts = [_described(a) for a in payment.attempts.order_by("pk").select_related("payment", "acceptance__terms")]
    attempts += [_described(s) for s in payment.setups.order_by("pk").select_related("acceptance__terms")]
    return render(request, "payments/detail.html", {"merchant": merchant, "payment": payment, "attempts": attempts})


def _described(attempt: Attempt | Setup) -> dict[str, Any]:
    return {"row": attempt, "failure": failure_of(attempt)}


@require_GET
@merchant_page()
def recent_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of the newest payments."""
    paid = Payment.objects.filter(merchant=merchant, state="succeeded").select_related("company")
    rows = paid.order_by("-paid_at")[:8]
    return render(request, "payments/recent.html", {"merchant": merchant, "rows": rows})
