"""The payer's portal: the dashboard, its three widgets, one payment, and receipts."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from payers.access import PayerRequest, payer_page
from payments.attempts.services import list_attempts
from payments.models import Payment
from payments.portal.access import get_visible_payment
from payments.portal.history import list_history
from payments.portal.view_models import (
    build_live_setup_subquery,
    format_refund_note,
    get_payment_standing,
    list_past_payments,
)
from payments.portal.widgets import get_page_number, render_widget
from payments.states import PAID_STATES
from wisepay import clock


@require_GET
@payer_page
def home(request: PayerRequest) -> HttpResponse:
    """The dashboard; its widgets are fetched one by one."""
    return render(request, "portal/home.html", {"accesses": request.accesses})


@require_GET
@payer_page
def past_payments(request: PayerRequest) -> HttpResponse:
    """Past Payments: a row for everything that was paid, also what went back since."""
    return render_widget(
        request, "past", list_past_payments(request.accesses, request.person, page=get_page_number(request))
    )


@require_GET
@payer_page
def payment_page(request: PayerRequest, reference: str) -> HttpResponse:
    """One payment: what for, how it stands, every attempt, what was refunded."""
    payment = get_visible_payment(request, reference)
    attempts = list_attempts(payment)
    newest = attempts[0] if attempts else None
    setup_state = Payment.objects.filter(pk=payment.pk).values_list(build_live_setup_subquery(), flat=True).get()
    standing = get_payment_standing(payment, newest, setup_state, now=clock.now())
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "standing": standing if payment.state in ("open", "reversed") else None,
        "steps": list_history(attempts, list_refunds(payment)),
        "refunded": format_refund_note(payment) if payment.refunded_amount else "",
        "has_receipt": any(attempt.state in PAID_STATES for attempt in attempts),
    }
    return render(request, "portal/payment.html", context)


def list_refunds(payment: Payment) -> list[Any]:
    """Every refund with its payment, the oldest first."""
    found = list(payment.refunds.order_by("pk"))
    for refund in found:
        refund.payment = payment
    return found


@require_GET
@payer_page
def paid_page(request: PayerRequest, reference: str) -> HttpResponse:
    """Payment successful: what was paid, with its reference and receipt, or that the bank debit is on its way."""
    payment = get_visible_payment(request, reference)
    attempts = list_attempts(payment)
    newest = attempts[0] if attempts else None
    if newest is not None and newest.is_live and not newest.is_settling:
        return redirect("payments:pay", reference)
    if newest is None or (newest.state != "succeeded" and not newest.is_settling):
        return redirect("payments:my_payment", reference)
    context = {"payment": payment, "merchant": payment.merchant, "attempt": newest}
    return render(request, "portal/paid.html", context)
