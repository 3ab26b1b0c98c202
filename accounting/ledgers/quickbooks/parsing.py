"""What QuickBooks answers, translated from JSON: customers, documents, payments, lists, and which credit paid what."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

from accounting.ledgers.parsing import (
    RemoteRow,
    UnreadableField,
    check_day,
    check_instant,
    get_objects,
    get_text,
    is_same_amount,
    parse_money,
    read_amount,
    read_currency,
    read_id,
    read_list,
    read_number,
    read_object,
)
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
    RemoteTaxCode,
    RemoteTerm,
)

EXPENSE_TYPES = ("Expense", "Check")
RECEIVING_ACCOUNT_TYPES = ("Bank", "Other Current Asset")
LIABILITY_ACCOUNT_TYPES = ("Other Current Liability", "Long Term Liability")
OWN_SUBTYPES = ("TaxPayable", "TaxSuspense", "UndepositedFunds", "PayrollClearing", "DirectDepositPayable")  # endings
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
    links = sorted((len(key), key, kind, amount) for kind, key, amount in read_links(payment))
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
        id=read_id(row, "Id"),
        name=get_text(row, "DisplayName"),
        email=get_text(get_object(row, "PrimaryEmailAddr"), "Address"),
        is_active=row.get("Active") is not False,
        changed_at=parse_changed_at(row),
        number=get_text(row, "AcctNum"),
        currency=str((row.get("CurrencyRef") or {}).get("value") or ""),
    )


def parse_invoice(row: RemoteRow, applied: Iterable[RemoteApplication]) -> RemoteInvoice:
    """Parse an invoice; `applied` is what was applied to it."""
    currency = read_currency(get_currency(row))
    due = read_amount(row, "Balance", currency)
    return RemoteInvoice(
        id=read_id(row, "Id"),
        number=get_text(row, "DocNumber"),
        remark=parse_remark(row),
        contact_id=read_ref(row, "CustomerRef"),
        status="voided" if is_voided(row) else "open" if due else "paid",
        total=read_amount(row, "TotalAmt", currency),
        due=due,
        issued_on=parse_date(row, "TxnDate"),
        due_on=parse_date(row, "DueDate"),
        term_id=get_ref(row, "SalesTermRef"),
        changed_at=parse_changed_at(row),
        applied=tuple(applied),
    )


def parse_applications(payment: RemoteRow) -> list[tuple[str, RemoteApplication]]:
    """Parse what a payment applied to invoices, each with the invoice's id."""
    own, on = read_id(payment, "Id"), read_day(payment, "TxnDate")
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
    own, on = read_id(payment, "Id"), read_day(payment, "TxnDate")
    found: list[tuple[str, RemoteAllocation | RemoteRefund]] = []
    for part in split_payment(payment):
        amount = parse_money(part.amount, get_currency(payment))
        if part.credit_memo_id and part.kind == "Invoice":
            number = get_text(invoices.get(part.document_id, {}), "DocNumber") or part.document_id
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
        contact_id=read_ref(row, "CustomerRef"),
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
    return bool(read_number(row.get("TotalAmt")))


def get_first_invoice_id(row: RemoteRow) -> str:
    """Return the first invoice that a payment was applied to."""
    return next((key for kind, key in list_links(row) if kind == "Invoice"), "")


def parse_payment(row: RemoteRow, invoices: RowsById) -> RemotePayment:
    """Parse a payment that was received: all of its money, whatever it was for."""
    invoice_id = get_first_invoice_id(row)
    return RemotePayment(
        id=read_id(row, "Id"),
        reference=get_payment_reference(row),
        amount=read_amount(row, "TotalAmt", get_currency(row)),
        on=read_day(row, "TxnDate"),
        account=get_ref(row, "DepositToAccountRef"),
        is_received=True,
        is_standing=True,
        document_id=invoice_id,
        document_number=get_text(invoices.get(invoice_id, {}), "DocNumber"),
    )


def parse_refund_payments(row: RemoteRow, purchases: RowsById, memos: RowsById) -> Iterable[RemotePayment]:
    """Parse the refunds of a payment that links a credit memo with expenses, out of the account they were paid from."""
    for part in split_payment(row):
        if part.credit_memo_id and part.kind in EXPENSE_TYPES:
            expense = purchases.get(part.document_id, row)
            yield RemotePayment(
                id=f"{read_id(row, 'Id')}-{part.document_id}",
                reference=get_payment_reference(row),
                amount=parse_money(part.amount, get_currency(row)),
                on=read_day(expense, "TxnDate"),
                account=get_ref(expense, "AccountRef"),
                is_received=False,
                is_standing=True,
                document_id=part.credit_memo_id,
                document_number=get_text(memos.get(part.credit_memo_id, {}), "DocNumber"),
            )


# ---- lists ------------------------------------------------------------------------------------------


def parse_account(row: RemoteRow) -> RemoteAccount:
    """Parse an account of the chart. QuickBooks books to the accounts of taxes, wages and undeposited funds itself."""
    kind, is_own = get_text(row, "AccountType"), get_text(row, "AccountSubType").endswith(OWN_SUBTYPES)
    return RemoteAccount(
        code=read_id(row, "Id"),
        name=get_text(row, "FullyQualifiedName") or get_text(row, "Name"),
        kind=kind,
        takes_payments=kind in RECEIVING_ACCOUNT_TYPES and not is_own,
        holds_prepayments=kind in LIABILITY_ACCOUNT_TYPES and not is_own,
        number=get_text(row, "AcctNum"),
    )


def parse_term(row: RemoteRow) -> RemoteTerm:
    """Parse payment terms."""
    return RemoteTerm(id=read_id(row, "Id"), name=get_text(row, "Name"))


def parse_tax_rate(row: RemoteRow) -> tuple[str, Decimal]:
    """Parse a tax rate: its id, and its percent."""
    return read_id(row, "Id"), read_number(row.get("RateValue"), "rate")


def parse_tax_code(row: RemoteRow, rates: dict[str, Decimal]) -> RemoteTaxCode | None:
    """Parse a tax code; None for one that is only for purchases."""
    rate = get_tax_rate(row, rates)
    return None if rate is None else RemoteTaxCode(code=read_id(row, "Id"), name=get_text(row, "Name"), rate=rate)


def get_tax_rate(row: RemoteRow, rates: dict[str, Decimal]) -> Decimal | None:
    """Return what a tax code adds to a sale, in percent, or None for one that is only for purchases.

    Raises UnreadableField for a code with a rate that is not known: it would look like one of nothing.
    """
    details = read_list(read_object(row, "SalesTaxRateList"), "TaxRateDetail")
    if read_list(read_object(row, "PurchaseTaxRateList"), "TaxRateDetail") and not details:
        return None
    keys = [get_ref(detail, "TaxRateRef") for detail in details]
    if any(key not in rates for key in keys):
        raise UnreadableField("One of its rates cannot be read.")
    return sum((rates[key] for key in keys), Decimal(0))


def parse_item(row: RemoteRow) -> RemoteItem:
    """Parse an item."""
    name = get_text(row, "FullyQualifiedName") or get_text(row, "Name")
    return RemoteItem(code=read_id(row, "Id"), name=name, account=get_ref(row, "IncomeAccountRef"))


# ---- documents that were asked for ------------------------------------------------------------------


def get_currency(row: RemoteRow) -> str:
    """Return a document's currency."""
    return get_ref(row, "CurrencyRef")


def is_requested_document(row: RemoteRow, order: DocumentOrder) -> bool:
    """Return whether a document with the order's number has its amount, currency and customer too."""
    is_theirs = not order.contact_id or get_ref(row, "CustomerRef") == order.contact_id
    return (
        is_theirs
        and get_currency(row) in ("", order.amount.currency)
        and is_same_amount(row.get("TotalAmt"), order.amount)
    )


def is_voided(row: RemoteRow) -> bool:
    """Return whether a document was voided: it stays with the amount zero and a private note."""
    return not read_number(row.get("TotalAmt")) and get_text(row, "PrivateNote").startswith("Voided")


def get_payment_reference(row: RemoteRow) -> str:
    """Return a payment's reference."""
    return get_text(row, "PaymentRefNum") or get_text(row, "PrivateNote")


def list_payment_ids(invoice: RemoteRow) -> list[str]:
    """Return the ids of the payments that an invoice links, as far as they can be read."""
    return [key for kind, key in list_linked(invoice) if kind == "Payment" and key]


def parse_credit_note(row: RemoteRow) -> RemoteCreditNote:
    """Parse a credit memo, or an invoice's amounts; what was used of it has to be added."""
    currency = read_currency(get_currency(row))
    total = read_amount(row, "TotalAmt", currency)
    remaining = read_amount(row, "RemainingCredit" if row.get("RemainingCredit") is not None else "Balance", currency)
    status = "approved" if remaining else "applied"
    return RemoteCreditNote(
        number=get_text(row, "DocNumber"),
        id=read_id(row, "Id"),
        status="voided" if is_voided(row) else status,
        total=total,
        remaining=remaining,
    )


def list_links(row: RemoteRow) -> list[tuple[str, str]]:
    """Return (type, id) of everything that a payment links, as far as it can be read: what has to be read with it."""
    lines = row.get("Line")
    return (
        [pair for line in lines if isinstance(line, dict) for pair in list_linked(line)]
        if isinstance(lines, list)
        else []
    )


def list_linked(row: RemoteRow) -> list[tuple[str, str]]:
    """Return (type, id) of what a line or a document links, as far as it can be read."""
    return [(get_text(link, "TxnType"), get_text(link, "TxnId")) for link in get_objects(row, "LinkedTxn")]


def read_links(row: RemoteRow) -> list[tuple[str, str, Decimal]]:
    """Read (type, id, amount) of everything that a payment links. Raises UnreadableField."""
    return [
        (get_text(link, "TxnType"), get_text(link, "TxnId"), read_number(line.get("Amount")))
        for line in read_list(row, "Line")
        for link in read_list(line, "LinkedTxn")
    ]


# ---- fields -----------------------------------------------------------------------------------------


def get_object(row: RemoteRow, name: str) -> RemoteRow:
    """Return an object inside a row that nothing depends on; empty where there is none."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def get_ref(row: RemoteRow, name: str) -> str:
    """Return the id that a reference names; empty where it names none."""
    return get_text(get_object(row, name), "value")


def read_ref(row: RemoteRow, name: str) -> str:
    """Read the id that a reference names. Raises UnreadableField without one."""
    if not get_ref(row, name):
        raise UnreadableField(f"“{name}” names nothing.")
    return read_id(read_object(row, name), "value")


def parse_changed_at(row: RemoteRow) -> datetime:
    """Parse when a row was last changed. Raises UnreadableField, ValueError or TypeError."""
    text = read_object(row, "MetaData").get("LastUpdatedTime")
    if not isinstance(text, str):
        raise UnreadableField("When it was changed last is missing.")
    return check_instant(datetime.fromisoformat(text).astimezone(UTC))


def read_day(row: RemoteRow, name: str) -> date:
    """Read a day. Raises UnreadableField, ValueError or TypeError."""
    return check_day(date.fromisoformat(row[name]))


def parse_date(row: RemoteRow, name: str) -> date | None:
    """Parse a day that may be missing. Raises UnreadableField, ValueError or TypeError."""
    return read_day(row, name) if row.get(name) else None


def parse_remark(row: RemoteRow) -> str:
    """Return what a document says to its customer: custom fields, such as a purchase order's number, and the memo."""
    custom = row.get("CustomField")
    fields = (
        [get_text(each, "StringValue") for each in custom if isinstance(each, dict)] if isinstance(custom, list) else []
    )
    return " · ".join(" ".join(text.split()) for text in (*fields, get_ref(row, "CustomerMemo")) if text.strip())
