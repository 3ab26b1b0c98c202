"""What a decision about an automatic payment needs to know, as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Literal
from zoneinfo import ZoneInfo

from payments.recurring import RecurringPart
from wisepay.money import Money

TermKey = tuple[str, str]  # the organisation and the id of the term there
SkipCode = Literal[
    "over",
    "no_term",
    "unmatched",
    "paying",
    "below_minimum",
    "above_maximum",
    "no_date",
    "past_due",
    "method",
    "currency",
    "presentment",
    "older",
    "early",
]


@dataclass(frozen=True, slots=True)
class SkipReason:
    """The invoice is not charged: a code for programs, a reason for people."""

    code: SkipCode
    reason: str


@dataclass(frozen=True, slots=True)
class InvoiceSnapshot:
    """An open or closed invoice. Of `due`, `in_flight` is being paid already; like `total` they are minor units."""

    id: int
    company_id: int | None
    currency: str
    status: str
    due: int
    in_flight: int
    issued_on: date | None
    due_on: date | None
    term_key: TermKey
    remark: str = ""
    total: int = 0


@dataclass(frozen=True, slots=True)
class TermSnapshot:
    """A billing term."""

    id: int
    name: str
    is_real_time: bool
    mode: str
    days: int
    takes_cards: bool
    takes_debits: bool
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class MethodSnapshot:
    """A saved method. `kind` is the gateway's name for its type."""

    id: int
    kind: str
    label: str
    is_active: bool
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class AgreedPayments:
    """What a quote's payer agreed to: `part`, the first of them on `first_on` at the earliest.

    `taken` are the numbers that invoices have already, by the invoice.
    """

    part: RecurringPart
    first_on: date
    taken: dict[int, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.part.money} {self.part.frequency}"

    def find_number(self, invoice: InvoiceSnapshot) -> int | None:
        """Which of the payments the invoice is, counted from 1; None where it is none, or where all are taken."""
        if Money(invoice.total, invoice.currency) != self.part.money:
            return None
        if invoice.id in self.taken:
            return self.taken[invoice.id]
        used = set(self.taken.values())
        number = next(number for number in count(1) if number not in used)
        return number if self.part.periods is None or number <= self.part.periods else None

    def get_day(self, number: int) -> date | None:
        """The day before which the payer has not agreed to the payment of this number."""
        return replace(self.part, periods=number).get_last_day(self.first_on)


@dataclass(frozen=True, slots=True)
class MappingSnapshot:
    """An active mapping; without `term_id` it is for all terms, with `begins_on` for invoices from that day on.

    With `agreed` it is for those payments only, whatever their term.
    """

    id: int
    company_id: int
    term_id: int | None
    primary_id: int
    secondary_id: int | None
    is_from_payer: bool
    begins_on: date | None = None
    agreed: AgreedPayments | None = None


@dataclass(frozen=True, slots=True)
class AutoPayRules:
    """A merchant's settings. `limits` are the minimum and the maximum of a currency, in its minor units."""

    zone: ZoneInfo
    delay: timedelta = timedelta(0)
    notice_days: int = 0
    schedules_past_due: bool = False
    maximum_days_past_due: int = 0
    limits: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    takes_debits: bool = True


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """Everything about one merchant that a decision needs.

    `keywords` are the terms that an invoice's reference can name, the longest keyword first. `named_terms` are what
    another system says of an invoice, by its id: its term, or None for no automatic payment. Only invoices of
    `organisation_id` are charged; None is any.
    """

    rules: AutoPayRules
    terms: Mapping[TermKey, TermSnapshot]
    mappings: Mapping[int, list[MappingSnapshot]]
    methods: Mapping[int, MethodSnapshot]
    keywords: Sequence[TermSnapshot] = ()
    organisation_id: str | None = None
    named_terms: Mapping[int, TermSnapshot | None] = field(default_factory=dict)

    def take_number(self, invoice: InvoiceSnapshot, mapping_id: int, number: int) -> None:
        """Note that the invoice has this number of the payments that were agreed with a quote."""
        for mapping in self.mappings.get(invoice.company_id or 0, ()):
            if mapping.id == mapping_id and mapping.agreed is not None:
                mapping.agreed.taken[invoice.id] = number


@dataclass(frozen=True, slots=True)
class ScheduledCharge:
    """A scheduled payment that is to be charged now.

    At most `maximum_amount` minor units are charged; None is whatever is due. While the mapping `mapping_id` claims
    the invoice, `method_id` is chosen before the mapping's own methods; None begins with the mapping's primary one.
    """

    method_id: int | None
    presentations: int
    first_presented_at: datetime | None
    maximum_amount: int | None = None
    mapping_id: int | None = None


@dataclass(frozen=True, slots=True)
class CurrentSchedule:
    """The newest scheduled payment of an invoice. `was_charged`: it was charged before, and waits for a retry."""

    id: int
    state: str
    amount: int
    run_at: datetime
    mapping_id: int | None
    method_id: int | None
    was_charged: bool
    is_resolved_by_person: bool
    agreed_number: int | None = None
