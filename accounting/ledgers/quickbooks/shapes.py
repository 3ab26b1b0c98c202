"""Our words as QuickBooks' JSON, and its JSON as our words: names, amounts, queries, documents."""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from accounting.ledgers.parsing import RemoteRow, is_same_amount, parse_money
from accounting.ledgers.protocol import ContactOrder, DocumentOrder, PaymentOrder, RemoteCreditNote
from wisepay.money import Money

MAX_NAME_LENGTH = 100
US_TAX_CODES = ("TAX", "NON")  # codes of companies where automated sales tax decides
UNSUPPORTED_CHARACTERS = re.compile(
    r"[\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]+"
)  # nothing that needs more than 16 bits
EMAIL_PATTERN = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+$")


# ---- names ------------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """`text` on one line, of characters that QuickBooks can keep."""
    return " ".join(UNSUPPORTED_CHARACTERS.sub(" ", text).split())


def build_display_name(order: ContactOrder) -> str:
    """The name that is unique in QuickBooks: the contact's own, or what can be kept of it and our number.

    The number keeps two names apart of which the same can be kept.
    """
    name = clean_text(order.name.replace(":", " "))
    if name == order.name and 0 < len(name) <= MAX_NAME_LENGTH:
        return name
    suffix = f" ({order.number[:12].upper()})"
    return f"{name[: MAX_NAME_LENGTH - len(suffix)].strip()}{suffix}".strip()


def build_contact_tag(number: str) -> str:
    """The line of a customer's notes by which it is ours for ever."""
    return f"Wise-Pay {number}"


def build_customer(order: ContactOrder) -> RemoteRow:
    """A customer to make; the name as people write it is kept beside the one that is unique."""
    whole = clean_text(order.name)
    has_mail = EMAIL_PATTERN.match(order.email) and len(order.email) <= MAX_NAME_LENGTH
    return {
        "DisplayName": build_display_name(order),
        "CompanyName": whole[:MAX_NAME_LENGTH],
        "Notes": f"{whole[:1500]}\n{build_contact_tag(order.number)}",
        **({"PrimaryEmailAddr": {"Address": order.email}} if has_mail else {}),
        **({"PrimaryPhone": {"FreeFormNumber": clean_text(order.phone)[:30]}} if order.phone else {}),
        **({"CurrencyRef": build_ref(order.currency)} if order.currency else {}),
    }


# ---- queries ----------------------------------------------------------------------------------------


def quote_literal(value: str) -> str:
    """`value` as a literal of the query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def build_in_condition(field: str, values: Iterable[str]) -> str:
    """The condition that `field` is one of these."""
    return f"{field} IN ({', '.join(quote_literal(value) for value in dict.fromkeys(values))})"


# ---- documents --------------------------------------------------------------------------------------


def build_ref(value: str) -> RemoteRow:
    """A reference by id."""
    return {"value": value}


def get_exact_amount(amount: Money) -> Decimal:
    """The amount as it stands in JSON, with the currency's own decimals."""
    return amount.decimal


def build_document(order: DocumentOrder) -> RemoteRow:
    """What an invoice and a credit memo have in common; the rate of another currency is the books' own."""
    detail = {
        "ItemRef": build_ref(order.item),
        "Qty": 1,
        "UnitPrice": get_exact_amount(order.amount),
        "TaxCodeRef": build_ref(order.tax_code),
    }
    return {
        "DocNumber": order.number,
        "TxnDate": order.on.isoformat(),
        "CustomerRef": build_ref(order.contact_id),
        "CurrencyRef": build_ref(order.amount.currency),
        "PrivateNote": f"{order.reference} {order.number}".strip(),
        "CustomerMemo": {"value": order.reference},
        **build_lines(order, detail),
    }


def build_lines(order: DocumentOrder, detail: RemoteRow) -> RemoteRow:
    """The one line, and how its tax is meant where a code on the line decides."""
    line = {
        "Amount": get_exact_amount(order.amount),
        "Description": order.description[:4000],
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }
    way = {} if order.tax_code in US_TAX_CODES else {"GlobalTaxCalculation": "TaxExcluded"}
    return {"Line": [line], **way}


def build_payment(order: PaymentOrder) -> RemoteRow:
    """Money for one invoice."""
    return {
        **build_payment_header(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": get_exact_amount(order.amount),
        "DepositToAccountRef": build_ref(order.account),
        "Line": [build_linked_line(order.amount, order.invoice_id, "Invoice")],
    }


def build_payment_header(contact_id: str, number: str, on: date, amount: Money) -> RemoteRow:
    """What every payment has."""
    return {
        "CustomerRef": build_ref(contact_id),
        "CurrencyRef": build_ref(amount.currency),
        "TxnDate": on.isoformat(),
        "PaymentRefNum": number,
        "PrivateNote": number,
    }


def get_sync_token(row: RemoteRow) -> RemoteRow:
    """What names one object as it is now."""
    return {"Id": str(row["Id"]), "SyncToken": str(row["SyncToken"])}


def build_linked_line(amount: Money, key: str, kind: str) -> RemoteRow:
    """A payment's line: so much of that document."""
    return {"Amount": get_exact_amount(amount), "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}


# ---- answers ----------------------------------------------------------------------------------------


def get_currency(row: RemoteRow) -> str:
    """The currency of a document that was read."""
    return str((row.get("CurrencyRef") or {}).get("value") or "")


def is_requested_document(row: RemoteRow, order: DocumentOrder) -> bool:
    """Whether a document of the order's number is the order's own: of the same amount, currency and customer."""
    whose = (row.get("CustomerRef") or {}).get("value")
    is_theirs = not order.contact_id or whose == order.contact_id
    return (
        is_theirs
        and get_currency(row) in ("", order.amount.currency)
        and is_same_amount(row.get("TotalAmt"), order.amount)
    )


def is_voided(row: RemoteRow) -> bool:
    """Whether somebody voided a document: it stays, of nothing, and says so where only bookkeepers look."""
    return not Decimal(str(row.get("TotalAmt") or 0)) and str(row.get("PrivateNote") or "").startswith("Voided")


def get_payment_reference(row: RemoteRow) -> str:
    """What a payment is called."""
    return str(row.get("PaymentRefNum") or row.get("PrivateNote") or "")


def list_payment_ids(invoice: RemoteRow) -> list[str]:
    """The payments that an invoice names."""
    return [str(link["TxnId"]) for link in invoice.get("LinkedTxn") or [] if link.get("TxnType") == "Payment"]


def parse_credit_note(row: RemoteRow) -> RemoteCreditNote:
    """A credit memo that was read, without where its credit went."""
    currency = get_currency(row)
    total = parse_money(row.get("TotalAmt"), currency)
    left = parse_money(row.get("RemainingCredit", row.get("Balance")), currency)
    status = "approved" if left else "applied"
    return RemoteCreditNote(
        number=str(row.get("DocNumber") or ""),
        id=str(row["Id"]),
        status="voided" if is_voided(row) else status,
        total=total,
        remaining=left,
    )


def list_links(row: RemoteRow) -> list[tuple[str, str, Any]]:
    """(kind, id, amount) of everything that a payment was put against."""
    return [
        (str(link.get("TxnType")), str(link.get("TxnId")), line.get("Amount"))
        for line in row.get("Line") or []
        for link in line.get("LinkedTxn") or []
    ]
