"""QuickBooks' wire formats: amounts, days, instants, references, envelopes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox.intuit.errors import IntuitValidationError, build_not_a_number_error

Record = dict[str, Any]
CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# Amounts are stored as text; these are the fields that go out as numbers.
NUMBER_FIELDS = frozenset(
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
TIME_FIELDS = frozenset({"CreateTime", "LastUpdatedTime"})
PACIFIC = timezone(timedelta(hours=-7))


def round_cents(value: Decimal) -> Decimal:
    """Rounded half up to two decimals."""
    return value.quantize(CENT, ROUND_HALF_UP)


def parse_number(name: str, value: Any) -> Decimal:
    """A JSON number or numeric text as a finite Decimal; raises IntuitValidationError."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise build_not_a_number_error(name, value)
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise build_not_a_number_error(name, value) from error
    if not found.is_finite() or abs(found) >= Decimal(10) ** 12:
        raise build_not_a_number_error(name, value)
    return found


def parse_optional_number(sent: Record, name: str) -> Decimal | None:
    """The number under this name; None when it is absent, empty or nought."""
    value = sent.get(name)
    return parse_number(name, value) or None if value not in (None, "") else None


def parse_amount(name: str, value: Any) -> Decimal:
    """An amount in whole cents; raises IntuitValidationError (2140) for fractions of one."""
    found = parse_number(name, value)
    if found != round_cents(found):
        raise IntuitValidationError(
            "2140", "Invalid Amount", f"Invalid Amount : {found} has more than 2 decimals", element=name
        )
    return round_cents(found)


def parse_day(name: str, value: Any) -> str:
    """A calendar day as `YYYY-MM-DD`; raises IntuitValidationError (2070). A time of day is cut off."""
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError as error:
        raise IntuitValidationError(
            "2070", "Invalid Date", f"Invalid Date : {str(value)[:40]}", element=name
        ) from error


def parse_instant(text: str) -> datetime:
    """An ISO time as an aware one; without a zone it means the vendor's own. Raises ValueError."""
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    return moment if moment.tzinfo else moment.replace(tzinfo=PACIFIC)


def format_timestamp(moment: datetime) -> str:
    """An instant as it is stored: UTC, to the second as the vendor does, so that text order is time order."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def format_local_time(text: str) -> str:
    """A stored instant as the API shows it, in the vendor's own zone."""
    return datetime.fromisoformat(text).astimezone(PACIFIC).isoformat()


def format_envelope_time(moment: datetime) -> str:
    """The `time` of an envelope."""
    return moment.astimezone(PACIFIC).isoformat(timespec="milliseconds")


def build_reference(value: str, name: str = "", kind: str = "") -> Record:
    """A reference to another object."""
    return {"value": value, **({"name": name} if name else {}), **({"type": kind} if kind else {})}


def get_reference_id(sent: Any) -> str:
    """The id that a reference names, or nothing."""
    return str(sent.get("value") or "") if isinstance(sent, dict) else ""


def is_sparse(sent: Record) -> bool:
    """Whether an update leaves alone what it does not name."""
    return sent.get("sparse") in (True, "true")


def render_record(value: Any, key: str = "") -> Any:
    """A stored record as the API shows it: numbers for amounts, local times, nothing private or empty."""
    if isinstance(value, str):
        if key in NUMBER_FIELDS and value:
            return Decimal(value)
        return format_local_time(value) if key in TIME_FIELDS else value
    if isinstance(value, dict):
        shown = ((name, child) for name, child in value.items() if child not in (None, "") and not name.startswith("_"))
        return {name: render_record(child, name) for name, child in shown}
    if isinstance(value, list):
        return [render_record(child, key) for child in value]
    return Decimal(str(value)) if key in NUMBER_FIELDS and value is not None else value


def serialize_scalar(value: Any) -> Any:
    """What JSON has no type for. Amounts have few enough digits to come out as they are."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} has no wire format")


def render_json(body: Any) -> str:
    """A body as JSON."""
    return json.dumps(body, default=serialize_scalar)


def parse_json(body: bytes | str) -> Any:
    """The JSON of a body, its numbers as Decimal; raises ValueError."""
    return json.loads(body, parse_float=Decimal, parse_constant=refuse_constant)


def refuse_constant(name: str) -> Any:
    """JSON has no NaN and no Infinity."""
    raise ValueError(name)


def to_stored(value: Any) -> Any:
    """A parsed value ready to be stored: Decimals as text."""
    if isinstance(value, dict):
        return {name: to_stored(child) for name, child in value.items()}
    if isinstance(value, list):
        return [to_stored(child) for child in value]
    return str(value) if isinstance(value, Decimal) else value
