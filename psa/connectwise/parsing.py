"""Reading PSA's records tolerantly: nulls, missing fields and unknown values never stop more than one record."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from psa.protocol import RemoteAgreement, RemoteCallback, RemoteInvoice, RemoteOpportunity, RemoteOrder, RemotePayment
from wisepay.money import Money, get_currency_digits, list_currencies

type Row = dict[str, Any]
LARGEST_AMOUNT = 10**16  # minor units: more than any record has
DOWN_PAYMENT = "DownPayment"
LARGEST_ID = 2**62
EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def read_id(value: Any) -> int:
    """A record's id, or that of a reference; 0 where there is none, or none that a column holds."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < LARGEST_ID else 0


def read_text(value: Any, most: int = 120) -> str:
    """A text, without what no column holds; empty where there is none."""
    return remove_unstorable(str(value))[:most] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def remove_unstorable(value: Any) -> Any:
    """A JSON value without the characters that PostgreSQL holds neither in texts nor in JSON."""
    if isinstance(value, str):
        return UNSTORABLE.sub("", value)
    if isinstance(value, dict):
        return {remove_unstorable(name): remove_unstorable(each) for name, each in value.items()}
    return [remove_unstorable(each) for each in value] if isinstance(value, list) else value


def read_named(row: Row, field: str, name: str = "name") -> str:
    """A text of a reference."""
    found = row.get(field)
    return read_text(found.get(name)) if isinstance(found, dict) else ""


def read_money(value: Any, currency: str) -> Money | None:
    """An amount, rounded to the currency; None where it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or currency not in list_currencies():
        return None
    try:
        minor = (Decimal(value)).scaleb(get_currency_digits(currency)).quantize(Decimal(1))
    except InvalidOperation:
        return None
    return Money(int(minor), currency) if abs(minor) < LARGEST_AMOUNT else None


def read_time(value: Any) -> datetime | None:
    """An instant, with a zone; None where it is none, such as the year 1 that stands for nothing."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if found is None or not EARLIEST <= found.date() <= LATEST:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_day(value: Any) -> date | None:
    """The day of an instant as it is written; None where it is none."""
    try:
        found = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and EARLIEST <= found <= LATEST else None


def read_currency(row: Row) -> str:
    """The currency's code; empty where none is named."""
    return read_named(row, "currency", "currencyCode").upper() or read_named(row, "currency", "currencyIdentifier")


def parse_opportunity(row: Row) -> RemoteOpportunity:
    """An opportunity: whom to bill goes before whom it was sold to."""
    company = row.get("billToCompany") or row.get("company")
    contact = row.get("billToContact") or row.get("contact")
    name = read_text(company.get("name")) if isinstance(company, dict) else ""
    return RemoteOpportunity(read_id(row.get("id")), read_id(company), name, read_id(contact))


def parse_order(row: Row) -> RemoteOrder:
    """A sales order."""
    ids = row.get("invoiceIds")
    return RemoteOrder(read_id(row), tuple(filter(None, map(read_id, ids if isinstance(ids, list) else []))))


def parse_invoice(row: Row, currency: str) -> RemoteInvoice:
    """An invoice; `currency` is taken where it names none."""
    status = row.get("status")
    named = read_currency(row)
    order = read_id(row.get("salesOrder"))
    if not order and row.get("applyToType") == "SalesOrder":
        order = read_id(row.get("applyToId"))
    return RemoteInvoice(
        id=read_id(row),
        number=read_text(row.get("invoiceNumber"), 40),
        kind=read_text(row.get("type"), 40),
        company_id=read_id(row.get("company")),
        company_name=read_named(row, "company"),
        order_id=order,
        is_closed=isinstance(status, dict) and status.get("isClosed") is True,
        currency=named or currency,
        balance=read_money(row.get("balance"), named or currency),
        updated_at=read_updated_at(row),
        total=read_money(row.get("total"), named or currency),
        paid=read_money(row.get("payments") or 0, named or currency),
        company_identifier=read_named(row, "company", "identifier")[:60],
        issued_on=read_day(row.get("date")),
        due_on=read_day(row.get("dueDate")),
        term_id=read_id(row.get("billingTerms")),
    )


def read_updated_at(row: Row) -> datetime | None:
    """When the record was written last."""
    info = row.get("_info")
    return read_time(info.get("lastUpdated")) if isinstance(info, dict) else None


def parse_payment(row: Row, currency: str) -> RemotePayment:
    """A payment on an invoice."""
    return RemotePayment(
        id=read_id(row),
        amount=read_money(row.get("amount"), currency),
        paid_on=read_day(row.get("paymentDate")),
        applied_by=read_text(row.get("appliedBy"), 60),
        answer=remove_unstorable(row),
    )


def parse_agreement(row: Row) -> RemoteAgreement:
    """An agreement."""
    is_active = row.get("agreementStatus") == "Active" and row.get("cancelledFlag") is not True
    return RemoteAgreement(read_id(row), read_text(row.get("name")), is_active, read_id(row.get("company")))


def parse_callback(row: Row) -> RemoteCallback:
    """A callback."""
    return RemoteCallback(
        read_id(row),
        read_text(row.get("type"), 40).lower(),
        read_text(row.get("url"), 2000),
        bool(row.get("inactiveFlag")),
    )
