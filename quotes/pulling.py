"""A quote that was read from CPQ, as the checkout that our contract would have opened: amounts are CPQ's alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from pydantic import ValidationError

from quotes.parts import parse_day
from quotes.providers.cpq import CpqClient, CpqQuote, CpqTerm
from quotes.refusals import QuoteRefused
from quotes.schemas import LAST_YEAR, MAX_PERIODS, MAX_TERMS, CheckoutIn, CustomerIn
from wisepay.input import drop_unreadable
from wisepay.money import Money, get_currency_digits, list_currencies

METHODS = ["card", "bank_debit"]
# What words of CPQ mean, by kind and in small letters. A merchant adds words; one without a meaning refuses the quote.
MEANINGS: dict[str, dict[str, str]] = {
    "interval": {
        **dict.fromkeys(("week", "weeks", "weekly"), "week"),
        **dict.fromkeys(("month", "months", "monthly"), "month"),
        **dict.fromkeys(("quarter", "quarters", "quarterly"), "quarter"),
        **dict.fromkeys(("year", "years", "yearly", "annual", "annually"), "year"),
    },
    "status": {
        **dict.fromkeys(("active", "won"), "payable"),
        **dict.fromkeys(("lost", "no decision", "archived", "deleted"), "dead"),
    },
}
Words = Mapping[tuple[str, str], str]  # a merchant's own, by kind and word


class PulledCustomer(CustomerIn):
    """A customer as CPQ has it. Which of its ids is PSA's is not known: they are kept, and matched with nothing."""

    company_id: str = ""
    source_id: str = ""
    integration_id: str = ""


class PulledCheckout(CheckoutIn):
    """A checkout that we opened ourselves: nobody named an address to go back to."""

    customer: PulledCustomer
    return_url: str = ""


@dataclass(frozen=True, slots=True)
class PulledQuote:
    """A payable quote: as CPQ has it, and as a checkout."""

    quote: CpqQuote
    checkout: PulledCheckout
    due: Money
    total: Money

    @property
    def recurring(self) -> str:
        """What recurs, in words; empty when nothing does."""
        part = self.checkout.recurring
        return f"{Money.parse(part.total, self.total.currency)} every {part.interval}" if part else ""

    @property
    def number(self) -> int:
        """The quote's number."""
        return self.quote.number


def pull_quote(client: CpqClient, quote: CpqQuote, *, words: Words, zone: ZoneInfo, now: datetime) -> PulledQuote:
    """Read the rest of the newest version: two calls, one if nothing recurs. Raises QuoteRefused, or as the client."""
    check_open(quote, words=words, zone=zone, now=now)
    currency = get_currency(quote, words)
    amounts = parse_amounts(quote, currency)
    customers = client.list_customers(quote.id)
    has_terms = amounts["recurringTotal"] or amounts["selectedTermsTotal"]
    terms = client.list_terms(quote.id) if has_terms else []
    recurring = build_recurring(quote, terms, amounts["recurringTotal"], currency, words)
    due = calculate_due(quote, amounts["quoteTotal"], currency)
    if not due and recurring is None:
        raise QuoteRefused("nothing_due", "Nothing is due and nothing recurs.", number=quote.number)
    body = build_body(quote, find_customer(quote, customers), amounts, currency, zone=zone)
    body |= {"recurring": recurring}
    body["amounts"]["due_now"] = Money(due, currency).plain
    return PulledQuote(quote, validate(quote, body), Money(due, currency), Money(amounts["quoteTotal"], currency))


def check_open(quote: CpqQuote, *, words: Words, zone: ZoneInfo, now: datetime) -> None:
    """Raise QuoteRefused for a quote that is not accepted, has expired, or is dead by its status."""
    if not quote.is_approved:
        message = "The customer has not accepted it in Order Porter. Marked as won by staff is not accepted."
        raise QuoteRefused("not_approved", message, number=quote.number)
    if quote.is_dead or get_meaning("status", quote.status, quote, words) == "dead":
        raise QuoteRefused("dead", f"Its status in CPQ is {quote.status or 'empty'}.", number=quote.number)
    expires_at = parse_expiry(quote, zone)
    if expires_at is not None and expires_at <= now:
        raise QuoteRefused("expired", f"It expired on {quote.expires[:10]}.", number=quote.number)


def get_meaning(kind: str, word: str, quote: CpqQuote, words: Words) -> str:
    """What a word of CPQ means. Raises QuoteRefused with a word that is in no table: it is never guessed."""
    folded = " ".join(word.split()).casefold()[:100]
    meaning = words.get((kind, folded)) or MEANINGS[kind].get(folded)
    if not meaning:
        message = f"“{word or '(empty)'}” is no {kind} that Wise-Pay knows. Say what it means under ConnectWise CPQ."
        raise QuoteRefused("unmapped", message, number=quote.number, word=(kind, folded))
    return meaning


def get_currency(quote: CpqQuote, words: Words) -> str:
    """The ISO code of the quote's currency. Raises QuoteRefused."""
    if quote.currency in list_currencies():
        return quote.currency
    folded = " ".join(quote.currency.split()).casefold()[:100]
    if (known := words.get(("currency", folded), "")) in list_currencies():
        return known
    shown = quote.currency or "(empty)"
    message = f"“{shown}” is no currency that Wise-Pay knows. Say what it means under ConnectWise CPQ."
    raise QuoteRefused("unmapped", message, number=quote.number, word=("currency", folded))


def parse_expiry(quote: CpqQuote, zone: ZoneInfo) -> datetime | None:
    """When the quote expires: at the end of its last day where the merchant is, unless CPQ names a zone itself.

    None for a quote without an end. Raises QuoteRefused for a date that cannot be read.
    """
    if not quote.expires:
        return None
    try:
        at = datetime.fromisoformat(quote.expires)
        if at.year >= LAST_YEAR - 1:
            return None
        if at.tzinfo is None or at.time() == time.min:
            at = datetime.combine(at.date() + timedelta(days=1), time.min, zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        message = f"Its expiration date, {quote.expires[:40]}, cannot be read."
        raise QuoteRefused("unmapped", message, number=quote.number) from None


def parse_amounts(quote: CpqQuote, currency: str) -> dict[str, int]:
    """Every amount in minor units; one that CPQ left empty is none. Raises QuoteRefused."""
    names = [name for name in quote.amounts if name != "orderPorterDownPaymentPercent"]
    return {name: round_amount(quote, name, quote.amounts[name], currency) for name in names}


def round_amount(quote: CpqQuote, name: str, value: object, currency: str) -> int:
    """A double of CPQ's in minor units, half a unit up. Raises QuoteRefused for what is no amount."""
    number = parse_number(quote, name, value)
    minor = int(number.scaleb(get_currency_digits(currency)).quantize(Decimal(1), ROUND_HALF_UP))
    if not 0 <= minor < 10**12:
        raise QuoteRefused("unmapped", f"{name} is {number}, which is no amount to pay.", number=quote.number)
    return minor


def parse_number(quote: CpqQuote, name: str, value: object) -> Decimal:
    """A number that CPQ sent, none for an empty one. Raises QuoteRefused."""
    try:
        number = Decimal(str(value if value is not None else 0))
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool | str) or not number.is_finite() or abs(number) >= 10**12:
        raise QuoteRefused("unmapped", f"{name} is {str(value)[:40]}, which is no number.", number=quote.number)
    return number


def calculate_due(quote: CpqQuote, total: int, currency: str) -> int:
    """What is due now, in minor units: the down payment of the quote, at most its total, or all of it without one."""
    percent = parse_number(quote, "Down payment", quote.amounts["orderPorterDownPaymentPercent"])
    minimum = round_amount(quote, "Minimum", quote.amounts["orderPorterDownPaymentMinimum"], currency)
    if percent < 0:
        raise QuoteRefused("unmapped", f"Its down payment is {percent} per cent.", number=quote.number)
    if not percent and not minimum:
        return total
    share = int((total * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))
    return min(total, max(share, minimum))


def build_recurring(
    quote: CpqQuote, terms: Sequence[CpqTerm], total: int, currency: str, words: Words
) -> dict[str, Any] | None:
    """What recurs, by the chosen terms; None when nothing does. Raises QuoteRefused where they don't agree."""
    chosen = [term for term in terms if term.is_selected]
    if any(round_amount(quote, "downPayment", term.down_payment, currency) for term in chosen):
        raise QuoteRefused("unmapped", "A chosen term has a down payment of its own.", number=quote.number)
    parts = [(term, round_amount(quote, "recurringTotalAmount", term.recurring_total, currency)) for term in chosen]
    parts = [part for part in parts if part[1]]
    if not parts and not total:
        return None
    if not parts:
        raise QuoteRefused("unmapped", "It recurs, and no term of it is chosen.", number=quote.number)
    amount = sum(part[1] for part in parts)
    if total and amount != total:
        shown = f"{Money(amount, currency)} by its terms and {Money(total, currency)} by its total"
        raise QuoteRefused("unmapped", f"What recurs is {shown}.", number=quote.number)
    intervals = {get_meaning("interval", term.interval, quote, words) for term, _ in parts}
    periods = {parse_periods(quote, term) for term, _ in parts}
    if len(intervals) > 1 or len(periods) > 1:
        raise QuoteRefused("unmapped", "Its chosen terms recur in different ways.", number=quote.number)
    days = {parse_day(term.starts) for term, _ in parts}
    names = {get_words(term.agreement_type, 100) for term, _ in parts}
    return {
        "total": Money(amount, currency).plain,
        "interval": intervals.pop(),
        "periods": periods.pop(),
        # Where the terms differ, nothing is said of all of them.
        "starts_on": format_day(days.pop()) if len(days) == 1 else None,
        "agreement_type": names.pop() if len(names) == 1 else "",
        "terms": [build_term(quote, term, minor, currency, words) for term, minor in parts[:MAX_TERMS]]
        if 1 < len(parts) <= MAX_TERMS
        else None,
    }


def build_term(quote: CpqQuote, term: CpqTerm, minor: int, currency: str, words: Words) -> dict[str, Any]:
    """One of several terms that were chosen, as the payer reads it."""
    return {
        "id": get_words(term.id, 64),
        "description": get_words(term.name, 200) or "Term",
        "total": Money(minor, currency).plain,
        "interval": get_meaning("interval", term.interval, quote, words),
        "periods": parse_periods(quote, term),
        "starts_on": format_day(parse_day(term.starts)),
    }


def format_day(day: date | None) -> str | None:
    """The day as our contract writes it."""
    return day.isoformat() if day else None


def parse_periods(quote: CpqQuote, term: CpqTerm) -> int | None:
    """How often a term recurs; None until somebody ends it. Raises QuoteRefused."""
    number = parse_number(quote, "recurringPeriods", term.periods)
    if number != number.to_integral_value() or not 0 <= number <= MAX_PERIODS:
        raise QuoteRefused("unmapped", f"It recurs {number} times.", number=quote.number)
    return int(number) or None


def find_customer(quote: CpqQuote, customers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The quote's own customer, or the only one. Raises QuoteRefused where that is not clear."""
    own = [row for row in customers if quote.customer_id and row.get("id") == quote.customer_id]
    found = own or customers
    if len(found) != 1:
        count = f"{len(found)} customers" if found else "no customer"
        raise QuoteRefused("unmapped", f"It has {count}, and none is the quote's own.", number=quote.number)
    return found[0]


def build_body(
    quote: CpqQuote, customer: Mapping[str, Any], amounts: Mapping[str, int], currency: str, *, zone: ZoneInfo
) -> dict[str, Any]:
    """The checkout without what is due and what recurs."""
    expires_at = parse_expiry(quote, zone)
    return {
        "quote": {
            "id": quote.id,
            "number": quote.number,
            "version": quote.version,
            "name": get_words(quote.name, 200) or f"Quote {quote.number}",
            "currency": currency,
            "opportunity_id": get_words(quote.opportunity_id, 64),
            "purchase_order_number": get_words(quote.purchase_order_number, 64),
            "expires_at": expires_at.isoformat() if expires_at else None,
        },
        "customer": build_customer(customer),
        "amounts": {
            "one_time_total": Money(amounts["quoteTotal"], currency).plain,
            "tax": Money(amounts["tax"] + amounts["shippingTax"], currency).plain,
            "full_payment_allowed": quote.full_payment_allowed,
        },
        "allowed_methods": METHODS,
    }


def build_customer(row: Mapping[str, Any]) -> dict[str, Any]:
    """Who the quote is for; a text that is too long is cut, since it is only shown."""
    names = [get_words(row.get("firstName"), 60), get_words(row.get("lastName"), 59)]
    return {
        "id": get_id(row.get("id")),
        "account_number": get_id(row.get("accountNumber")),
        "company_id": get_id(row.get("companyId")),
        "source_id": get_id(row.get("customerSourceId")),
        "integration_id": get_id(row.get("integrationId")),
        "account_name": get_words(row.get("accountName"), 200),
        "contact_name": " ".join(filter(None, names)),
        "email": get_words(row.get("emailAddress"), 254),
        "phone": get_words(row.get("dayPhone"), 40),
        "address": {
            "line1": get_words(row.get("address1"), 200),
            "line2": get_words(row.get("address2"), 200),
            "city": get_words(row.get("city"), 100),
            "state": get_words(row.get("state"), 100),
            "postal_code": get_words(row.get("postalCode"), 20),
            "country": get_country_code(get_words(row.get("country"), 100)),
        },
    }


def get_words(value: object, length: int) -> str:
    """A text of CPQ's on one line, without what no words hold; empty for what is none."""
    text = " ".join(drop_unreadable(value).split()) if isinstance(value, str) else ""
    return text[:length].strip()


def get_id(value: object) -> str:
    """An id of CPQ's, which is a text or a number; empty for what is none or too long to be one."""
    text = get_words(str(value) if isinstance(value, int) and not isinstance(value, bool) else value, 200)
    return text if len(text) <= 64 else ""


@cache
def list_country_codes() -> dict[str, str]:
    """The codes of countries by their English names in small letters (Unicode CLDR)."""
    names = Locale("en").territories.items()
    return {name.casefold(): code for code, name in names if len(code) == 2 and code.isalpha()} | {"usa": "US"}


def get_country_code(text: str) -> str:
    """The ISO code of a country that was typed; empty for one that is not known."""
    known = list_country_codes()
    return text.upper() if text.upper() in known.values() else known.get(text.casefold(), "")


def validate(quote: CpqQuote, body: dict[str, Any]) -> PulledCheckout:
    """The checkout by the rules of our own contract. Raises QuoteRefused with the first field that breaks one."""
    try:
        return PulledCheckout.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise QuoteRefused("unmapped", f"{field}: {first['msg']}", number=quote.number) from None
