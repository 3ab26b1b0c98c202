"""What is said through the ledger's door: frozen dataclasses, no models, no vendor's objects."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class ContactOrder:
    """A contact to make; `number` is our own permanent number for it."""

    number: str
    name: str
    email: str
    phone: str


@dataclass(frozen=True, slots=True)
class DocumentOrder:
    """An invoice or credit note of one line to make and approve."""

    number: str
    contact_id: str
    on: date
    reference: str
    description: str
    amount: Money
    account: str
    tax_code: str


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """Money received for an invoice, put to `account`."""

    number: str
    invoice_number: str
    on: date
    amount: Money
    account: str


@dataclass(frozen=True, slots=True)
class Written:
    """What the ledger said of one element: `id` when it holds it, else `refusal` in its words."""

    number: str
    id: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A line of the chart of accounts."""

    code: str
    name: str
    kind: str
    takes_payments: bool


@dataclass(frozen=True, slots=True)
class TaxCode:
    """A tax code and its rate in percent."""

    code: str
    name: str
    rate: Decimal


class Ledger(Protocol):
    """One organisation's books.

    Writing verbs take up to `batch_size` orders and a `key` that makes a repeat within minutes harmless, and
    answer one Written an order, in order. Finding verbs answer only what is really there, with the amount
    asked for. Every verb may raise Unavailable, Disconnected, or Rejected when the call as a whole was refused.
    """

    batch_size: int
    supports_drafts: bool

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[Written]: ...

    def find_contacts(self, orders: list[ContactOrder]) -> list[Written]:
        """Those that exist, by our number or by the same name."""
        ...

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]: ...

    def find_invoices(self, orders: list[DocumentOrder]) -> list[Written]: ...

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]: ...

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[Written]: ...

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[Written]: ...

    def find_payments(self, orders: list[PaymentOrder]) -> list[Written]: ...

    def read_accounts(self) -> list[Account]: ...

    def read_tax_codes(self) -> list[TaxCode]: ...
