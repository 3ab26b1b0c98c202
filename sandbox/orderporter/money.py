"""Amounts in minor units, as the contract writes them and as people read them."""

from decimal import Decimal, InvalidOperation

DECIMALS = {"AUD": 2, "USD": 2, "NZD": 2, "GBP": 2, "EUR": 2, "CAD": 2, "JPY": 0}
SYMBOLS = {"GBP": "£", "EUR": "€", "JPY": "¥"}


def format_decimal(minor: int, currency: str) -> str:
    """`125000`, `AUD` → `1250.00`; a currency without decimals gets none."""
    places = DECIMALS[currency]
    return f"{Decimal(minor).scaleb(-places):.{places}f}"


def parse_minor_units(amount: str, currency: str) -> int:
    """The reverse of `decimal_string`; raises ValueError for anything that is no such amount."""
    try:
        minor = Decimal(amount).scaleb(DECIMALS[currency])
    except (InvalidOperation, KeyError) as error:
        raise ValueError(f"{amount} {currency} is no amount") from error
    if not minor.is_finite() or minor != minor.to_integral_value():
        raise ValueError(f"{amount} has too many decimals for {currency}")
    return int(minor)


def format_amount(minor: int, currency: str) -> str:
    """`$1,250.00 AUD`, `¥120,000 JPY`."""
    return f"{SYMBOLS.get(currency, '$')}{Decimal(format_decimal(minor, currency)):,} {currency}"
