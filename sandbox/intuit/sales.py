"""Sales documents: what invoices, credit memos and refund receipts have in common when they are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from sandbox.intuit import links
from sandbox.intuit.books import Company, Record
from sandbox.intuit.errors import InvalidError, business, required
from sandbox.intuit.fields import limited
from sandbox.intuit.lines import Lines, tax_detail
from sandbox.intuit.payments import account_for
from sandbox.intuit.rules import currency_of, date_of, refuse_closed, refuse_suspended
from sandbox.intuit.taxes import Taxes
from sandbox.intuit.wire import cents, day, id_of, is_sparse, kept, optional

DUPLICATES = "allowduplicatedocnum"
HELD = ("Id", "SyncToken", "MetaData", "domain", "sparse", "LinkedTxn")
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
TAKEN = "You must specify a different number. This number has already been used."


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What sets the kinds of sales document apart."""

    entity: str
    due_date: bool = False
    voidable: bool = False
    pays_out: bool = False


INVOICE = Kind(entity="Invoice", due_date=True, voidable=True)
MEMO = Kind(entity="CreditMemo")
REFUND = Kind(entity="RefundReceipt", pays_out=True)


def write(company: Company, kind: Kind, sent: Record, include: Iterable[str]) -> Record:
    """A new document, or a known one changed; raises InvalidError."""
    known = company.current(kind.entity, sent) if sent.get("Id") else None
    refuse_suspended(company)
    if known:
        refuse_closed(company, known["TxnDate"])
        sent = merged(known, sent) if is_sparse(sent) else sent
    fresh = {**held(known), **document(company, kind, sent)}
    number(company, kind, fresh, DUPLICATES in include)
    return company.put(kind.entity, opened(company, kind, fresh))


def held(known: Record | None) -> Record:
    """What an update cannot change."""
    return {name: known[name] for name in HELD if name in known} if known else {"LinkedTxn": []}


def merged(known: Record, sent: Record) -> Record:
    """What a sparse update means: the document as it is, with what was sent; new lines are taxed anew."""
    stale = ("TxnTaxDetail",) if "Line" in sent else ()
    return {**{name: value for name, value in known.items() if name not in stale}, **sent}


def document(company: Company, kind: Kind, sent: Record) -> Record:
    """The document as the books keep it; raises InvalidError."""
    if not id_of(sent.get("CustomerRef")):
        raise required("CustomerRef")
    if not sent.get("Line"):
        raise required("Line")
    if optional(sent, "Deposit"):
        raise business("Deposits are not switched on for this company.")
    customer = company.pointed("Customer", sent["CustomerRef"], "Names")
    taxes = Taxes(company, sent.get("GlobalTaxCalculation"), customer)
    lines = Lines(company, taxes)
    read = lines.read(sent["Line"])
    detail, tax = tax_detail(taxes, sent.get("TxnTaxDetail"))
    total = lines.net + tax
    if total < 0:
        raise business("The transaction total must be 0 or greater.")
    on = date_of(company, sent)
    money = currency_of(company, sent, customer)
    return {
        **texts(sent),
        "CustomerRef": {"value": customer["Id"], "name": customer["DisplayName"]},
        "TxnDate": on,
        **money,
        **({} if company.is_american else {"GlobalTaxCalculation": taxes.way}),
        "Line": read,
        "TxnTaxDetail": detail,
        "TotalAmt": str(total),
        "HomeTotalAmt": str(cents(total * Decimal(money["ExchangeRate"]))),
        "ApplyTaxAfterDiscount": False,
        **particulars(company, kind, sent, on),
    }


def texts(sent: Record) -> Record:
    """The fields that are taken over as they are."""
    found = kept({name: sent[name] for name in TEXTS if sent.get(name) not in (None, "")})
    memo = sent.get("CustomerMemo")
    if isinstance(memo, dict) and memo.get("value"):
        found["CustomerMemo"] = {"value": limited("CustomerMemo", memo["value"], 1000)}
    return {"PrintStatus": "NotSet", "EmailStatus": "NotSet", **found}


def particulars(company: Company, kind: Kind, sent: Record, on: str) -> Record:
    """What only this kind of document has."""
    if kind.due_date:
        return {"DueDate": due_date(company, sent, on)}
    if kind.pays_out:
        if not id_of(sent.get("DepositToAccountRef")):
            raise required("DepositToAccountRef")
        return {"DepositToAccountRef": {"value": account_for(company, sent)}}
    return {}


def due_date(company: Company, sent: Record, on: str) -> str:
    """The day that an invoice is due: as told, or as its terms have it."""
    if sent.get("DueDate"):
        return day("DueDate", sent["DueDate"])
    term = company.pointed("Term", sent["SalesTermRef"], "Terms") if id_of(sent.get("SalesTermRef")) else None
    return (date.fromisoformat(on) + timedelta(days=int(term["DueDays"]) if term else 30)).isoformat()


def number(company: Company, kind: Kind, fresh: Record, duplicates: bool) -> None:
    """Number a document that has no number, where QuickBooks numbers them; raises InvalidError (6140)."""
    told = str(fresh.get("DocNumber") or "")
    if not told and not company.preferences["CustomTxnNumbers"]:
        told = fresh["DocNumber"] = str(1000 + len(company.table(kind.entity)) + 1)
    if not told or duplicates:
        return
    fresh["DocNumber"] = told
    rivals = company.by(kind.entity, "DocNumber", told)
    other = next((row for row in rivals if row["Id"] != fresh.get("Id")), None)
    if other:
        message = "Duplicate Document Number Error"
        where = f"DocNumber={told} is assigned to TxnType={kind.entity} with TxnId={other['Id']}"
        raise InvalidError("6140", message, f"{message} : {TAKEN} {where}")


def opened(company: Company, kind: Kind, fresh: Record) -> Record:
    """The document with its open balance; money paid out leaves nothing open."""
    if kind.pays_out:
        return {**fresh, "Balance": "0.00"}
    return links.settle(company, kind.entity, {"Id": "", **fresh})


def void(company: Company, kind: Kind, known: Record) -> Record:
    """The document set to nought; what was paid on it is unapplied again. Raises InvalidError."""
    refuse_closed(company, known["TxnDate"])
    release(company, kind, known)
    known = company.get(kind.entity, known["Id"])
    lines = [{**line, "Amount": "0.00"} | without_price(line) for line in known["Line"]]
    note = " ".join(filter(None, ("Voided", known.get("PrivateNote"))))
    nought: Record = {"TotalAmt": "0.00", "HomeTotalAmt": "0.00", "Balance": "0.00", "HomeBalance": "0.00"}
    nought |= {"TxnTaxDetail": {"TotalTax": "0.00", "TaxLine": []}, "Line": lines, "PrivateNote": note}
    return company.put(kind.entity, {**known, **nought}, act="voided")


def without_price(line: Record) -> Record:
    """A line's detail with nothing in it to pay for."""
    detail = line.get("SalesItemLineDetail")
    if not detail:
        return {}
    cut = {name: value for name, value in detail.items() if name not in ("UnitPrice", "Qty", "TaxInclusiveAmt")}
    return {"SalesItemLineDetail": cut}


def delete(company: Company, kind: Kind, known: Record) -> None:
    """The document gone; what was paid on it is unapplied again. Raises InvalidError."""
    refuse_closed(company, known["TxnDate"])
    release(company, kind, known)
    company.drop(kind.entity, known["Id"])


def release(company: Company, kind: Kind, known: Record) -> None:
    """Take the document out of every payment; what a credit no longer pays for is open again."""
    for payment in links.payments_of(company, known):
        links.leave(company, payment, kind.entity, known["Id"])
