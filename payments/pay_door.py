"""The small JSON door that Pay Now's script talks to: start, ask again, give up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from payments.access import attempt_of, payment_by_reference, setup_of
from payments.choices import Choice, Person
from payments.errors import AttemptInProgress, CannotPay, MethodUnusable
from payments.forms import AttemptForm, SetupForm
from payments.gateways import Outcome
from payments.models import Attempt, Payment, Setup
from payments.pay_now import talk_path
from payments.sentences import failure_of
from payments.services import cancel_attempt, look_up_attempt, run_attempt, start_attempt
from payments.setups import cancel_setup, look_up_setup, run_setup, start_setup
from payments.visitors import acting_access, kept_method, next_page, visitor_of
from wisepay.errors import Unavailable
from wisepay.http import client_ip, never_cached

type Talk = Attempt | Setup
type Step = Callable[..., Outcome | None]
MOVED_ON = ("already_paid", "amount_changed", "not_payable", "may_be_paid_already")


@dataclass(frozen=True, slots=True)
class Orders:
    """What the page can order of one kind of talk; `asks` are fields of the form that only its start knows."""

    form: type[AttemptForm]
    asks: Sequence[str]
    start: Callable[..., Talk]
    find: Callable[[Payment, str], Talk]
    run: Step
    look_up: Step
    cancel: Step


CANCEL = partial(cancel_attempt, by="payer")
CHARGING = Orders(AttemptForm, ("amount",), start_attempt, attempt_of, run_attempt, look_up_attempt, CANCEL)
SAVING = Orders(SetupForm, (), start_setup, setup_of, run_setup, look_up_setup, cancel_setup)


@never_cached
@require_POST
def create(request: HttpRequest, reference: str, orders: Orders) -> HttpResponse:
    """Charge what the payer agreed to, or save a method, once."""
    payment = payment_by_reference(reference)
    form = orders.form(request.POST)
    if not form.is_valid():
        return JsonResponse({"status": "invalid", "errors": form.errors.get_json_data()}, status=422)
    now = timezone.now()
    asked = {name: form.cleaned_data[name] for name in orders.asks}
    try:
        person, choice = read_order(request, payment, form)
        talk = orders.start(payment, choice=choice, person=person, now=now, **asked)
    except CannotPay as error:
        return refused(payment, error)
    except Unavailable:
        return silent()
    return answer(request, payment, talk, orders.run(talk, now=timezone.now()))


def read_order(request: HttpRequest, payment: Payment, form: AttemptForm) -> tuple[Person, Choice]:
    """Who asks for what. Raises MethodUnusable when the kept method is not this company's."""
    visitor = visitor_of(request, payment)
    access = acting_access(visitor, payment, now=timezone.now()) if visitor else None
    person = form.person(
        ip=client_ip(request),
        user_agent=request.headers.get("User-Agent", ""),
        access=access,
        is_signed_in=bool(visitor and visitor.is_signed_in),
    )
    wanted = form.cleaned_data["saved_method"]
    kept = kept_method(payment, wanted)
    if wanted and kept is None:
        raise MethodUnusable("This payment method can't be used any more. Please choose another one.")
    return person, form.choice(kept)


def refused(payment: Payment, error: CannotPay) -> JsonResponse:
    """Why it was not tried; on to the page that shows how things stand, where they moved on."""
    moved_on = isinstance(error, AttemptInProgress) or error.code in MOVED_ON
    body = {"status": "refused", "code": error.code, "message": str(error)}
    page = reverse("payments:pay", args=[payment.reference])
    return JsonResponse(body | ({"next": page} if moved_on else {}), status=409)


def silent() -> JsonResponse:
    """The gateway did not answer before anything was begun."""
    message = "The payment service does not answer at the moment. Nothing was charged. Please try again."
    return JsonResponse({"status": "refused", "code": "unavailable", "message": message}, status=503)


@never_cached
@require_POST
def check(request: HttpRequest, reference: str, talk_ref: str, orders: Orders) -> HttpResponse:
    """Ask the gateway again, after 3-D Secure or while the page waits."""
    payment = payment_by_reference(reference)
    talk = orders.find(payment, talk_ref)
    outcome = orders.look_up(talk, now=timezone.now()) if talk.is_live else None
    return answer(request, payment, talk, outcome)


@never_cached
@require_POST
def stop(request: HttpRequest, reference: str, talk_ref: str, orders: Orders) -> HttpResponse:
    """Give up what waits for the payer's bank."""
    talk = orders.find(payment_by_reference(reference), talk_ref)
    try:
        if talk.is_live:
            orders.cancel(talk, now=timezone.now())
    except Unavailable:
        pass  # the page shows what is known: it is still being processed
    return redirect("payments:pay", reference)


def answer(request: HttpRequest, payment: Payment, talk: Talk, outcome: Outcome | None) -> JsonResponse:
    """How the talk stands, for the page's script: a status and, where one is due, the next step."""
    body: dict[str, Any] = {"status": talk.state, "attempt": talk_path(payment, talk, "check")}
    is_settling = isinstance(talk, Attempt) and talk.is_settling
    if talk.state == "succeeded" or is_settling:
        body |= {"status": "settling" if is_settling else talk.state, "next": next_page(request, payment)}
    elif talk.state == "requires_action" and outcome is not None:
        body["client_secret"] = outcome.client_secret
    elif talk.state == "failed":
        body["message"] = failure_of(talk)
    else:
        body["next"] = reverse("payments:pay", args=[payment.reference])
    return JsonResponse(body)
