"""What the product asks of a PSA about billing: its terms, agreements that are billed, and invoices for the books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from wisepay.money import Money


@dataclass(frozen=True, slots=True)
class RemoteBillingTerm:
    """A billing term; `due_days` is None where the PSA does not say."""

    id: int
    name: str
    due_days: int | None


@dataclass(frozen=True, slots=True)
class RemoteBilledAgreement:
    """An agreement with what is billed for it. `company_id` is who pays; ids are 0 where the PSA names none.

    `amount` is None where it, or its currency, is missing or cannot be read.
    """

    id: int
    name: str
    kind: str
    status: str
    is_active: bool
    company_id: int
    company_name: str
    term_id: int
    term_name: str
    cycle: str
    amount: Money | None
    starts_on: date | None
    ends_on: date | None
    next_invoice_on: date | None
    opportunity_id: int
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RemoteBilledInvoice:
    """An invoice with all that a ledger needs of it. `company_id` is who pays; ids are 0 where the PSA names none.

    Amounts are None where they are missing or cannot be read; `balance` is what is owed. `parts` are what the subtotal
    is made of, as far as the PSA says it: a name and an amount without tax each. `is_netted`: earlier payments or
    invoices were taken off it.
    """

    id: int
    number: str
    kind: str
    is_closed: bool
    company_id: int
    company_name: str
    currency: str
    subtotal: Money | None
    tax: Money | None
    total: Money | None
    balance: Money | None
    parts: tuple[tuple[str, Money], ...]
    is_netted: bool
    issued_on: date | None
    due_on: date | None
    remark: str
    tax_code_id: int
    tax_code_name: str
    changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class AgreementPage:
    """One page by ascending ids, after which `last_id` leads on; None after the last one."""

    rows: tuple[RemoteBilledAgreement, ...]
    last_id: int | None


class BillingReads(Protocol):
    """The part of `Psa` about billing."""

    def list_billing_terms(self) -> list[RemoteBillingTerm]:
        """Read every billing term."""

    def get_agreement_page(self, after_id: int, *, since: datetime | None) -> AgreementPage:
        """Read the next agreements by id, all or those that changed after an instant."""

    def list_closed_invoices(self, *, since: date, most: int) -> list[RemoteBilledInvoice]:
        """Read the invoices in a closed status from a day on, by ids; one more than `most` says that there are more."""

    def list_billed_invoices(self, ids: Sequence[int]) -> list[RemoteBilledInvoice]:
        """Read invoices by their ids; those that do not exist any more are left out."""
