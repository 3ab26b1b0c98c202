"""What a ledger tells of the books: documents, money and lists as they are there, in frozen dataclasses."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, Self

from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class RemoteAllocation:
    """A part of a credit note that was put against an invoice, named by its number."""

    invoice: str
    amount: Money
    on: date
    id: str = ""
    invoice_id: str = ""


@dataclass(frozen=True, slots=True)
class RemoteRefund:
    """A part of a credit note that was paid out; `reference` is the payment's."""

    id: str
    reference: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class RemoteCreditNote:
    """A credit note as the books have it. `status`: draft, approved, applied (nothing left), removed or voided."""

    number: str
    id: str
    status: str
    total: Money
    remaining: Money
    allocations: tuple[RemoteAllocation, ...] = ()
    refunds: tuple[RemoteRefund, ...] = ()

    @property
    def is_unused(self) -> bool:
        """Whether nothing of it was used."""
        return not self.allocations and not self.refunds


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCreditNoteDetails(RemoteCreditNote):
    """Any credit note of the books, with what the mirror keeps of it. `remark` is the document's reference."""

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
    """What the books put to an invoice: money, or a part of a credit, prepayment or overpayment.

    `id` tells it from everything else that was put to the same invoice; `source_id` is the payment or the credit.
    """

    kind: Literal["payment", "credit"]
    id: str
    source_id: str
    remark: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInvoice:
    """A sales invoice as the books have it. `term_id` is its branding theme, or its terms.

    `applied` is all that stands against it. Of one that is `deleted` only the id, the status and `changed_at` count.
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
    """A payment of a sales invoice (`is_received`) or out of a credit note, as the books have it.

    `account` is the code of the account that the money went through, `document_id` what it was for, or the first of
    several. Of a page, what is `gone` and what carries such an id before a hyphen stands no more, unless a row says so.
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
    """A contact as the books have it; `changed_at` as the books say."""

    id: str
    name: str
    email: str
    is_active: bool
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RemotePage[T]:
    """One page of a long list, and how many pages there are; `as_of` is the books' own clock when they answered.

    The list is in an order that a change of a row does not change, so that nothing is missed by who reads page after
    page while people work in the books. Where rows can leave the books, `gone` are the ids of those that did, as far
    as is told: what is asked for by its id and not answered is not there. `is_cut`: more changed than the books tell of
    at once, so something may have left them without a word.
    """

    rows: tuple[T, ...]
    pages: int
    as_of: datetime | None = None
    tombstones: tuple[str, ...] = ()
    is_truncated: bool = False


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """A line of the chart of accounts; `code` is what orders name it by, `number` what people know it by."""

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
    """What the books call an invoice's terms: a branding theme in Xero, payment terms in QuickBooks."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RemoteItem:
    """Something that the books sell; `account` is the code of its income account."""

    code: str
    name: str
    account: str
