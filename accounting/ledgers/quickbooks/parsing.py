"""What QuickBooks' rows mean in our words: contacts, invoices, credits and payments, and which credit paid for what."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from accounting.ledgers.parsing import RemoteRow, parse_money
from accounting.ledgers.protocol import (
    RemoteAllocation,
    RemoteApplication,
    RemoteContact,
    RemoteCreditNote,
    RemoteCreditNoteDetails,
    RemoteInvoice,
    RemotePayment,
    RemoteRefund,
)
from accounting.ledgers.quickbooks.shapes import (
    get_currency,
    get_payment_reference,
    is_voided,
    list_links,
    parse_credit_note,
)

EXPENSE_TYPES = ("Expense", "Check")
RowsById = dict[str, RemoteRow]


class PaymentPortion(NamedTuple):
    """So much of a payment's money, or of the credit memo `memo`, for one document."""

    kind: str
    document_id: str
    credit_memo_id: str
    amount: Decimal


def split_payment(payment: RemoteRow) -> list[PaymentPortion]:
    """What a payment's money and credits went to. QuickBooks tells both sides but not which paid for which.

    So credits are used first, and all in the order of ids: the same payment is read the same way every time.
    """
    shares = sorted((len(key), key, kind, Decimal(str(amount or 0))) for kind, key, amount in list_links(payment))
    given: dict[str, Decimal] = {}
    for _, key, kind, amount in shares:
        if kind == "CreditMemo":
            given[key] = given.get(key, Decimal(0)) + amount
    found: dict[tuple[str, str, str], Decimal] = {}
    for _, key, kind, owed in shares:
        if kind == "CreditMemo":
            continue
        for memo, left in given.items():
            part = min(owed, left)
            if part > 0:
                found[kind, key, memo] = found.get((kind, key, memo), Decimal(0)) + part
                given[memo], owed = left - part, owed - part
        if owed > 0:
            found[kind, key, ""] = found.get((kind, key, ""), Decimal(0)) + owed
    return [PaymentPortion(*names, amount) for names, amount in found.items()]


# ---- documents --------------------------------------------------------------------------------------


def parse_contact(row: RemoteRow) -> RemoteContact:
    """A customer."""
    return RemoteContact(
        id=str(row["Id"]),
        name=str(row.get("DisplayName", "")),
        email=str((row.get("PrimaryEmailAddr") or {}).get("Address") or ""),
        is_active=bool(row.get("Active", True)),
        changed_at=parse_changed_at(row),
    )


def parse_invoice(row: RemoteRow, applied: Iterable[RemoteApplication]) -> RemoteInvoice:
    """An invoice with what was put to it."""
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
    """What a payment put to invoices, each with the invoice's id."""
    own, on = str(payment["Id"]), date.fromisoformat(payment["TxnDate"])
    found = []
    for part in split_payment(payment):
        if part.kind == "Invoice":
            given = parse_money(part.amount, get_currency(payment))
            told = get_payment_reference(payment)
            credit = RemoteApplication("credit", f"{own}-{part.credit_memo_id}", part.credit_memo_id, told, given, on)
            found.append(
                (
                    part.document_id,
                    credit if part.credit_memo_id else RemoteApplication("payment", own, own, told, given, on),
                )
            )
    return found


def parse_credit_uses(payment: RemoteRow, invoices: RowsById) -> list[tuple[str, RemoteAllocation | RemoteRefund]]:
    """What a payment took out of credit memos, each with the memo's id."""
    own, on = str(payment["Id"]), date.fromisoformat(payment["TxnDate"])
    found: list[tuple[str, RemoteAllocation | RemoteRefund]] = []
    for part in split_payment(payment):
        given = parse_money(part.amount, get_currency(payment))
        if part.credit_memo_id and part.kind == "Invoice":
            number = str(invoices.get(part.document_id, {}).get("DocNumber") or part.document_id)
            found.append((part.credit_memo_id, RemoteAllocation(number, given, on, own, part.document_id)))
        elif part.credit_memo_id and part.kind in EXPENSE_TYPES:
            found.append(
                (
                    part.credit_memo_id,
                    RemoteRefund(f"{own}-{part.document_id}", get_payment_reference(payment), given, on),
                )
            )
    return found


def add_credit_uses(fact: RemoteCreditNote, uses: Iterable[RemoteAllocation | RemoteRefund]) -> RemoteCreditNote:
    """A credit with what was taken out of it."""
    found = list(uses)
    return replace(
        fact,
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
    """Whether something was taken out of a credit memo."""
    fact = parse_credit_note(row)
    return fact.remaining != fact.total


# ---- money ------------------------------------------------------------------------------------------


def has_money(row: RemoteRow) -> bool:
    """Whether a payment is of money, and not only a join of others."""
    return bool(Decimal(str(row.get("TotalAmt") or 0)))


def get_first_invoice_id(row: RemoteRow) -> str:
    """The first invoice that a payment was put to."""
    return next((key for kind, key, _ in list_links(row) if kind == "Invoice"), "")


def parse_payment(row: RemoteRow, invoices: RowsById) -> RemotePayment:
    """Money that was received: all of it, whatever it was for."""
    paid = get_first_invoice_id(row)
    return RemotePayment(
        id=str(row["Id"]),
        reference=get_payment_reference(row),
        amount=parse_money(row.get("TotalAmt"), get_currency(row)),
        on=date.fromisoformat(row["TxnDate"]),
        account=str((row.get("DepositToAccountRef") or {}).get("value") or ""),
        is_received=True,
        is_standing=True,
        document_id=paid,
        document_number=str(invoices.get(paid, {}).get("DocNumber") or ""),
    )


def parse_refund_payments(row: RemoteRow, purchases: RowsById, memos: RowsById) -> Iterable[RemotePayment]:
    """Money that went back: what a payment joined a credit memo with, out of the account that it was paid from."""
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


# ---- fields -----------------------------------------------------------------------------------------


def parse_changed_at(row: RemoteRow) -> datetime:
    """When a row was changed the last time. Raises ValueError, KeyError."""
    return datetime.fromisoformat(row["MetaData"]["LastUpdatedTime"]).astimezone(UTC)


def parse_date(row: RemoteRow, name: str) -> date | None:
    """A day of a row, if it has one. Raises ValueError."""
    return date.fromisoformat(row[name]) if row.get(name) else None


def parse_remark(row: RemoteRow) -> str:
    """What a document says where its customer may read it: the company's own fields, such as an order's number, too."""
    fields = [str(each.get("StringValue") or "") for each in row.get("CustomField") or []]
    words = str((row.get("CustomerMemo") or {}).get("value") or "")
    return " · ".join(" ".join(text.split()) for text in (*fields, words) if text.strip())
