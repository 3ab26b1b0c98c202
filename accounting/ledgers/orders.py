"""What a ledger is asked to do: one frozen dataclass a kind of order, and what it answers to each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

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
class CreditNoteOrder:
    """A credit note that is there under `id`, to be approved as of `on`, removed or voided."""

    number: str
    id: str
    on: date
    amount: Money


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """Money received for an invoice of a contact, put to `account`.

    Of a PF invoice we know the number, and somebody may have paid it by hand. One that `is_foreign` was made by
    somebody else and is known by its id: there only a payment that carries our number is ours.
    """

    number: str
    invoice_number: str
    on: date
    amount: Money
    account: str
    invoice_id: str = ""
    contact_id: str = ""
    is_foreign: bool = False


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
class PaymentRemovalOrder:
    """A payment or refund that is there under `id`, to be taken back; `number` is what we call the act."""

    number: str
    id: str


@dataclass(frozen=True, slots=True)
class AllocationOrder:
    """A part of the credit note `note_id` for the invoice `invoice_id` of a contact; `number` is what we call the act.

    `id` names one that stands already and is to be taken off again.
    """

    number: str
    note_number: str
    note_id: str
    invoice_id: str
    on: date
    amount: Money
    contact_id: str = ""
    id: str = ""


MixableDocument = Literal["contact", "invoice", "credit_note", "payment"]


@dataclass(frozen=True, slots=True)
class OrderGroup:
    """New documents of one type, to be created in one call together with those of other types."""

    document: MixableDocument
    orders: Sequence[Any]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What the ledger said of one element: `id` when it holds it, else `refusal` in its words."""

    number: str
    id: str = ""
    refusal: str = ""
