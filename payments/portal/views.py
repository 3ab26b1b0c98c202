"""The payer's portal: the dashboard, its three widgets, one payment, and receipts."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from payers.access import PayerRequest, payer_page
from payments.attempts.services import list_attempts
from payments.failure_messages import get_operation_failure
from payments.models import Attempt, Payment
from payments.portal.access import get_visible_payment
from payments.portal.receipt_pdf import render_receipt_pdf
from payments.portal.receipts import REFUND_STATE_TEXTS, get_receipt
from payments.portal.view_models import (
    PAID_STATES,
    build_live_setup_subquery,
    format_refund_note,
    get_payment_standing,
    list_past_payments,
)
from payments.portal.widgets import get_page_number, render_widget
from wisepay import clock

ATTEMPT_MESSAGES = {
    "processing": "We are waiting for the bank's answer.",
    "requires_action": "The bank wants to confirm that it is you.",
    "cancelled": "Given up before anything was charged.",
}


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
        "attempts": [{"row": attempt, "words": describe_attempt(attempt)} for attempt in attempts],
        "refunds": [{"row": refund, "words": REFUND_STATE_TEXTS[refund.state]} for refund in list_refunds(payment)],
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


def describe_attempt(attempt: Attempt) -> str:
    """A message about an attempt, for its payer."""
    if attempt.is_settling:
        return "The bank debit is on its way. It takes some days to settle."
    return get_operation_failure(attempt) or ATTEMPT_MESSAGES.get(attempt.state, "")


@require_GET
@payer_page
def receipt_page(request: PayerRequest, reference: str) -> HttpResponse:
    """The receipt as a page to print."""
    receipt = get_receipt(get_visible_payment(request, reference))
    return render(request, "portal/receipt.html", {"receipt": receipt, "merchant": receipt.payment.merchant})


@require_GET
@payer_page
def receipt_document(request: PayerRequest, reference: str) -> HttpResponse:
    """The receipt as a PDF."""
    receipt = get_receipt(get_visible_payment(request, reference))
    response = HttpResponse(render_receipt_pdf(receipt), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{receipt.filename}"'
    return response
