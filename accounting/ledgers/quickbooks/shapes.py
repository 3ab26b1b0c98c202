"""What we send to QuickBooks, as its JSON: names, queries, documents and payments."""

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from accounting.ledgers.parsing import RemoteRow, get_text
from accounting.ledgers.protocol import ContactOrder, DocumentOrder, PaymentOrder
from wisepay.money import Money

MAX_NAME_LENGTH = 100
US_TAX_CODES = ("TAX", "NON")  # codes of companies where automated sales tax decides
UNSUPPORTED_CHARACTERS = re.compile(
    r"[\x00-\x1f\x7f\ud800-\udfff\U00010000-\U0010ffff]+"
)  # nothing that needs more than 16 bits
EMAIL_PATTERN = re.compile(r"[^@\s,]+@[^@\s,]+\.[^@\s,]+$")


# ---- names ------------------------------------------------------------------------------------------


def clean_text(text: str) -> str:
    """Return `text` on one line, without characters that QuickBooks cannot store."""
    return " ".join(UNSUPPORTED_CHARACTERS.sub(" ", text).split())


def build_display_name(order: ContactOrder) -> str:
    """Return the name that is unique in QuickBooks: the contact's own, or what can be stored of it and our number.

    The number distinguishes two names of which the same part can be stored.
    """
    name = clean_text(order.name.replace(":", " "))
    if name == order.name and 0 < len(name) <= MAX_NAME_LENGTH:
        return name
    suffix = f" ({order.number[:12].upper()})"
    return f"{name[: MAX_NAME_LENGTH - len(suffix)].strip()}{suffix}".strip()


def build_currency_name(order: ContactOrder) -> str:
    """Return the name of the customer for this currency where another one has the plain name: "Harbour (USD)"."""
    suffix = f" ({order.currency})"
    return f"{build_display_name(order)[: MAX_NAME_LENGTH - len(suffix)].strip()}{suffix}"


def build_contact_tag(number: str) -> str:
    """Return the line of a customer's notes by which we recognise it, whatever its name becomes."""
    return f"Wise-Pay {number}"


def build_customer(order: ContactOrder) -> RemoteRow:
    """Return the customer to create; the name as people write it stands in CompanyName."""
    whole = clean_text(order.name)
    has_email = EMAIL_PATTERN.match(order.email) and len(order.email) <= MAX_NAME_LENGTH
    return {
        "DisplayName": build_display_name(order),
        "CompanyName": whole[:MAX_NAME_LENGTH],
        "Notes": f"{whole[:1500]}\n{build_contact_tag(order.number)}",
        **({"PrimaryEmailAddr": {"Address": order.email}} if has_email else {}),
        **({"PrimaryPhone": {"FreeFormNumber": clean_text(order.phone)[:30]}} if order.phone else {}),
        **({"CurrencyRef": build_ref(order.currency)} if order.currency else {}),
    }


# ---- queries ----------------------------------------------------------------------------------------


def quote_literal(value: str) -> str:
    """Return `value` as a literal of the query language."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def build_in_condition(field: str, values: Iterable[str]) -> str:
    """Return the condition that `field` is one of these values."""
    return f"{field} IN ({', '.join(quote_literal(value) for value in dict.fromkeys(values))})"


# ---- documents --------------------------------------------------------------------------------------


def build_ref(value: str) -> RemoteRow:
    """Return a reference by id."""
    return {"value": value}


def get_exact_amount(amount: Money) -> Decimal:
    """Return the amount as it stands in JSON, with the currency's own decimals."""
    return amount.decimal


def build_document(order: DocumentOrder) -> RemoteRow:
    """Return what an invoice and a credit memo have in common; QuickBooks sets the rate of another currency."""
    return {
        "DocNumber": order.number,
        "TxnDate": order.on.isoformat(),
        "CustomerRef": build_ref(order.contact_id),
        "CurrencyRef": build_ref(order.amount.currency),
        "PrivateNote": f"{order.reference} {order.number}".strip(),
        "CustomerMemo": {"value": order.reference},
        **build_lines(order),
    }


def build_lines(order: DocumentOrder) -> RemoteRow:
    """Return the lines, and that their amounts exclude tax where the lines' tax code decides."""
    lines = [(line.description, line.amount) for line in order.lines] or [(order.description, order.amount)]
    tax = {} if order.tax_code in US_TAX_CODES else {"GlobalTaxCalculation": "TaxExcluded"}
    return {"Line": [build_line(order, text, amount) for text, amount in lines], **tax}


def build_line(order: DocumentOrder, description: str, amount: Money) -> RemoteRow:
    """Return one line, which sells the order's item."""
    detail = {
        "ItemRef": build_ref(order.item),
        "Qty": 1,
        "UnitPrice": get_exact_amount(amount),
        "TaxCodeRef": build_ref(order.tax_code),
    }
    return {
        "Amount": get_exact_amount(amount),
        "Description": description[:4000],
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def build_payment(order: PaymentOrder) -> RemoteRow:
    """Return a payment of one invoice."""
    return {
        **build_payment_header(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": get_exact_amount(order.amount),
        "DepositToAccountRef": build_ref(order.account),
        "Line": [build_linked_line(order.amount, order.invoice_id, "Invoice")],
    }


def build_payment_header(contact_id: str, number: str, on: date, amount: Money) -> RemoteRow:
    """Return what every payment has."""
    return {
        "CustomerRef": build_ref(contact_id),
        "CurrencyRef": build_ref(amount.currency),
        "TxnDate": on.isoformat(),
        "PaymentRefNum": number,
        "PrivateNote": number,
    }


def get_sync_token(row: RemoteRow) -> RemoteRow:
    """Return what identifies one version of an object; QuickBooks refuses one without a token."""
    return {"Id": get_text(row, "Id"), "SyncToken": get_text(row, "SyncToken")}


def build_linked_line(amount: Money, key: str, kind: str) -> RemoteRow:
    """Return a payment's line: this amount of that document."""
    return {"Amount": get_exact_amount(amount), "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}
