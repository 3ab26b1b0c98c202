"""Pay Now: the payer's pages and the small JSON door that the page's script talks to."""

from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_GET, require_POST

from payments.access import attempt_of, attempts_of, payment_by_reference
from payments.errors import AttemptInProgress, CannotPay
from payments.forms import AttemptForm
from payments.gateways import Outcome
from payments.models import Attempt, Payment
from payments.sentences import explain_failure
from payments.services import (
    cancel_attempt,
    check_guest,
    check_payable,
    look_up_attempt,
    run_attempt,
    start_attempt,
)
from wisepay.errors import Unavailable
from wisepay.http import client_ip, never_cached


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


STRIPE_ORIGINS = [_origin(settings.STRIPE_JS_URL), "https://*.stripe.com"]
PAY_CSP: dict[str, list[str]] = {
    **cast("dict[str, list[str]]", settings.SECURE_CSP),
    "script-src": [CSP.SELF, CSP.NONCE, *STRIPE_ORIGINS],
    "frame-src": STRIPE_ORIGINS,
    "connect-src": [CSP.SELF, _origin(settings.STRIPE_API_BASE), *STRIPE_ORIGINS],
    "img-src": [CSP.SELF, "data:", "https://*.stripe.com"],
}


@never_cached
@require_GET
def invoice_details(request: HttpRequest, reference: str) -> HttpResponse:
    """The first page: what is to be paid, and the ways to pay it; or how it ended."""
    payment = payment_by_reference(reference)
    attempt = payment.attempts.order_by("-pk").first()
    if payment.state != "open" or (attempt and attempt.is_live):
        return _status(request, payment, attempt)
    problem = guest_problem = ""
    try:
        check_guest(payment)
    except CannotPay as error:
        guest_problem = str(error)
    if payment.is_over(timezone.now()):
        problem = "This quote has expired and can no longer be paid."
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "problem": problem,
        "guest_problem": guest_problem,
    }
    return render(request, "pay/invoice_details.html", context)


@csp_override(PAY_CSP)
@never_cached
@require_GET
def guest(request: HttpRequest, reference: str) -> HttpResponse:
    """The guest's page: payer information and the Payment Element."""
    payment = payment_by_reference(reference)
    attempts = attempts_of(payment)
    attempt = attempts[0] if attempts else None
    if payment.state != "open" or (attempt and attempt.is_live):
        return redirect("payments:pay", reference)
    account = problem = None
    try:
        account = check_payable(payment, now=timezone.now(), attempts=attempts)
    except CannotPay as error:
        problem = str(error)
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "problem": problem,
        "account": account,
        "form": AttemptForm(initial={"email": payment.company.email, "phone": payment.company.phone}),
        "stripe_js": settings.STRIPE_JS_URL,
        "last_failure": last_failure(attempt),
    }
    return render(request, "pay/guest.html", context, status=409 if problem else 200)


def last_failure(attempt: Attempt | None) -> str:
    """Why the newest attempt failed, if it did."""
    return explain_failure(attempt.failure_code) if attempt and attempt.state == "failed" else ""


def _status(request: HttpRequest, payment: Payment, attempt: Attempt | None) -> HttpResponse:
    """The page of a payment that is paid, over, or not decided yet."""
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "attempt": attempt,
        "account": attempt.account if attempt else None,
        "stripe_js": settings.STRIPE_JS_URL,
    }
    return csp_override(PAY_CSP)(render)(request, "pay/status.html", context)


@never_cached
@require_POST
def create_attempt(request: HttpRequest, reference: str) -> HttpResponse:
    """Try to charge what the guest agreed to, once."""
    payment = payment_by_reference(reference)
    form = AttemptForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"status": "invalid", "errors": form.errors.get_json_data()}, status=422)
    payer = form.payer(ip=client_ip(request), user_agent=request.headers.get("User-Agent", ""))
    try:
        attempt = start_attempt(
            payment,
            amount=form.cleaned_data["amount"],
            confirmation_token=form.cleaned_data["confirmation_token"],
            payer=payer,
            now=timezone.now(),
        )
    except CannotPay as error:
        moved_on = isinstance(error, AttemptInProgress) or error.code in ("already_paid", "amount_changed")
        body = {"status": "refused", "code": error.code, "message": str(error)}
        page = reverse("payments:pay", args=[reference])
        return JsonResponse(body | ({"next": page} if moved_on else {}), status=409)
    return answer(attempt, run_attempt(attempt, now=timezone.now()))


@never_cached
@require_POST
def check_attempt(request: HttpRequest, reference: str, attempt_ref: str) -> HttpResponse:
    """Ask the gateway again, after 3-D Secure or while the page waits."""
    attempt = attempt_of(payment_by_reference(reference), attempt_ref)
    outcome = look_up_attempt(attempt, now=timezone.now()) if attempt.is_live else None
    return answer(attempt, outcome)


@never_cached
@require_POST
def stop_attempt(request: HttpRequest, reference: str, attempt_ref: str) -> HttpResponse:
    """Give up an attempt that waits for the payer's bank."""
    attempt = attempt_of(payment_by_reference(reference), attempt_ref)
    try:
        if attempt.is_live:
            cancel_attempt(attempt, by="payer", now=timezone.now())
    except Unavailable:
        pass  # the page shows what is known: it is still being processed
    return redirect("payments:pay", reference)


def answer(attempt: Attempt, outcome: Outcome | None) -> JsonResponse:
    """How the attempt stands, for the page's script: a status and, where one is due, the next step."""
    payment = attempt.payment
    body: dict[str, Any] = {
        "status": attempt.state,
        "attempt": reverse("payments:check_attempt", args=[payment.reference, attempt.reference]),
    }
    if attempt.state == "succeeded":
        body["next"] = payment.done_path
    elif attempt.state == "requires_action" and outcome is not None:
        body["client_secret"] = outcome.client_secret
    elif attempt.state == "failed":
        body["message"] = explain_failure(attempt.failure_code)
    else:
        body["next"] = reverse("payments:pay", args=[payment.reference])
    return JsonResponse(body)
