"""The checkout's pages as they are rendered: for a guest, for a payer with an account, the confirmation, the result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from payments.access import Visitor, find_live_setup, get_visitor, get_visitor_mark
from payments.attempts.services import check_charge_policies
from payments.checkout.forms import AttemptForm
from payments.checkout.offers import get_checkout_offer, get_method_name
from payments.consent import build_consent_context, build_order
from payments.errors import CannotPay, MethodUnusable
from payments.failure_messages import get_operation_failure
from payments.method_choices import Person, list_usable_methods
from payments.models import Attempt, Payment, SavedMethod, Setup
from payments.operations.next_actions import find_next_action
from payments.operations.services import check_payable
from payments.payment_element import render_with_payment_element
from payments.receipt_links import can_see_receipt
from wisepay import clock


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
    context["form"] = context["form"] or AttemptForm(
        initial={
            "name": payment.billing_name,
            "email": payment.company.email,
            "phone": payment.company.phone,
        }
    )
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
