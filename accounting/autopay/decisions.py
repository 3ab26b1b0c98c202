"""Deciding whether, when, how much and with what an invoice is charged: no tables, no clock, no words with anybody."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from accounting.autopay.charge_times import RUN_TIME, get_instant, get_next_late_run, get_run_date
from payments.method_choices import DEBIT_TYPES
from wisepay.dates import get_local_date
from wisepay.money import Money

TermKey = tuple[str, str]  # the organisation and the id of the term there
ALL_TERMS = "All Automatic Payment Terms"


@dataclass(frozen=True, slots=True)
class InvoiceSnapshot:
    """An invoice as it stands. `flying` is what of `due` is being paid already."""

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
    """A saved method. `kind` is the gateway's word."""

    id: int
    kind: str
    label: str
    is_active: bool
    expires_on: date | None

    @property
    def is_card(self) -> bool:
        """Whether it is a card; everything else is a bank debit."""
        return self.kind == "card"


@dataclass(frozen=True, slots=True)
class MappingSnapshot:
    """An active mapping; without `term_id` it is for all terms."""

    id: int
    company_id: int
    term_id: int | None
    primary_id: int
    secondary_id: int | None
    is_from_payer: bool


@dataclass(frozen=True, slots=True)
class AutoPayRules:
    """A merchant's settings. `limits` are the least and the most of a currency, in its minor units."""

    zone: ZoneInfo
    delay: timedelta = timedelta(0)
    schedules_past_due: bool = False
    maximum_days_past_due: int = 0
    limits: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    takes_debits: bool = True


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """Everything of one merchant that a decision stands on.

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
class ChargePlan:
    """Charge `amount` at `run_at`. With `hold` it waits for a person, who reads why.

    `is_sticky`: the instant was counted from now, so it does not move an earlier one.
    """

    run_at: datetime
    amount: int
    mapping_id: int
    method_id: int
    is_relative_to_now: bool = False
    note: str = ""
    hold_reason: str = ""


@dataclass(frozen=True, slots=True)
class SkipReason:
    """It is not charged, and why; `code` is for programs. Not every gap is somebody's business."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class SelectedMethod:
    """The method to charge; `note` says why it is not the first one, `hold` why it may not be charged yet."""

    method: MethodSnapshot
    note: str = ""
    hold_reason: str = ""


@dataclass(frozen=True, slots=True)
class ChargeTiming:
    """When to charge."""

    run_at: datetime
    is_relative_to_now: bool = field(default=False)


def plan_charge(invoice: InvoiceSnapshot, context: DecisionContext, *, now: datetime) -> ChargePlan | SkipReason:
    """What to do about one invoice."""
    if invoice.status != "open" or invoice.due <= 0:
        return SkipReason("over", CLOSED_REASONS.get(invoice.status, "Nothing is left to pay."))
    if context.organisation_id not in (None, invoice.term_key[0]):
        return SkipReason("over", "It is in the books of another organisation than the connected one.")
    term = find_billing_term(invoice, context)
    if term is None:
        return SkipReason("no_term", NO_TERM_REASON)
    mapping, note = find_mapping(invoice, term, context)
    if mapping is None:
        return SkipReason("unmatched", note)
    amount = invoice.due - invoice.in_flight
    if amount <= 0:
        return SkipReason("paying", "A payment of it is on its way.")
    problem = find_limit_violation(amount, invoice.currency, context.rules)
    return problem or _build_plan(invoice, term, mapping, context, amount=amount, note=note, now=now)


def find_billing_term(invoice: InvoiceSnapshot, context: DecisionContext) -> TermSnapshot | None:
    """The billing term that the reference names, else the one that covers the invoice's terms in the books."""
    named = (term for term in context.keywords if has_keyword(invoice.remark, term.keyword))
    return next(named, None) or context.terms.get(invoice.term_key)


def has_keyword(text: str, keyword: str) -> bool:
    """Whether the keyword stands in a text by itself, in capitals or not."""
    return re.search(rf"(?<!\w){re.escape(keyword)}(?!\w)", text, re.IGNORECASE) is not None


NO_TERM_REASON = "It is under no billing term."
CLOSED_REASONS = {
    "draft": "It is a draft.",
    "paid": "It is paid.",
    "voided": "It was voided in the accounting package.",
    "deleted": "It was deleted in the accounting package.",
}


def _build_plan(
    invoice: InvoiceSnapshot,
    term: TermSnapshot,
    mapping: MappingSnapshot,
    context: DecisionContext,
    *,
    amount: int,
    note: str,
    now: datetime,
) -> ChargePlan | SkipReason:
    """The day and the method of an invoice that a mapping claims."""
    day = get_run_date(term.mode, term.days, issued_on=invoice.issued_on, due_on=invoice.due_on)
    if day is None and not term.is_real_time:
        return SkipReason("no_date", f"It has no date that {term.name} could count from.")
    used_on = max(day or date.min, get_local_date(now, context.rules.zone))
    chosen = choose_method(mapping, term, context, currency=invoice.currency, on=used_on)
    if isinstance(chosen, SkipReason):
        return chosen
    timing = plan_timing(invoice, term, day, context.rules, is_card=chosen.method.is_card, now=now)
    if isinstance(timing, SkipReason):
        return timing
    return ChargePlan(
        run_at=timing.run_at,
        amount=amount,
        mapping_id=mapping.id,
        method_id=chosen.method.id,
        is_relative_to_now=timing.is_relative_to_now,
        note=" ".join(filter(None, [note, chosen.note])),
        hold_reason=chosen.hold_reason,
    )


def find_mapping(
    invoice: InvoiceSnapshot, term: TermSnapshot | None, context: DecisionContext
) -> tuple[MappingSnapshot | None, str]:
    """The mapping that claims the invoice, and a sentence: why none does, or why this one of several."""
    if term is None:
        return None, NO_TERM_REASON
    if invoice.company_id is None:
        return None, f"{term.name} applies, but no payer company is this contact."
    mine = context.mappings.get(invoice.company_id, ())
    claims = [m for m in mine if m.term_id is None or m.term_id == term.id]
    if not claims:
        return None, f"{term.name} applies, but the payer has no Auto-Pay mapping for it."
    best = choose_mapping(claims)
    return best, explain_mapping_choice(best, claims, term)


def choose_mapping(claims: Iterable[MappingSnapshot]) -> MappingSnapshot:
    """The specific term before all terms, the merchant's before the payer's, the older before the newer."""
    return min(claims, key=lambda m: (m.term_id is None, m.is_from_payer, m.id))


def explain_mapping_choice(best: MappingSnapshot, claims: list[MappingSnapshot], term: TermSnapshot) -> str:
    """Why this one of several; empty when there is no other."""
    others = [m for m in claims if m is not best]
    if not others:
        return ""
    if best.term_id is not None and others[0].term_id is None:
        return f"Two mappings claim it: the one for {term.name} goes before “{ALL_TERMS}”."
    if others[0].is_from_payer and not best.is_from_payer:
        return "Two mappings claim it: the merchant's goes before the payer's."
    return "Two mappings claim it: the older one counts."


def find_limit_violation(amount: int, currency: str, rules: AutoPayRules) -> SkipReason | None:
    """Why this amount is not charged automatically, if it is not."""
    least, most = rules.limits.get(currency, (None, None))
    if least is not None and amount < least:
        return SkipReason(
            "below_minimum", f"{Money(amount, currency)} is below the minimum of {Money(least, currency)}."
        )
    if most is not None and amount > most:
        return SkipReason(
            "above_maximum", f"{Money(amount, currency)} is above the maximum of {Money(most, currency)}."
        )
    return None


def choose_method(
    mapping: MappingSnapshot,
    term: TermSnapshot,
    context: DecisionContext,
    *,
    currency: str,
    on: date,
    first: int | None = None,
) -> SelectedMethod | SkipReason:
    """The primary method, or the secondary one where the primary can't pay. `first` is asked before both."""
    order = [mapping.primary_id, mapping.secondary_id]
    if first is not None:
        order = [first, *(one for one in order[order.index(first) + 1 :])] if first in order else [first]
    refusals: list[tuple[str, str]] = []
    not_taken: SelectedMethod | None = None
    for number in order:
        method = context.methods.get(number) if number is not None else None
        if method is None:
            continue
        code, why = find_method_problem(method, context.rules, currency=currency, on=on)
        if not code and find_term_restriction(method, term):
            not_taken = not_taken or SelectedMethod(method, hold_reason=find_term_restriction(method, term))
        elif not code:
            return SelectedMethod(method, note=f"{refusals[0][1]} The secondary method is charged." if refusals else "")
        if code:
            refusals.append((code, why))
    if not_taken is not None:
        return not_taken
    code = "currency" if refusals and all(c == "currency" for c, _ in refusals) else "method"
    return SkipReason(code, " ".join(why for _, why in refusals) or "The mapping's method is gone.")


def find_method_problem(method: MethodSnapshot, rules: AutoPayRules, *, currency: str, on: date) -> tuple[str, str]:
    """Why a method can't pay in `currency` on that day: a code and a sentence, both empty when it can."""
    if not method.is_active:
        return "method", f"{method.label} can't be used any more."
    if method.expires_on is not None and method.expires_on < on:
        return "method", f"{method.label} expired on {method.expires_on:%-d %b %Y}."
    if method.is_card:
        return "", ""
    if not rules.takes_debits:
        return "method", f"{method.label} is a bank account, and bank debits are switched off."
    if method.kind != DEBIT_TYPES.get(currency):
        return "currency", f"{method.label} can't pay in {currency}."
    return "", ""


def find_term_restriction(method: MethodSnapshot, term: TermSnapshot) -> str:
    """Why the term does not take the method; empty when it does."""
    if method.is_card and not term.takes_cards:
        return f"Card payments are not enabled for {term.name}."
    if not method.is_card and not term.takes_debits:
        return f"Bank payments are not enabled for {term.name}."
    return ""


def plan_timing(
    invoice: InvoiceSnapshot, term: TermSnapshot, day: date | None, rules: AutoPayRules, *, is_card: bool, now: datetime
) -> ChargeTiming | SkipReason:
    """When: on the day, at once for real time, at the next late run for what is past its day and may be."""
    today = get_local_date(now, rules.zone)
    if term.is_real_time:
        if invoice.due_on is None or invoice.due_on >= today:
            return ChargeTiming(now + rules.delay if is_card else now, is_relative_to_now=True)
    elif day is not None:
        at = get_instant(day, RUN_TIME, rules.zone)
        if at > now:
            return ChargeTiming(at)
    since = invoice.due_on or day or today
    late = (today - since).days
    if late > 0 and not rules.schedules_past_due:
        return SkipReason("past_due", f"It was due on {since:%-d %b %Y}, and past due payments are not scheduled.")
    if late > rules.maximum_days_past_due and late > 0:
        return SkipReason("past_due", f"It is {late} days past due, and {rules.maximum_days_past_due} are the most.")
    return ChargeTiming(get_next_late_run(now, rules.zone), is_relative_to_now=True)
