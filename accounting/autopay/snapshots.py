"""What a decision about an automatic payment needs to know, as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

TermKey = tuple[str, str]  # the organisation and the id of the term there


@dataclass(frozen=True, slots=True)
class InvoiceSnapshot:
    """An open or closed invoice. Of `due`, `in_flight` is being paid already; both are minor units."""

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
class MappingSnapshot:
    """An active mapping; without `term_id` it is for all terms, with `begins_on` for invoices from that day on."""

    id: int
    company_id: int
    term_id: int | None
    primary_id: int
    secondary_id: int | None
    is_from_payer: bool
    begins_on: date | None = None


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

    `keywords` are the terms that an invoice's reference can name, the longest keyword first. Only invoices of
    `organisation_id` are charged; None is any.
    """

    rules: AutoPayRules
    terms: Mapping[TermKey, TermSnapshot]
    mappings: Mapping[int, list[MappingSnapshot]]
    methods: Mapping[int, MethodSnapshot]
    keywords: Sequence[TermSnapshot] = ()
    organisation_id: str | None = None


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
