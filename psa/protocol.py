"""What the product asks of a PSA, in frozen dataclasses; one implementation a vendor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from psa.billing_protocol import BillingReads
from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class RemoteCompany:
    """A customer, as the PSA has it."""

    id: int
    identifier: str
    name: str


@dataclass(frozen=True, slots=True)
class RemoteOpportunity:
    """What was sold: `company_id` and `contact_id` are whose it is; 0 where the PSA says nothing."""

    id: int
    company_id: int
    company_name: str
    contact_id: int


@dataclass(frozen=True, slots=True)
class RemoteOrder:
    """A sales order and the invoices made of it."""

    id: int
    invoice_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RemoteInvoice:
    """An invoice; amounts are None where they or the currency cannot be read, `currency` empty where none is named.

    `paid` is what payments have taken off it.
    """

    id: int
    number: str
    kind: str
    company_id: int
    company_name: str
    order_id: int
    is_closed: bool
    currency: str
    balance: Money | None
    updated_at: datetime | None = None
    total: Money | None = None
    paid: Money | None = None
    company_identifier: str = ""
    issued_on: date | None = None
    due_on: date | None = None
    term_id: int = 0


@dataclass(frozen=True, slots=True)
class RemotePayment:
    """A payment on an invoice. `amount` is None where it cannot be read; `answer` is what the PSA sent, whole."""

    id: int
    amount: Money | None
    paid_on: date | None
    applied_by: str
    answer: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class RemoteAgreement:
    """An agreement that recurs."""

    id: int
    name: str
    is_active: bool
    company_id: int


@dataclass(frozen=True, slots=True)
class RemoteCallback:
    """A registered callback."""

    id: int
    kind: str
    url: str
    is_inactive: bool


@dataclass(frozen=True, slots=True)
class RightCheck:
    """Whether our API member may read something; `role` is how a merchant finds the permission in the PSA."""

    code: str
    role: str
    is_granted: bool


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a company's PSA is found, and its version."""

    name: str
    codebase: str
    version: str


class Psa(BillingReads, Protocol):
    """One merchant's PSA. Every verb raises Unavailable, Rejected (NotThere, NotPermitted) or Disconnected."""

    @property
    def codebase(self) -> str:
        """The codebase that answered last."""

    @property
    def was_accepted(self) -> bool:
        """Whether the PSA accepted our keys in a call."""

    @property
    def first_answered_at(self) -> datetime | None:
        """When the PSA's first answer was sent, by its own clock; None where it does not say."""

    def close(self) -> None:
        """Give the connections back."""

    def discover(self) -> Installation:
        """Find the company's codebase, without keys. Raises NotThere for an unknown company."""

    def get_version(self) -> str:
        """Read the installation's version; empty where it says nothing. It proves nothing about the keys."""

    def check_keys(self) -> None:
        """Prove that the keys are accepted. Raises Disconnected when they are not."""

    def check_rights(self) -> list[RightCheck]:
        """Try each right that we need by reading one record."""

    def list_companies(self, ids: Sequence[int]) -> list[RemoteCompany]:
        """Read companies by their ids."""

    def get_opportunity(self, opportunity_id: int) -> RemoteOpportunity:
        """Read an opportunity."""

    def list_orders(self, opportunity_id: int) -> list[RemoteOrder]:
        """Read the orders that were made of an opportunity."""

    def list_down_payment_invoices(self, orders: Sequence[RemoteOrder], *, currency: str) -> list[RemoteInvoice]:
        """Read the down-payment invoices of orders. `currency` is taken where an invoice names none."""

    def find_invoices(self, number: str, *, currency: str) -> list[RemoteInvoice]:
        """Read the invoices with exactly this number."""

    def get_invoice(self, invoice_id: int, *, currency: str) -> RemoteInvoice:
        """Read one invoice."""

    def list_open_invoices(self, *, changed_since: datetime, currency: str) -> Iterator[RemoteInvoice]:
        """Read every invoice with a balance, and those that were written since: a page of 1,000 a call."""

    def list_changed_invoices(self, since: datetime, *, currency: str) -> Iterator[RemoteInvoice]:
        """Read the invoices that were written after an instant."""

    def list_invoices(self, ids: Sequence[int], *, currency: str) -> list[RemoteInvoice]:
        """Read invoices by their ids; those that are not there are left out."""

    def read_invoice_pdf(self, invoice_id: int) -> bytes:
        """Read the invoice as the PSA prints it."""

    def list_payments(self, invoice_id: int, *, currency: str) -> list[RemotePayment]:
        """Read every payment on an invoice."""

    def create_payment(self, invoice_id: int, *, amount: Money, paid_on: date) -> RemotePayment:
        """Write a payment. There is no key that makes a repeat harmless: call it only when none can be there."""

    def delete_payment(self, invoice_id: int, payment_id: int) -> None:
        """Take a payment back."""

    def list_agreements(self, opportunity_id: int) -> list[RemoteAgreement]:
        """Read the agreements that were made of an opportunity."""

    def list_callbacks(self, host: str) -> list[RemoteCallback]:
        """Read the callbacks whose address holds `host`."""

    def get_callback(self, callback_id: int) -> RemoteCallback:
        """Read one callback."""

    def create_callback(self, *, kind: str, url: str, description: str) -> RemoteCallback:
        """Register a callback about every record of a kind."""

    def enable_callback(self, callback_id: int) -> RemoteCallback:
        """Switch a callback on again, and read it back."""

    def delete_callback(self, callback_id: int) -> None:
        """Remove a callback."""
