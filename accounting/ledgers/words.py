"""What is said through the ledger's door: frozen dataclasses, no models, no vendor's objects."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class ContactOrder:
    """A contact to make; `number` is our own permanent number, `currency` what it is expected to pay in."""

    number: str
    name: str
    email: str
    phone: str
    currency: str = ""


@dataclass(frozen=True, slots=True)
class DocumentOrder:
    """An invoice or credit note of one line to make; `id` names the one that is to be changed instead.

    `item` is what the line sells, in books that need one; its income account is `account`.
    """

    number: str
    contact_id: str
    on: date
    reference: str
    description: str
    amount: Money
    account: str
    tax_code: str
    id: str = ""
    item: str = ""


@dataclass(frozen=True, slots=True)
class NoteOrder:
    """A credit note that is there under `id`, to be approved as of `on`, removed or voided."""

    number: str
    id: str
    on: date
    amount: Money


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """Money received for an invoice of a contact, put to `account`."""

    number: str
    invoice_number: str
    on: date
    amount: Money
    account: str
    invoice_id: str = ""
    contact_id: str = ""


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money given back out of the credit note `note_number`, taken from `account`."""

    number: str
    note_number: str
    note_id: str
    on: date
    amount: Money
    account: str
    contact_id: str = ""


@dataclass(frozen=True, slots=True)
class RemovalOrder:
    """A payment or refund that is there under `id`, to be taken back; `number` is what we call the act."""

    number: str
    id: str


@dataclass(frozen=True, slots=True)
class Written:
    """What the ledger said of one element: `id` when it holds it, else `refusal` in its words."""

    number: str
    id: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Allocated:
    """A part of a credit note that was put against an invoice."""

    invoice: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class Refunded:
    """A part of a credit note that was paid out; `reference` is the payment's."""

    id: str
    reference: str
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class NoteFacts:
    """A credit note as the books have it. `status`: draft, approved, applied (nothing left), removed or voided."""

    number: str
    id: str
    status: str
    total: Money
    remaining: Money
    allocations: tuple[Allocated, ...] = ()
    refunds: tuple[Refunded, ...] = ()

    @property
    def is_untouched(self) -> bool:
        """Whether nothing of it was used."""
        return not self.allocations and not self.refunds


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """A contact as the books have it."""

    id: str
    name: str
    email: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a long list, how many pages there are, and the ids of what is there no more."""

    rows: tuple[T, ...]
    pages: int
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """A line of the chart of accounts; `code` is what orders name it by, `number` what people know it by."""

    code: str
    name: str
    kind: str
    takes_payments: bool
    holds_prepayments: bool
    number: str = ""


@dataclass(frozen=True, slots=True)
class TaxCode:
    """A tax code and its rate in percent."""

    code: str
    name: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Item:
    """Something that the books sell; `account` is the code of its income account."""

    code: str
    name: str
    account: str


@dataclass(frozen=True, slots=True)
class Parcel:
    """Orders that travel with others of other kinds; `verb` is the one of the ledger's that takes them alone."""

    verb: str
    orders: list[Any]


class Ledger(Protocol):
    """One organisation's books.

    Writing verbs take up to `batch_size` orders and a `key` that makes a repeat within minutes harmless, and
    answer one Written an order, in order. Finding verbs answer only what is really there, or really gone, with
    the amount asked for. Every verb may raise Unavailable, Disconnected, or Rejected when the call as a whole was
    refused. Pages are counted from 1; `since` leaves out what did not change after that instant.
    """

    batch_size: int
    supports_drafts: bool
    needs_item: bool
    mixes_kinds: bool

    def create_together(self, parcels: list[Parcel], *, key: str) -> list[Written]:
        """Contacts, invoices, credit notes and payments in one call, if none needs another. Where `mixes_kinds`."""
        ...

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[Written]: ...

    def find_contacts(self, orders: list[ContactOrder]) -> list[Written]:
        """Those that exist, by our number or by the same name."""
        ...

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]: ...

    def find_invoices(self, orders: list[DocumentOrder]) -> list[Written]: ...

    def change_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        """Give unpaid invoices another amount and day."""
        ...

    def find_changed_invoices(self, orders: list[DocumentOrder]) -> list[Written]: ...

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        """Make them, approved."""
        ...

    def create_draft_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        """Make them as drafts, which move no money. Only where `supports_drafts`."""
        ...

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[Written]:
        """Those that are there, drafts or approved."""
        ...

    def approve_notes(self, orders: list[NoteOrder], *, key: str) -> list[Written]: ...

    def find_approved_notes(self, orders: list[NoteOrder]) -> list[Written]: ...

    def remove_drafts(self, orders: list[NoteOrder], *, key: str) -> list[Written]: ...

    def find_removed_drafts(self, orders: list[NoteOrder]) -> list[Written]: ...

    def void_notes(self, orders: list[NoteOrder], *, key: str) -> list[Written]:
        """Void approved notes; one of which something was used is refused."""
        ...

    def find_voided_notes(self, orders: list[NoteOrder]) -> list[Written]: ...

    def read_credit_notes(self, numbers: list[str]) -> list[NoteFacts]:
        """Those of up to `batch_size` notes that are there, deleted and voided ones too."""
        ...

    def read_note_page(self, page: int, *, since: datetime | None) -> Page[NoteFacts]:
        """All notes whose number begins as ours do."""
        ...

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[Written]: ...

    def find_payments(self, orders: list[PaymentOrder]) -> list[Written]: ...

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[Written]: ...

    def find_refunds(self, orders: list[RefundOrder]) -> list[Written]: ...

    def remove_payments(self, orders: list[RemovalOrder], *, key: str) -> list[Written]:
        """Take back one payment or refund; takes one order only."""
        ...

    def find_removed_payments(self, orders: list[RemovalOrder]) -> list[Written]: ...

    def read_contact_page(self, page: int, *, since: datetime | None) -> Page[ContactFacts]:
        """All contacts, archived ones too."""
        ...

    def read_accounts(self) -> list[Account]: ...

    def read_tax_codes(self) -> list[TaxCode]: ...

    def read_items(self) -> list[Item]:
        """What a line can sell; nothing unless `needs_item`."""
        ...

    def make_item(self, name: str, *, account: str, key: str) -> Item:
        """The item of that name and income account, made if it is not there. Only where `needs_item`."""
        ...
