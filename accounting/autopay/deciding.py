"""Deciding whether, when, how much and with what an invoice is charged: no tables, no clock, no words with anybody."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from accounting.autopay.days import RUN_AT, instant, local_day, next_late_run, run_day
from payments.choices import DEBITS
from wisepay.money import Money

TermKey = tuple[str, str]  # the organisation and the id of the term there
ALL_TERMS = "All Automatic Payment Terms"


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice as it stands. `flying` is what of `due` is being paid already."""

    id: int
    company_id: int | None
    currency: str
    status: str
    due: int
    flying: int
    issued_on: date | None
    due_on: date | None
    term_key: TermKey
    remark: str = ""


@dataclass(frozen=True, slots=True)
class TermFacts:
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
class MethodFacts:
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
class MappingFacts:
    """An active mapping; without `term_id` it is for all terms."""

    id: int
    company_id: int
    term_id: int | None
    primary_id: int
    secondary_id: int | None
    is_payers: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """A merchant's settings. `limits` are the least and the most of a currency, in its minor units."""

    zone: ZoneInfo
    delay: timedelta = timedelta(0)
    schedules_past_due: bool = False
    maximum_days_past_due: int = 0
    limits: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    takes_debits: bool = True


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Everything of one merchant that a decision stands on.

    `keywords` are the terms that an invoice's reference can name, the longest keyword first. Only invoices of
    `organisation_id` are charged; None is any.
    """

    rules: Rules
    terms: Mapping[TermKey, TermFacts]
    mappings: Mapping[int, list[MappingFacts]]
    methods: Mapping[int, MethodFacts]
    keywords: Sequence[TermFacts] = ()
    organisation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Charge `amount` at `run_at`. With `hold` it waits for a person, who reads why.

    `is_sticky`: the instant was counted from now, so it does not move an earlier one.
    """

    run_at: datetime
    amount: int
    mapping_id: int
    method_id: int
    is_sticky: bool = False
    note: str = ""
    hold: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """It is not charged, and why; `code` is for programs. Not every gap is somebody's business."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """The method to charge; `note` says why it is not the first one, `hold` why it may not be charged yet."""

    method: MethodFacts
    note: str = ""
    hold: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """When to charge."""

    run_at: datetime
    is_sticky: bool = field(default=False)


def decide(invoice: InvoiceFacts, book: Rulebook, *, now: datetime) -> Plan | Gap:
    """What to do about one invoice."""
    if invoice.status != "open" or invoice.due <= 0:
        return Gap("over", OVER.get(invoice.status, "Nothing is left to pay."))
    if book.organisation_id not in (None, invoice.term_key[0]):
        return Gap("over", "It is in the books of another organisation than the connected one.")
    term = term_of(invoice, book)
    if term is None:
        return Gap("no_term", NO_TERM)
    mapping, note = mapping_for(invoice, term, book)
    if mapping is None:
        return Gap("unmatched", note)
    amount = invoice.due - invoice.flying
    if amount <= 0:
        return Gap("paying", "A payment of it is on its way.")
    problem = amount_gap(amount, invoice.currency, book.rules)
    return problem or _planned(invoice, term, mapping, book, amount=amount, note=note, now=now)


def term_of(invoice: InvoiceFacts, book: Rulebook) -> TermFacts | None:
    """The billing term that the reference names, else the one that covers the invoice's terms in the books."""
    named = (term for term in book.keywords if says(invoice.remark, term.keyword))
    return next(named, None) or book.terms.get(invoice.term_key)


def says(text: str, keyword: str) -> bool:
    """Whether the keyword stands in a text by itself, in capitals or not."""
    return re.search(rf"(?<!\w){re.escape(keyword)}(?!\w)", text, re.IGNORECASE) is not None


NO_TERM = "It is under no billing term."
OVER = {
    "draft": "It is a draft.",
    "paid": "It is paid.",
    "voided": "It was voided in the accounting package.",
    "deleted": "It was deleted in the accounting package.",
}


def _planned(
    invoice: InvoiceFacts,
    term: TermFacts,
    mapping: MappingFacts,
    book: Rulebook,
    *,
    amount: int,
    note: str,
    now: datetime,
) -> Plan | Gap:
    """The day and the method of an invoice that a mapping claims."""
    day = run_day(term.mode, term.days, issued_on=invoice.issued_on, due_on=invoice.due_on)
    if day is None and not term.is_real_time:
        return Gap("no_date", f"It has no date that {term.name} could count from.")
    used_on = max(day or date.min, local_day(now, book.rules.zone))
    chosen = choose_method(mapping, term, book, currency=invoice.currency, on=used_on)
    if isinstance(chosen, Gap):
        return chosen
    timing = time_of(invoice, term, day, book.rules, is_card=chosen.method.is_card, now=now)
    if isinstance(timing, Gap):
        return timing
    return Plan(
        run_at=timing.run_at,
        amount=amount,
        mapping_id=mapping.id,
        method_id=chosen.method.id,
        is_sticky=timing.is_sticky,
        note=" ".join(filter(None, [note, chosen.note])),
        hold=chosen.hold,
    )


def mapping_for(invoice: InvoiceFacts, term: TermFacts | None, book: Rulebook) -> tuple[MappingFacts | None, str]:
    """The mapping that claims the invoice, and a sentence: why none does, or why this one of several."""
    if term is None:
        return None, NO_TERM
    if invoice.company_id is None:
        return None, f"{term.name} applies, but no payer company is this contact."
    mine = book.mappings.get(invoice.company_id, ())
    claims = [m for m in mine if m.term_id is None or m.term_id == term.id]
    if not claims:
        return None, f"{term.name} applies, but the payer has no Auto-Pay mapping for it."
    best = first_of(claims)
    return best, why_first(best, claims, term)


def first_of(claims: Iterable[MappingFacts]) -> MappingFacts:
    """The specific term before all terms, the merchant's before the payer's, the older before the newer."""
    return min(claims, key=lambda m: (m.term_id is None, m.is_payers, m.id))


def why_first(best: MappingFacts, claims: list[MappingFacts], term: TermFacts) -> str:
    """Why this one of several; empty when there is no other."""
    others = [m for m in claims if m is not best]
    if not others:
        return ""
    if best.term_id is not None and others[0].term_id is None:
        return f"Two mappings claim it: the one for {term.name} goes before “{ALL_TERMS}”."
    if others[0].is_payers and not best.is_payers:
        return "Two mappings claim it: the merchant's goes before the payer's."
    return "Two mappings claim it: the older one counts."


def amount_gap(amount: int, currency: str, rules: Rules) -> Gap | None:
    """Why this amount is not charged automatically, if it is not."""
    least, most = rules.limits.get(currency, (None, None))
    if least is not None and amount < least:
        return Gap("below_minimum", f"{Money(amount, currency)} is below the minimum of {Money(least, currency)}.")
    if most is not None and amount > most:
        return Gap("above_maximum", f"{Money(amount, currency)} is above the maximum of {Money(most, currency)}.")
    return None


def choose_method(
    mapping: MappingFacts, term: TermFacts, book: Rulebook, *, currency: str, on: date, first: int | None = None
) -> Chosen | Gap:
    """The primary method, or the secondary one where the primary can't pay. `first` is asked before both."""
    order = [mapping.primary_id, mapping.secondary_id]
    if first is not None:
        order = [first, *(one for one in order[order.index(first) + 1 :])] if first in order else [first]
    refusals: list[tuple[str, str]] = []
    not_taken: Chosen | None = None
    for number in order:
        method = book.methods.get(number) if number is not None else None
        if method is None:
            continue
        code, why = problem_of(method, book.rules, currency=currency, on=on)
        if not code and not_by_term(method, term):
            not_taken = not_taken or Chosen(method, hold=not_by_term(method, term))
        elif not code:
            return Chosen(method, note=f"{refusals[0][1]} The secondary method is charged." if refusals else "")
        if code:
            refusals.append((code, why))
    if not_taken is not None:
        return not_taken
    code = "currency" if refusals and all(c == "currency" for c, _ in refusals) else "method"
    return Gap(code, " ".join(why for _, why in refusals) or "The mapping's method is gone.")


def problem_of(method: MethodFacts, rules: Rules, *, currency: str, on: date) -> tuple[str, str]:
    """Why a method can't pay in `currency` on that day: a code and a sentence, both empty when it can."""
    if not method.is_active:
        return "method", f"{method.label} can't be used any more."
    if method.expires_on is not None and method.expires_on < on:
        return "method", f"{method.label} expired on {method.expires_on:%-d %b %Y}."
    if method.is_card:
        return "", ""
    if not rules.takes_debits:
        return "method", f"{method.label} is a bank account, and bank debits are switched off."
    if method.kind != DEBITS.get(currency):
        return "currency", f"{method.label} can't pay in {currency}."
    return "", ""


def not_by_term(method: MethodFacts, term: TermFacts) -> str:
    """Why the term does not take the method; empty when it does."""
    if method.is_card and not term.takes_cards:
        return f"Card payments are not enabled for {term.name}."
    if not method.is_card and not term.takes_debits:
        return f"Bank payments are not enabled for {term.name}."
    return ""


def time_of(
    invoice: InvoiceFacts, term: TermFacts, day: date | None, rules: Rules, *, is_card: bool, now: datetime
) -> Timing | Gap:
    """When: on the day, at once for real time, at the next late run for what is past its day and may be."""
    today = local_day(now, rules.zone)
    if term.is_real_time:
        if invoice.due_on is None or invoice.due_on >= today:
            return Timing(now + rules.delay if is_card else now, is_sticky=True)
    elif day is not None:
        at = instant(day, RUN_AT, rules.zone)
        if at > now:
            return Timing(at)
    since = invoice.due_on or day or today
    late = (today - since).days
    if late > 0 and not rules.schedules_past_due:
        return Gap("past_due", f"It was due on {since:%-d %b %Y}, and past due payments are not scheduled.")
    if late > rules.maximum_days_past_due and late > 0:
        return Gap("past_due", f"It is {late} days past due, and {rules.maximum_days_past_due} are the most.")
    return Timing(next_late_run(now, rules.zone), is_sticky=True)
