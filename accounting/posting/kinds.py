"""One desk a kind of posting: what has to stand before it, how it becomes an order, which verbs of the ledger take it.

The table is in the order in which a drain works, so that what one desk does opens the next in the same pass.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounting.ledgers.protocol import (
    Ledger,
    MixableDocument,
    WriteResult,
)
from accounting.models import AccountingSettings, Posting
from accounting.posting.orders import (
    UNFINISHED,
    Kind,
    LedgerOrder,
    build_contact_order,
    build_credit_allocation_order,
    build_credit_note_order,
    build_document_order,
    build_invoice_payment_order,
    build_payment_order,
    build_refund_order,
    build_removal_order,
)


@dataclass(frozen=True, slots=True)
class PostingKind:
    """A kind of posting; `verb` and `question` name the ledger's verbs, `becomes` the note's state once it is posted.

    `stands_on` are postings of which one has to be in these books before; those that it `belongs_to` have to be in
    these if they are in any; `about` leads to the organisation of a document that is not ours. `needs` are more
    conditions on the posting's row. `is_single`: the ledger takes them one at a time. `mixed_as` is what they create,
    if they may go with other kinds in one call, where the ledger can do that; only these conditions order such kinds.
    """

    value: str
    build_order: Callable[[Posting, AccountingSettings], LedgerOrder]
    write_method: str
    find_method: str
    requires_posted: QuerySet[Posting] | None = None
    same_organisation_as: QuerySet[Posting] | None = None
    organisation_field: str = ""
    conditions: tuple[Any, ...] = ()
    credit_note_state: str = ""
    is_single: bool = False
    mixed_as: MixableDocument | None = None

    def is_in_organisation(self, organisation_id: str) -> Q:
        """What it changes or belongs to is in this organisation's books."""
        found = Q(**{self.organisation_field: organisation_id}) if self.organisation_field else Q()
        if self.requires_posted is not None:
            found &= Q(Exists(self.requires_posted.filter(sent_to=organisation_id)))
        if self.same_organisation_as is not None:
            found &= ~is_only_in_other_organisation(self.same_organisation_as, organisation_id)
        return found

    def is_in_other_organisation(self, organisation_id: str) -> Q:
        """What it changes or belongs to is in other books, and not in these."""
        found = [
            is_only_in_other_organisation(rows, organisation_id)
            for rows in (self.requires_posted, self.same_organisation_as)
            if rows is not None
        ]
        if self.organisation_field:
            found.append(~Q(**{self.organisation_field: organisation_id}))
        return reduce(or_, found, Q(pk__in=()))

    @property
    def creates_credit_note(self) -> bool:
        """Whether the credit note begins to exist by it."""
        return self.value in (Kind.DRAFT_NOTE, Kind.CREDIT_NOTE)

    def create(self, ledger: Ledger, orders: list[LedgerOrder], *, key: str) -> list[WriteResult]:
        """Do them; one answer an order, in order."""
        answers: list[WriteResult] = getattr(ledger, self.write_method)(orders, key=key)
        return answers

    def find(self, ledger: Ledger, orders: list[LedgerOrder]) -> list[WriteResult]:
        """Those that are done."""
        found: list[WriteResult] = getattr(ledger, self.find_method)(orders)
        return found


def list_posted(*kinds: str, of: str = "attempt") -> QuerySet[Posting]:
    """Those of these kinds that are in some books, of the same attempt, payment or refund."""
    return Posting.objects.filter(**{of: OuterRef(of)}, kind__in=kinds, state="posted")


def list_posted_originals(kind: str) -> QuerySet[Posting]:
    """What this one takes back, made under the same number."""
    rows = Posting.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number"), kind=kind)
    return rows.filter(state="posted")


def is_only_in_other_organisation(rows: QuerySet[Posting], organisation_id: str) -> Q:
    """One of these is in other books, and none in this organisation's."""
    return Q(Exists(rows)) & ~Q(Exists(rows.filter(sent_to=organisation_id)))


POSTED_CREDIT_NOTE = list_posted(Kind.DRAFT_NOTE, Kind.CREDIT_NOTE)
POSTED_INVOICE = list_posted(Kind.INVOICE, of="payment")


def has_no_unfinished(*kinds: str, of: str = "payment") -> Any:
    """None of these is still to be done."""
    return ~Exists(Posting.objects.filter(**{of: OuterRef(of)}, kind__in=kinds, state__in=UNFINISHED))


def has_credit_note_in(*states: str) -> Q:
    """The attempt's credit note is in one of these states."""
    return Q(attempt__credit_note__state__in=states)


POSTING_KINDS: tuple[PostingKind, ...] = (
    PostingKind(Kind.CONTACT, build_contact_order, "create_contacts", "find_contacts", mixed_as="contact"),
    PostingKind(Kind.INVOICE, build_document_order, "create_invoices", "find_invoices", mixed_as="invoice"),
    PostingKind(
        Kind.PAYMENT_REMOVAL,
        build_removal_order,
        "remove_payments",
        "find_removed_payments",
        requires_posted=list_posted(Kind.PAYMENT),
        is_single=True,
    ),
    PostingKind(
        Kind.INVOICE_CHANGE,
        build_document_order,
        "update_invoices",
        "find_updated_invoices",
        requires_posted=POSTED_INVOICE,
        conditions=(has_no_unfinished(Kind.PAYMENT_REMOVAL),),
    ),
    PostingKind(
        Kind.DRAFT_NOTE,
        build_document_order,
        "create_draft_credit_notes",
        "find_credit_notes",
        same_organisation_as=POSTED_INVOICE,
        credit_note_state="draft",
    ),
    PostingKind(
        Kind.CREDIT_NOTE,
        build_document_order,
        "create_credit_notes",
        "find_credit_notes",
        same_organisation_as=POSTED_INVOICE,
        credit_note_state="approved",
        mixed_as="credit_note",
    ),
    PostingKind(
        Kind.APPROVAL,
        build_credit_note_order,
        "approve_credit_notes",
        "find_approved_credit_notes",
        requires_posted=list_posted(Kind.DRAFT_NOTE),
        credit_note_state="approved",
    ),
    PostingKind(
        Kind.REMOVAL,
        build_credit_note_order,
        "remove_draft_credit_notes",
        "find_removed_draft_credit_notes",
        requires_posted=list_posted(Kind.DRAFT_NOTE),
        credit_note_state="removed",
    ),
    PostingKind(
        Kind.PAYMENT,
        build_payment_order,
        "create_payments",
        "find_payments",
        requires_posted=POSTED_INVOICE,
        conditions=(has_no_unfinished(Kind.PAYMENT_REMOVAL, Kind.INVOICE_CHANGE),),
        mixed_as="payment",
    ),
    PostingKind(
        Kind.INVOICE_PAYMENT_REMOVAL,
        build_removal_order,
        "remove_payments",
        "find_removed_payments",
        requires_posted=list_posted_originals(Kind.INVOICE_PAYMENT),
        is_single=True,
    ),
    PostingKind(
        Kind.INVOICE_PAYMENT,
        build_invoice_payment_order,
        "create_payments",
        "find_payments",
        organisation_field="payment_allocation__invoice__organisation_id",
        conditions=(has_no_unfinished(Kind.INVOICE_PAYMENT_REMOVAL, of="payment_allocation"),),
    ),
    PostingKind(
        Kind.ALLOCATION_REMOVAL,
        build_credit_allocation_order,
        "remove_allocations",
        "find_removed_allocations",
        requires_posted=list_posted_originals(Kind.ALLOCATION),
        is_single=True,
    ),
    PostingKind(
        Kind.REFUND_REMOVAL,
        build_removal_order,
        "remove_payments",
        "find_removed_payments",
        requires_posted=list_posted(Kind.REFUND, of="refund"),
        is_single=True,
    ),
    PostingKind(
        Kind.REFUND,
        build_refund_order,
        "create_refunds",
        "find_refunds",
        requires_posted=POSTED_CREDIT_NOTE,
        conditions=(has_credit_note_in("approved", "applied"),),
    ),
    PostingKind(
        Kind.ALLOCATION,
        build_credit_allocation_order,
        "create_allocations",
        "find_allocations",
        requires_posted=POSTED_CREDIT_NOTE,
        organisation_field="match__invoice__organisation_id",
        conditions=(has_credit_note_in("approved"), has_no_unfinished(Kind.ALLOCATION_REMOVAL, of="match")),
        is_single=True,
    ),
    PostingKind(
        Kind.VOID,
        build_credit_note_order,
        "void_credit_notes",
        "find_voided_credit_notes",
        requires_posted=POSTED_CREDIT_NOTE,
        conditions=(
            has_credit_note_in("approved", "applied", "voided"),
            has_no_unfinished(Kind.ALLOCATION_REMOVAL, of="attempt"),
        ),
        credit_note_state="voided",
    ),
)
POSTING_KIND_BY_VALUE = {posting_kind.value: posting_kind for posting_kind in POSTING_KINDS}
SEND_POSITION = {posting_kind.value: place for place, posting_kind in enumerate(POSTING_KINDS)}
