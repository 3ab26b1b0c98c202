"""Our words as objects of Xero's SDK, and its objects as our words: amounts, texts, answers element by element."""

from datetime import date, datetime
from typing import Any

from xero_python.accounting import Contact, CurrencyCode, LineAmountTypes, LineItem, Phone
from xero_python.models import BaseModel

from accounting.ledgers.parsing import parse_money
from accounting.ledgers.protocol import (
    ContactOrder,
    DocumentOrder,
    RemoteAllocation,
    RemoteCreditNote,
    RemoteRefund,
    WriteResult,
)
from wisepay.errors import Unavailable
from wisepay.money import Money, get_currency_digits

CREDIT_NOTE_STATUSES = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "approved",
    "PAID": "applied",
    "DELETED": "removed",
    "VOIDED": "voided",
}


def clear_read_only_flags[M: BaseModel](model: M) -> M:
    """`model` without the read-only flags that the SDK sends as False and the contract forbids to write."""
    for flag in ("_has_attachments", "_has_errors", "_has_validation_errors"):
        if getattr(model, flag, None) is not None:
            setattr(model, flag, None)
    return model


def build_contact(order: ContactOrder) -> Contact:
    """A contact as the SDK sends it."""
    phones = [Phone(phone_type="DEFAULT", phone_number=order.phone[:50])] if order.phone else None
    return Contact(name=order.name, contact_number=order.number, email_address=order.email or None, phones=phones)


def build_document_fields(order: DocumentOrder) -> dict[str, Any]:
    """What an invoice and a credit note have in common."""
    line = LineItem(
        description=order.description,
        quantity=1,
        unit_amount=convert_to_float(order.amount),
        account_code=order.account,
        tax_type=order.tax_code,
    )
    return {
        "contact": clear_read_only_flags(Contact(contact_id=order.contact_id)),
        "date": order.on,
        "reference": order.reference,
        "currency_code": CurrencyCode(order.amount.currency),
        "line_amount_types": LineAmountTypes.EXCLUSIVE,
        "line_items": [line],
    }


def parse_credit_note(row: Any) -> RemoteCreditNote:
    """A credit note that the SDK read."""
    currency = convert_to_text(row.currency_code)
    return RemoteCreditNote(
        number=convert_to_text(row.credit_note_number),
        id=convert_to_text(row.credit_note_id),
        status=CREDIT_NOTE_STATUSES[convert_to_text(row.status)],
        total=parse_money(row.total, currency),
        remaining=parse_money(row.remaining_credit, currency),
        allocations=tuple(
            RemoteAllocation(
                invoice=convert_to_text(a.invoice.invoice_number),
                amount=parse_money(a.amount, currency),
                on=convert_to_date(a.date),
                id=convert_to_text(a.allocation_id),
                invoice_id=convert_to_text(a.invoice.invoice_id),
            )
            for a in row.allocations or []
        ),
        refunds=tuple(
            RemoteRefund(
                convert_to_text(p.payment_id),
                convert_to_text(p.reference),
                parse_money(p.amount, currency),
                convert_to_date(p.date),
            )
            for p in exclude_deleted(row.payments)
        ),
    )


def exclude_deleted(payments: list[Any] | None) -> list[Any]:
    """Those payments of a document that were not taken back."""
    return [p for p in payments or [] if convert_to_text(p.status) != "DELETED"]


def parse_results(orders: "list[Any]", elements: list[Any] | None, id_name: str) -> list[WriteResult]:
    """One Written an order; an answer of another length is no answer."""
    if elements is None or len(elements) != len(orders):
        raise Unavailable("Xero answered another number of elements than were sent")
    return [parse_result(order.number, element, id_name) for order, element in zip(orders, elements, strict=True)]


def parse_result(order_number: str, element: Any, id_name: str) -> WriteResult:
    """What Xero said of one element."""
    errors = [e.message for e in element.validation_errors or []]
    if errors or convert_to_text(element.status_attribute_string) == "ERROR":
        return WriteResult(order_number, refusal="; ".join(errors) or "Xero gave no reason.")
    return WriteResult(order_number, id=getattr(element, id_name))


def convert_to_float(amount: Money) -> float:
    """The amount as the SDK wants it; a double holds every amount of up to 15 digits exactly enough to print."""
    return float(f"{amount.decimal:.{get_currency_digits(amount.currency)}f}")


def convert_to_date(value: Any) -> date:
    """A day that the SDK read as a day or an instant."""
    found: date = value.date() if isinstance(value, datetime) else value
    return found


def convert_to_text(value: object) -> str:
    """A string that the SDK read: enums give their value, and JSON's null, which it reads as 'None', is empty."""
    found = str(getattr(value, "value", value))
    return "" if found == "None" else found


def escape_quotes(value: str) -> str:
    """`value` inside the quotes of a where clause."""
    return value.replace("\\", "\\\\").replace('"', '\\"')
