"""Sales documents: what invoices, credit memos and refund receipts have in common when they are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sandbox.intuit import linked_transactions
from sandbox.intuit.company import Company, Record
from sandbox.intuit.errors import IntuitValidationError, build_business_error, build_required_error
from sandbox.intuit.fields import check_length
from sandbox.intuit.formats import get_reference_id, is_sparse, parse_day, parse_optional_number, round_cents, to_stored
from sandbox.intuit.lines import IntuitLines, build_tax_detail
from sandbox.intuit.payments import get_deposit_account
from sandbox.intuit.rules import check_not_closed, check_not_suspended, get_currency, get_transaction_date
from sandbox.intuit.taxes import DocumentTaxes

DUPLICATES = "allowduplicatedocnum"
SERVER_FIELDS = ("Id", "SyncToken", "MetaData", "domain", "sparse", "LinkedTxn")
TEXTS: tuple[str, ...] = (
    "DocNumber",
    "PrivateNote",
    "BillEmail",
    "BillAddr",
    "ShipAddr",
    "CustomField",
    "PrintStatus",
    "EmailStatus",
)
TEXTS += ("SalesTermRef", "PaymentRefNum", "PaymentMethodRef", "ClassRef", "DepartmentRef")
NUMBER_TAKEN = "You must specify a different number. This number has already been used."


@dataclass(frozen=True, kw_only=True)
class SalesDocumentKind:
    """What sets the kinds of sales document apart."""

    entity: str
    due_date: bool = False
    voidable: bool = False
    pays_out: bool = False


INVOICE = SalesDocumentKind(entity="Invoice", due_date=True, voidable=True)
CREDIT_MEMO = SalesDocumentKind(entity="CreditMemo")
REFUND_RECEIPT = SalesDocumentKind(entity="RefundReceipt", pays_out=True)


def write_document(company: Company, kind: SalesDocumentKind, sent: Record, include: Iterable[str]) -> Record:
    """A new document, or a known one changed; raises IntuitValidationError."""
    known = company.get_current(kind.entity, sent) if sent.get("Id") else None
    check_not_suspended(company)
    if known:
        check_not_closed(company, known["TxnDate"])
        sent = merge_update(known, sent) if is_sparse(sent) else sent
    fresh = {**get_server_fields(known), **build_document(company, kind, sent)}
    assign_number(company, kind, fresh, DUPLICATES in include)
    return company.save(kind.entity, set_initial_balance(company, kind, fresh))


def get_server_fields(known: Record | None) -> Record:
    """What an update cannot change."""
    return {name: known[name] for name in SERVER_FIELDS if name in known} if known else {"LinkedTxn": []}


def merge_update(known: Record, sent: Record) -> Record:
    """What a sparse update means: the document as it is, with what was sent; new lines are taxed anew."""
    stale = ("TxnTaxDetail",) if "Line" in sent else ()
    return {**{name: value for name, value in known.items() if name not in stale}, **sent}


def build_document(company: Company, kind: SalesDocumentKind, sent: Record) -> Record:
    """The document as it is stored; raises IntuitValidationError."""
    if not get_reference_id(sent.get("CustomerRef")):
        raise build_required_error("CustomerRef")
    if not sent.get("Line"):
        raise build_required_error("Line")
    if parse_optional_number(sent, "Deposit"):
        raise build_business_error("Deposits are not switched on for this company.")
    customer = company.get_referenced("Customer", sent["CustomerRef"], "Names")
    taxes = DocumentTaxes(company, sent.get("GlobalTaxCalculation"), customer)
    lines = IntuitLines(company, taxes)
    read = lines.parse_lines(sent["Line"])
    detail, tax = build_tax_detail(taxes, sent.get("TxnTaxDetail"))
    total = lines.net + tax
    if total < 0:
        raise build_business_error("The transaction total must be 0 or greater.")
    on = get_transaction_date(company, sent)
    money = get_currency(company, sent, customer)
    return {
        **copy_text_fields(sent),
        "CustomerRef": {"value": customer["Id"], "name": customer["DisplayName"]},
        "TxnDate": on,
        **money,
        **({} if company.is_american else {"GlobalTaxCalculation": taxes.way}),
        "Line": read,
        "TxnTaxDetail": detail,
        "TotalAmt": str(total),
        "HomeTotalAmt": str(round_cents(total * Decimal(money["ExchangeRate"]))),
        "ApplyTaxAfterDiscount": False,
        **build_kind_fields(company, kind, sent, on),
    }


def copy_text_fields(sent: Record) -> Record:
    """The fields that are taken over as they are."""
    found = to_stored({name: sent[name] for name in TEXTS if sent.get(name) not in (None, "")})
    memo = sent.get("CustomerMemo")
    if isinstance(memo, dict) and memo.get("value"):
        found["CustomerMemo"] = {"value": check_length("CustomerMemo", memo["value"], 1000)}
    return {"PrintStatus": "NotSet", "EmailStatus": "NotSet", **found}


def build_kind_fields(company: Company, kind: SalesDocumentKind, sent: Record, on: str) -> Record:
    """What only this kind of document has."""
    if kind.due_date:
        return {"DueDate": get_due_date(company, sent, on)}
    if kind.pays_out:
        if not get_reference_id(sent.get("DepositToAccountRef")):
            raise build_required_error("DepositToAccountRef")
        return {"DepositToAccountRef": {"value": get_deposit_account(company, sent)}}
    return {}


def get_due_date(company: Company, sent: Record, on: str) -> str:
    """The day that an invoice is due: as given, or as its terms have it."""
    if sent.get("DueDate"):
        return parse_day("DueDate", sent["DueDate"])
    term = (
        company.get_referenced("Term", sent["SalesTermRef"], "Terms")
        if get_reference_id(sent.get("SalesTermRef"))
        else None
    )
    return (date.fromisoformat(on) + timedelta(days=int(term["DueDays"]) if term else 30)).isoformat()


def assign_number(company: Company, kind: SalesDocumentKind, fresh: Record, duplicates: bool) -> None:
    """Number a document that has no number, where QuickBooks numbers them; raises IntuitValidationError (6140)."""
    number = str(fresh.get("DocNumber") or "")
    if not number and not company.preferences["CustomTxnNumbers"]:
        number = fresh["DocNumber"] = str(1000 + len(company.table(kind.entity)) + 1)
    if not number or duplicates:
        return
    fresh["DocNumber"] = number
    rivals = company.find_by(kind.entity, "DocNumber", number)
    other = next((row for row in rivals if row["Id"] != fresh.get("Id")), None)
    if other:
        message = "Duplicate Document Number Error"
        where = f"DocNumber={number} is assigned to TxnType={kind.entity} with TxnId={other['Id']}"
        raise IntuitValidationError("6140", message, f"{message} : {NUMBER_TAKEN} {where}")


def set_initial_balance(company: Company, kind: SalesDocumentKind, fresh: Record) -> Record:
    """The document with its open balance; money paid out leaves nothing open."""
    if kind.pays_out:
        return {**fresh, "Balance": "0.00"}
    return linked_transactions.set_open_balance(company, kind.entity, {"Id": "", **fresh})


def void_document(company: Company, kind: SalesDocumentKind, known: Record) -> Record:
    """The document set to nought; what was paid on it is unapplied again. Raises IntuitValidationError."""
    check_not_closed(company, known["TxnDate"])
    remove_from_payments(company, kind, known)
    known = company.get(kind.entity, known["Id"])
    lines = [{**line, "Amount": "0.00"} | clear_price(line) for line in known["Line"]]
    note = " ".join(filter(None, ("Voided", known.get("PrivateNote"))))
    nought: Record = {"TotalAmt": "0.00", "HomeTotalAmt": "0.00", "Balance": "0.00", "HomeBalance": "0.00"}
    nought |= {"TxnTaxDetail": {"TotalTax": "0.00", "TaxLine": []}, "Line": lines, "PrivateNote": note}
    return company.save(kind.entity, {**known, **nought}, act="voided")


def clear_price(line: Record) -> Record:
    """A line's detail with nothing in it to pay for."""
    detail = line.get("SalesItemLineDetail")
    if not detail:
        return {}
    cut = {name: value for name, value in detail.items() if name not in ("UnitPrice", "Qty", "TaxInclusiveAmt")}
    return {"SalesItemLineDetail": cut}


def delete_document(company: Company, kind: SalesDocumentKind, known: Record) -> None:
    """The document gone; what was paid on it is unapplied again. Raises IntuitValidationError."""
    check_not_closed(company, known["TxnDate"])
    remove_from_payments(company, kind, known)
    company.delete(kind.entity, known["Id"])


def remove_from_payments(company: Company, kind: SalesDocumentKind, known: Record) -> None:
    """Take the document out of every payment; what a credit no longer pays for is open again."""
    for payment in linked_transactions.list_payments(company, known):
        linked_transactions.remove_document_from_payment(company, payment, kind.entity, known["Id"])
