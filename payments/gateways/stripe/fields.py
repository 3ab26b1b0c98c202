"""Single fields of Stripe's answers, what decides read strictly; and its units, steps and limits of currencies.

Source of the currencies: docs.stripe.com/currencies.
"""

from datetime import UTC, datetime
from typing import Any

import stripe

from wisepay.input import is_id
from wisepay.money import Money, get_currency_digits, split_codes

MAX_ID_LENGTH = 255  # Stripe promises that no id is longer
MAX_WORD_LENGTH = 2000  # the longest is an address
MAX_UNITS = 10**15  # far above any charge; what a column holds

ZERO_DECIMALS = split_codes("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF")
THREE_DECIMALS = split_codes("BHD JOD KWD OMR TND")
# Counted with two decimals that have to be 00 ("special cases").
WHOLE_ONLY = frozenset({"ISK", "UGX"})
TWO_DECIMALS = split_codes(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP CRC "
    "CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD "
    "KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB TJS TOP TRY TTD TWD TZS UAH USD UYU UZS "
    "WST XCD XCG YER ZAR ZMW"
)
CURRENCIES = ZERO_DECIMALS | THREE_DECIMALS | WHOLE_ONLY | TWO_DECIMALS

# Minor units at Stripe. Of a currency without a row Stripe asks for as much as MINIMUM_ELSEWHERE is worth, which only
# it knows.
MINIMUMS = {
    **dict.fromkeys(split_codes("ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD USD ZAR"), 50),
    "AED": 200, "BGN": 100, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "MXN": 1000, "MYR": 200,
    "NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
}  # fmt: skip
# By how many digits `amount` may have for every method; cards of some networks take more.
MAXIMUM = 99_999_999
MAXIMUMS = {"IDR": 999_999_999_999, "COP": 9_999_999_999, "INR": 999_999_999}


class UnreadableField(ValueError):
    """A field that decides is missing, or of another type than Stripe documents."""


def get_field(thing: object, name: str) -> Any:
    """Read an attribute that Stripe may leave out; the SDK raises if it is absent."""
    return getattr(thing, name, None)


def get_text(thing: object, name: str, *, longest: int = 255) -> str:
    """Read a describing text, cut to what a column holds; empty for what is none."""
    value = get_field(thing, name)
    return value.replace("\0", "")[:longest] if isinstance(value, str) else ""


def get_time(value: object) -> datetime | None:
    """Read seconds since the epoch; None for what is no time."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def require_time(thing: object, name: str) -> datetime:
    """Read an instant. Raises UnreadableField."""
    if (found := get_time(get_field(thing, name))) is None:
        raise UnreadableField(name)
    return found


def get_id(thing: object) -> str:
    """Read the id of something that is an id, or expanded; empty for what is absent. Raises UnreadableField."""
    if thing is None:
        return ""
    found = thing if isinstance(thing, str) else get_field(thing, "id")
    if not isinstance(found, str) or (found and not is_id(found, longest=MAX_ID_LENGTH)):
        raise UnreadableField("id")
    return found


def require_id(thing: object, *, expected: str = "") -> str:
    """Read the id that an object always has. Raises UnreadableField, also for another one than was asked about."""
    found = get_id(get_field(thing, "id"))
    if not found or (expected and found != expected):
        raise UnreadableField("id")
    return found


def require_word(thing: object, name: str) -> str:
    """Read a word such as a status; one that nobody knows passes. Raises UnreadableField."""
    value = get_field(thing, name)
    if not is_word(value):
        raise UnreadableField(name)
    return str(value)


def require_words(thing: object, name: str) -> tuple[str, ...]:
    """Read a list of words. Raises UnreadableField."""
    value = get_field(thing, name)
    if not isinstance(value, list) or not all(map(is_word, value)):
        raise UnreadableField(name)
    return tuple(value)


def is_word(value: object) -> bool:
    """Whether it is a text that a column holds."""
    return isinstance(value, str) and 0 < len(value) <= MAX_WORD_LENGTH and "\0" not in value


def require_object(thing: object, name: str) -> object:
    """Read an object that is always there. Raises UnreadableField."""
    value = get_field(thing, name)
    if not isinstance(value, stripe.StripeObject):
        raise UnreadableField(name)
    return value


def require_owner[T](method: T) -> T:
    """The method, if it says whose it is: a customer's, or nobody's any more. Raises UnreadableField."""
    if not hasattr(method, "customer"):
        raise UnreadableField("customer")
    return method


def require_money(thing: object, name: str, *, currency: object = None, may_be_negative: bool = False) -> Money:
    """Read an amount in the object's currency, or in `currency`. Raises UnreadableField or UnreadableAmount."""
    units, code = get_field(thing, name), currency if currency is not None else get_field(thing, "currency")
    if not isinstance(units, int) or isinstance(units, bool) or abs(units) > MAX_UNITS:
        raise UnreadableField(name)
    if units < 0 and not may_be_negative:
        raise UnreadableAmount(f"{name} is below zero")
    if not isinstance(code, str) or len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise UnreadableField("currency")
    return from_stripe(units, code)


# ---- currencies ----------------------------------------------------------------------------------------


class UnreadableAmount(ValueError):
    """Stripe named an amount that is no whole number of the currency's minor units."""


def get_stripe_digits(currency: str) -> int:
    """How many decimals Stripe counts the currency with; two where Stripe does not say otherwise."""
    return 0 if currency in ZERO_DECIMALS else 3 if currency in THREE_DECIMALS else 2


def to_stripe(money: Money) -> int:
    """The amount in the units that Stripe counts this currency in. Raises UnreadableAmount for a part of a unit."""
    return rescale(money.amount, get_currency_digits(money.currency), get_stripe_digits(money.currency))


def from_stripe(amount: int, currency: str) -> Money:
    """The reverse of `to_stripe`. Raises UnreadableAmount where our units can't hold it."""
    code = currency.upper()
    return Money(rescale(amount, get_stripe_digits(code), get_currency_digits(code)), code)


def rescale(amount: int, digits: int, wanted: int) -> int:
    """The amount with `wanted` decimals instead of `digits`. Raises UnreadableAmount instead of rounding."""
    if wanted >= digits:
        return amount * int(10 ** (wanted - digits))
    whole, rest = divmod(amount, int(10 ** (digits - wanted)))
    if rest:
        raise UnreadableAmount(f"{amount} with {digits} decimals does not fit into {wanted}")
    return whole


def get_step(currency: str) -> int:
    """The minor units of ours that a charge has to be a multiple of."""
    ours, theirs = get_currency_digits(currency), get_stripe_digits(currency)
    if currency in THREE_DECIMALS:
        return int(10 ** (ours - 2))  # "the least-significant (last) digit has to be 0"
    return int(10 ** max(ours - theirs, 0))


def get_charge_limits(currency: str) -> tuple[Money, Money]:
    """The least and the most that can be charged at once."""
    step = get_step(currency)
    least, most = MINIMUMS.get(currency, 1), MAXIMUMS.get(currency, MAXIMUM)
    ours = 10 ** get_currency_digits(currency)
    theirs = 10 ** get_stripe_digits(currency)
    return (
        Money(-(-least * ours // (theirs * step)) * step, currency),
        Money(most * ours // (theirs * step) * step, currency),
    )


def find_amount_problem(money: Money) -> str:
    """Why this amount can't be charged, as a sentence; empty when it can."""
    currency = money.currency
    if currency not in CURRENCIES:
        return f"Payments can't be taken in {currency}. Quote in another currency."
    least, most = get_charge_limits(currency)
    if money.amount < least.amount:
        return f"At least {least} has to be paid at once."
    if money.amount > most.amount:
        return f"At most {most} can be paid at once."
    return find_step_problem(money)


def find_step_problem(money: Money) -> str:
    """Why no amount like this can be moved, also not as a refund, as a sentence; empty when it can."""
    step = Money(get_step(money.currency), money.currency)
    return f"Amounts in {money.currency} have to be multiples of {step}." if money.amount % step.amount else ""
