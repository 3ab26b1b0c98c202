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
from payments.accounts import AccountBusy, save_gateway_account, webhook_account
from payments.forms import GatewayForm
from payments.gateways import BadSignature, read_webhook
from payments.models import Attempt, GatewayAccount, Payment
from payments.sentences import explain_failure
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
    if event.kind.startswith("payment_intent.") and event.kind != "payment_intent.created":
        key = f"stripe:{known[0]}:{event.id}"[:200]
        outbox.put(key, "payments.read_event", account_id=known[0], intent_id=event.intent_id)
    return HttpResponse(status=200)


@require_http_methods(["GET", "POST"])
@merchant_page(admin=True)
def edit_gateway(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Gateway tab: keys in, tested on save, never out again."""
    account = GatewayAccount.objects.filter(merchant=merchant).first()
    form = GatewayForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _save(form, merchant):
        record_request(request, "gateway.keys_saved", merchant_id=merchant.pk)
        messages.success(request, "Keys tested and saved.")
        return redirect("payments:gateway", merchant.reference)
    context = {"merchant": merchant, "form": form, "account": account, "webhook_url": webhook_url(merchant)}
    return render(request, "payments/gateway.html", context, status=422 if form.errors else 200)


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
    rows = Payment.objects.filter(merchant=merchant).select_related("company").order_by("-created_at")
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
    attempts = [_described(a) for a in payment.attempts.order_by("pk").select_related("payment")]
    return render(request, "payments/detail.html", {"merchant": merchant, "payment": payment, "attempts": attempts})


def _described(attempt: Attempt) -> dict[str, Any]:
    failure = explain_failure(attempt.failure_code) if attempt.state == "failed" else ""
    return {"row": attempt, "failure": failure}


@require_GET
@merchant_page()
def recent_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of the newest payments."""
    paid = Payment.objects.filter(merchant=merchant, state="succeeded").select_related("company")
    rows = paid.order_by("-paid_at")[:8]
    return render(request, "payments/recent.html", {"merchant": merchant, "rows": rows})
