"""The JSON API of Pay Now's script: start an attempt or a setup, check it, cancel it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from payments.access import (
    check_visitor,
    find_saved_method,
    get_payment_attempt,
    get_payment_by_reference,
    get_payment_setup,
    get_visitor,
)
from payments.attempts.services import cancel_attempt, refresh_attempt, send_attempt, start_attempt
from payments.checkout.forms import AttemptForm, SetupForm
from payments.checkout.page_views import (
    build_invalid,
    build_refusal,
    build_status,
    build_terms_problem,
    build_unavailable,
    render_answer,
    render_confirmation,
)
from payments.errors import AmountChanged, CannotPay, MethodUnusable, TermsNotAccepted
from payments.gateways import OperationResult
from payments.models import Attempt, Payment, Setup
from payments.operations.limits import may_look_up
from payments.payment_pages.element import add_limit
from payments.receipts import remember_receipt
from payments.saved_methods.choices import PaymentChoice, Person
from payments.saved_methods.setups import cancel_setup, refresh_setup, send_setup, start_setup
from wisepay import clock
from wisepay.errors import Unavailable
from wisepay.http import get_client_ip, prefers_page

type AttemptOrSetup = Attempt | Setup
type CheckoutStep = Callable[..., OperationResult | None]


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


@require_POST
def create(request: HttpRequest, reference: str, actions: CheckoutActions) -> HttpResponse:
    """Charge what the payer agreed to, or save a method, once."""
    payment = get_payment_by_reference(reference)
    form = actions.form(request.POST)
    if not form.is_valid():
        return render_answer(request, payment, build_invalid(request, payment, form), form)
    try:
        check_shown(payment, form.cleaned_data["shown"])
        person, choice = read_person_and_choice(request, payment, form)
        started = start_or_ask(request, payment, form, person=person, choice=choice, actions=actions)
    except CannotPay as error:
        return add_limit(render_answer(request, payment, build_refusal(payment, error), form), error)
    except Unavailable:
        return render_answer(request, payment, build_unavailable(), form)
    if isinstance(started, HttpResponse):
        return started
    remember_receipt(request, started.reference)
    result = actions.run(started, now=clock.now())
    return render_answer(request, payment, build_status(request, payment, started, result), form)


def check_shown(payment: Payment, mark: str) -> None:
    """Check that the page was made of the payment as it is. Raises AmountChanged. No mark is no page."""
    if mark and mark != payment.shown_mark:
        words = _("This %(subject)s was changed since the page was opened. Nothing was charged. Please look again.")
        raise AmountChanged(words % {"subject": payment.subject})


def start_or_ask(
    request: HttpRequest,
    payment: Payment,
    form: AttemptForm,
    *,
    person: Person,
    choice: PaymentChoice,
    actions: CheckoutActions,
) -> AttemptOrSetup | HttpResponse:
    """Start what a valid form asks for, or answer the page that asks what it means: before a saved method is used where
    no script asked, and where the texts in force were not accepted.

    Raises Unavailable, or a CannotPay.
    """
    saved = choice.saved_method if prefers_page(request) else None
    if saved is not None and not form.cleaned_data["is_confirmed"]:
        return render_confirmation(request, payment, form, person, saved)
    extra = {name: form.cleaned_data[name] for name in actions.extra_fields}
    try:
        return actions.start(payment, choice=choice, person=person, now=clock.now(), **extra)
    except TermsNotAccepted as error:
        if saved is not None:
            return render_confirmation(request, payment, form, person, saved, problem=str(error))
        return render_answer(request, payment, build_terms_problem(request, payment, error), form)


def read_person_and_choice(request: HttpRequest, payment: Payment, form: AttemptForm) -> tuple[Person, PaymentChoice]:
    """Who pays, and how they want to. Raises MethodUnusable when the saved method is not this company's."""
    visitor = get_visitor(request, payment)
    check_visitor(visitor, form.cleaned_data["paying_as"])
    source = {"ip": get_client_ip(request), "user_agent": request.headers.get("User-Agent", "")}
    person = visitor.build_person(**source) if visitor else form.get_guest(**source)
    method_ref = form.cleaned_data["saved_method"]
    saved_method = find_saved_method(payment, method_ref)
    if method_ref and saved_method is None:
        raise MethodUnusable("This payment method can't be used any more. Please choose another one.")
    return person, form.get_choice(saved_method)


@require_POST
def check(request: HttpRequest, reference: str, operation_ref: str, actions: CheckoutActions) -> HttpResponse:
    """Look up at the gateway how it stands, after 3-D Secure or while the page waits."""
    payment = get_payment_by_reference(reference)
    operation = actions.find(payment, operation_ref)
    result = actions.look_up(operation, now=clock.now()) if may_look_up(operation, now=clock.now()) else None
    return render_answer(request, payment, build_status(request, payment, operation, result))


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
