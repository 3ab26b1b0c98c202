"""The accounting documents of a payer's payments, as parts of the portal's pages."""

from collections.abc import Iterable, Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounting.invoices.pdf import has_document
from accounting.invoices.selectors import get_fully_visible_companies
from accounting.models import CreditNote, PaymentAllocation, Posting
from accounting.posting.services import list_unposted_debits
from payers.access import PayerRequest, payer_page
from payers.models import PayerAccess
from payments.models import Payment
from payments.portal.access import get_visible_payment, list_visible_payments

MAX_ATTEMPTS = 100
# What a payer reads of a credit note's state; credit notes that are not in the ledger are not shown.
STATE_LABELS = {
    "draft": "prepared, until the bank debit has settled",
    "approved": "open credit",
    "applied": "used for an invoice",
    "voided": "void",
}


@require_GET
@payer_page
def credit_note_numbers(request: PayerRequest) -> HttpResponse:
    """The credit note numbers of these attempts, each for its place in the list. One query."""
    asked = request.GET.get("of", "").replace("\0", "").split(",")[:MAX_ATTEMPTS]
    visible = list_visible_payments(request.accesses, request.person)
    rows = CreditNote.objects.filter(attempt__reference__in=asked, payment__in=visible, state__in=STATE_LABELS)
    return render(request, "portal/credit_notes.html", {"notes": build_note_lines(rows.select_related("attempt"))})


@require_GET
@payer_page
def payment_documents(request: PayerRequest, reference: str) -> HttpResponse:
    """The credit notes and allocations of one payment, with what remains of the credits."""
    payment = get_visible_payment(request, reference)
    rows = CreditNote.objects.filter(payment=payment, state__in=STATE_LABELS).order_by("pk")
    allocations = list(
        PaymentAllocation.objects.filter(payment=payment).select_related("payment", "invoice").order_by("pk")
    )
    waits = list_unposted_debits(payment.merchant).filter(payment=payment).exists()
    lines = build_allocation_lines(payment, allocations, request.accesses)
    was_undone = payment.state == "reversed" or CreditNote.objects.filter(payment=payment, state="removed").exists()
    context = {
        "was_undone": was_undone,
        "notes": build_note_lines(rows),
        "payment": payment,
        "allocations": lines,
        "waits_for_debit": waits,
    }
    is_part = request.headers.get("HX-Request") == "true"
    return render(request, f"portal/documents.html{'#documents' if is_part else ''}", context)


def build_allocation_lines(
    payment: Payment, allocations: Iterable[PaymentAllocation], accesses: Sequence[PayerAccess]
) -> list[dict[str, object]]:
    """The invoices of a payment, with the status of each, and whether these accesses show its document."""
    posted = Posting.objects.filter(payment=payment, kind=Posting.Kind.INVOICE_PAYMENT, state="posted")
    booked = set(posted.values_list("payment_allocation", flat=True))
    companies = get_fully_visible_companies(accesses)
    return [
        {
            "row": allocation,
            "words": get_allocation_status(payment, allocation, is_booked=allocation.pk in booked),
            "has_document": allocation.invoice.company_id in companies and has_document(allocation.invoice),
        }
        for allocation in allocations
    ]


def get_allocation_status(payment: Payment, allocation: PaymentAllocation, *, is_booked: bool) -> str:
    """The status of an allocation, as a phrase for the payer."""
    if payment.state != "succeeded":
        return "not paid"
    if allocation.outcome == PaymentAllocation.Outcome.CREDIT:
        return "kept as credit"
    return "booked" if is_booked or allocation.outcome else "paid, waiting for the books"


def build_note_lines(rows: Iterable[CreditNote]) -> list[dict[str, object]]:
    """The credit notes with the phrases for their states."""
    return [{"row": note, "words": STATE_LABELS[note.state]} for note in rows]
