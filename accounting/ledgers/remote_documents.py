"""Documents, payments and lists as the accounting package has them."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Self

from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class RemoteAllocation:
    """The part of a credit note that was applied to an invoice; `invoice` is the invoice's number."""

    invoice: str
    amount: Money
    on: date
    id: str = ""
    invoice_id: str = ""


@dataclass(frozen=True, slots=True)
class RemoteRefund:
    """The part of a credit note that was paid out; `reference` is the payment's."""

    id: str
    reference: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class RemoteCreditNote:
    """A credit note. `status`: draft, approved, applied (nothing remains), removed or voided.

    Of one that is `unknown` only the number counts: it is there, and cannot be read.
    """

    number: str
    id: str
    status: str
    total: Money
    remaining: Money
    allocations: tuple[RemoteAllocation, ...] = ()
    refunds: tuple[RemoteRefund, ...] = ()

    @property
    def is_unused(self) -> bool:
        """Return whether nothing of it was applied or refunded."""
        return not self.allocations and not self.refunds


def build_unknown_credit_note(number: str) -> RemoteCreditNote:
    """Return what is known of a credit note that is there and cannot be read."""
    nothing = Money(0, "")
    return RemoteCreditNote(number, "", "unknown", nothing, nothing)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCreditNoteDetails(RemoteCreditNote):
    """A credit note with what the mirror saves of it. `remark` is the document's reference."""

    remark: str
    contact_id: str
    issued_on: date | None
    changed_at: datetime

    @classmethod
    def from_credit_note(
        cls, note: RemoteCreditNote, *, remark: str, contact_id: str, issued_on: date | None, changed_at: datetime
    ) -> Self:
        """Return the credit note with its details."""
        return cls(
            number=note.number,
            id=note.id,
            status=note.status,
            total=note.total,
            remaining=note.remaining,
            allocations=note.allocations,
            refunds=note.refunds,
            remark=remark,
            contact_id=contact_id,
            issued_on=issued_on,
            changed_at=changed_at,
        )


@dataclass(frozen=True, slots=True)
class RemoteApplication:
    """What was applied to an invoice: a payment, or a part of a credit, prepayment or overpayment.

    `id` is unique among what was applied to the same invoice; `source_id` is the payment or the credit.
    """

    kind: Literal["payment", "credit"]
    id: str
    source_id: str
    remark: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInvoice:
    """A sales invoice. `term_id` is its branding theme, or its payment terms.

    `applied` is everything that reduces it. Of one that is `deleted` only the id, the status and `changed_at` count.
    """

    id: str
    number: str
    remark: str
    contact_id: str
    status: Literal["draft", "open", "paid", "voided", "deleted"]
    total: Money
    due: Money
    issued_on: date | None
    due_on: date | None
    term_id: str
    changed_at: datetime
    applied: tuple[RemoteApplication, ...] = ()


@dataclass(frozen=True, slots=True)
class RemotePayment:
    """A payment of a sales invoice (`is_received`) or out of a credit note.

    `account` is the code of the account that the money went through, `document_id` what it was for, or the first of
    several. A page's `tombstones`, and ids that begin with one and a hyphen, do not stand unless a row says so.
    """

    id: str
    reference: str
    amount: Money
    on: date
    account: str
    is_received: bool
    is_standing: bool
    document_id: str
    document_number: str


@dataclass(frozen=True, slots=True)
class RemoteContact:
    """A contact; `changed_at` by the package's own clock.

    `number` is what people know it by; `currency` its only one, empty where it takes every one; `merged_into` the
    contact that took its place, where the answer says so.
    """

    id: str
    name: str
    email: str
    is_active: bool
    changed_at: datetime | None = None
    number: str = ""
    currency: str = ""
    merged_into: str = ""


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that cannot be understood: its id and its name as far as it has them, and why, as a sentence."""

    id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class RemotePage[T]:
    """One page of a long list, and how many pages there are; `as_of` is the package's own clock when it answered.

    A change of a row does not change the list's order, so that nothing is missed while people work in the package
    between two pages. Where rows can be deleted, `tombstones` are the ids of those that were, as far as the package
    lists them; of rows asked for by id, those that it did not answer. `is_truncated`: more changed than it lists at
    once, so that a deletion may be missing. `unreadable` are rows that exist and cannot be understood.
    """

    rows: tuple[T, ...]
    pages: int
    as_of: datetime | None = None
    tombstones: tuple[str, ...] = ()
    is_truncated: bool = False
    unreadable: tuple[UnreadableRow, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """An account of the chart; orders name it by `code`, people know it by `number`."""

    code: str
    name: str
    kind: str
    takes_payments: bool
    holds_prepayments: bool
    number: str = ""


@dataclass(frozen=True, slots=True)
class RemoteTaxCode:
    """A tax code and its rate in percent."""

    code: str
    name: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class RemoteTerm:
    """An invoice's terms: a branding theme in Xero, payment terms in QuickBooks."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RemoteItem:
    """Something that the merchant sells; `account` is the code of its income account."""

    code: str
    name: str
    account: str
