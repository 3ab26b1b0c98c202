"""The table of posting kinds: what each requires, what becomes its order, and how the ledger creates and finds it.

Its rows stand in the order in which they are sent, so that what one kind creates is there for the next in the same
pass. What a kind means for balances, and what undoes it, is its row of `KIND_TRAITS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Protocol

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounting.ledgers.protocol import Ledger, MixableDocument, WriteResult
from accounting.models import AccountingSettings, Posting
from accounting.models.posting_kinds import KIND_TRAITS, Kind, KindTraits
from accounting.posting import manual_task_rules, manual_task_texts
from accounting.posting.ledger_orders import (
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


class CreateOrders[O](Protocol):
    """Carries orders out, one result for each, in their order."""

    def __call__(self, ledger: Ledger, orders: list[O], *, key: str) -> list[WriteResult]: ...


@dataclass(frozen=True, slots=True)
class ManualTaskRule:
    """When a refused posting of a kind needs a person, and what that person is asked to do."""

    is_needed: manual_task_rules.IsTaskNeeded
    build_text: manual_task_texts.BuildTaskText


@dataclass(frozen=True, slots=True)
class PostingKind[O: LedgerOrder]:
    """One kind of posting.

    `create` carries its orders out and `find` answers those that were carried out before; `mixed_as` is what they
    create, if they may go with other kinds in one call, which is ordered by nothing but the conditions here.
    One of `requires` has to be in the same organisation's ledger; those of `same_organisation_as` have to be in this
    organisation's if they are in any; `organisation_field` leads to the organisation of a document that is not ours.
    `conditions` are more filters on the posting's row. `credit_note_state` is what the credit note becomes by it.
    """

    name: Kind
    build_order: Callable[[Posting, AccountingSettings], O]
    create: CreateOrders[O]
    find: Callable[[Ledger, list[O]], list[WriteResult]]
    mixed_as: MixableDocument | None = None
    requires: QuerySet[Posting] | None = None
    same_organisation_as: QuerySet[Posting] | None = None
    organisation_field: str = ""
    conditions: tuple[Q, ...] = ()
    needs_contact: bool = True
    needs_drafts: bool = False
    is_single: bool = False
    credit_note_state: str = ""
    creates_credit_note: bool = False
    reads_credit_note: bool = False
    manual_task: ManualTaskRule | None = None

    @property
    def traits(self) -> KindTraits:
        """What it is about, what undoes it, and what it does to balances."""
        return KIND_TRAITS[self.name]

    @property
    def is_only_draft(self) -> bool:
        """Whether it is about a draft and moves no money."""
        return self.needs_drafts and not self.traits.prepayments_sign

    def is_in_organisation(self, organisation_id: str) -> Q:
        """What it changes or belongs to is in this organisation's ledger."""
        found = Q(**{self.organisation_field: organisation_id}) if self.organisation_field else Q()
        if self.requires is not None:
            found &= Q(Exists(self.requires.filter(sent_to=organisation_id)))
        if self.same_organisation_as is not None:
            found &= ~is_only_in_other_organisation(self.same_organisation_as, organisation_id)
        return found

    def is_in_other_organisation(self, organisation_id: str) -> Q:
        """What it changes or belongs to is in another organisation's ledger, and not in this one's."""
        found = [
            is_only_in_other_organisation(rows, organisation_id)
            for rows in (self.requires, self.same_organisation_as)
            if rows is not None
        ]
        if self.organisation_field:
            found.append(~Q(**{self.organisation_field: organisation_id}))
        return reduce(or_, found, Q(pk__in=()))


def list_posted(*kinds: Kind, of: str = "attempt") -> QuerySet[Posting]:
    """Posted rows of these kinds of the same attempt, payment or refund."""
    return Posting.objects.filter(**{of: OuterRef(of)}, kind__in=kinds, state="posted")


def list_posted_originals(kind: Kind) -> QuerySet[Posting]:
    """What a posting undoes: the posted row of this kind under the same number."""
    rows = Posting.objects.filter(merchant=OuterRef("merchant"), number=OuterRef("number"), kind=kind)
    return rows.filter(state="posted")


def is_only_in_other_organisation(rows: QuerySet[Posting], organisation_id: str) -> Q:
    """One of these is in another organisation's ledger, and none in this one's."""
    return Q(Exists(rows)) & ~Q(Exists(rows.filter(sent_to=organisation_id)))


def has_no_unfinished(*kinds: Kind, of: str = "payment") -> Q:
    """No posting of these kinds is still to be sent or answered."""
    rows = Posting.objects.filter(**{of: OuterRef(of)}, kind__in=kinds, state__in=Posting.UNFINISHED_STATES)
    return ~Q(Exists(rows))


def has_credit_note_in(*states: str) -> Q:
    """The attempt's credit note is in one of these states."""
    return Q(attempt__credit_note__state__in=states)


POSTED_CREDIT_NOTE = list_posted(Kind.DRAFT_NOTE, Kind.CREDIT_NOTE)
POSTED_INVOICE = list_posted(Kind.INVOICE, of="payment")


POSTING_KINDS: tuple[PostingKind[Any], ...] = (
    PostingKind(
        Kind.CONTACT,
        build_contact_order,
        create=lambda ledger, orders, *, key: ledger.create_contacts(orders, key=key),
        find=lambda ledger, orders: ledger.find_contacts(orders),
        mixed_as="contact",
        needs_contact=False,
    ),
    PostingKind(
        Kind.INVOICE,
        build_document_order,
        create=lambda ledger, orders, *, key: ledger.create_invoices(orders, key=key),
        find=lambda ledger, orders: ledger.find_invoices(orders),
        mixed_as="invoice",
    ),
    PostingKind(
        Kind.PAYMENT_REMOVAL,
        build_removal_order,
        create=lambda ledger, orders, *, key: ledger.remove_payments(orders, key=key),
        find=lambda ledger, orders: ledger.find_removed_payments(orders),
        requires=list_posted(Kind.PAYMENT),
        is_single=True,
        manual_task=ManualTaskRule(manual_task_rules.is_reconciled, manual_task_texts.build_payment_removal_text),
    ),
    PostingKind(
        Kind.INVOICE_CHANGE,
        build_document_order,
        create=lambda ledger, orders, *, key: ledger.update_invoices(orders, key=key),
        find=lambda ledger, orders: ledger.find_updated_invoices(orders),
        requires=POSTED_INVOICE,
        conditions=(has_no_unfinished(Kind.PAYMENT_REMOVAL),),
    ),
    PostingKind(
        Kind.DRAFT_NOTE,
        build_document_order,
        create=lambda ledger, orders, *, key: ledger.create_draft_credit_notes(orders, key=key),
        find=lambda ledger, orders: ledger.find_credit_notes(orders),
        same_organisation_as=POSTED_INVOICE,
        needs_drafts=True,
        credit_note_state="draft",
        creates_credit_note=True,
    ),
    PostingKind(
        Kind.CREDIT_NOTE,
        build_document_order,
        create=lambda ledger, orders, *, key: ledger.create_credit_notes(orders, key=key),
        find=lambda ledger, orders: ledger.find_credit_notes(orders),
        mixed_as="credit_note",
        same_organisation_as=POSTED_INVOICE,
        credit_note_state="approved",
        creates_credit_note=True,
    ),
    PostingKind(
        Kind.APPROVAL,
        build_credit_note_order,
        create=lambda ledger, orders, *, key: ledger.approve_credit_notes(orders, key=key),
        find=lambda ledger, orders: ledger.find_approved_credit_notes(orders),
        requires=list_posted(Kind.DRAFT_NOTE),
        needs_drafts=True,
        credit_note_state="approved",
        reads_credit_note=True,
        manual_task=ManualTaskRule(manual_task_rules.is_credit_note_gone, manual_task_texts.build_approval_text),
    ),
    PostingKind(
        Kind.REMOVAL,
        build_credit_note_order,
        create=lambda ledger, orders, *, key: ledger.remove_draft_credit_notes(orders, key=key),
        find=lambda ledger, orders: ledger.find_removed_draft_credit_notes(orders),
        requires=list_posted(Kind.DRAFT_NOTE),
        needs_drafts=True,
        credit_note_state="removed",
        reads_credit_note=True,
    ),
    PostingKind(
        Kind.PAYMENT,
        build_payment_order,
        create=lambda ledger, orders, *, key: ledger.create_payments(orders, key=key),
        find=lambda ledger, orders: ledger.find_payments(orders),
        mixed_as="payment",
        requires=POSTED_INVOICE,
        conditions=(has_no_unfinished(Kind.PAYMENT_REMOVAL, Kind.INVOICE_CHANGE),),
    ),
    PostingKind(
        Kind.INVOICE_PAYMENT_REMOVAL,
        build_removal_order,
        create=lambda ledger, orders, *, key: ledger.remove_payments(orders, key=key),
        find=lambda ledger, orders: ledger.find_removed_payments(orders),
        requires=list_posted_originals(Kind.INVOICE_PAYMENT),
        is_single=True,
        manual_task=ManualTaskRule(
            manual_task_rules.is_reconciled, manual_task_texts.build_invoice_payment_removal_text
        ),
    ),
    PostingKind(
        Kind.INVOICE_PAYMENT,
        build_invoice_payment_order,
        create=lambda ledger, orders, *, key: ledger.create_payments(orders, key=key),
        find=lambda ledger, orders: ledger.find_payments(orders),
        organisation_field="payment_allocation__invoice__organisation_id",
        conditions=(has_no_unfinished(Kind.INVOICE_PAYMENT_REMOVAL, of="payment_allocation"),),
        manual_task=ManualTaskRule(
            manual_task_rules.is_invoice_not_payable, manual_task_texts.build_invoice_payment_text
        ),
    ),
    PostingKind(
        Kind.ALLOCATION_REMOVAL,
        build_credit_allocation_order,
        create=lambda ledger, orders, *, key: ledger.remove_allocations(orders, key=key),
        find=lambda ledger, orders: ledger.find_removed_allocations(orders),
        requires=list_posted_originals(Kind.ALLOCATION),
        is_single=True,
        manual_task=ManualTaskRule(manual_task_rules.is_always_needed, manual_task_texts.build_allocation_removal_text),
    ),
    PostingKind(
        Kind.REFUND_REMOVAL,
        build_removal_order,
        create=lambda ledger, orders, *, key: ledger.remove_payments(orders, key=key),
        find=lambda ledger, orders: ledger.find_removed_payments(orders),
        requires=list_posted(Kind.REFUND, of="refund"),
        is_single=True,
        manual_task=ManualTaskRule(manual_task_rules.is_reconciled, manual_task_texts.build_refund_removal_text),
    ),
    PostingKind(
        Kind.REFUND,
        build_refund_order,
        create=lambda ledger, orders, *, key: ledger.create_refunds(orders, key=key),
        find=lambda ledger, orders: ledger.find_refunds(orders),
        requires=POSTED_CREDIT_NOTE,
        conditions=(has_credit_note_in("approved", "applied"),),
        reads_credit_note=True,
        manual_task=ManualTaskRule(manual_task_rules.is_credit_too_small, manual_task_texts.build_refund_text),
    ),
    PostingKind(
        Kind.ALLOCATION,
        build_credit_allocation_order,
        create=lambda ledger, orders, *, key: ledger.create_allocations(orders, key=key),
        find=lambda ledger, orders: ledger.find_allocations(orders),
        requires=POSTED_CREDIT_NOTE,
        organisation_field="match__invoice__organisation_id",
        conditions=(has_credit_note_in("approved"), has_no_unfinished(Kind.ALLOCATION_REMOVAL, of="match")),
        is_single=True,
        manual_task=ManualTaskRule(manual_task_rules.is_always_needed, manual_task_texts.build_allocation_text),
    ),
    PostingKind(
        Kind.VOID,
        build_credit_note_order,
        create=lambda ledger, orders, *, key: ledger.void_credit_notes(orders, key=key),
        find=lambda ledger, orders: ledger.find_voided_credit_notes(orders),
        requires=POSTED_CREDIT_NOTE,
        conditions=(
            has_credit_note_in("approved", "applied", "voided"),
            has_no_unfinished(Kind.ALLOCATION_REMOVAL, of="attempt"),
        ),
        credit_note_state="voided",
        reads_credit_note=True,
        manual_task=ManualTaskRule(manual_task_rules.is_credit_used, manual_task_texts.build_void_text),
    ),
)
KIND_BY_NAME = {kind.name: kind for kind in POSTING_KINDS}
SEND_POSITION = {kind.name: position for position, kind in enumerate(POSTING_KINDS)}


def get_kind(posting: Posting) -> PostingKind[Any]:
    """The posting's row of the table."""
    return KIND_BY_NAME[Kind(posting.kind)]
