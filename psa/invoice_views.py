"""Pages about PSA's invoices: which ones of the books they are, and which payments stand on them."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounting.models import LedgerInvoice, PaymentSync
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payments.models import Payment
from psa.books_payments import ReportLine, build_report, find_syncing_connection, list_elsewhere_paid
from psa.forms import JoinForm
from psa.joins import NEEDS_PERSON, JoinRefused, join_by_hand, list_of_books
from psa.models import PsaConnection, PsaInvoice, PsaPayment
from psa.timeline import describe_state
from wisepay import clock
from wisepay.audit import record_request_audit

PAGE_SIZE = 50


@require_GET
@merchant_page(Right.SEE)
def list_invoices(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """PSA's invoices as last read: first those whose invoice in the books a person has to name."""
    connection = PsaConnection.objects.filter(merchant=merchant).first()
    rows = PsaInvoice.objects.filter(connection=connection, is_gone=False).select_related("ledger_invoice")
    unclear = rows.filter(match__in=NEEDS_PERSON).order_by("number", "pk")[:PAGE_SIZE]
    context = {
        "merchant": merchant,
        "connection": connection,
        "unclear": [(row, list_of_books(row)) for row in unclear],
        "page": Paginator(rows.order_by("-invoice_id"), PAGE_SIZE).get_page(request.GET.get("page")),
    }
    return render(request, "psa/invoices.html", context)


@require_POST
@merchant_page(Right.BOOKS)
def join_invoice(request: MerchantRequest, merchant: Merchant, invoice_id: int) -> HttpResponse:
    """Say which invoice of the books one of PSA is."""
    rows = PsaInvoice.objects.filter(connection__merchant=merchant, is_gone=False)
    row = get_object_or_404(rows.select_related("connection"), invoice_id=invoice_id)
    form = JoinForm(request.POST)
    other = None
    if form.is_valid():
        reference = form.cleaned_data["ledger_invoice"]
        other = LedgerInvoice.objects.filter(merchant=merchant, reference=reference).first()
    try:
        join_by_hand(row, other, now=clock.now())
    except JoinRefused as error:
        messages.error(request, str(error))
    else:
        record_request_audit(
            request, "psa.invoice_joined", merchant_id=merchant.pk, subject=str(row.invoice_id), detail=str(row)
        )
        messages.success(request, "Done. Payments of this invoice go to ConnectWise PSA from now on.")
    return redirect("psa:invoices", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def show_payment_steps(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """What of one payment of invoices stands in PSA, with when it came there."""
    payment = get_object_or_404(Payment, merchant=merchant, reference=reference)
    rows = PsaPayment.objects.filter(payment=payment, ledger_invoice__isnull=False).order_by("pk")
    context = {
        "merchant": merchant,
        "payment": payment,
        "connection": PsaConnection.objects.filter(merchant=merchant, state__in=["connected", "broken"]).first(),
        "steps": [(row, describe_state(row)) for row in rows.select_related("ledger_invoice")],
    }
    return render(request, "psa/payment_steps.html", context)


@require_GET
@merchant_page(Right.SEE)
def show_sync_report(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What the last Payment Sync found to be paid in the books, and what of it stands in PSA."""
    sync = PaymentSync.objects.filter(merchant=merchant, state="finished").order_by("-pk").first()
    connection = find_syncing_connection(merchant)
    context: dict[str, Any] = {"merchant": merchant, "sync": sync, "connection": connection, "lines": [], "page": None}
    if sync is not None and connection is not None:
        page = Paginator(list_elsewhere_paid(sync), PAGE_SIZE).get_page(request.GET.get("page"))
        lines = build_report(connection, page)
        context |= {"page": page, "lines": [(line, describe_line(line)) for line in lines]}
    return render(request, "psa/sync_report.html", context)


def describe_line(line: ReportLine) -> str:
    """What became of a payment of the books, as a sentence."""
    return describe_state(line.row) if line.row else line.words
