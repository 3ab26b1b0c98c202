"""Pay Now: the payer's pages."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from merchants.models import Terms
from merchants.terms.services import find_acceptance_problem, get_current_terms, render_terms
from payers.access import get_completion_path
from payers.invitations import TooManyMails, check_registration_mails
from payers.registrations import start_registration
from payers.terms import get_request_source
from payments.access import (
    FROM_PORTAL_KEY,
    get_payment_by_reference,
    get_visitor,
    has_live_setup,
    keep_registration_in_session,
)
from payments.attempts.services import check_charge_policies, list_attempts
from payments.checkout.forms import RegisterForm
from payments.checkout.page_views import (
    get_last_failure,
    render_checkout_page,
    render_guest_page,
    render_payment_status,
)
from payments.errors import CannotPay
from payments.models import Attempt, Payment
from payments.operations.services import check_guest
from payments.saved_methods.choices import list_allowed_methods
from wisepay import clock
from wisepay.http import get_client_ip, too_many_requests


@require_GET
def invoice_details(request: HttpRequest, reference: str) -> HttpResponse:
    """The first page: what is to be paid, and the ways to pay it; or how it ended."""
    payment = get_payment_by_reference(reference)
    if request.GET.get("from") == "portal":
        request.session[FROM_PORTAL_KEY] = payment.reference
    attempt = payment.attempts.order_by("-pk").first()
    if is_closed(payment, attempt):
        return render_payment_status(request, payment, attempt)
    if request.GET.get("from") == "portal" and request.user.is_authenticated and not payment.is_expired(clock.now()):
        return redirect("payments:checkout", reference)
    account = getattr(payment.merchant, "gateway_account", None)
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "is_expired": payment.is_expired(clock.now()),
        "problem": get_policy_problem(payment),
        "guest_problem": get_guest_problem(payment),
        "methods": list_allowed_methods(payment.methods, account, payment.currency),
        "visitor": get_visitor(request, payment),
        "last_failure": get_last_failure(payment, attempt),
    }
    return render(request, "pay/invoice_details.html", context)


def get_policy_problem(payment: Payment) -> str:
    """Why the charge policies forbid paying this now, whoever pays; empty when they allow it."""
    try:
        check_charge_policies(payment, amount=payment.amount, now=clock.now())
    except CannotPay as error:
        return str(error)
    return ""


def get_guest_problem(payment: Payment) -> str:
    """Why a guest can't pay this; empty when they can."""
    try:
        check_guest(payment)
    except CannotPay as error:
        return str(error)
    return ""


def is_closed(payment: Payment, attempt: Attempt | None) -> bool:
    """Whether no attempt can start now: the payment has ended, or an attempt or setup is live."""
    is_payable = payment.state in ("open", "reversed")
    return not is_payable or bool(attempt and attempt.is_live) or has_live_setup(payment)


@require_GET
def guest(request: HttpRequest, reference: str) -> HttpResponse:
    """The guest's page: payer information and the Payment Element."""
    payment = get_payment_by_reference(reference)
    attempts = list_attempts(payment)
    if payment.state not in ("open", "reversed") or (attempts and attempts[0].is_live):
        return redirect("payments:pay", reference)
    return render_guest_page(request, payment, attempts)


@require_http_methods(["GET", "POST"])
def register(request: HttpRequest, reference: str) -> HttpResponse:
    """Payer Information and the terms; then straight on to paying. The Welcome mail follows."""
    payment = get_payment_by_reference(reference)
    if is_closed(payment, payment.attempts.order_by("-pk").first()):
        return redirect("payments:pay", reference)
    terms = get_current_terms(payment.merchant, Terms.Kind.USER_ACCOUNT)
    form = RegisterForm(request.POST or None, initial=payment.billing)
    if request.method == "POST" and form.is_valid():
        problem = find_acceptance_problem([terms], form.cleaned_data["accepted_terms"])
        if not problem:
            refusal = refuse_too_many_registrations(request, payment)
            if refusal is not None:
                return refusal
            _register(request, payment, form.cleaned_data, terms)
            return redirect("payments:checkout", reference)
        form.add_error("accepted_terms", problem)
    context = {"payment": payment, "merchant": payment.merchant, "form": form, "terms": terms}
    context |= {"terms_text": render_terms(terms), "is_ticked": str(terms.pk) in request.POST.getlist("accepted_terms")}
    return render(request, "pay/register.html", context, status=422 if form.errors else 200)


def refuse_too_many_registrations(request: HttpRequest, payment: Payment) -> HttpResponse | None:
    """The page for a link or a network with which many mails to strangers were asked for; None when one more may go."""
    try:
        check_registration_mails(link=payment.reference, ip=get_client_ip(request), now=clock.now())
    except TooManyMails as error:
        return too_many_requests(request, message=str(error), wait=error.wait)
    return None


def _register(request: HttpRequest, payment: Payment, found: dict[str, Any], terms: Terms) -> None:
    """Start a registration, whose owner is asked by mail, and let this browser pay with it."""
    registration = start_registration(
        payment.company,
        email=found["email"],
        name=found["name"],
        phone=found["phone"],
        terms=terms,
        source=get_request_source(request),
        next_path=reverse("payments:pay", args=[payment.reference]),
        now=clock.now(),
    )
    keep_registration_in_session(request, payment, registration)


@require_GET
def checkout(request: HttpRequest, reference: str) -> HttpResponse:
    """The page of a payer with an account: saved methods, a new one, saving it, and the terms of that."""
    payment = get_payment_by_reference(reference)
    attempts = list_attempts(payment)
    visitor = get_visitor(request, payment)
    if visitor is None or is_closed(payment, attempts[0] if attempts else None):
        return redirect("payments:pay", reference)
    payer = getattr(visitor.user, "payer", None)
    if unfinished := get_completion_path(payer, reverse("payments:checkout", args=[reference])):
        return redirect(unfinished)
    return render_checkout_page(request, payment, attempts, visitor)
