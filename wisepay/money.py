"""Money: integer minor units and an ISO 4217 currency, never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache

from babel.core import Locale, get_global
from babel.numbers import format_currency, get_currency_symbol

# CLDR asks for a space where a code stands before the digits ("CHF 10.00"); Babel leaves it out.
PRICE_PATTERN = re.compile(r"0\.0+")  # the decimals of a CLDR pattern, which become those of the currency
GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
WRITE_WITH_POINT = (
    'Write the amount with a point before the decimals and commas between thousands only, for example "1,250.00".'
)
CODE_BEFORE_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")


class InvalidAmount(ValueError):
    """The text is not an amount in this currency; the message tells a person why."""


@cache
def list_currencies() -> frozenset[str]:
    """List the codes of the currencies that are legal tender somewhere today (Unicode CLDR)."""
    rows = get_global("territory_currencies").values()
    return frozenset(code for row in rows for code, _start, end, tender in row if tender and end is None)


def remove_group_separators(text: str) -> str:
    """The number that a person typed without the commas between its thousands.

    Raises InvalidAmount for a comma anywhere else, which could mean another number.
    """
    if "," in text and not GROUPED.fullmatch(text):
        raise InvalidAmount(WRITE_WITH_POINT)
    return text.replace(",", "")


def parse_major_units(text: str) -> Decimal:
    """The amount in major units that a person typed without saying of which currency. Raises InvalidAmount."""
    plain = remove_group_separators(text)
    whole, _, rest = plain.partition(".")
    if not (plain.isascii() and whole.isdigit() and len(whole) <= 10 and (rest.isdigit() or "." not in plain)):
        raise InvalidAmount('Write an amount such as "625.00".')
    return Decimal(plain)


def list_minor_amounts(text: str) -> list[int]:
    """What somebody who typed an amount may mean in minor units: in currencies of two decimals, and of none."""
    try:
        amount = parse_major_units(text.strip().lstrip("$€£¥A "))
    except InvalidAmount:
        return []
    return [int(minor) for minor in (amount.scaleb(2), amount) if minor == minor.to_integral_value()]


def split_codes(codes: str) -> frozenset[str]:
    """Split a table's row of currency codes."""
    return frozenset(codes.split())


# Minor units where they are not two (ISO 4217, list one). CLDR's digits are those of cash and prices instead: it has
# none for ALL, LAK or RSD, whose banks and card networks count hundredths.
NO_DECIMALS = split_codes("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF")
THREE_DECIMALS = split_codes("BHD IQD JOD KWD LYD OMR TND")
FOUR_DECIMALS = frozenset({"CLF", "UYW"})


@cache
def get_currency_digits(currency: str) -> int:
    """How many decimals `currency` has: 2 for AUD, 0 for JPY, 3 for KWD."""
    if currency in NO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 4 if currency in FOUR_DECIMALS else 2


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """`amount` minor units (cents) of `currency`. Sums of two currencies raise ValueError."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, int) or isinstance(self.amount, bool):
            raise TypeError("money is counted in integer minor units")

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Parse a plain decimal string such as "625.00". Raises InvalidAmount."""
        if currency not in list_currencies():
            raise InvalidAmount("This is not a currency we know.")
        if not isinstance(text, str) or not text.isascii() or not text.replace(".", "", 1).isdigit():
            raise InvalidAmount('Write the amount as digits with a point, for example "625.00".')
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise InvalidAmount('Write the amount as digits with a point, for example "625.00".') from None
        digits = get_currency_digits(currency)
        if len(text.partition(".")[2]) > digits:
            raise InvalidAmount(f"{currency} has {digits or 'no'} decimals; this amount has more.")
        minor = int(value.scaleb(digits))
        if minor >= 10**12:
            raise InvalidAmount("This amount is too large.")
        return cls(minor, currency)

    @classmethod
    def parse_typed(cls, text: str, currency: str) -> "Money":
        """Parse what a person typed: "1,250.00", "A$1,250", "1250.5". Raises InvalidAmount.

        Commas stand between thousands and a point before the decimals; anything else, such as "6,95", could mean two
        amounts and is refused. So is "6,950" in a currency of three decimals.
        """
        bare = text.strip().upper().replace("\u00a0", " ")
        for sign in (get_currency_symbol(currency, locale="en").upper(), currency):
            bare = bare.removeprefix(sign).removesuffix(sign).strip()
        if get_currency_digits(currency) == 3 and bare.count(",") == 1 and "." not in bare:
            raise InvalidAmount(WRITE_WITH_POINT)
        return cls.parse(remove_group_separators(bare), currency)

    @property
    def digits(self) -> int:
        """How many decimals the currency has."""
        return get_currency_digits(self.currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, with exactly the currency's decimals."""
        digits = get_currency_digits(self.currency)
        return Decimal(self.amount).scaleb(-digits).quantize(Decimal(1).scaleb(-digits))

    @property
    def plain(self) -> str:
        """The amount as a plain decimal string, for example "625.00"."""
        return format(self.decimal, "f")

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError("two currencies do not add up")
        return Money(self.amount + other.amount, self.currency)

    def __str__(self) -> str:
        return _format_money(self)

    def __bool__(self) -> bool:
        return self.amount != 0


@lru_cache(maxsize=4096)
def _format_money(money: Money) -> str:
    """Format money for people; cached, because formatting takes longer than a query and amounts recur.

    In English as it is written between countries: a dollar says whose it is.
    """
    digits = get_currency_digits(money.currency)
    pattern = PRICE_PATTERN.sub(
        "0" + "." * bool(digits) + "0" * digits, Locale("en", "001").currency_formats["standard"].pattern
    )
    text = format_currency(money.decimal, money.currency, pattern, locale="en_001", currency_digits=False)
    return CODE_BEFORE_DIGIT.sub("\u00a0", text, count=1)
