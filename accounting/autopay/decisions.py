"""Whether, when, how much and with which method an invoice is charged automatically; after a failure, `plan_next_step`.

Nothing here reads a table or the clock.
"""

import calendar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from accounting.autopay.claims import MappingClaim, find_claim
from accounting.autopay.snapshots import (
    AutoPayRules,
    DecisionContext,
    InvoiceSnapshot,
    MappingSnapshot,
    MethodSnapshot,
    ScheduledCharge,
    SkipReason,
    TermSnapshot,
)
from payments.gateways import find_amount_problem, get_charge_limits
from payments.saved_methods.choices import CARD, DEBIT_TYPES
from wisepay.clock import get_local_date
from wisepay.money import Money

RUN_TIME = time(6)  # on the day itself
LATE_RUN_TIME = time(15)  # on the day after, for what is past its day
# Nacha's rules: a debit returned for want of funds may be presented twice more within 180 days, any other never.
MAX_RE_PRESENTMENTS, RE_PRESENTMENT_WINDOW = 2, timedelta(days=180)


@dataclass(frozen=True, slots=True)
class ChargePlan:
    """Charge `amount` minor units at `run_at`. With a `hold_reason` it waits for a person, who reads it.

    `is_relative_to_now`: the instant was counted from now, so it does not move an earlier one. `agreed_number`: which
    payment it is of those that the mapping's payer agreed to with a quote.
    """

    run_at: datetime
    amount: int
    mapping_id: int
    method_id: int
    is_relative_to_now: bool = False
    note: str = ""
    hold_reason: str = ""
    agreed_number: int | None = None


@dataclass(frozen=True, slots=True)
class SelectedMethod:
    """The method to charge; `note` says why it is not the first one, `hold_reason` why it may not be charged yet."""

    method: MethodSnapshot
    note: str = ""
    hold_reason: str = ""


@dataclass(frozen=True, slots=True)
class ChargeTiming:
    """When to charge."""

    run_at: datetime
    is_relative_to_now: bool = field(default=False)


def plan_charge(
    invoice: InvoiceSnapshot, context: DecisionContext, *, now: datetime, scheduled: ScheduledCharge | None = None
) -> ChargePlan | SkipReason:
    """Decide when, how much and with which method an invoice is charged, or why it is not.

    Without `scheduled` it is planned for the day that its billing term means; with it, it is charged now.
    """
    claim = find_claim(invoice, context)
    if isinstance(claim, SkipReason):
        return claim
    amount = get_amount(invoice, context.rules, maximum=scheduled.maximum_amount if scheduled else None)
    if isinstance(amount, SkipReason):
        return amount
    if scheduled is not None:
        return plan_charge_now(invoice, claim, context, scheduled, amount=amount, now=now)
    return plan_charge_on_its_day(invoice, claim, context, amount=amount, now=now)


def plan_charge_on_its_day(
    invoice: InvoiceSnapshot, claim: MappingClaim, context: DecisionContext, *, amount: int, now: datetime
) -> ChargePlan | SkipReason:
    """Plan a claimed invoice for the day that its billing term means, with a method that can pay on that day."""
    term = claim.term
    day = get_run_date(term.mode, term.days, issued_on=invoice.issued_on, due_on=invoice.due_on)
    if day is None and not term.is_real_time:
        return SkipReason("no_date", f"It has no date that {term.name} could count from.")
    used_on = max(day or date.min, get_local_date(now, context.rules.zone))
    selected = choose_method(claim, context, currency=invoice.currency, on=used_on)
    if isinstance(selected, SkipReason):
        return selected
    timing = plan_timing(invoice, term, day, context.rules, is_card=selected.method.kind == CARD, now=now)
    if isinstance(timing, SkipReason):
        return timing
    timing = postpone_to_agreed_day(postpone_for_notice(timing, context.rules, now=now), claim, context.rules)
    return build_plan(claim, selected, timing, amount=amount)


def plan_charge_now(
    invoice: InvoiceSnapshot,
    claim: MappingClaim,
    context: DecisionContext,
    scheduled: ScheduledCharge,
    *,
    amount: int,
    now: datetime,
) -> ChargePlan | SkipReason:
    """Plan a claimed invoice for now, with a method that can pay today and that the bank may still be asked for."""
    first = scheduled.method_id if claim.mapping.id == scheduled.mapping_id else None
    today = get_local_date(now, context.rules.zone)
    if claim.agreed_day is not None and today < claim.agreed_day:
        return SkipReason("early", f"Its payer agreed to pay it on {claim.agreed_day:%-d %b %Y} at the earliest.")
    selected = choose_method(claim, context, currency=invoice.currency, on=today, first=first)
    if isinstance(selected, SkipReason):
        return selected
    is_same = selected.method.id == scheduled.method_id
    if (
        is_same
        and not selected.hold_reason
        and is_presentment_limit_reached(scheduled.presentations, scheduled.first_presented_at, now=now)
    ):
        label = selected.method.label
        return SkipReason("presentment", f"The bank's rules do not allow {label} to be asked again for this invoice.")
    return build_plan(claim, selected, ChargeTiming(now, is_relative_to_now=True), amount=amount)


def build_plan(claim: MappingClaim, selected: SelectedMethod, timing: ChargeTiming, *, amount: int) -> ChargePlan:
    """Put the parts of a decision together."""
    return ChargePlan(
        run_at=timing.run_at,
        amount=amount,
        mapping_id=claim.mapping.id,
        method_id=selected.method.id,
        is_relative_to_now=timing.is_relative_to_now,
        note=" ".join(filter(None, [claim.note, selected.note])),
        hold_reason=selected.hold_reason,
        agreed_number=claim.agreed_number,
    )


def get_amount(invoice: InvoiceSnapshot, rules: AutoPayRules, *, maximum: int | None) -> int | SkipReason:
    """How many minor units are charged: what nobody pays yet, `maximum` at most; or why none are."""
    unpaid = invoice.due - invoice.in_flight
    if unpaid <= 0:
        return SkipReason("paying", "A payment of it is on its way.")
    amount = unpaid if maximum is None else min(unpaid, maximum)
    return find_limit_violation(amount, invoice.currency, rules) or amount


def find_limit_violation(amount: int, currency: str, rules: AutoPayRules) -> SkipReason | None:
    """Say why this amount is outside the merchant's limits, if it is."""
    if problem := find_amount_problem(Money(amount, currency)):
        return SkipReason("below_minimum" if is_too_little(amount, currency) else "above_maximum", problem)
    minimum, maximum = rules.limits.get(currency, (None, None))
    if minimum is not None and amount < minimum:
        return SkipReason(
            "below_minimum", f"{Money(amount, currency)} is below the minimum of {Money(minimum, currency)}."
        )
    if maximum is not None and amount > maximum:
        return SkipReason(
            "above_maximum", f"{Money(amount, currency)} is above the maximum of {Money(maximum, currency)}."
        )
    return None


def is_too_little(amount: int, currency: str) -> bool:
    """Whether the gateway takes no charge so small; it waits until more is due."""
    return amount < get_charge_limits(currency)[0].amount


def choose_method(
    claim: MappingClaim, context: DecisionContext, *, currency: str, on: date, first: int | None = None
) -> SelectedMethod | SkipReason:
    """Choose the mapping's primary method, or the secondary one where the primary can't pay.

    `first` is tried before both. A method that only its term excludes is chosen last, with a `hold_reason`.
    """
    problems: list[SkipReason] = []
    excluded: SelectedMethod | None = None
    for method in list_methods(claim.mapping, context, first=first):
        problem = find_method_problem(method, context.rules, currency=currency, on=on)
        restriction = find_term_restriction(method, claim.term)
        if problem is not None:
            problems.append(problem)
        elif restriction:
            excluded = excluded or SelectedMethod(method, hold_reason=restriction)
        else:
            note = f"{problems[0].reason} The secondary method is charged." if problems else ""
            return SelectedMethod(method, note=note)
    if excluded is not None:
        return excluded
    is_currency = bool(problems) and all(problem.code == "currency" for problem in problems)
    reasons = " ".join(problem.reason for problem in problems)
    return SkipReason("currency" if is_currency else "method", reasons or "The mapping's method is gone.")


def list_methods(mapping: MappingSnapshot, context: DecisionContext, *, first: int | None) -> list[MethodSnapshot]:
    """The mapping's methods that are known, in the order in which they are tried; from `first` on, if it is given."""
    order = [mapping.primary_id, mapping.secondary_id]
    if first is not None:
        order = order[order.index(first) :] if first in order else [first]
    return [context.methods[number] for number in order if number is not None and number in context.methods]


def find_method_problem(method: MethodSnapshot, rules: AutoPayRules, *, currency: str, on: date) -> SkipReason | None:
    """Say why a method can't pay in `currency` on that day; None when it can."""
    if not method.is_active:
        return SkipReason("method", f"{method.label} can't be used any more.")
    if method.expires_on is not None and method.expires_on < on:
        return SkipReason("method", f"{method.label} expired on {method.expires_on:%-d %b %Y}.")
    if method.kind == CARD:
        return None
    if not rules.takes_debits:
        return SkipReason("method", f"{method.label} is a bank account, and bank debits are switched off.")
    if method.kind != DEBIT_TYPES.get(currency):
        return SkipReason("currency", f"{method.label} can't pay in {currency}.")
    return None


def find_term_restriction(method: MethodSnapshot, term: TermSnapshot) -> str:
    """Say why the term does not take the method; empty when it does."""
    if method.kind == CARD and not term.takes_cards:
        return f"Card payments are not enabled for {term.name}."
    if method.kind != CARD and not term.takes_debits:
        return f"Bank payments are not enabled for {term.name}."
    return ""


def plan_timing(
    invoice: InvoiceSnapshot, term: TermSnapshot, day: date | None, rules: AutoPayRules, *, is_card: bool, now: datetime
) -> ChargeTiming | SkipReason:
    """Plan the instant: on the day, at once for real time, at the next late run for what is past due and may be."""
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


def get_run_date(mode: str, days: int, *, issued_on: date | None, due_on: date | None) -> date | None:
    """The day that a billing term means for an invoice; None where the invoice lacks the date it is counted from."""
    if mode == "due_date":
        return due_on
    if issued_on is None:
        return None
    if mode == "days_after":
        return issued_on + timedelta(days=days)
    return find_day_of_month(days, since=issued_on)


def find_day_of_month(day: int, *, since: date) -> date:
    """The first such day of a month on or after `since`; a month that is too short has its last day instead."""
    found = get_month_day(since.year, since.month, day)
    if found >= since:
        return found
    return get_month_day(since.year + since.month // 12, since.month % 12 + 1, day)


def get_month_day(year: int, month: int, day: int) -> date:
    """That day of the month, or its last."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def get_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of the local time `at` on that day in `zone`. An hour that the clocks skip is the one after."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


def postpone_for_notice(timing: ChargeTiming, rules: AutoPayRules, *, now: datetime) -> ChargeTiming:
    """The first morning on which the payer has been told for long enough, where the timing is before that.

    What is scheduled already keeps its earlier instant: its notice is out, or it is moved when that is written.
    """
    earliest = get_earliest_run(now, rules.zone, notice_days=rules.notice_days)
    return timing if timing.run_at >= earliest else ChargeTiming(earliest, is_relative_to_now=True)


def postpone_to_agreed_day(timing: ChargeTiming, claim: MappingClaim, rules: AutoPayRules) -> ChargeTiming:
    """No earlier than the day from which on the payer agreed to this payment."""
    if claim.agreed_day is None:
        return timing
    earliest = get_instant(claim.agreed_day, RUN_TIME, rules.zone)
    is_today = get_local_date(timing.run_at, rules.zone) >= claim.agreed_day
    return timing if is_today else ChargeTiming(earliest)


def get_earliest_run(now: datetime, zone: ZoneInfo, *, notice_days: int) -> datetime:
    """The first run that a notice of now is early enough for; without a period of notice it is now."""
    return get_retry_run(now, zone, days=notice_days) if notice_days else now


def get_next_late_run(now: datetime, zone: ZoneInfo) -> datetime:
    """The next run for what is past its day: 3 pm on the following day."""
    return get_instant(get_local_date(now, zone) + timedelta(days=1), LATE_RUN_TIME, zone)


def get_retry_run(now: datetime, zone: ZoneInfo, *, days: int) -> datetime:
    """The morning run that many days from now."""
    return get_instant(get_local_date(now, zone) + timedelta(days=days), RUN_TIME, zone)


def is_presentment_limit_reached(presentations: int, first_presented_at: datetime | None, *, now: datetime) -> bool:
    """Whether a debit was presented as often as the rules allow, or first presented too long ago."""
    if presentations > MAX_RE_PRESENTMENTS:
        return True
    return first_presented_at is not None and now + timedelta(days=1) > first_presented_at + RE_PRESENTMENT_WINDOW
