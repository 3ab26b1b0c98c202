"""Our words as objects of Xero's SDK, and its objects as our words: amounts, texts, answers element by element."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from xero_python.accounting import Contact, CurrencyCode, LineAmountTypes, LineItem, Phone
from xero_python.models import BaseModel

from accounting.ledgers.words import Allocated, ContactOrder, DocumentOrder, NoteFacts, Refunded, Written
from wisepay.errors import Unavailable
from wisepay.money import Money, digits_of

STATUSES = {
    "DRAFT": "draft",
    "SUBMITTED": "draft",
    "AUTHORISED": "approved",
    "PAID": "applied",
    "DELETED": "removed",
    "VOIDED": "voided",
}


def bare[M: BaseModel](model: M) -> M:
    """`model` without the read-only flags that the SDK sends as False and the contract forbids to write."""
    for flag in ("_has_attachments", "_has_errors", "_has_validation_errors"):
        if getattr(model, flag, None) is not None:
            setattr(model, flag, None)
    return model


def contact(order: ContactOrder) -> Contact:
    """A contact as the SDK sends it."""
    phones = [Phone(phone_type="DEFAULT", phone_number=order.phone[:50])] if order.phone else None
    return Contact(name=order.name, contact_number=order.number, email_address=order.email or None, phones=phones)


def document(order: DocumentOrder) -> dict[str, Any]:
    """What an invoice and a credit note have in common."""
    line = LineItem(
        description=order.description,
        quantity=1,
        unit_amount=number(order.amount),
        account_code=order.account,
        tax_type=order.tax_code,
    )
    return {
        "contact": bare(Contact(contact_id=order.contact_id)),
        "date": order.on,
        "reference": order.reference,
        "currency_code": CurrencyCode(order.amount.currency),
        "line_amount_types": LineAmountTypes.EXCLUSIVE,
        "line_items": [line],
    }


def facts(row: Any) -> NoteFacts:
    """A credit note that the SDK read."""
    currency = text(row.currency_code)
    return NoteFacts(
        number=text(row.credit_note_number),
        id=text(row.credit_note_id),
        status=STATUSES[text(row.status)],
        total=money(row.total, currency),
        remaining=money(row.remaining_credit, currency),
        allocations=tuple(
            Allocated(
                invoice=text(a.invoice.invoice_number),
                amount=money(a.amount, currency),
                on=day(a.date),
                id=text(a.allocation_id),
                invoice_id=text(a.invoice.invoice_id),
            )
            for a in row.allocations or []
        ),
        refunds=tuple(
            Refunded(text(p.payment_id), text(p.reference), money(p.amount, currency), day(p.date))
            for p in standing(row.payments)
        ),
    )


def standing(payments: list[Any] | None) -> list[Any]:
    """Those payments of a document that were not taken back."""
    return [p for p in payments or [] if text(p.status) != "DELETED"]


def each(orders: "list[Any]", elements: list[Any] | None, id_name: str) -> list[Written]:
    """One Written an order; an answer of another length is no answer."""
    if elements is None or len(elements) != len(orders):
        raise Unavailable("Xero answered another number of elements than were sent")
    return [written(order.number, element, id_name) for order, element in zip(orders, elements, strict=True)]


def written(order_number: str, element: Any, id_name: str) -> Written:
    """What Xero said of one element."""
    errors = [e.message for e in element.validation_errors or []]
    if errors or text(element.status_attribute_string) == "ERROR":
        return Written(order_number, refusal="; ".join(errors) or "Xero gave no reason.")
    return Written(order_number, id=getattr(element, id_name))


def number(amount: Money) -> float:
    """The amount as the SDK wants it; a double holds every amount of up to 15 digits exactly enough to print."""
    return float(f"{amount.decimal:.{digits_of(amount.currency)}f}")


def money(value: object, currency: str) -> Money:
    """A number that the SDK read, as money; nothing is nought."""
    digits = digits_of(currency)
    return Money(int(round(Decimal(str(value or 0)), digits).scaleb(digits)), currency)


def same(value: object, amount: Money) -> bool:
    """Whether a number that the SDK read is this amount."""
    return value is not None and Decimal(str(value)) == amount.decimal


def day(value: Any) -> date:
    """A day that the SDK read as a day or an instant."""
    found: date = value.date() if isinstance(value, datetime) else value
    return found


def text(value: object) -> str:
    """A string that the SDK read: enums give their value, and JSON's null, which it reads as 'None', is empty."""
    found = str(getattr(value, "value", value))
    return "" if found == "None" else found


def quoted(value: str) -> str:
    """`value` inside the quotes of a where clause."""
    return value.replace("\\", "\\\\").replace('"', '\\"')
