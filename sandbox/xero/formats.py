"""Xero's wire formats: numbers, dates, envelopes, JSON and XML."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree

from starlette.responses import Response

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CENT = Decimal("0.01")
ZERO_ID = "00000000-0000-0000-0000-000000000000"
DOTNET_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/$")
ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ][0-9:.]+(?:Z|[+-]\d{2}:?\d{2})?)?$")
SINGULAR = {"Addresses": "Address", "TaxRates": "TaxRate", "Currencies": "Currency"}


def create_id() -> str:
    """A fresh GUID in lower case."""
    return str(uuid.uuid4())


def round_cents(value: Decimal) -> Decimal:
    """Rounded half up to two decimals."""
    return value.quantize(CENT, ROUND_HALF_UP)


def parse_number(value: Any) -> Decimal:
    """A JSON number or numeric text as a finite Decimal; raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("not a number")
    try:
        found = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not found.is_finite() or abs(found) >= Decimal(10) ** 12:
        raise ValueError("out of range")
    return found


def parse_day(value: Any) -> date:
    """The calendar day of `YYYY-MM-DD`, an ISO time or `/Date(ms)/`; raises ValueError."""
    text = str(value)[:40]
    if found := DOTNET_DATE.match(text):
        return (EPOCH + timedelta(milliseconds=int(found[1][:15]))).date()
    if ISO_DAY.match(text):
        return date.fromisoformat(text[:10])
    raise ValueError(f"{text!r} is no date")


def format_timestamp(moment: datetime) -> str:
    """An instant as it is stored: ISO, UTC, milliseconds, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def format_dotnet_date(moment: date) -> str:
    """`/Date(ms+0000)/` of a day or an aware instant."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    whole = int(moment.timestamp()) * 1000 + moment.microsecond // 1000
    return f"/Date({whole}+0000)/"


def build_envelope(now: datetime, **content: Any) -> dict[str, Any]:
    """A successful answer of the accounting API around its content."""
    head = {
        "Id": create_id(),
        "Status": "OK",
        "ProviderName": "Practice app",
        "DateTimeUTC": format_dotnet_date(now)[:-7] + ")/",
    }
    return {**head, **content}


def serialize_scalar(value: Any) -> Any:
    """What JSON has no type for: Decimals become numbers, dates Xero's strings."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return format_dotnet_date(value)
    raise TypeError(f"{type(value).__name__} has no wire format")


def to_plain_json(value: Any) -> Any:
    """A parsed value in plain JSON types, ready to be stored."""
    return json.loads(json.dumps(value, default=serialize_scalar))


def append_xml(parent: ElementTree.Element, name: str, value: Any) -> None:
    """Append `value` to an XML tree the way the accounting API lays it out."""
    node = ElementTree.SubElement(parent, name)
    if isinstance(value, dict):
        for key, child in value.items():
            append_xml(node, key, child)
    elif isinstance(value, list):
        for child in value:
            append_xml(node, SINGULAR.get(name, name.removesuffix("s")), child)
    elif isinstance(value, date):
        node.text = value.isoformat()
    elif value is not None:
        node.text = str(value).lower() if isinstance(value, bool) else str(value)


def render_xml(body: dict[str, Any]) -> bytes:
    """The answer as XML, which is what a client gets that does not ask for JSON."""
    root = ElementTree.Element("Response")
    for key, value in body.items():
        append_xml(root, key, value)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def render_response(accept: str, status: int, body: dict[str, Any] | str | bytes) -> Response:
    """JSON when it was asked for, XML otherwise; text stays text, and a PDF is one."""
    if isinstance(body, bytes):
        return Response(body, status, media_type="application/pdf")
    if isinstance(body, str):
        return Response(body, status, media_type="text/html")
    if "json" in accept.lower():
        return Response(json.dumps(body, default=serialize_scalar), status, media_type="application/json")
    return Response(render_xml(body), status, media_type="text/xml")
