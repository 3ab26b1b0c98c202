"""What the books have of a payer's payments: the credit notes' numbers, as parts of the portal's pages."""

from collections.abc import Iterable, Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounting.invoice_pdf import has_document
from accounting.invoice_rows import whole_companies
from accounting.models import CreditNote, Posting, Share
from accounting.services import debits_before_books
from payers.access import PayerRequest, payer_page
from payers.models import PayerAccess
from payments.models import Payment
from payments.portal_access import payment_for, visible_payments

MOST = 100
# What a payer reads of a credit note's state; one that the books do not hold is not told of.
WORDS = {
    "draft": "prepared, until the bank debit has settled",
    "approved": "open credit",
    "applied": "used for an invoice",
    "voided": "void",
}


@require_GET
@payer_page
def notes(request: PayerRequest) -> HttpResponse:
    """The numbers of the credit notes of these attempts, each for its place in the list. One query."""
    asked = request.GET.get("of", "").replace("\0", "").split(",")[:MOST]
    visible = visible_payments(request.accesses, request.person)
    rows = CreditNote.objects.filter(attempt__reference__in=asked, payment__in=visible, state__in=WORDS)
    return render(request, "portal/notes.html", {"notes": told(rows.select_related("attempt"))})


@require_GET
@payer_page
def documents(request: PayerRequest, reference: str) -> HttpResponse:
    """The credit notes of one payment, with what is left of them."""
    payment = payment_for(request, reference)
    rows = CreditNote.objects.filter(payment=payment, state__in=WORDS).order_by("pk")
    shares = list(Share.objects.filter(payment=payment).select_related("payment", "invoice").order_by("pk"))
    waits = debits_before_books(payment.merchant).filter(payment=payment).exists()
    lines = share_lines(payment, shares, request.accesses)
    context = {"notes": told(rows), "payment": payment, "shares": lines, "waits_for_debit": waits}
    is_part = request.headers.get("HX-Request") == "true"
    return render(request, f"portal/documents.html{'#documents' if is_part else ''}", context)


def share_lines(payment: Payment, shares: Iterable[Share], accesses: Sequence[PayerAccess]) -> list[dict[str, object]]:
    """The invoices that a payment is for, with how far each is, and whether this view may open it."""
    posted = Posting.objects.filter(payment=payment, kind=Posting.Kind.INVOICE_PAYMENT, state="posted")
    booked = set(posted.values_list("share", flat=True))
    companies = whole_companies(accesses)
    return [
        {
            "row": share,
            "words": share_words(payment, share, is_booked=share.pk in booked),
            "has_document": share.invoice.company_id in companies and has_document(share.invoice),
        }
        for share in shares
    ]


def share_words(payment: Payment, share: Share, *, is_booked: bool) -> str:
    """How far a part of a payment is, for its payer."""
    if payment.state != "succeeded":
        return "not paid"
    if share.outcome == Share.Outcome.CREDIT:
        return "kept as credit"
    return "booked" if is_booked or share.outcome else "paid, waiting for the books"


def told(rows: Iterable[CreditNote]) -> list[dict[str, object]]:
    """The rows with their words."""
    return [{"row": note, "words": WORDS[note.state]} for note in rows]
