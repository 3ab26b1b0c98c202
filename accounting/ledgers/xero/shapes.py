"""What we send to Xero, as models of its SDK: contacts, documents, payments and allocations."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from xero_python.accounting import (
    Account,
    Allocation,
    Contact,
    CreditNote,
    CurrencyCode,
    Invoice,
    LineAmountTypes,
    LineItem,
    Payment,
    Phone,
)
from xero_python.models import BaseModel

from accounting.ledgers.protocol import AllocationOrder, ContactOrder, DocumentOrder, PaymentOrder, RefundOrder
from wisepay.errors import Rejected
from wisepay.money import Money, get_currency_digits

MAX_PHONE_LENGTH = 50
UNQUOTABLE = re.compile(r'["\\\x00-\x1f]')
READ_ONLY_FLAGS = frozenset({"_has_attachments", "_has_errors", "_has_validation_errors"})


def clear_read_only_flags[M: BaseModel](model: M) -> M:
    """Return `model` without the read-only flags that the SDK sends as False and Xero's contract forbids to write."""
    attributes = vars(model)
    attributes.update(dict.fromkeys(READ_ONLY_FLAGS & attributes.keys()))
    return model


def reject_invalid[**P, R](build: Callable[P, R]) -> Callable[P, R]:
    """Let a function that builds a request raise Rejected for what the SDK's models do not take."""

    @wraps(build)
    def built(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return build(*args, **kwargs)
        except ValueError as error:
            raise Rejected("invalid", f"Xero takes no such value. {error}") from error

    return built


@reject_invalid
def build_contact(order: ContactOrder) -> Contact:
    """Return the contact to create."""
    phones = [Phone(phone_type="DEFAULT", phone_number=order.phone[:MAX_PHONE_LENGTH])] if order.phone else None
    return clear_read_only_flags(
        Contact(name=order.name, contact_number=order.number, email_address=order.email or None, phones=phones)
    )


@reject_invalid
def build_invoice(order: DocumentOrder) -> Invoice:
    """Return the approved invoice to create, due at once."""
    return clear_read_only_flags(
        Invoice(
            type="ACCREC",
            status="AUTHORISED",
            invoice_number=order.number,
            due_date=order.due_on or order.on,
            **build_document_fields(order),
        )
    )


@reject_invalid
def build_invoice_update(order: DocumentOrder) -> Invoice:
    """Return the invoice `order.id` with another amount and day; its number stays."""
    return clear_read_only_flags(Invoice(invoice_id=order.id, due_date=order.on, **build_document_fields(order)))


@reject_invalid
def build_credit_note(order: DocumentOrder, status: str) -> CreditNote:
    """Return the credit note to create in this status."""
    return clear_read_only_flags(
        CreditNote(type="ACCRECCREDIT", status=status, credit_note_number=order.number, **build_document_fields(order))
    )


def build_document_fields(order: DocumentOrder) -> dict[str, Any]:
    """Return what an invoice and a credit note have in common."""
    return {
        "contact": clear_read_only_flags(Contact(contact_id=order.contact_id)),
        "date": order.on,
        "reference": order.reference,
        "currency_code": CurrencyCode(order.amount.currency),
        "line_amount_types": LineAmountTypes.EXCLUSIVE,
        "line_items": build_line_items(order),
    }


def build_line_items(order: DocumentOrder) -> list[LineItem]:
    """Return the order's lines, each with its own tax, or else the one line that it is."""
    usual = {"quantity": 1, "account_code": order.account, "tax_type": order.tax_code}
    if not order.lines:
        return [LineItem(description=order.description, unit_amount=convert_to_float(order.amount), **usual)]
    return [
        LineItem(
            description=line.description,
            unit_amount=convert_to_float(line.amount),
            tax_amount=convert_to_float(line.tax),
            **usual,
        )
        for line in order.lines
    ]


@reject_invalid
def build_payment(order: PaymentOrder) -> Payment:
    """Return the payment of an invoice, which is named by its id if that is known, or else by its number."""
    invoice = Invoice(invoice_id=order.invoice_id) if order.invoice_id else Invoice(invoice_number=order.invoice_number)
    return Payment(invoice=clear_read_only_flags(invoice), **build_payment_fields(order))


@reject_invalid
def build_refund(order: RefundOrder) -> Payment:
    """Return the payment that gives money back out of a credit note."""
    note = clear_read_only_flags(CreditNote(credit_note_id=order.note_id))
    return Payment(credit_note=note, **build_payment_fields(order))


def build_payment_fields(order: PaymentOrder | RefundOrder) -> dict[str, Any]:
    """Return what a payment and a refund have in common."""
    return {
        "account": clear_read_only_flags(Account(code=order.account)),
        "date": order.on,
        "amount": convert_to_float(order.amount),
        "reference": order.number,
    }


@reject_invalid
def build_allocation(order: AllocationOrder) -> Allocation:
    """Return the allocation of a credit note to an invoice."""
    return Allocation(
        invoice=clear_read_only_flags(Invoice(invoice_id=order.invoice_id)),
        amount=convert_to_float(order.amount),
        date=order.on,
    )


def convert_to_float(amount: Money) -> float:
    """Return the amount as the SDK takes it; a double prints every amount of up to 15 digits exactly."""
    return float(f"{amount.decimal:.{get_currency_digits(amount.currency)}f}")


def is_quotable(value: str) -> bool:
    """Return whether a filter can hold the value: Xero takes no escape inside its quotes."""
    return not UNQUOTABLE.search(value)


def get_searchable_part(value: str) -> str:
    """Return the longest part of the value that a search finds it by."""
    return max((part.strip() for part in UNQUOTABLE.split(value)), key=len)
