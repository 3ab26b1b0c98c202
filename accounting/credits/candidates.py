"""Candidates: the open credits and invoices of a company, as rows and as what scoring compares."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from accounting.credits.references import get_quote_references
from accounting.credits.scoring import CreditCandidate, InvoiceCandidate
from accounting.invoices.balances import READ_MARGIN, get_balances, list_payable_invoices
from accounting.models import CreditMatch, CreditNote, LedgerApplication, LedgerInvoice
from accounting.posting.services import build_invoice_number
from payers.models import PayerCompany
from wisepay.clock import get_local_date
from wisepay.money import Money

NotesById = dict[int, CreditNote]
InvoicesById = dict[int, LedgerInvoice]


def list_credit_notes(company: PayerCompany) -> QuerySet[CreditNote]:
    """The company's credit notes that were posted into the connected organisation, in any state."""
    rows = CreditNote.objects.filter(payment__company=company, organisation_id=company.organisation_id)
    rows = rows.exclude(ledger_id="")
    return rows.select_related("payment", "merchant").order_by("pk")


def list_open_credits(company: PayerCompany) -> tuple[NotesById, list[CreditCandidate]]:
    """The company's approved credits that are not used up or reserved by other matches."""
    rows = list_credit_notes(company).filter(Q(remaining=None) | Q(remaining__gt=0), state="approved")
    notes = {note.pk: note for note in rows}
    references = get_quote_references([note.payment for note in notes.values()])
    reserved = get_reserved_amounts("note", notes)
    zone = company.merchant.zone
    unused = [
        CreditCandidate(
            key=note.pk,
            company=company.pk,
            number=note.number,
            invoice_number=build_invoice_number(note.payment),
            references=references[note.payment_id],
            amount=note.money,
            remaining=Money(remaining, note.currency),
            accepted_on=get_local_date(note.payment.created_at, zone),
        )
        for note in notes.values()
        if (remaining := get_remaining_amount(note) - reserved.get(note.pk, 0)) > 0
    ]
    return notes, unused


def list_open_invoices(company: PayerCompany, currencies: Iterable[str]) -> tuple[InvoicesById, list[InvoiceCandidate]]:
    """The company's invoices in the connected organisation that credits in these currencies can be applied to."""
    rows = list_payable_invoices([company.pk]).filter(
        organisation_id=company.organisation_id, currency__in=set(currencies), merchant=company.merchant_id
    )
    invoices = {invoice.pk: invoice for invoice in rows}
    balances, reserved = get_balances(invoices.values()), get_reserved_amounts("invoice", invoices)
    candidates = [
        InvoiceCandidate(
            key=invoice.pk,
            company=company.pk,
            number=invoice.number,
            remark=invoice.remark,
            total=invoice.money,
            due=Money(due, invoice.currency),
            issued_on=invoice.issued_on,
        )
        for invoice in invoices.values()
        if (due := balances[invoice.pk].payable - reserved.get(invoice.pk, 0)) > 0
    ]
    return invoices, candidates


def list_applicable_notes(invoice: LedgerInvoice) -> list[CreditNote]:
    """The credits of the invoice's company that could be applied to it now, the oldest first."""
    if invoice.company is None or not invoice.is_payable or not get_balances([invoice])[invoice.pk].payable:
        return []
    rows = CreditNote.objects.filter(
        Q(remaining=None) | Q(remaining__gt=0),
        payment__company=invoice.company,
        organisation_id=invoice.organisation_id,
        currency=invoice.currency,
        state="approved",
    ).select_related("payment__company", "merchant")
    reserved = get_reserved_amounts("note", rows.values_list("pk", flat=True))
    ordered = rows.order_by("created_at", "pk")
    return [note for note in ordered if get_remaining_amount(note) > reserved.get(note.pk, 0)]


def get_applicable_amount(note: CreditNote, invoice: LedgerInvoice, *, apart_from: CreditMatch) -> int:
    """Minor units of the credit that can be applied to the invoice. Exact only for rows that the caller has locked."""
    if note.state != "approved" or not invoice.is_payable or note.currency != invoice.currency:
        return 0
    of_note = get_reserved_amounts("note", [note.pk], apart_from=apart_from).get(note.pk, 0)
    of_invoice = get_reserved_amounts("invoice", [invoice.pk], apart_from=apart_from).get(invoice.pk, 0)
    payable = get_balances([invoice])[invoice.pk].payable
    return max(min(get_remaining_amount(note) - of_note, payable - of_invoice), 0)


def get_remaining_amount(note: CreditNote) -> int:
    """Minor units of the credit that are unused, as far as is known."""
    return note.amount if note.remaining is None else note.remaining


def get_reserved_amounts(side: str, keys: Iterable[int], *, apart_from: CreditMatch | None = None) -> dict[int, int]:
    """Minor units of these notes, or invoices, that matches on their way to the ledger take; `side` says of which."""
    rows = CreditMatch.objects.filter(**{f"{side}__in": list(keys)}, state="wanted")
    rows = rows.exclude(pk=apart_from.pk) if apart_from is not None else rows
    return dict(rows.order_by().values_list(side).annotate(total=Sum("amount")))


def is_read_since(match: CreditMatch, invoice: LedgerInvoice) -> bool:
    """Whether the invoice was surely read after the match came to its state."""
    return invoice.read_at > match.state_at + READ_MARGIN


def get_amounts_in_ledger(notes: Sequence[CreditNote]) -> dict[tuple[int, int], tuple[int, datetime]]:
    """The allocations that the mirror shows of these notes: minor units and when read, by note and invoice."""
    by_id = {note.ledger_id: note for note in notes}
    rows = LedgerApplication.objects.filter(
        merchant__in={note.merchant_id for note in notes},
        invoice__organisation_id__in={note.organisation_id for note in notes},
        kind=LedgerApplication.ApplicationKind.CREDIT,
        source_id__in=by_id,
    )
    amounts: dict[tuple[int, int], tuple[int, datetime]] = {}
    for row in rows.order_by("pk"):
        key = (by_id[row.source_id].pk, row.invoice_id)
        amount, read_at = amounts.get(key, (0, row.read_at))
        amounts[key] = (amount + row.amount, max(read_at, row.read_at))
    return amounts
