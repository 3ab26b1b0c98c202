"""One desk a kind of posting: what has to stand before it, how it becomes an order, which verbs of the ledger take it.

The table is in the order in which a drain works, so that what one desk does opens the next in the same pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounting.ledgers.words import (
    AllocationOrder,
    ContactOrder,
    DocumentOrder,
    Ledger,
    NoteOrder,
    PaymentOrder,
    RefundOrder,
    RemovalOrder,
    Written,
)
from accounting.models import AccountingSettings, CreditMatch, CreditNote, Posting, Share
from payments.models import Payment

Order = AllocationOrder | ContactOrder | DocumentOrder | NoteOrder | PaymentOrder | RefundOrder | RemovalOrder
Kind = Posting.Kind
MADE_BY: dict[str, str] = {
    Kind.PAYMENT_REMOVAL: Kind.PAYMENT,
    Kind.REFUND_REMOVAL: Kind.REFUND,
    Kind.INVOICE_PAYMENT_REMOVAL: Kind.INVOICE_PAYMENT,
    Kind.ALLOCATION_REMOVAL: Kind.ALLOCATION,
}
UNFINISHED = ("pending", "sent", "rejected")
LEFT = "It belongs to the books of a company that was connected before."  # the error of what waits for those


@dataclass(frozen=True, slots=True)
class Desk:
    """A kind of posting; `verb` and `question` name the ledger's verbs, `becomes` the note's state once it is posted.

    `stands_on` are postings of which one has to be in these books before; those that it `belongs_to` have to be in
    these if they are in any; `about` leads to the organisation of a document that is not ours. `needs` are more
    conditions on the posting's row. `is_single`: the ledger takes them one at a time. `mixes`: they may travel with
    other kinds in one call, where the ledger can do that; nothing but these conditions orders such kinds.
    """

    kind: str
    order: Callable[[Posting, AccountingSettings], Order]
    verb: str
    question: str
    stands_on: QuerySet[Posting] | None = None
    belongs_to: QuerySet[Posting] | None = None
    about: str = ""
    needs: tuple[Any, ...] = ()
    becomes: str = ""
    is_single: bool = False
    mixes: bool = False

    def is_at(self, organisation_id: str) -> Q:
        """What it changes or belongs to is in this organisation's books."""
        found = Q(**{self.about: organisation_id}) if self.about else Q()
        if self.stands_on is not None:
            found &= Q(Exists(self.stands_on.filter(sent_to=organisation_id)))
        if self.belongs_to is not None:
            found &= ~left_of(self.belongs_to, organisation_id)
        return found

    def is_elsewhere(self, organisation_id: str) -> Q:
        """What it changes or belongs to is in other books, and not in these."""
        found = [left_of(rows, organisation_id) for rows in (self.stands_on, self.belongs_to) if rows is not None]
        if self.about:
            found.append(~Q(**{self.about: organisation_id}))
        return reduce(or_, found, Q(pk__in=()))

    @property
    def makes_note(self) -> bool:
        """Whether the credit note begins to exist by it."""
        return self.kind in (Kind.DRAFT_NOTE, Kind.CREDIT_NOTE)

    def create(self, ledger: Ledger, orders: list[Order], *, key: str) -> list[Written]:
        """Do them; one answer an order, in order."""
        answers: list[Written] = getattr(ledger, self.verb)(orders, key=key)
        return answers

    def find(self, ledger: Ledger, orders: list[Order]) -> list[Written]:
        """Those that are done."""
        found: list[Written] = getattr(ledger, self.question)(orders)
        return found


def made(*kinds: str, of: str = "attempt") -> QuerySet[Posting]:
    """Those of these kinds that are in some books, of the same attempt, payment or refund."""
    return Posting.objects.filter(**{of: OuterRef(of)}, kind__in=kinds, state="posted")


def made_as(kind: str) -> QuerySet[Posting]:
    """What this one takes back, made under the same number."""
    rows = Posting.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number"), kind=kind)
    return rows.filter(state="posted")


def left_of(rows: QuerySet[Posting], organisation_id: str) -> Q:
    """One of these is in other books, and none in this organisation's."""
    return Q(Exists(rows)) & ~Q(Exists(rows.filter(sent_to=organisation_id)))


NOTE = made(Kind.DRAFT_NOTE, Kind.CREDIT_NOTE)
INVOICE = made(Kind.INVOICE, of="payment")


def unless(*kinds: str, of: str = "payment") -> Any:
    """None of these is still to be done."""
    return ~Exists(Posting.objects.filter(**{of: OuterRef(of)}, kind__in=kinds, state__in=UNFINISHED))


def note_is(*states: str) -> Q:
    """The attempt's credit note is in one of these states."""
    return Q(attempt__credit_note__state__in=states)


def contact_order(posting: Posting, _: AccountingSettings) -> ContactOrder:
    """A company as a contact, in the currency of what waits for it."""
    company = posting.company
    rows = company.postings.filter(state__in=UNFINISHED, payment__isnull=False).exclude(error=LEFT)
    first = rows.select_related("payment").order_by("pk").first()
    return ContactOrder(
        number=company.reference,
        name=company.name,
        email=company.email,
        phone=company.phone,
        currency=payment_of(first).currency if first else "",
    )


def document_order(posting: Posting, chosen: AccountingSettings) -> DocumentOrder:
    """The PF invoice or the PF_CR credit note: one line on the prepayments account with the 0 % tax code.

    The invoice books the money as a liability and is paid through clearing; the credit note takes the
    liability back and leaves the payer a credit (the product's prepayment pattern).
    """
    payment = payment_of(posting)
    return DocumentOrder(
        number=posting.number,
        contact_id=posting.company.contact_id,
        on=day_of(posting),
        reference=f"PF {payment.details.get('reference', '')}".strip(),
        description=f"Prepayment for {payment.purpose}",
        amount=posting.money,
        account=chosen.prepayments_account,
        tax_code=chosen.tax_code,
        id=made_by(posting, Kind.INVOICE).ledger_id if posting.kind == Kind.INVOICE_CHANGE else "",
        item=chosen.item,
    )


def note_order(posting: Posting, _: AccountingSettings) -> NoteOrder:
    """The attempt's credit note, which is there."""
    note = note_of(posting)
    return NoteOrder(posting.number, note.ledger_id, day_of(posting), posting.money)


def payment_order(posting: Posting, chosen: AccountingSettings) -> PaymentOrder:
    """The money, received into the clearing account for the PF invoice."""
    invoice = made_by(posting, Kind.INVOICE)
    return PaymentOrder(
        number=posting.number,
        invoice_number=invoice.number,
        on=day_of(posting),
        amount=posting.money,
        account=chosen.clearing_account,
        invoice_id=invoice.ledger_id,
        contact_id=posting.company.contact_id,
    )


def invoice_payment_order(posting: Posting, chosen: AccountingSettings) -> PaymentOrder:
    """The money, received into the clearing account for an invoice of the books."""
    invoice = share_of(posting).invoice
    return PaymentOrder(
        number=posting.number,
        invoice_number=invoice.number,
        on=day_of(posting),
        amount=posting.money,
        account=chosen.clearing_account,
        invoice_id=invoice.ledger_id,
        contact_id=invoice.contact_id,
        is_foreign=True,
    )


def refund_order(posting: Posting, chosen: AccountingSettings) -> RefundOrder:
    """The money that went back, out of the credit note and of the clearing account."""
    note = note_of(posting)
    return RefundOrder(
        number=posting.number,
        note_number=note.number,
        note_id=note.ledger_id,
        on=day_of(posting),
        amount=posting.money,
        account=chosen.clearing_account,
        contact_id=posting.company.contact_id,
    )


def allocation_order(posting: Posting, _: AccountingSettings) -> AllocationOrder:
    """The attempt's credit note, put to the invoice of its match, or taken off it."""
    note, invoice = note_of(posting), match_of(posting).invoice
    is_removal = posting.kind == Kind.ALLOCATION_REMOVAL
    return AllocationOrder(
        number=posting.number,
        note_number=note.number,
        note_id=note.ledger_id,
        invoice_id=invoice.ledger_id,
        on=day_of(posting),
        amount=posting.money,
        contact_id=invoice.contact_id,
        id=made_by(posting, Kind.ALLOCATION).ledger_id if is_removal else "",
    )


def removal_order(posting: Posting, _: AccountingSettings) -> RemovalOrder:
    """The payment or refund that is to be taken back."""
    return RemovalOrder(posting.number, made_by(posting, MADE_BY[posting.kind]).ledger_id)


def made_by(posting: Posting, kind: str) -> Posting:
    """The posting of that kind that this one changes or takes back."""
    same = {"number": posting.number} if kind != Kind.INVOICE else {}
    return Posting.objects.get(payment=posting.payment, kind=kind, **same)


def payment_of(posting: Posting) -> Payment:
    """The payment behind a document."""
    if posting.payment is None:
        raise ValueError(f"{posting} has no payment")
    return posting.payment


def share_of(posting: Posting) -> Share:
    """The part of a payment that it is about."""
    if posting.share is None:
        raise ValueError(f"{posting} has no share")
    return posting.share


def match_of(posting: Posting) -> CreditMatch:
    """The credit and the invoice that it is about."""
    if posting.match is None:
        raise ValueError(f"{posting} has no match")
    return posting.match


def note_of(posting: Posting) -> CreditNote:
    """The credit note that it is about."""
    if posting.attempt is None:
        raise ValueError(f"{posting} has no attempt")
    found: CreditNote = posting.attempt.credit_note
    return found


def day_of(posting: Posting) -> date:
    """The day that the document carries."""
    if posting.on is None:
        raise ValueError(f"{posting} has no day")
    return posting.on


DESKS: tuple[Desk, ...] = (
    Desk(Kind.CONTACT, contact_order, "create_contacts", "find_contacts", mixes=True),
    Desk(Kind.INVOICE, document_order, "create_invoices", "find_invoices", mixes=True),
    Desk(
        Kind.PAYMENT_REMOVAL,
        removal_order,
        "remove_payments",
        "find_removed_payments",
        stands_on=made(Kind.PAYMENT),
        is_single=True,
    ),
    Desk(
        Kind.INVOICE_CHANGE,
        document_order,
        "change_invoices",
        "find_changed_invoices",
        stands_on=INVOICE,
        needs=(unless(Kind.PAYMENT_REMOVAL),),
    ),
    Desk(
        Kind.DRAFT_NOTE, document_order, "create_draft_notes", "find_credit_notes", belongs_to=INVOICE, becomes="draft"
    ),
    Desk(
        Kind.CREDIT_NOTE,
        document_order,
        "create_credit_notes",
        "find_credit_notes",
        belongs_to=INVOICE,
        becomes="approved",
        mixes=True,
    ),
    Desk(
        Kind.APPROVAL,
        note_order,
        "approve_notes",
        "find_approved_notes",
        stands_on=made(Kind.DRAFT_NOTE),
        becomes="approved",
    ),
    Desk(
        Kind.REMOVAL,
        note_order,
        "remove_drafts",
        "find_removed_drafts",
        stands_on=made(Kind.DRAFT_NOTE),
        becomes="removed",
    ),
    Desk(
        Kind.PAYMENT,
        payment_order,
        "create_payments",
        "find_payments",
        stands_on=INVOICE,
        needs=(unless(Kind.PAYMENT_REMOVAL, Kind.INVOICE_CHANGE),),
        mixes=True,
    ),
    Desk(
        Kind.INVOICE_PAYMENT_REMOVAL,
        removal_order,
        "remove_payments",
        "find_removed_payments",
        stands_on=made_as(Kind.INVOICE_PAYMENT),
        is_single=True,
    ),
    Desk(
        Kind.INVOICE_PAYMENT,
        invoice_payment_order,
        "create_payments",
        "find_payments",
        about="share__invoice__organisation_id",
        needs=(unless(Kind.INVOICE_PAYMENT_REMOVAL, of="share"),),
    ),
    Desk(
        Kind.ALLOCATION_REMOVAL,
        allocation_order,
        "remove_allocations",
        "find_removed_allocations",
        stands_on=made_as(Kind.ALLOCATION),
        is_single=True,
    ),
    Desk(
        Kind.REFUND_REMOVAL,
        removal_order,
        "remove_payments",
        "find_removed_payments",
        stands_on=made(Kind.REFUND, of="refund"),
        is_single=True,
    ),
    Desk(
        Kind.REFUND,
        refund_order,
        "create_refunds",
        "find_refunds",
        stands_on=NOTE,
        needs=(note_is("approved", "applied"),),
    ),
    Desk(
        Kind.ALLOCATION,
        allocation_order,
        "allocate_credits",
        "find_allocations",
        stands_on=NOTE,
        about="match__invoice__organisation_id",
        needs=(note_is("approved"), unless(Kind.ALLOCATION_REMOVAL, of="match")),
        is_single=True,
    ),
    Desk(
        Kind.VOID,
        note_order,
        "void_notes",
        "find_voided_notes",
        stands_on=NOTE,
        needs=(note_is("approved", "applied", "voided"), unless(Kind.ALLOCATION_REMOVAL, of="attempt")),
        becomes="voided",
    ),
)
DESK_OF = {desk.kind: desk for desk in DESKS}
PLACE_OF = {desk.kind: place for place, desk in enumerate(DESKS)}
