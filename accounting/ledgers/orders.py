"""The orders that a ledger takes, and the result of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class ContactOrder:
    """A contact to create; `number` is our permanent number, `currency` the one it is expected to pay in."""

    number: str
    name: str
    email: str
    phone: str
    currency: str = ""


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line of a document: `amount` is without `tax`, which is the line's own, to the cent."""

    description: str
    amount: Money
    tax: Money


@dataclass(frozen=True, slots=True)
class DocumentOrder:
    """An invoice or credit note of one line to create, or to change if it has an `id`.

    `item` is what the line sells, in a ledger that needs one; its income account is `account`. With `lines` it has
    those, and `amount` is their total with tax. Without `due_on` it is due at once.
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
    lines: tuple[DocumentLine, ...] = ()
    due_on: date | None = None


@dataclass(frozen=True, slots=True)
class CreditNoteOrder:
    """The credit note `id`, to be approved as of `on`, removed or voided."""

    number: str
    id: str
    on: date
    amount: Money


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """A payment of a contact's invoice, received on `account`.

    A PF invoice is known by its number, and a bookkeeper may have entered its payment by hand. An invoice that
    `is_foreign` was created by somebody else and is known by its id: there only a payment with our number is ours.
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
    """A refund out of the credit note `note_number`, paid from `account`."""

    number: str
    note_number: str
    note_id: str
    on: date
    amount: Money
    account: str
    contact_id: str = ""


@dataclass(frozen=True, slots=True)
class PaymentRemovalOrder:
    """The payment or refund `id`, to be removed; `number` is our number of the removal."""

    number: str
    id: str


@dataclass(frozen=True, slots=True)
class AllocationOrder:
    """A part of the credit note `note_id` to apply to the contact's invoice `invoice_id`, under our `number`.

    `id` names an allocation that exists and is to be removed.
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
    """The result of one order: the `id` in the ledger, or else the `refusal` in the package's words.

    Or neither: what the ledger says of it is `unreadable`, for this reason, and whether it is there is not known.
    """

    number: str
    id: str = ""
    refusal: str = ""
    unreadable: str = ""
