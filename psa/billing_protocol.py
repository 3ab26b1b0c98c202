"""What the product asks of a PSA about billing: its terms, and the agreements that are billed."""

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
