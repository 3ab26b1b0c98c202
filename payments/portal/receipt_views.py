"""Receipts: for payers in their portal, for guests by the link in their mail or in the browser that paid."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from payers.access import PayerRequest, payer_page
from payments.access import get_payment_by_reference
from payments.models import Payment
from payments.portal.access import get_visible_payment
from payments.receipts import can_see_receipt, get_receipt, is_receipt_key, remember_receipt, render_receipt_pdf


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
    return render_document(get_visible_payment(request, reference))


@require_GET
def guest_receipt_page(request: HttpRequest, reference: str) -> HttpResponse:
    """The receipt for a browser that paid or followed the mail's link, whose key leaves the address at once."""
    payment = get_payment_by_reference(reference)
    if "key" in request.GET:
        if not is_receipt_key(payment, request.GET["key"]):
            raise Http404
        remember_receipt(request, payment.reference)
        return redirect("payments:guest_receipt", reference)
    receipt = get_receipt(check_guest_receipt(request, payment))
    return render(request, "pay/receipt.html", {"receipt": receipt, "merchant": payment.merchant})


@require_GET
def guest_receipt_document(request: HttpRequest, reference: str) -> HttpResponse:
    """The same as a PDF."""
    return render_document(check_guest_receipt(request, get_payment_by_reference(reference)))


def check_guest_receipt(request: HttpRequest, payment: Payment) -> Payment:
    """The payment, if this browser may see its receipt. Raises Http404."""
    if not can_see_receipt(request, payment):
        raise Http404
    return payment


def render_document(payment: Payment) -> HttpResponse:
    """The receipt as a file to keep. Raises Http404 when nothing was paid."""
    receipt = get_receipt(payment)
    response = HttpResponse(render_receipt_pdf(receipt), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{receipt.filename}"'
    return response
