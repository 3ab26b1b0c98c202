"""The payer's portal: the dashboard, its three widgets, one payment, and receipts."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from payers.access import PayerRequest, payer_page
from payments.access import attempts_of
from payments.models import Attempt, Payment
from payments.portal_access import payment_for
from payments.portal_rows import (
    PAID,
    Slice,
    live_setup,
    page_number,
    past,
    refund_note,
    standing_of,
)
from payments.receipt_pdf import receipt_pdf
from payments.receipts import REFUND_WORDS, receipt_of
from payments.sentences import failure_of

WORDS = {
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
    return widget(request, "past", past(request.accesses, request.person, page=asked_page(request)))


def asked_page(request: PayerRequest) -> int:
    """The page of the query."""
    return page_number(request.GET.get("page", ""))


def widget(request: PayerRequest, name: str, found: Slice[Any], *, folder: str = "portal") -> HttpResponse:
    """A list as a part of the dashboard, or as a page of its own where no script asks for it."""
    context = {
        "slice": found,
        "read_at": timezone.now(),
        "zone": zone_of(request),
        "has_merchants": len({access.company.merchant_id for access in request.accesses}) > 1,
    }
    is_part = request.headers.get("HX-Request") == "true"
    template = f"{folder}/{name}.html{f'#{name}' if is_part else ''}"
    response = render(request, template, context)
    response["Vary"] = "HX-Request, Cookie"
    return response


def zone_of(request: PayerRequest) -> str:
    """The time zone of things that belong to no single merchant."""
    return request.accesses[0].company.merchant.time_zone if request.accesses else "UTC"


@require_GET
@payer_page
def payment_page(request: PayerRequest, reference: str) -> HttpResponse:
    """One payment: what for, how it stands, every attempt in words, what went back."""
    payment = payment_for(request, reference)
    attempts = attempts_of(payment)
    newest = attempts[0] if attempts else None
    setup_state = Payment.objects.filter(pk=payment.pk).values_list(live_setup(), flat=True).get()
    standing = standing_of(payment, newest, setup_state, now=timezone.now())
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "standing": standing if payment.state in ("open", "reversed") else None,
        "attempts": [{"row": attempt, "words": words_of(attempt)} for attempt in attempts],
        "refunds": [{"row": refund, "words": REFUND_WORDS[refund.state]} for refund in refunds_of(payment)],
        "refunded": refund_note(payment) if payment.refunded_amount else "",
        "has_receipt": any(attempt.state in PAID for attempt in attempts),
    }
    return render(request, "portal/payment.html", context)


def refunds_of(payment: Payment) -> list[Any]:
    """Every refund with its payment, the oldest first."""
    found = list(payment.refunds.order_by("pk"))
    for refund in found:
        refund.payment = payment
    return found


def words_of(attempt: Attempt) -> str:
    """A sentence about an attempt, for its payer."""
    if attempt.is_settling:
        return "The bank debit is on its way. It takes some days to settle."
    return failure_of(attempt) or WORDS.get(attempt.state, "")


@require_GET
@payer_page
def receipt_page(request: PayerRequest, reference: str) -> HttpResponse:
    """The receipt, made to be printed."""
    receipt = receipt_of(payment_for(request, reference))
    return render(request, "portal/receipt.html", {"receipt": receipt, "merchant": receipt.payment.merchant})


@require_GET
@payer_page
def receipt_document(request: PayerRequest, reference: str) -> HttpResponse:
    """The receipt as a PDF."""
    receipt = receipt_of(payment_for(request, reference))
    response = HttpResponse(receipt_pdf(receipt), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{receipt.filename}"'
    return response
