"""What a checkout says beyond its amounts: its lines, what recurs from when to when, and who accepted it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import takewhile
from typing import Any

from payments.recurring import RecurringPart, get_payment_day
from quotes.problems import build_invalid_problem
from quotes.schemas import MAX_PERIODS, AcceptanceIn, CheckoutIn, LineIn, RecurringIn
from wisepay.clock import format_date, format_instant
from wisepay.money import InvalidAmount, Money, get_currency_digits

CLOCK_SKEW = timedelta(days=1)  # how far in the future a time of acceptance may be: the sender's clock is theirs
ONE_TIME = "one_time"
AMOUNTS_OF_LINE = ("amount", "tax")
WHOSE_ACCEPTANCE = ("signed_at", "signed_by", "email")
# How an acceptance is described, in this order; quotes that came by link have some of them only.
ACCEPTANCE_LABELS = {"signed_by": "by", "initials": "initials", "email": "e-mail", "ip": "from"}


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One line: amounts are minor units, negative for a discount; `unit_price` may have more decimals."""

    description: str
    quantity: str
    unit_price: str
    amount: int
    tax: int
    recurs: str

    def build_row(self, currency: str) -> dict[str, str]:
        """The line as pages and receipts show it."""
        return {
            "description": self.description,
            "quantity": format_number(self.quantity),
            "unit_price": format_unit_price(self.unit_price, currency),
            "amount": format_signed(self.amount, currency),
            "tax": format_signed(self.tax, currency) if self.tax else "",
            "recurs": "" if self.recurs == ONE_TIME else RecurringPart(Money(1, currency), self.recurs, None).every,
        }


def parse_lines(checkout: CheckoutIn) -> list[QuoteLine]:
    """The lines, or a ProblemError that names every amount that is wrong.

    A line's amount is its quantity times its unit price, which holds the tax or comes without it. The lines that do
    not recur make up the one-time total, within one minor unit a line.
    """
    errors: list[tuple[str, str]] = []
    lines = [parse_line(line, number, checkout, errors) for number, line in enumerate(checkout.quote.lines or ())]
    if errors:
        raise build_invalid_problem(*errors)
    once = [line.amount for line in lines if line.recurs == ONE_TIME]
    total = Money.parse(checkout.amounts.one_time_total, checkout.quote.currency)
    if lines and abs(sum(once) - total.amount) > len(once):
        shown = format_signed(sum(once), total.currency)
        message = f"The lines that do not recur add up to {shown}, and the one-time total is {total}."
        raise build_invalid_problem(("quote.lines", message))
    return lines


def parse_line(line: LineIn, number: int, checkout: CheckoutIn, errors: list[tuple[str, str]]) -> QuoteLine:
    """One line; what is wrong in it is added to `errors`."""
    currency, found = checkout.quote.currency, dict.fromkeys(AMOUNTS_OF_LINE, 0)
    for name in AMOUNTS_OF_LINE:
        text = str(getattr(line, name))
        try:
            amount = Money.parse(text.removeprefix("-"), currency).amount
        except InvalidAmount as error:
            errors.append((f"quote.lines.{number}.{name}", str(error)))
            continue
        found[name] = -amount if text.startswith("-") else amount
    product = Decimal(line.quantity) * Decimal(line.unit_price)
    exact = int(product.scaleb(get_currency_digits(currency)).quantize(Decimal(1), ROUND_HALF_UP))
    has_errors = any(field.startswith(f"quote.lines.{number}.") for field, _ in errors)
    if not has_errors and min(abs(found["amount"] - exact), abs(found["amount"] - exact - found["tax"])) > 1:
        errors.append((f"quote.lines.{number}.amount", "Use the quantity times the unit price, with its tax."))
    return QuoteLine(line.description, line.quantity, line.unit_price, found["amount"], found["tax"], line.recurs)


def format_number(text: str) -> str:
    """A decimal without zeros that say nothing, with commas between thousands."""
    return format(Decimal(text).normalize(), ",f")


def format_unit_price(text: str, currency: str) -> str:
    """A price as people write amounts; one with more decimals than the currency has, with its code before it."""
    minor = Decimal(text).scaleb(get_currency_digits(currency))
    is_exact = minor == minor.to_integral_value()
    return format_signed(int(minor), currency) if is_exact else f"{currency} {format_number(text)}"


def format_signed(amount: int, currency: str) -> str:
    """An amount in minor units, a discount with a minus sign."""
    return f"{'-' if amount < 0 else ''}{Money(abs(amount), currency)}"


def check_parts(checkout: CheckoutIn, *, today: date, now: datetime) -> None:
    """Raises ProblemError where what recurs, or who accepted it, contradicts itself, or is over `today`."""
    quote, signed_at = checkout.quote, checkout.acceptance.signed_at if checkout.acceptance else None
    if quote.psa_opportunity_id and quote.opportunity_id not in ("", quote.psa_opportunity_id):
        message = "This is the same as opportunity_id. Send one of them, or the same twice."
        raise build_invalid_problem(("quote.psa_opportunity_id", message))
    if signed_at is not None and signed_at > now + CLOCK_SKEW:
        raise build_invalid_problem(("acceptance.signed_at", "Nobody accepts a quote in the future."))
    if checkout.recurring is not None:
        check_terms(checkout.recurring, quote.currency)
        check_days(checkout.recurring, today=today)


def check_terms(recurring: RecurringIn, currency: str) -> None:
    """Raises ProblemError where terms of one interval do not add up to the total of what recurs."""
    errors: list[tuple[str, str]] = []
    amounts: list[int] = []
    for number, term in enumerate(recurring.terms or ()):
        try:
            amounts.append(Money.parse(term.total, currency).amount)
        except InvalidAmount as error:
            errors.append((f"recurring.terms.{number}.total", str(error)))
    if errors:
        raise build_invalid_problem(*errors)
    total = Money.parse(recurring.total, currency)
    is_alike = all(term.interval == recurring.interval for term in recurring.terms or ())
    if amounts and is_alike and sum(amounts) != total.amount:
        shown = Money(sum(amounts), currency)
        raise build_invalid_problem(("recurring.terms", f"The terms add up to {shown}, and what recurs is {total}."))


def check_days(recurring: RecurringIn, *, today: date) -> None:
    """Raises ProblemError where the last payment would come after the day on which it ends, or everything is past."""
    first, ends_on, periods = recurring.starts_on or today, recurring.ends_on, recurring.periods
    last = get_payment_day(first, recurring.interval, periods) if periods else None
    if ends_on is not None and ends_on < first:
        raise build_invalid_problem(("recurring.ends_on", f"It can't end before it starts, on {format_date(first)}."))
    if ends_on is not None and ends_on < today:
        raise build_invalid_problem(("recurring.ends_on", f"It ended on {format_date(ends_on)}. Send a later day."))
    if ends_on is not None and last is not None and last > ends_on:
        message = f"{periods} payments from {format_date(first)} go on until {format_date(last)}."
        raise build_invalid_problem(("recurring.ends_on", message))
    if last is not None and last < today:
        message = f"All of its payments, from {format_date(first)} to {format_date(last)}, are past. Send a later day."
        raise build_invalid_problem(("recurring.starts_on", message))


def fill_periods(checkout: CheckoutIn, *, today: date) -> CheckoutIn:
    """The checkout with how often it recurs: as it says, and no more often than there is room for until its last day.

    What began already is counted from today, as payers agree to it.
    """
    recurring = checkout.recurring
    if recurring is None or recurring.ends_on is None:
        return checkout
    first, last = max(recurring.starts_on or today, today), recurring.ends_on
    days = (get_payment_day(first, recurring.interval, number) for number in range(1, MAX_PERIODS + 1))
    fitting = sum(1 for _ in takewhile(lambda day: day <= last, days))
    periods = min(recurring.periods or fitting, fitting)
    return checkout.model_copy(update={"recurring": recurring.model_copy(update={"periods": periods})})


def dump_recurring(recurring: RecurringIn | None, money: Money | None) -> dict[str, Any] | None:
    """What recurs as it is stored with the quote, the amount in minor units."""
    if recurring is None or money is None:
        return None
    found = recurring.model_dump(mode="json") | {"amount": money.amount}
    return found | {"terms": found["terms"] or []}


def list_recurring_rows(recurring: RecurringIn, part: RecurringPart) -> list[list[str]]:
    """What the payer reads of it beside the amounts, as label and value."""
    rows = [[f"Then {part.every}", str(part.money)], ["Number of payments", str(part.periods or "Until it is ended")]]
    rows += [["Recurring total", str(part.total)]] if part.total else []
    rows += [["Agreement starts", format_date(recurring.starts_on)]] if recurring.starts_on else []
    rows += [["Agreement ends", format_date(recurring.ends_on)]] if recurring.ends_on else []
    rows += [["Agreement", recurring.agreement_type]] if recurring.agreement_type else []
    for term in recurring.terms or ():
        money = Money.parse(term.total, part.money.currency)
        each = RecurringPart(money, term.interval, term.periods)
        start = f", from {format_date(term.starts_on)}" if term.starts_on else ""
        rows.append([term.description, f"{money} {each.frequency}{start}"])
    return rows


def merge_acceptance(found: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """Who accepted the quote, without what is empty: what was known once stays known, whatever is sent later.

    Another person or another time is another acceptance: nothing of the one before belongs to it.
    """
    found = {name: value for name, value in found.items() if value}
    is_same = all(known.get(name, found[name]) == found[name] for name in WHOSE_ACCEPTANCE if name in found)
    return {**known, **found} if is_same else found


def dump_acceptance(sent: AcceptanceIn | None) -> dict[str, Any]:
    """What a checkout says of who accepted it."""
    return sent.model_dump(mode="json") if sent else {}


def describe_acceptance(acceptance: dict[str, Any], *, zone: str) -> str:
    """Who accepted the quote, when, and from where, in words; empty where nobody said."""
    parts = [f"{label} {acceptance[name]}" for name, label in ACCEPTANCE_LABELS.items() if acceptance.get(name)]
    if signed := str(acceptance.get("signed_at") or ""):
        parts.insert(0, f"on {format_signed_time(signed, zone)}")
    return f"Accepted {', '.join(parts)}" if parts else ""


def format_signed_time(text: str, zone: str) -> str:
    """The time of the acceptance in the merchant's zone; by CPQ's clock where it names none; as it came otherwise."""
    try:
        at = datetime.fromisoformat(text)
        return format_instant(at, zone) if at.tzinfo else f"{format_date(at.date())}, {at:%H:%M} by CPQ's clock"
    except (ValueError, OverflowError):
        return text[:40]


def parse_day(text: str) -> date | None:
    """The day that a time of CPQ's begins with; None for what is none, or is no day that anybody means."""
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None


def list_line_rows(lines: Sequence[QuoteLine], currency: str) -> list[dict[str, str]]:
    """The lines as pages and receipts show them."""
    return [line.build_row(currency) for line in lines]
