"""The checkout's pages as they are rendered, and its answers to a post: JSON for its script, a page for a browser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from payments.access import Visitor, find_live_setup, get_next_page, get_visitor, get_visitor_mark
from payments.attempts.services import check_charge_policies, list_attempts
from payments.checkout.forms import AttemptForm
from payments.checkout.offers import get_checkout_offer, get_method_name
from payments.consent import build_consent_context, build_order
from payments.errors import (
    AttemptInProgress,
    CannotPay,
    MethodUnusable,
    TermsNotAccepted,
    VisitorChanged,
    get_operation_failure,
)
from payments.gateways import OperationResult
from payments.models import Attempt, Payment, SavedMethod, Setup
from payments.operations.next_actions import find_next_action
from payments.operations.services import check_payable
from payments.payment_pages.element import render_with_payment_element
from payments.receipts import can_see_receipt
from payments.saved_methods.choices import Person, list_usable_methods
from wisepay import clock
from wisepay.http import prefers_page


@dataclass(frozen=True, slots=True)
class RefusedPost:
    """A post that was not accepted: its form, the sentence that says why, and the status of the page that shows it."""

    form: AttemptForm | None
    message: str
    status: int


def render_guest_page(
    request: HttpRequest, payment: Payment, attempts: Sequence[Attempt], *, refused: RefusedPost | None = None
) -> HttpResponse:
    """Payer Information and the Payment Element. `attempts` are all of the payment, the newest first."""
    context = build_page_context(payment, None, refused, get_operation_failure(attempts[0] if attempts else None))
    context["form"] = context["form"] or AttemptForm(initial=payment.billing)
    try:
        account = check_payable(payment, now=clock.now(), attempts=attempts)
        check_charge_policies(payment, amount=payment.amount, now=clock.now())
        context |= {"account": account, "offer": get_checkout_offer(payment, account, None, now=clock.now())}
    except CannotPay as error:
        context["problem"] = str(error)
    return render_with_payment_element(request, "pay/guest.html", context, status=get_page_status(context, refused))


def render_checkout_page(
    request: HttpRequest,
    payment: Payment,
    attempts: Sequence[Attempt],
    visitor: Visitor,
    *,
    refused: RefusedPost | None = None,
) -> HttpResponse:
    """Saved methods, a new one, saving it, and the terms of that, for a payer with an account."""
    last_failure = get_last_failure(payment, attempts[0] if attempts else None)
    context = build_page_context(payment, visitor, refused, last_failure)
    try:
        account = check_payable(payment, now=clock.now(), attempts=attempts, has_account=visitor.has_account)
        check_charge_policies(payment, amount=payment.amount, now=clock.now())
        context |= {"account": account, "offer": get_checkout_offer(payment, account, visitor, now=clock.now())}
    except CannotPay as error:
        context["problem"] = str(error)
    return render_with_payment_element(request, "pay/checkout.html", context, status=get_page_status(context, refused))


def build_page_context(
    payment: Payment, visitor: Visitor | None, refused: RefusedPost | None, last_failure: str
) -> dict[str, Any]:
    """What the guest's page and that of a payer with an account have in common."""
    return {
        "payment": payment,
        "merchant": payment.merchant,
        "visitor": visitor,
        "billing": payment.render_billing(visitor.address if visitor else {}),
        "form": refused.form if refused else None,
        "paying_as": get_visitor_mark(visitor),
        "last_failure": refused.message if refused else last_failure,
    }


def get_page_status(context: Mapping[str, Any], refused: RefusedPost | None) -> int:
    """The status of a page: 409 when it can't be paid now, else that of the refused post, else 200."""
    if "problem" in context:
        return 409
    return refused.status if refused else 200


ASKED_ANEW = ("accepted_terms", "agreed_schedule", "is_confirmed")  # fields that the confirmation has of its own


def render_confirmation(
    request: HttpRequest, payment: Payment, form: AttemptForm, person: Person, method: SavedMethod, problem: str = ""
) -> HttpResponse:
    """What is paid, with what, and what is agreed to, before a saved method is used; for browsers without our scripts.

    `problem` says what was not accepted on this page. Raises MethodUnusable when this person may not use the method.
    """
    if method not in list_usable_methods(person, payment.company, method.account):
        raise MethodUnusable("This payment method can't be used any more. Please choose another one.")
    amount, posted = (form.cleaned_data["amount"] or 0) if payment.amount else 0, request.POST
    order = build_order(payment, method=get_method_name(method), amount=amount, saves=False, saved_method=method)
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "method": method,
        "amount": order.money,
        "consent": build_consent_context(order, now=clock.now()),
        "problem": problem,
        "fields": [(name, value) for name in form.fields if name not in ASKED_ANEW for value in posted.getlist(name)],
    }
    return render(request, "pay/confirm.html", context, status=422 if problem else 200)


def render_payment_status(request: HttpRequest, payment: Payment, attempt: Attempt | None) -> HttpResponse:
    """The page of a payment that has ended, or whose attempt or setup is live."""
    setup = find_live_setup(payment)
    operation: Attempt | Setup | None = setup if setup is not None else attempt
    context: dict[str, Any] = {
        "payment": payment,
        "merchant": payment.merchant,
        "attempt": attempt,
        "operation": operation,
        "next_action": find_next_action(operation),
        "account": operation.account if operation else None,
        "check_path": get_operation_path(payment, operation, "check") if operation else "",
        "stop_path": get_operation_path(payment, operation, "stop") if operation else "",
        "visitor": get_visitor(request, payment),
        "receipt_path": reverse("payments:guest_receipt", args=[payment.reference])
        if can_see_receipt(request, payment)
        else "",
    }
    return render_with_payment_element(request, "pay/status.html", context)


def get_last_failure(payment: Payment, attempt: Attempt | None) -> str:
    """Why the newest attempt failed, or without any the newest setup; empty when it did not."""
    return get_operation_failure(attempt if attempt is not None else payment.setups.order_by("-pk").first())


def get_operation_path(payment: Payment, operation: Attempt | Setup, action: str) -> str:
    """The path at which the page's script checks an attempt or a setup (`check`), or the payer cancels it (`stop`)."""
    kind = "attempt" if isinstance(operation, Attempt) else "setup"
    return reverse(f"payments:{action}_{kind}", args=[payment.reference, operation.reference])


REDIRECT_CODES = ("already_paid", "amount_changed", "not_payable", "may_be_paid_already")
INVALID = gettext_noop("Nothing was charged. Please look at the marked fields and try again.")


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a post. `next` is the page to go to, `link` one that the message offers."""

    status: str
    http_status: int = 200
    message: str = ""
    next: str = ""
    link: Mapping[str, str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def build_body(self) -> dict[str, Any]:
        """The JSON body for the script; empty members are left out."""
        members = {"status": self.status, "message": self.message, "next": self.next, "link": self.link}
        return {name: value for name, value in members.items() if value} | dict(self.extra)


def build_invalid(request: HttpRequest, payment: Payment, form: AttemptForm) -> Answer:
    """The answer to a form with errors, which stand at their fields; the first of a hidden field is the message."""
    hidden = [errors[0] for name, errors in form.errors.items() if name not in ("name", "email", "phone")]
    extra: dict[str, Any] = {"errors": form.errors.get_json_data()}
    if "accepted_terms" in form.errors:
        extra["consent"] = render_consent(request, payment, str(form.errors["accepted_terms"][0]))
    return Answer("invalid", 422, message=str(hidden[0]) if hidden else _(INVALID), extra=extra)


def build_terms_problem(request: HttpRequest, payment: Payment, error: TermsNotAccepted) -> Answer:
    """What was not accepted, with the part of the page as it stands now: its texts may have changed."""
    extra = {
        "code": error.code,
        "errors": {"accepted_terms": [{"message": str(error), "code": error.code}]},
        "consent": render_consent(request, payment, str(error)),
    }
    return Answer("invalid", 422, message=str(error), extra=extra)


def render_consent(request: HttpRequest, payment: Payment, problem: str) -> str:
    """The part of the page with what is agreed to, as it stands now; empty where the merchant has no gateway."""
    account = getattr(payment.merchant, "gateway_account", None)
    if account is None:
        return ""
    offer = get_checkout_offer(payment, account, get_visitor(request, payment), now=clock.now())
    return render_to_string("pay/consent.html", {"consent": offer.consent, "error": problem}, request)


def build_refusal(payment: Payment, error: CannotPay) -> Answer:
    """Why nothing was started; with the page to go to where the payment has changed meanwhile."""
    is_outdated = isinstance(error, AttemptInProgress) or error.code in REDIRECT_CODES
    page = reverse("payments:pay", args=[payment.reference])
    link = build_visitor_link(payment, error) if isinstance(error, VisitorChanged) else None
    next_page = page if is_outdated else ""
    return Answer("refused", 409, message=str(error), next=next_page, link=link, extra={"code": error.code})


def build_visitor_link(payment: Payment, error: VisitorChanged) -> dict[str, str]:
    """Where somebody who was signed out, or is somebody else now, goes on with this payment."""
    if not error.is_signed_out:
        return {"url": reverse("payments:pay", args=[payment.reference]), "label": _("Open the page again")}
    checkout = reverse("payments:checkout", args=[payment.reference])
    return {"url": f"{reverse('account_login')}?{urlencode({'next': checkout})}", "label": _("Sign in")}


def build_unavailable() -> Answer:
    """The answer when the gateway did not answer before anything was started."""
    message = "The payment service does not answer at the moment. Nothing was charged. Please try again."
    return Answer("refused", 503, message=message, extra={"code": "unavailable"})


def build_status(
    request: HttpRequest, payment: Payment, operation: Attempt | Setup, result: OperationResult | None
) -> Answer:
    """How it stands: a status and, where one is due, the next step."""
    extra = {"attempt": get_operation_path(payment, operation, "check")}
    is_settling = isinstance(operation, Attempt) and operation.is_settling
    if operation.state == "succeeded" or is_settling:
        status = "settling" if is_settling else operation.state
        return Answer(status, next=get_next_page(request, payment), extra=extra)
    is_in_page = operation.state == "requires_action" and not operation.action_url
    if is_in_page and result is not None:
        return Answer(operation.state, extra=extra | {"client_secret": result.client_secret})
    if operation.state == "failed":
        return Answer(operation.state, message=get_operation_failure(operation), extra=extra)
    return Answer(operation.state, next=reverse("payments:pay", args=[payment.reference]), extra=extra)


def render_answer(
    request: HttpRequest, payment: Payment, answer: Answer, form: AttemptForm | None = None
) -> HttpResponse:
    """The answer as JSON, or as a page: the next one, or the form again with what went wrong."""
    if not prefers_page(request):
        return JsonResponse(answer.build_body(), status=answer.http_status)
    if answer.link:
        context = {"payment": payment, "merchant": payment.merchant, "answer": answer}
        return render(request, "pay/refused.html", context, status=answer.http_status)
    if answer.status not in ("invalid", "refused", "failed"):
        # Our policy keeps a form's answer on this site, and the way back to a quote leads off it.
        return redirect("payments:pay", payment.reference)
    return redirect(answer.next) if answer.next else render_form_again(request, payment, answer, form)


def render_form_again(request: HttpRequest, payment: Payment, answer: Answer, form: AttemptForm | None) -> HttpResponse:
    """The page that the form was posted from, with what was typed, and why nothing was paid."""
    visitor, attempts = get_visitor(request, payment), list_attempts(payment)
    refused = RefusedPost(form, answer.message, 402 if answer.status == "failed" else answer.http_status)
    if visitor is None:
        return render_guest_page(request, payment, attempts, refused=refused)
    return render_checkout_page(request, payment, attempts, visitor, refused=refused)
