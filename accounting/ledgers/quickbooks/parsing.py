"""What QuickBooks answers, translated from JSON: customers, documents, payments, lists, and which credit paid what."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from accounting.ledgers.parsing import RemoteRow, is_same_amount, parse_money
from accounting.ledgers.protocol import (
    DocumentOrder,
    RemoteAccount,
    RemoteAllocation,
    RemoteApplication,
    RemoteContact,
    RemoteCreditNote,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemoteItem,
    RemotePayment,
    RemoteRefund,
    RemoteTerm,
)

EXPENSE_TYPES = ("Expense", "Check")
RECEIVING_ACCOUNT_TYPES = ("Bank", "Other Current Asset")
LIABILITY_ACCOUNT_TYPES = ("Other Current Liability", "Long Term Liability")
RowsById = dict[str, RemoteRow]


class PaymentPortion(NamedTuple):
    """The part of a payment's money, or of the credit memo `credit_memo_id`, that went to one document."""

    kind: str
    document_id: str
    credit_memo_id: str
    amount: Decimal


def split_payment(payment: RemoteRow) -> list[PaymentPortion]:
    """Return what a payment's money and credits went to. QuickBooks lists both sides but not which paid for which.

    So credits are used first, and all in the order of ids: the same payment is parsed the same way every time.
    """
    links = sorted((len(key), key, kind, Decimal(str(amount or 0))) for kind, key, amount in list_links(payment))
    unused: dict[str, Decimal] = {}
    for _, key, kind, amount in links:
        if kind == "CreditMemo":
            unused[key] = unused.get(key, Decimal(0)) + amount
    found: dict[tuple[str, str, str], Decimal] = {}
    for _, key, kind, owed in links:
        if kind == "CreditMemo":
            continue
        for memo, remaining in unused.items():
            part = min(owed, remaining)
            if part > 0:
                found[kind, key, memo] = found.get((kind, key, memo), Decimal(0)) + part
                unused[memo], owed = remaining - part, owed - part
        if owed > 0:
            found[kind, key, ""] = found.get((kind, key, ""), Decimal(0)) + owed
    return [PaymentPortion(*names, amount) for names, amount in found.items()]


# ---- documents --------------------------------------------------------------------------------------


def parse_contact(row: RemoteRow) -> RemoteContact:
    """Parse a customer."""
    return RemoteContact(
        id=str(row["Id"]),
        name=str(row.get("DisplayName", "")),
        email=str((row.get("PrimaryEmailAddr") or {}).get("Address") or ""),
        is_active=bool(row.get("Active", True)),
        changed_at=parse_changed_at(row),
    )


def parse_invoice(row: RemoteRow, applied: Iterable[RemoteApplication]) -> RemoteInvoice:
    """Parse an invoice; `applied` is what was applied to it."""
    currency = get_currency(row)
    due = parse_money(row.get("Balance"), currency)
    return RemoteInvoice(
        id=str(row["Id"]),
        number=str(row.get("DocNumber") or ""),
        remark=parse_remark(row),
        contact_id=str(row["CustomerRef"]["value"]),
        status="voided" if is_voided(row) else "open" if due else "paid",
        total=parse_money(row.get("TotalAmt"), currency),
        due=due,
        issued_on=parse_date(row, "TxnDate"),
        due_on=parse_date(row, "DueDate"),
        term_id=str((row.get("SalesTermRef") or {}).get("value") or ""),
        changed_at=parse_changed_at(row),
        applied=tuple(applied),
    )


def parse_applications(payment: RemoteRow) -> list[tuple[str, RemoteApplication]]:
    """Parse what a payment applied to invoices, each with the invoice's id."""
    own, on = str(payment["Id"]), date.fromisoformat(payment["TxnDate"])
    found = []
    for part in split_payment(payment):
        if part.kind == "Invoice":
            amount = parse_money(part.amount, get_currency(payment))
            remark = get_payment_reference(payment)
            credit = RemoteApplication(
                "credit", f"{own}-{part.credit_memo_id}", part.credit_memo_id, remark, amount, on
            )
            found.append(
                (
                    part.document_id,
                    credit if part.credit_memo_id else RemoteApplication("payment", own, own, remark, amount, on),
                )
            )
    return found


def parse_credit_uses(payment: RemoteRow, invoices: RowsById) -> list[tuple[str, RemoteAllocation | RemoteRefund]]:
    """Parse what a payment used of credit memos, each with the memo's id."""
    own, on = str(payment["Id"]), date.fromisoformat(payment["TxnDate"])
    found: list[tuple[str, RemoteAllocation | RemoteRefund]] = []
    for part in split_payment(payment):
        amount = parse_money(part.amount, get_currency(payment))
        if part.credit_memo_id and part.kind == "Invoice":
            number = str(invoices.get(part.document_id, {}).get("DocNumber") or part.document_id)
            found.append((part.credit_memo_id, RemoteAllocation(number, amount, on, own, part.document_id)))
        elif part.credit_memo_id and part.kind in EXPENSE_TYPES:
            found.append(
                (
                    part.credit_memo_id,
                    RemoteRefund(f"{own}-{part.document_id}", get_payment_reference(payment), amount, on),
                )
            )
    return found


def add_credit_uses(note: RemoteCreditNote, uses: Iterable[RemoteAllocation | RemoteRefund]) -> RemoteCreditNote:
    """Return the credit memo with what was used of it."""
    found = list(uses)
    return replace(
        note,
        allocations=tuple(each for each in found if isinstance(each, RemoteAllocation)),
        refunds=tuple(each for each in found if isinstance(each, RemoteRefund)),
    )


def parse_credit_note_details(row: RemoteRow, used: RemoteCreditNote) -> RemoteCreditNoteDetails:
    """Add to a credit memo with its uses what the mirror saves of it."""
    return RemoteCreditNoteDetails.from_credit_note(
        used,
        remark=parse_remark(row),
        contact_id=str(row["CustomerRef"]["value"]),
        issued_on=parse_date(row, "TxnDate"),
        changed_at=parse_changed_at(row),
    )


def is_used(row: RemoteRow) -> bool:
    """Return whether a credit memo was applied or refunded in part."""
    note = parse_credit_note(row)
    return note.remaining != note.total


# ---- payments ---------------------------------------------------------------------------------------


def has_money(row: RemoteRow) -> bool:
    """Return whether a payment brought money, and does not only link other documents."""
    return bool(Decimal(str(row.get("TotalAmt") or 0)))


def get_first_invoice_id(row: RemoteRow) -> str:
    """Return the first invoice that a payment was applied to."""
    return next((key for kind, key, _ in list_links(row) if kind == "Invoice"), "")


def parse_payment(row: RemoteRow, invoices: RowsById) -> RemotePayment:
    """Parse a payment that was received: all of its money, whatever it was for."""
    invoice_id = get_first_invoice_id(row)
    return RemotePayment(
        id=str(row["Id"]),
        reference=get_payment_reference(row),
        amount=parse_money(row.get("TotalAmt"), get_currency(row)),
        on=date.fromisoformat(row["TxnDate"]),
        account=str((row.get("DepositToAccountRef") or {}).get("value") or ""),
        is_received=True,
        is_standing=True,
        document_id=invoice_id,
        document_number=str(invoices.get(invoice_id, {}).get("DocNumber") or ""),
    )


def parse_refund_payments(row: RemoteRow, purchases: RowsById, memos: RowsById) -> Iterable[RemotePayment]:
    """Parse the refunds of a payment that links a credit memo with expenses, out of the account they were paid from."""
    for part in split_payment(row):
        if part.credit_memo_id and part.kind in EXPENSE_TYPES:
            expense = purchases.get(part.document_id, row)
            yield RemotePayment(
                id=f"{row['Id']}-{part.document_id}",
                reference=get_payment_reference(row),
                amount=parse_money(part.amount, get_currency(row)),
                on=date.fromisoformat(expense["TxnDate"]),
                account=str((expense.get("AccountRef") or {}).get("value") or ""),
                is_received=False,
                is_standing=True,
                document_id=part.credit_memo_id,
                document_number=str(memos.get(part.credit_memo_id, {}).get("DocNumber") or ""),
            )


# ---- lists ------------------------------------------------------------------------------------------


def parse_account(row: RemoteRow) -> RemoteAccount:
    """Parse an account of the chart."""
    return RemoteAccount(
        code=str(row["Id"]),
        name=str(row.get("FullyQualifiedName") or row["Name"]),
        kind=str(row.get("AccountType", "")),
        takes_payments=row.get("AccountType") in RECEIVING_ACCOUNT_TYPES,
        holds_prepayments=row.get("AccountType") in LIABILITY_ACCOUNT_TYPES,
        number=str(row.get("AcctNum") or ""),
    )


def parse_term(row: RemoteRow) -> RemoteTerm:
    """Parse payment terms."""
    return RemoteTerm(id=str(row["Id"]), name=str(row["Name"]))


def get_tax_rate(row: RemoteRow, rates: dict[str, Decimal]) -> Decimal | None:
    """Return what a tax code adds to a sale, in percent, or None for one that is only for purchases."""
    details = (row.get("SalesTaxRateList") or {}).get("TaxRateDetail") or []
    purchase_details = (row.get("PurchaseTaxRateList") or {}).get("TaxRateDetail") or []
    if purchase_details and not details:
        return None
    keys = [str((detail.get("TaxRateRef") or {}).get("value", "")) for detail in details]
    return sum((rates.get(key, Decimal(0)) for key in keys), Decimal(0))


def parse_item(row: RemoteRow) -> RemoteItem:
    """Parse an item."""
    account = str((row.get("IncomeAccountRef") or {}).get("value") or "")
    return RemoteItem(
        code=str(row["Id"]), name=str(row.get("FullyQualifiedName") or row.get("Name", "")), account=account
    )


# ---- documents that were asked for ------------------------------------------------------------------


def get_currency(row: RemoteRow) -> str:
    """Return a document's currency."""
    return str((row.get("CurrencyRef") or {}).get("value") or "")


def is_requested_document(row: RemoteRow, order: DocumentOrder) -> bool:
    """Return whether a document with the order's number has its amount, currency and customer too."""
    customer_id = (row.get("CustomerRef") or {}).get("value")
    is_theirs = not order.contact_id or customer_id == order.contact_id
    return (
        is_theirs
        and get_currency(row) in ("", order.amount.currency)
        and is_same_amount(row.get("TotalAmt"), order.amount)
    )


def is_voided(row: RemoteRow) -> bool:
    """Return whether a document was voided: it stays with the amount zero and a private note."""
    return not Decimal(str(row.get("TotalAmt") or 0)) and str(row.get("PrivateNote") or "").startswith("Voided")


def get_payment_reference(row: RemoteRow) -> str:
    """Return a payment's reference."""
    return str(row.get("PaymentRefNum") or row.get("PrivateNote") or "")


def list_payment_ids(invoice: RemoteRow) -> list[str]:
    """Return the ids of the payments that an invoice links."""
    return [str(link["TxnId"]) for link in invoice.get("LinkedTxn") or [] if link.get("TxnType") == "Payment"]


def parse_credit_note(row: RemoteRow) -> RemoteCreditNote:
    """Parse a credit memo, or an invoice's amounts; what was used of it has to be added."""
    currency = get_currency(row)
    total = parse_money(row.get("TotalAmt"), currency)
    remaining = parse_money(row.get("RemainingCredit", row.get("Balance")), currency)
    status = "approved" if remaining else "applied"
    return RemoteCreditNote(
        number=str(row.get("DocNumber") or ""),
        id=str(row["Id"]),
        status="voided" if is_voided(row) else status,
        total=total,
        remaining=remaining,
    )


def list_links(row: RemoteRow) -> list[tuple[str, str, Any]]:
    """Return (type, id, amount) of everything that a payment links."""
    return [
        (str(link.get("TxnType")), str(link.get("TxnId")), line.get("Amount"))
        for line in row.get("Line") or []
        for link in line.get("LinkedTxn") or []
    ]


# ---- fields -----------------------------------------------------------------------------------------


def parse_changed_at(row: RemoteRow) -> datetime:
    """Parse when a row was last changed. Raises ValueError, KeyError."""
    return datetime.fromisoformat(row["MetaData"]["LastUpdatedTime"]).astimezone(UTC)


def parse_date(row: RemoteRow, name: str) -> date | None:
    """Parse a day that may be missing. Raises ValueError."""
    return date.fromisoformat(row[name]) if row.get(name) else None


def parse_remark(row: RemoteRow) -> str:
    """Return what a document says to its customer: custom fields, such as a purchase order's number, and the memo."""
    fields = [str(each.get("StringValue") or "") for each in row.get("CustomField") or []]
    memo = str((row.get("CustomerMemo") or {}).get("value") or "")
    return " · ".join(" ".join(text.split()) for text in (*fields, memo) if text.strip())
