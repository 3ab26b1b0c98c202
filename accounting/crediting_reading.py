"""Which credits and invoices of a company can still meet, as rows and as what is judged. Few queries at any number."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q, QuerySet, Sum

from accounting.crediting_marks import marks_of
from accounting.crediting_scores import Credit, Invoice
from accounting.invoice_room import SURELY_READ, payable_invoices, rooms_of
from accounting.models import CreditMatch, CreditNote, LedgerApplication, LedgerInvoice
from accounting.numbers import invoice_number
from payers.models import PayerCompany
from wisepay.money import Money

Notes = dict[int, CreditNote]
Invoices = dict[int, LedgerInvoice]


def notes_of(company: PayerCompany) -> QuerySet[CreditNote]:
    """Every credit of the company that the connected books hold, whatever became of it."""
    rows = CreditNote.objects.filter(payment__company=company, organisation_id=company.organisation_id)
    rows = rows.exclude(ledger_id="")
    return rows.select_related("payment", "merchant").order_by("pk")


def open_credits(company: PayerCompany) -> tuple[Notes, list[Credit]]:
    """The company's approved credits with something left that nothing is about to take."""
    rows = notes_of(company).filter(Q(remaining=None) | Q(remaining__gt=0), state="approved")
    notes = {note.pk: note for note in rows}
    marks = marks_of([note.payment for note in notes.values()])
    taken = promised("note", notes)
    zone = company.merchant.zone
    unused = [
        Credit(
            key=note.pk,
            company=company.pk,
            number=note.number,
            invoice_number=invoice_number(note.payment),
            marks=marks[note.payment_id],
            amount=note.money,
            left=Money(left, note.currency),
            accepted_on=note.payment.created_at.astimezone(zone).date(),
        )
        for note in notes.values()
        if (left := left_of(note) - taken.get(note.pk, 0)) > 0
    ]
    return notes, unused


def open_invoices(company: PayerCompany, currencies: Iterable[str]) -> tuple[Invoices, list[Invoice]]:
    """The company's invoices of the connected books that a credit in one of these currencies can be put to."""
    rows = payable_invoices([company.pk]).filter(
        organisation_id=company.organisation_id, currency__in=set(currencies), merchant=company.merchant_id
    )
    invoices = {invoice.pk: invoice for invoice in rows}
    rooms, taken = rooms_of(invoices.values()), promised("invoice", invoices)
    judged = [
        Invoice(
            key=invoice.pk,
            company=company.pk,
            number=invoice.number,
            remark=invoice.remark,
            total=invoice.money,
            due=Money(due, invoice.currency),
            issued_on=invoice.issued_on,
        )
        for invoice in invoices.values()
        if (due := rooms[invoice.pk].left - taken.get(invoice.pk, 0)) > 0
    ]
    return invoices, judged


def room_between(note: CreditNote, invoice: LedgerInvoice, *, apart_from: CreditMatch) -> int:
    """Minor units of the credit that can go to the invoice. Exact for rows that the caller has locked."""
    if note.state != "approved" or not invoice.is_payable or note.currency != invoice.currency:
        return 0
    left = left_of(note) - promised("note", [note.pk], apart_from=apart_from).get(note.pk, 0)
    taken = promised("invoice", [invoice.pk], apart_from=apart_from).get(invoice.pk, 0)
    return max(min(left, rooms_of([invoice])[invoice.pk].left - taken), 0)


def left_of(note: CreditNote) -> int:
    """Minor units that are unused, as far as is known."""
    return note.amount if note.remaining is None else note.remaining


def promised(side: str, keys: Iterable[int], *, apart_from: CreditMatch | None = None) -> dict[int, int]:
    """What matches that are not in the books yet take of these notes or invoices; `side` says of which."""
    rows = CreditMatch.objects.filter(**{f"{side}__in": list(keys)}, state="wanted")
    rows = rows.exclude(pk=apart_from.pk) if apart_from is not None else rows
    return dict(rows.order_by().values_list(side).annotate(total=Sum("amount")))


def is_read_since(match: CreditMatch, invoice: LedgerInvoice) -> bool:
    """Whether the mirror's invoice was surely read after the match came to its state."""
    return invoice.read_at > match.state_at + SURELY_READ


def shown_in_books(notes: Sequence[CreditNote]) -> dict[tuple[int, int], tuple[int, datetime]]:
    """What the mirror shows of these notes of one organisation: minor units and when read, by note and invoice."""
    by_id = {note.ledger_id: note for note in notes}
    rows = LedgerApplication.objects.filter(
        merchant__in={note.merchant_id for note in notes},
        invoice__organisation_id__in={note.organisation_id for note in notes},
        kind=LedgerApplication.Kind.CREDIT,
        source_id__in=by_id,
    )
    found: dict[tuple[int, int], tuple[int, datetime]] = {}
    for row in rows.order_by("pk"):
        key = (by_id[row.source_id].pk, row.invoice_id)
        amount, read_at = found.get(key, (0, row.read_at))
        found[key] = (amount + row.amount, max(read_at, row.read_at))
    return found
