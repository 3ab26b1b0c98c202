"""Xero behind the ledger's door. Source: developer.xero.com, Accounting API."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from xero_python.accounting import Account as XeroAccount
from xero_python.accounting import (
    Contact,
    Contacts,
    CreditNote,
    CreditNotes,
    CurrencyCode,
    Invoice,
    Invoices,
    LineAmountTypes,
    LineItem,
    Payment,
    Payments,
    Phone,
)
from xero_python.models import BaseModel

from accounting.ledgers.words import Account, ContactOrder, DocumentOrder, PaymentOrder, TaxCode, Written
from accounting.ledgers.xero_client import accounting_api, call
from wisepay.errors import Unavailable
from wisepay.money import Money, digits_of


class XeroLedger:
    """One Xero organisation."""

    batch_size = 50
    supports_drafts = True

    def __init__(self, access_token: str, organisation_id: str) -> None:
        self._api = accounting_api(access_token)
        self._tenant = organisation_id

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[Written]:
        asked = [bare(_contact(o)) for o in orders]
        answer = self._write(self._api.create_contacts, Contacts(contacts=asked), key=key)
        return _each(orders, answer.contacts, "contact_id")

    def find_contacts(self, orders: list[ContactOrder]) -> list[Written]:
        found = []
        for order in orders:
            where = f'ContactNumber=="{_quoted(order.number)}" OR Name=="{_quoted(order.name)}"'
            rows = call(self._api.get_contacts, self._tenant, where=where).contacts or []
            active = [r for r in rows if _text(r.contact_status) != "ARCHIVED"]
            best = sorted(active, key=lambda r: r.contact_number != order.number)
            found += [Written(order.number, id=best[0].contact_id)] if best else []
        return found

    # ---- invoices and credit notes --------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        asked = [
            bare(Invoice(type="ACCREC", status="AUTHORISED", invoice_number=o.number, due_date=o.on, **_document(o)))
            for o in orders
        ]
        answer = self._write(self._api.create_invoices, Invoices(invoices=asked), key=key, unitdp=4)
        return _each(orders, answer.invoices, "invoice_id")

    def find_invoices(self, orders: list[DocumentOrder]) -> list[Written]:
        by_number = {i.invoice_number: i for i in self._invoices([o.number for o in orders])}
        return _matching(orders, by_number, "invoice_id")

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[Written]:
        asked = [
            bare(CreditNote(type="ACCRECCREDIT", status="AUTHORISED", credit_note_number=o.number, **_document(o)))
            for o in orders
        ]
        answer = self._write(self._api.create_credit_notes, CreditNotes(credit_notes=asked), key=key, unitdp=4)
        return _each(orders, answer.credit_notes, "credit_note_id")

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[Written]:
        where = " OR ".join(f'CreditNoteNumber=="{_quoted(o.number)}"' for o in orders)
        rows = call(self._api.get_credit_notes, self._tenant, where=where, page=1, page_size=100).credit_notes
        return _matching(orders, {r.credit_note_number: r for r in rows or []}, "credit_note_id")

    # ---- payments -------------------------------------------------------------------------------

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[Written]:
        asked = [
            Payment(
                invoice=bare(Invoice(invoice_number=o.invoice_number)),
                account=bare(XeroAccount(code=o.account)),
                date=o.on,
                amount=_number(o.amount),
                reference=o.number,
            )
            for o in orders
        ]
        answer = self._write(self._api.create_payments, Payments(payments=asked), key=key)
        return _each(orders, answer.payments, "payment_id")

    def find_payments(self, orders: list[PaymentOrder]) -> list[Written]:
        paid = {
            i.invoice_number: [p for p in i.payments or [] if _text(p.status) != "DELETED"]
            for i in self._invoices([o.invoice_number for o in orders])
        }
        found = []
        for order in orders:
            same = [p for p in paid.get(order.invoice_number, []) if _same(p.amount, order.amount)]
            found += [Written(order.number, id=same[0].payment_id)] if same else []
        return found

    # ---- lists ----------------------------------------------------------------------------------

    def read_accounts(self) -> list[Account]:
        rows = call(self._api.get_accounts, self._tenant, where='Status=="ACTIVE"').accounts or []
        return [
            Account(
                code=_text(r.code),
                name=r.name,
                kind=_text(r.type),
                takes_payments=bool(r.enable_payments_to_account) or _text(r.type) == "BANK",
            )
            for r in rows
            if _text(r.code)
        ]

    def read_tax_codes(self) -> list[TaxCode]:
        rows = call(self._api.get_tax_rates, self._tenant).tax_rates or []
        return [
            TaxCode(code=_text(r.tax_type), name=r.name, rate=Decimal(str(r.effective_rate or 0)))
            for r in rows
            if _text(r.status) == "ACTIVE"
        ]

    # ---- inside ---------------------------------------------------------------------------------

    def _write(self, operation: Callable[..., Any], body: Any, *, key: str, **more: Any) -> Any:
        """A batch whose elements are judged one by one."""
        return call(operation, self._tenant, body, summarize_errors=False, idempotency_key=key, **more)

    def _invoices(self, numbers: list[str]) -> list[Any]:
        answer = call(self._api.get_invoices, self._tenant, invoice_numbers=numbers, page=1, page_size=100)
        return list(answer.invoices or [])


def bare[M: BaseModel](model: M) -> M:
    """`model` without the read-only flags that the SDK sends as False and the contract forbids to write."""
    for flag in ("_has_attachments", "_has_errors", "_has_validation_errors"):
        if getattr(model, flag, None) is not None:
            setattr(model, flag, None)
    return model


def _contact(order: ContactOrder) -> Contact:
    phones = [Phone(phone_type="DEFAULT", phone_number=order.phone[:50])] if order.phone else None
    return Contact(name=order.name, contact_number=order.number, email_address=order.email or None, phones=phones)


def _document(order: DocumentOrder) -> dict[str, Any]:
    """What an invoice and a credit note have in common."""
    line = LineItem(
        description=order.description,
        quantity=1,
        unit_amount=_number(order.amount),
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


def _each(orders: "list[Any]", elements: list[Any] | None, id_name: str) -> list[Written]:
    """One Written an order; an answer of another length is no answer."""
    if elements is None or len(elements) != len(orders):
        raise Unavailable("Xero answered another number of elements than were sent")
    return [_written(order.number, element, id_name) for order, element in zip(orders, elements, strict=True)]


def _written(number: str, element: Any, id_name: str) -> Written:
    errors = [e.message for e in element.validation_errors or []]
    if errors or _text(element.status_attribute_string) == "ERROR":
        return Written(number, refusal="; ".join(errors) or "Xero gave no reason.")
    return Written(number, id=getattr(element, id_name))


def _matching(orders: list[DocumentOrder], rows: dict[str, Any], id_name: str) -> list[Written]:
    """The orders whose document is there, for the same amount and not deleted or voided."""
    found = []
    for order in orders:
        row = rows.get(order.number)
        if row is not None and _text(row.status) not in ("DELETED", "VOIDED") and _same(row.total, order.amount):
            found.append(Written(order.number, id=getattr(row, id_name)))
    return found


def _number(money: Money) -> float:
    """The amount as the SDK wants it; a double holds every amount of up to 15 digits exactly enough to print."""
    return float(f"{money.decimal:.{digits_of(money.currency)}f}")


def _same(value: object, money: Money) -> bool:
    """Whether a number that the SDK read is this amount."""
    return value is not None and Decimal(str(value)) == money.decimal


def _text(value: object) -> str:
    """A string that the SDK read: enums give their value, and JSON's null, which it reads as 'None', is empty."""
    text = str(getattr(value, "value", value))
    return "" if text == "None" else text


def _quoted(text: str) -> str:
    """`text` inside the quotes of a where clause."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
