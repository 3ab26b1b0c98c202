"""QuickBooks' wire formats: amounts, days, instants, references, envelopes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox.intuit.errors import InvalidError, not_a_number

Record = dict[str, Any]
CENT = Decimal("0.01")
NOTHING = Decimal("0.00")
# Amounts are kept as text; these are the fields that go out as numbers.
NUMBERS = frozenset(
    {
        "Amount",
        "UnitPrice",
        "Qty",
        "TaxInclusiveAmt",
        "TotalAmt",
        "Balance",
        "BalanceWithJobs",
        "RemainingCredit",
        "UnappliedAmt",
        "TotalTax",
        "TaxPercent",
        "NetAmountTaxable",
        "ExchangeRate",
        "HomeTotalAmt",
        "HomeBalance",
        "CurrentBalance",
        "CurrentBalanceWithSubAccounts",
        "RateValue",
        "PurchaseCost",
    }
)
TIMES = frozenset({"CreateTime", "LastUpdatedTime"})
PACIFIC = timezone(timedelta(hours=-7))


def cents(value: Decimal) -> Decimal:
    """Rounded half up to two decimals."""
    return value.quantize(CENT, ROUND_HALF_UP)


def number(name: str, value: Any) -> Decimal:
    """A JSON number or numeric text as a finite Decimal; raises InvalidError."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise not_a_number(name, value)
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise not_a_number(name, value) from error
    if not found.is_finite() or abs(found) >= Decimal(10) ** 12:
        raise not_a_number(name, value)
    return found


def optional(sent: Record, name: str) -> Decimal | None:
    """The number under this name; None when it is absent, empty or nought."""
    value = sent.get(name)
    return number(name, value) or None if value not in (None, "") else None


def money(name: str, value: Any) -> Decimal:
    """An amount in whole cents; raises InvalidError (2140) for fractions of one."""
    found = number(name, value)
    if found != cents(found):
        raise InvalidError("2140", "Invalid Amount", f"Invalid Amount : {found} has more than 2 decimals", element=name)
    return cents(found)


def day(name: str, value: Any) -> str:
    """A calendar day as `YYYY-MM-DD`; raises InvalidError (2070). A time of day is cut off."""
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError as error:
        raise InvalidError("2070", "Invalid Date", f"Invalid Date : {str(value)[:40]}", element=name) from error


def instant(text: str) -> datetime:
    """An ISO time as an aware one; without a zone it means the vendor's own. Raises ValueError."""
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    return moment if moment.tzinfo else moment.replace(tzinfo=PACIFIC)


def stamp(moment: datetime) -> str:
    """An instant as the books keep it: UTC, to the second as the vendor does, so that text order is time order."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def shown_time(text: str) -> str:
    """A kept instant as the API shows it, in the vendor's own zone."""
    return datetime.fromisoformat(text).astimezone(PACIFIC).isoformat()


def now_text(moment: datetime) -> str:
    """The `time` of an envelope."""
    return moment.astimezone(PACIFIC).isoformat(timespec="milliseconds")


def ref(value: str, name: str = "", kind: str = "") -> Record:
    """A reference to another object."""
    return {"value": value, **({"name": name} if name else {}), **({"type": kind} if kind else {})}


def id_of(sent: Any) -> str:
    """The id that a reference names, or nothing."""
    return str(sent.get("value") or "") if isinstance(sent, dict) else ""


def is_sparse(sent: Record) -> bool:
    """Whether an update leaves alone what it does not name."""
    return sent.get("sparse") in (True, "true")


def shown(value: Any, key: str = "") -> Any:
    """A kept record as the API shows it: numbers for amounts, local times, nothing private or empty."""
    if isinstance(value, str):
        if key in NUMBERS and value:
            return Decimal(value)
        return shown_time(value) if key in TIMES else value
    if isinstance(value, dict):
        kept = ((name, child) for name, child in value.items() if child not in (None, "") and not name.startswith("_"))
        return {name: shown(child, name) for name, child in kept}
    if isinstance(value, list):
        return [shown(child, key) for child in value]
    return Decimal(str(value)) if key in NUMBERS and value is not None else value


def scalar(value: Any) -> Any:
    """What JSON has no type for. Amounts have few enough digits to come out as they are."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no wire format")


def dumped(body: Any) -> str:
    """A body as JSON."""
    return json.dumps(body, default=scalar)


def parsed(body: bytes | str) -> Any:
    """The JSON of a body, its numbers as Decimal; raises ValueError."""
    return json.loads(body, parse_float=Decimal, parse_constant=no_constant)


def no_constant(name: str) -> Any:
    """JSON has no NaN and no Infinity."""
    raise ValueError(name)


def kept(value: Any) -> Any:
    """A parsed value fit to be kept: Decimals as text."""
    if isinstance(value, dict):
        return {name: kept(child) for name, child in value.items()}
    if isinstance(value, list):
        return [kept(child) for child in value]
    return str(value) if isinstance(value, Decimal) else value
