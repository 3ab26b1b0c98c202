"""The JSON API of the script of the payer's settings: add a method, check it, cancel it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from merchants.forms import AcceptedTermsField
from payers.access import PayerRequest, get_company_access, payer_page
from payers.models import PayerAccess
from payments.errors import CannotPay, MerchantNotReady, MethodNotAllowed, TermsNotAccepted, get_operation_failure
from payments.gateways import OperationResult
from payments.models import Setup
from payments.operations.limits import may_look_up
from payments.payment_pages.element import CONFIRMATION_TOKEN, add_limit
from payments.portal.access import get_own_setup
from payments.portal.addable_methods import build_saving_consent, list_addable_methods
from payments.saved_methods.choices import BANK_DEBIT, CARD, PaymentChoice, Person
from payments.saved_methods.setups import cancel_setup, refresh_setup, send_setup, start_standalone_setup
from wisepay import clock
from wisepay.errors import Rejected, Unavailable
from wisepay.http import get_client_ip, prefers_page

METHOD_PAGES = {CARD: "payments:my_cards", BANK_DEBIT: "payments:my_bank_accounts"}
GATEWAY_UNAVAILABLE = "The payment service does not answer at the moment. Nothing was saved. Please try again."


class AddMethodForm(forms.Form):
    """What the page posts: for which company, of which kind, Stripe's token, and the terms under the tick."""

    company = forms.SlugField(max_length=20)
    method = forms.ChoiceField(choices=[(CARD, "Card"), (BANK_DEBIT, "Bank debit")])
    confirmation_token = forms.RegexField(CONFIRMATION_TOKEN)
    shares = forms.BooleanField(required=False)
    accepted_terms = AcceptedTermsField()

    def get_choice(self) -> PaymentChoice:
        """The choice of a valid form."""
        found = self.cleaned_data
        return PaymentChoice(
            found["method"],
            found["confirmation_token"],
            saves=True,
            shares=found["shares"],
            accepted_terms=found["accepted_terms"],
        )


@require_POST
@payer_page
def create_method(request: PayerRequest) -> HttpResponse:
    """Save a card or bank account; nothing is charged."""
    form = AddMethodForm(request.POST)
    if not form.is_valid():
        message = _("Nothing was saved. Type the details into Stripe's secure form and accept the terms.")
        body = {"status": "invalid", "message": message, "errors": form.errors.get_json_data()}
        return render_method_answer(request, body, METHOD_PAGES[CARD], status=422)
    access = get_company_access(request, form.cleaned_data["company"])
    page = METHOD_PAGES[form.cleaned_data["method"]]
    try:
        setup = start_method_setup(request, access, form)
    except TermsNotAccepted as error:
        body = build_terms_problem(error, access, form.cleaned_data["method"])
        return render_method_answer(request, body, page, status=422)
    except CannotPay as error:
        body = {"status": "refused", "code": error.code, "message": str(error)}
        return add_limit(render_method_answer(request, body, page, status=409), error)
    except Unavailable:
        body = {"status": "refused", "code": "unavailable", "message": GATEWAY_UNAVAILABLE}
        return render_method_answer(request, body, page, status=503)
    return render_setup_status(request, setup, send_setup(setup, now=clock.now()))


def render_method_answer(request: PayerRequest, body: dict[str, Any], page: str, *, status: int = 200) -> HttpResponse:
    """The answer as JSON; a browser that posted the form itself goes to the page named `page`, which says the same."""
    if not prefers_page(request):
        return JsonResponse(body, status=status)
    if body.get("message"):
        messages.error(request, str(body["message"]))
    return redirect(page)


def build_terms_problem(error: TermsNotAccepted, access: PayerAccess, method: str) -> dict[str, Any]:
    """What was not accepted, with the texts as they stand now."""
    consent = build_saving_consent(access.company.merchant, method)
    return {
        "status": "invalid",
        "code": error.code,
        "message": str(error),
        "errors": {"accepted_terms": [{"message": str(error), "code": error.code}]},
        "consent": render_to_string("pay/consent.html", {"consent": consent, "error": str(error)}),
    }


def start_method_setup(request: PayerRequest, access: PayerAccess, form: AddMethodForm) -> Setup:
    """Create the setup that saves the method. Raises Unavailable or a CannotPay."""
    addable = list_addable_methods([access])[access.company_id]
    if addable.account is None or form.cleaned_data["method"] not in addable.kinds:
        raise MethodNotAllowed("This kind of payment method can't be saved here.")
    try:
        return start_standalone_setup(
            access.company,
            addable.account,
            choice=form.get_choice(),
            person=build_person(request, access),
            currency=addable.currency,
            now=clock.now(),
        )
    except Rejected as error:
        raise MerchantNotReady(f"{access.company.merchant.name} can't save payment methods at the moment.") from error


def build_person(request: PayerRequest, access: PayerAccess) -> Person:
    """Who saves a method for the company of this access."""
    person = request.person
    return Person(
        name=person.name or person.email,
        email=person.email,
        phone=request.payer.phone,
        ip=get_client_ip(request),
        user_agent=request.headers.get("User-Agent", ""),
        access=access,
        user=person,
    )


@require_POST
@payer_page
def check_method(request: PayerRequest, setup_ref: str) -> HttpResponse:
    """Look up at the gateway how it stands, after the bank's page or while the page waits.

    Without a script, back to the page.
    """
    setup = get_own_setup(request, setup_ref)
    result = refresh_setup(setup, now=clock.now()) if may_look_up(setup, now=clock.now()) else None
    if "json" not in request.headers.get("Accept", ""):
        return redirect(get_setup_page_url(setup))
    return render_setup_status(request, setup, result)


@require_POST
@payer_page
def stop_method(request: PayerRequest, setup_ref: str) -> HttpResponse:
    """Cancel an addition that waits for the payer's bank."""
    setup = get_own_setup(request, setup_ref)
    try:
        if setup.is_live:
            cancel_setup(setup, by="payer", now=clock.now())
    except Unavailable:
        pass  # the page shows what is known: it has not ended yet
    return redirect(get_setup_page_url(setup))


def get_setup_page_url(setup: Setup) -> str:
    """The page that lists what is added."""
    return reverse(METHOD_PAGES[CARD if setup.method_types == [CARD] else BANK_DEBIT])


def render_setup_status(request: PayerRequest, setup: Setup, result: OperationResult | None) -> HttpResponse:
    """How it stands, for the page's script: a status and, where one is due, the next step; else the page itself."""
    if prefers_page(request):
        return redirect(get_setup_page_url(setup))
    body: dict[str, Any] = {
        "status": setup.state,
        "attempt": reverse("payments:check_method", args=[setup.reference]),
    }
    is_in_page = setup.state == "requires_action" and not setup.action_url
    if is_in_page and result is not None and result.client_secret:
        body["client_secret"] = result.client_secret
    elif setup.state == "failed":
        body["message"] = get_operation_failure(setup)
    else:
        body["next"] = get_setup_page_url(setup)
    return JsonResponse(body)
