"""How the checkout answers a post: JSON for the page's script, a page for a browser that posted the form itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from payments.access import get_next_page, get_visitor
from payments.attempts.services import list_attempts
from payments.checkout.forms import AttemptForm
from payments.checkout.offers import get_checkout_offer
from payments.checkout.page_views import RefusedPost, get_operation_path, render_checkout_page, render_guest_page
from payments.errors import AttemptInProgress, CannotPay, TermsNotAccepted, VisitorChanged
from payments.failure_messages import get_operation_failure
from payments.gateways import OperationResult
from payments.models import Attempt, Payment, Setup
from wisepay import clock
from wisepay.http import prefers_page

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
