"""Amounts as text for the practice pages."""

from __future__ import annotations

from decimal import Decimal

NO_DECIMALS = frozenset({"clp", "jpy", "krw", "pyg", "vnd", "vuv", "xpf"})
THREE_DECIMALS = frozenset({"bhd", "kwd"})


def format_amount(amount: int, currency: str) -> str:
    """Minor units as people write them: 1099 and usd to `10.99 USD`."""
    places = 0 if currency in NO_DECIMALS else 3 if currency in THREE_DECIMALS else 2
    return f"{Decimal(amount).scaleb(-places):,.{places}f} {currency.upper()}"
