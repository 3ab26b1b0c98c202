"""Our words as QuickBooks' JSON, and its JSON as our words: names, amounts, queries, documents."""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from accounting.ledgers.words import ContactOrder, DocumentOrder, NoteFacts, PaymentOrder
from wisepay.money import Money, digits_of

Row = dict[str, Any]
LONGEST_NAME = 100
AMERICAN = ("TAX", "NON")  # codes of companies where automated sales tax decides
UNKEPT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]+")  # nothing that needs more than 16 bits
MAIL = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+$")


# ---- names ------------------------------------------------------------------------------------------


def cleaned(text: str) -> str:
    """`text` on one line, of characters that QuickBooks can keep."""
    return " ".join(UNKEPT.sub(" ", text).split())


def display_name(order: ContactOrder) -> str:
    """The name that is unique in QuickBooks: the contact's own, or what can be kept of it and our number.

    The number keeps two names apart of which the same can be kept.
    """
    name = cleaned(order.name.replace(":", " "))
    if name == order.name and 0 < len(name) <= LONGEST_NAME:
        return name
    suffix = f" ({order.number[:12].upper()})"
    return f"{name[: LONGEST_NAME - len(suffix)].strip()}{suffix}".strip()


def mark(number: str) -> str:
    """The line of a customer's notes by which it is ours for ever."""
    return f"Wise-Pay {number}"


def customer(order: ContactOrder) -> Row:
    """A customer to make; the name as people write it is kept beside the one that is unique."""
    whole = cleaned(order.name)
    has_mail = MAIL.match(order.email) and len(order.email) <= LONGEST_NAME
    return {
        "DisplayName": display_name(order),
        "CompanyName": whole[:LONGEST_NAME],
        "Notes": f"{whole[:1500]}\n{mark(order.number)}",
        **({"PrimaryEmailAddr": {"Address": order.email}} if has_mail else {}),
        **({"PrimaryPhone": {"FreeFormNumber": cleaned(order.phone)[:30]}} if order.phone else {}),
        **({"CurrencyRef": ref(order.currency)} if order.currency else {}),
    }


# ---- queries ----------------------------------------------------------------------------------------


def quoted(value: str) -> str:
    """`value` as a literal of the query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def one_of(field: str, values: Iterable[str]) -> str:
    """The condition that `field` is one of these."""
    return f"{field} IN ({', '.join(quoted(value) for value in dict.fromkeys(values))})"


# ---- documents --------------------------------------------------------------------------------------


def ref(value: str) -> Row:
    """A reference by id."""
    return {"value": value}


def exact(amount: Money) -> Decimal:
    """The amount as it stands in JSON, with the currency's own decimals."""
    return amount.decimal


def document(order: DocumentOrder) -> Row:
    """What an invoice and a credit memo have in common; the rate of another currency is the books' own."""
    detail = {
        "ItemRef": ref(order.item),
        "Qty": 1,
        "UnitPrice": exact(order.amount),
        "TaxCodeRef": ref(order.tax_code),
    }
    return {
        "DocNumber": order.number,
        "TxnDate": order.on.isoformat(),
        "CustomerRef": ref(order.contact_id),
        "CurrencyRef": ref(order.amount.currency),
        "PrivateNote": f"{order.reference} {order.number}".strip(),
        "CustomerMemo": {"value": order.reference},
        **lines(order, detail),
    }


def lines(order: DocumentOrder, detail: Row) -> Row:
    """The one line, and how its tax is meant where a code on the line decides."""
    line = {
        "Amount": exact(order.amount),
        "Description": order.description[:4000],
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }
    way = {} if order.tax_code in AMERICAN else {"GlobalTaxCalculation": "TaxExcluded"}
    return {"Line": [line], **way}


def payment(order: PaymentOrder) -> Row:
    """Money for one invoice."""
    return {
        **joined(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": exact(order.amount),
        "DepositToAccountRef": ref(order.account),
        "Line": [linked(order.amount, order.invoice_id, "Invoice")],
    }


def joined(contact_id: str, number: str, on: date, amount: Money) -> Row:
    """What every payment has."""
    return {
        "CustomerRef": ref(contact_id),
        "CurrencyRef": ref(amount.currency),
        "TxnDate": on.isoformat(),
        "PaymentRefNum": number,
        "PrivateNote": number,
    }


def token(row: Row) -> Row:
    """What names one object as it is now."""
    return {"Id": str(row["Id"]), "SyncToken": str(row["SyncToken"])}


def linked(amount: Money, key: str, kind: str) -> Row:
    """A payment's line: so much of that document."""
    return {"Amount": exact(amount), "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}


# ---- answers ----------------------------------------------------------------------------------------


def currency_of(row: Row) -> str:
    """The currency of a document that was read."""
    return str((row.get("CurrencyRef") or {}).get("value") or "")


def money(value: Any, currency: str) -> Money:
    """A number that was read, as money; nothing is nought."""
    digits = digits_of(currency)
    return Money(int(round(Decimal(str(value or 0)), digits).scaleb(digits)), currency)


def same(value: Any, amount: Money) -> bool:
    """Whether a number that was read is this amount."""
    return value is not None and Decimal(str(value)) == amount.decimal


def is_meant(row: Row, order: DocumentOrder) -> bool:
    """Whether a document of the order's number is the order's own: of the same amount, currency and customer."""
    whose = (row.get("CustomerRef") or {}).get("value")
    is_theirs = not order.contact_id or whose == order.contact_id
    return is_theirs and currency_of(row) in ("", order.amount.currency) and same(row.get("TotalAmt"), order.amount)


def is_voided(row: Row) -> bool:
    """Whether somebody voided a document: it stays, of nothing, and says so where only bookkeepers look."""
    return not Decimal(str(row.get("TotalAmt") or 0)) and str(row.get("PrivateNote") or "").startswith("Voided")


def reference(row: Row) -> str:
    """What a payment is called."""
    return str(row.get("PaymentRefNum") or row.get("PrivateNote") or "")


def paid_by(invoice: Row) -> list[str]:
    """The payments that an invoice names."""
    return [str(link["TxnId"]) for link in invoice.get("LinkedTxn") or [] if link.get("TxnType") == "Payment"]


def note(row: Row) -> NoteFacts:
    """A credit memo that was read, without where its credit went."""
    currency = currency_of(row)
    total = money(row.get("TotalAmt"), currency)
    left = money(row.get("RemainingCredit", row.get("Balance")), currency)
    status = "approved" if left else "applied"
    return NoteFacts(
        number=str(row.get("DocNumber") or ""),
        id=str(row["Id"]),
        status="voided" if is_voided(row) else status,
        total=total,
        remaining=left,
    )


def links_of(row: Row) -> list[tuple[str, str, Any]]:
    """(kind, id, amount) of everything that a payment was put against."""
    return [
        (str(link.get("TxnType")), str(link.get("TxnId")), line.get("Amount"))
        for line in row.get("Line") or []
        for link in line.get("LinkedTxn") or []
    ]
