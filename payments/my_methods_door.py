"""The small JSON door that the script of the settings talks to: add a method, ask again, give up."""

from typing import Any

from django import forms
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from payers.access import PayerRequest, access_of, payer_page
from payers.models import PayerAccess
from payments.additions import addable_to
from payments.choices import BANK_DEBIT, CARD, Choice, Person
from payments.errors import CannotPay, MerchantNotReady, MethodNotAllowed
from payments.forms import CONFIRMATION
from payments.gateways import Outcome
from payments.models import Setup
from payments.portal_access import addition_for
from payments.sentences import failure_of
from payments.setups import cancel_setup, look_up_setup, run_setup, start_addition
from wisepay.errors import Rejected, Unavailable
from wisepay.http import client_ip

PAGES = {CARD: "payments:my_cards", BANK_DEBIT: "payments:my_bank_accounts"}
SILENT = "The payment service does not answer at the moment. Nothing was saved. Please try again."


class AdditionForm(forms.Form):
    """What the page posts: for which company, of which kind, Stripe's token, and the terms under the tick."""

    company = forms.SlugField(max_length=20)
    method = forms.ChoiceField(choices=[(CARD, "Card"), (BANK_DEBIT, "Bank debit")])
    confirmation_token = forms.RegexField(CONFIRMATION)
    accepted_terms = forms.IntegerField(error_messages={"required": "Please read the terms and accept them."})


@require_POST
@payer_page
def create_method(request: PayerRequest) -> HttpResponse:
    """Save a card or bank account; nothing is charged."""
    form = AdditionForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"status": "invalid", "errors": form.errors.get_json_data()}, status=422)
    access = access_of(request, form.cleaned_data["company"])
    try:
        setup = begin(request, access, form)
    except CannotPay as error:
        return JsonResponse({"status": "refused", "code": error.code, "message": str(error)}, status=409)
    except Unavailable:
        return JsonResponse({"status": "refused", "code": "unavailable", "message": SILENT}, status=503)
    return answer(setup, run_setup(setup, now=timezone.now()))


def begin(request: PayerRequest, access: PayerAccess, form: AdditionForm) -> Setup:
    """Commit the intention. Raises Unavailable or a CannotPay."""
    found, person = form.cleaned_data, request.person
    addable = addable_to([access])[access.company_id]
    if addable.account is None or found["method"] not in addable.kinds:
        raise MethodNotAllowed("This kind of payment method can't be saved here.")
    try:
        return start_addition(
            access.company,
            addable.account,
            choice=Choice(found["method"], found["confirmation_token"], None, True, found["accepted_terms"]),
            person=Person(
                name=person.name or person.email,
                email=person.email,
                phone=request.payer.phone,
                ip=client_ip(request),
                user_agent=request.headers.get("User-Agent", ""),
                access=access,
                is_signed_in=True,
            ),
            currency=addable.currency,
            now=timezone.now(),
        )
    except Rejected as error:
        raise MerchantNotReady(f"{access.company.merchant.name} can't save payment methods at the moment.") from error


@require_POST
@payer_page
def check_method(request: PayerRequest, setup_ref: str) -> HttpResponse:
    """Ask the gateway again, after the bank's page or while the page waits; without a script, back to the page."""
    setup = addition_for(request, setup_ref)
    outcome = look_up_setup(setup, now=timezone.now()) if setup.is_live else None
    if "json" not in request.headers.get("Accept", ""):
        return redirect(page_of(setup))
    return answer(setup, outcome)


@require_POST
@payer_page
def stop_method(request: PayerRequest, setup_ref: str) -> HttpResponse:
    """Give up an addition that waits for the payer's bank."""
    setup = addition_for(request, setup_ref)
    try:
        if setup.is_live:
            cancel_setup(setup, now=timezone.now())
    except Unavailable:
        pass  # the page shows what is known: it has not ended yet
    return redirect(page_of(setup))


def page_of(setup: Setup) -> str:
    """The page that lists what is added."""
    return reverse(PAGES[CARD if setup.method_types == [CARD] else BANK_DEBIT])


def answer(setup: Setup, outcome: Outcome | None) -> JsonResponse:
    """How it stands, for the page's script: a status and, where one is due, the next step."""
    body: dict[str, Any] = {
        "status": setup.state,
        "attempt": reverse("payments:check_method", args=[setup.reference]),
    }
    if setup.state == "requires_action" and outcome is not None and outcome.client_secret:
        body["client_secret"] = outcome.client_secret
    elif setup.state == "failed":
        body["message"] = failure_of(setup)
    else:
        body["next"] = page_of(setup)
    return JsonResponse(body)
