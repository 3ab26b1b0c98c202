"""The kinds of postings as plain data: what each is about, which balances it moves, and which kind undoes it.

How a kind becomes a call of the ledger stands in accounting/posting/kinds.py.
"""

from dataclasses import dataclass
from typing import Literal

from django.db import models

Subject = Literal["company", "payment", "attempt", "refund", "payment_allocation", "match"]
# What is part of a payment. A kind about something else (a payout, a fee) needs none.
OF_A_PAYMENT: tuple[Subject, ...] = ("payment", "attempt", "refund", "payment_allocation", "match")
# What is part of an attempt to pay.
OF_AN_ATTEMPT: tuple[Subject, ...] = ("attempt", "refund", "payment_allocation", "match")


class Kind(models.TextChoices):
    """The name under which a kind of posting is stored, and its label."""

    CONTACT = "contact", "Contact"
    INVOICE = "invoice", "PF invoice"
    INVOICE_CHANGE = "invoice_change", "PF invoice, new amount"
    DRAFT_NOTE = "draft_note", "PF_CR credit note, draft"
    CREDIT_NOTE = "credit_note", "PF_CR credit note"
    APPROVAL = "approval", "PF_CR credit note, approval"
    REMOVAL = "removal", "PF_CR draft, removal"
    PAYMENT = "payment", "Payment to clearing"
    PAYMENT_REMOVAL = "payment_removal", "Payment to clearing, removal"
    REFUND = "refund", "Refund of the PF_CR credit"
    REFUND_REMOVAL = "refund_removal", "Refund of the PF_CR credit, removal"
    VOID = "void", "PF_CR credit note, void"
    INVOICE_PAYMENT = "invoice_payment", "Payment of an invoice"
    INVOICE_PAYMENT_REMOVAL = "invoice_payment_removal", "Payment of an invoice, removal"
    ALLOCATION = "allocation", "PF_CR credit, applied to an invoice"
    ALLOCATION_REMOVAL = "allocation_removal", "PF_CR credit, taken off an invoice"


@dataclass(frozen=True, slots=True)
class KindTraits:
    """What a kind of posting means.

    `subject` is the column of Posting that says what it is about, and `prefix` begins its number; a posting that
    undoes another one carries that one's number. A sign is 1 where the kind raises the balance of the clearing
    account, of the prepayments account or of the credit note's remaining credit, -1 where it lowers it, else 0.
    """

    subject: Subject
    prefix: str = ""
    undone_by: Kind | None = None
    clearing_sign: int = 0
    prepayments_sign: int = 0
    credit_sign: int = 0

    @property
    def is_money(self) -> bool:
        """Whether it is money that moves through the clearing account; the others are documents."""
        return self.clearing_sign != 0


KIND_TRAITS = {
    Kind.CONTACT: KindTraits("company"),
    Kind.INVOICE: KindTraits("payment", "PF", prepayments_sign=1),
    Kind.INVOICE_CHANGE: KindTraits("attempt", "PF", prepayments_sign=1),
    Kind.DRAFT_NOTE: KindTraits("attempt", "PF_CR", undone_by=Kind.REMOVAL),
    Kind.CREDIT_NOTE: KindTraits("attempt", "PF_CR", undone_by=Kind.VOID, prepayments_sign=-1),
    Kind.APPROVAL: KindTraits("attempt", "PF_CR", undone_by=Kind.VOID, prepayments_sign=-1),
    Kind.REMOVAL: KindTraits("attempt", "PF_CR"),
    Kind.VOID: KindTraits("attempt", "PF_CR", prepayments_sign=1),
    Kind.PAYMENT: KindTraits("attempt", "PF", undone_by=Kind.PAYMENT_REMOVAL, clearing_sign=1),
    Kind.PAYMENT_REMOVAL: KindTraits("attempt", "PF", clearing_sign=-1),
    Kind.REFUND: KindTraits("refund", "PF_RF", undone_by=Kind.REFUND_REMOVAL, clearing_sign=-1, credit_sign=-1),
    Kind.REFUND_REMOVAL: KindTraits("refund", "PF_RF", clearing_sign=1, credit_sign=1),
    Kind.INVOICE_PAYMENT: KindTraits(
        "payment_allocation", "PF", undone_by=Kind.INVOICE_PAYMENT_REMOVAL, clearing_sign=1
    ),
    Kind.INVOICE_PAYMENT_REMOVAL: KindTraits("payment_allocation", "PF", clearing_sign=-1),
    Kind.ALLOCATION: KindTraits("match", "PF_AL", undone_by=Kind.ALLOCATION_REMOVAL, credit_sign=-1),
    Kind.ALLOCATION_REMOVAL: KindTraits("match", "PF_AL", credit_sign=1),
}
CREDIT_NOTE_PREFIX = KIND_TRAITS[Kind.CREDIT_NOTE].prefix


def list_undone_kinds(kind: Kind) -> tuple[Kind, ...]:
    """The kinds that this one undoes."""
    return tuple(original for original, traits in KIND_TRAITS.items() if traits.undone_by == kind)


def list_kinds_about(*subjects: Subject) -> list[str]:
    """The stored names of the kinds that are about one of these."""
    return [kind.value for kind in Kind if KIND_TRAITS[kind].subject in subjects]


# What the reconciliation asks of the table.
CLEARING_SIGNS = {kind: traits.clearing_sign for kind, traits in KIND_TRAITS.items() if traits.is_money}
PAYMENT_KINDS = tuple(kind for kind in CLEARING_SIGNS if not list_undone_kinds(kind))
REMOVED_PAYMENT_KINDS = {removal: kind for kind in PAYMENT_KINDS if (removal := KIND_TRAITS[kind].undone_by)}
PF_INVOICE_KINDS = tuple(
    kind for kind, traits in KIND_TRAITS.items() if traits.prepayments_sign > 0 and not list_undone_kinds(kind)
)
CREDITING_KINDS = tuple(kind for kind, traits in KIND_TRAITS.items() if traits.prepayments_sign < 0)
CREDIT_NOTE_END_KINDS = tuple(
    kind for kind, traits in KIND_TRAITS.items() if traits.prefix == CREDIT_NOTE_PREFIX and list_undone_kinds(kind)
)
