"""The JSON API of Pay Now's script: start an attempt or a setup, check it, cancel it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST

from payments.access import (
    find_saved_method,
    get_next_page,
    get_payment_attempt,
    get_payment_by_reference,
    get_payment_setup,
    get_visitor,
)
from payments.attempts.services import cancel_attempt, refresh_attempt, send_attempt, start_attempt
from payments.checkout.forms import AttemptForm, SetupForm
from payments.checkout.offers import get_checkout_offer
from payments.errors import AttemptInProgress, CannotPay, MethodUnusable, TermsNotAccepted
from payments.failure_messages import get_operation_failure
from payments.gateways import OperationResult
from payments.method_choices import PaymentChoice, Person
from payments.models import Attempt, Payment, Setup
from payments.operations.limits import may_look_up
from payments.payment_element import render_refusal_json
from payments.saved_methods.setups import cancel_setup, refresh_setup, send_setup, start_setup
from wisepay import clock
from wisepay.errors import Unavailable
from wisepay.http import get_client_ip, never_cached

type AttemptOrSetup = Attempt | Setup
type CheckoutStep = Callable[..., OperationResult | None]
REDIRECT_CODES = ("already_paid", "amount_changed", "not_payable", "may_be_paid_already")


@dataclass(frozen=True, slots=True)
class CheckoutActions:
    """What the script can do with attempts or with setups; `extra_fields` of the form are only for `start`."""

    form: type[AttemptForm]
    extra_fields: Sequence[str]
    start: Callable[..., AttemptOrSetup]
    find: Callable[[Payment, str], AttemptOrSetup]
    run: CheckoutStep
    look_up: CheckoutStep
    cancel: CheckoutStep


ATTEMPT_ACTIONS = CheckoutActions(
    AttemptForm, ("amount",), start_attempt, get_payment_attempt, send_attempt, refresh_attempt, cancel_attempt
)
SETUP_ACTIONS = CheckoutActions(SetupForm, (), start_setup, get_payment_setup, send_setup, refresh_setup, cancel_setup)


@never_cached
@require_POST
def create(request: HttpRequest, reference: str, actions: CheckoutActions) -> HttpResponse:
    """Charge what the payer agreed to, or save a method, once."""
    payment = get_payment_by_reference(reference)
    form = actions.form(request.POST)
    if not form.is_valid():
        return render_invalid(request, payment, form)
    now = clock.now()
    extra = {name: form.cleaned_data[name] for name in actions.extra_fields}
    try:
        person, choice = read_person_and_choice(request, payment, form)
        operation = actions.start(payment, choice=choice, person=person, now=now, **extra)
    except TermsNotAccepted as error:
        return render_terms_problem(request, payment, error)
    except CannotPay as error:
        return render_refusal(payment, error)
    except Unavailable:
        return render_unavailable()
    return render_status(request, payment, operation, actions.run(operation, now=clock.now()))


def read_person_and_choice(request: HttpRequest, payment: Payment, form: AttemptForm) -> tuple[Person, PaymentChoice]:
    """Who pays, and how they want to. Raises MethodUnusable when the saved method is not this company's."""
    visitor = get_visitor(request, payment)
    source = {"ip": get_client_ip(request), "user_agent": request.headers.get("User-Agent", "")}
    person = visitor.build_person(**source) if visitor else form.get_guest(**source)
    method_ref = form.cleaned_data["saved_method"]
    saved_method = find_saved_method(payment, method_ref)
    if method_ref and saved_method is None:
        raise MethodUnusable("This payment method can't be used any more. Please choose another one.")
    return person, form.get_choice(saved_method)


def render_refusal(payment: Payment, error: CannotPay) -> JsonResponse:
    """Why nothing was started; with the page to go to where the payment has changed meanwhile."""
    is_outdated = isinstance(error, AttemptInProgress) or error.code in REDIRECT_CODES
    page = reverse("payments:pay", args=[payment.reference])
    return render_refusal_json(error, **({"next": page} if is_outdated else {}))


def render_terms_problem(request: HttpRequest, payment: Payment, error: TermsNotAccepted) -> JsonResponse:
    """What was not accepted, with the part of the page as it stands now: its texts may have changed."""
    body = {
        "status": "invalid",
        "code": error.code,
        "message": str(error),
        "errors": {"accepted_terms": [{"message": str(error), "code": error.code}]},
        "consent": render_consent(request, payment, str(error)),
    }
    return JsonResponse(body, status=422)


def render_invalid(request: HttpRequest, payment: Payment, form: AttemptForm) -> JsonResponse:
    """What is wrong with each field."""
    body: dict[str, Any] = {"status": "invalid", "errors": form.errors.get_json_data()}
    if "accepted_terms" in form.errors:
        body["consent"] = render_consent(request, payment, str(form.errors["accepted_terms"][0]))
    return JsonResponse(body, status=422)


def render_consent(request: HttpRequest, payment: Payment, problem: str) -> str:
    """The part of the page with what is agreed to, as it stands now; empty where the merchant has no gateway."""
    account = getattr(payment.merchant, "gateway_account", None)
    if account is None:
        return ""
    offer = get_checkout_offer(payment, account, get_visitor(request, payment), now=clock.now())
    return render_to_string("pay/consent.html", {"consent": offer.consent, "error": problem}, request)


def render_unavailable() -> JsonResponse:
    """The answer when the gateway did not answer before anything was started."""
    message = "The payment service does not answer at the moment. Nothing was charged. Please try again."
    return JsonResponse({"status": "refused", "code": "unavailable", "message": message}, status=503)


@never_cached
@require_POST
def check(request: HttpRequest, reference: str, operation_ref: str, actions: CheckoutActions) -> HttpResponse:
    """Look up at the gateway how it stands, after 3-D Secure or while the page waits."""
    payment = get_payment_by_reference(reference)
    operation = actions.find(payment, operation_ref)
    result = actions.look_up(operation, now=clock.now()) if may_look_up(operation, now=clock.now()) else None
    return render_status(request, payment, operation, result)


@never_cached
@require_POST
def stop(request: HttpRequest, reference: str, operation_ref: str, actions: CheckoutActions) -> HttpResponse:
    """Cancel what waits for the payer's bank."""
    operation = actions.find(get_payment_by_reference(reference), operation_ref)
    try:
        if operation.is_live:
            actions.cancel(operation, by="payer", now=clock.now())
    except Unavailable:
        pass  # the page shows what is known: it is still being processed
    return redirect("payments:pay", reference)


def render_status(
    request: HttpRequest, payment: Payment, operation: AttemptOrSetup, result: OperationResult | None
) -> JsonResponse:
    """How it stands, for the page's script: a status and, where one is due, the next step."""
    body: dict[str, Any] = {"status": operation.state, "attempt": get_operation_path(payment, operation, "check")}
    is_settling = isinstance(operation, Attempt) and operation.is_settling
    if operation.state == "succeeded" or is_settling:
        body |= {"status": "settling" if is_settling else operation.state, "next": get_next_page(request, payment)}
    elif operation.state == "requires_action" and result is not None:
        body["client_secret"] = result.client_secret
    elif operation.state == "failed":
        body["message"] = get_operation_failure(operation)
    else:
        body["next"] = reverse("payments:pay", args=[payment.reference])
    return JsonResponse(body)


def get_operation_path(payment: Payment, operation: Attempt | Setup, action: str) -> str:
    """The path at which the page's script checks an attempt or a setup (`check`), or the payer cancels it (`stop`)."""
    kind = "attempt" if isinstance(operation, Attempt) else "setup"
    return reverse(f"payments:{action}_{kind}", args=[payment.reference, operation.reference])
