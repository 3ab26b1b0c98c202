"""What a bookkeeper does by hand in the practice books: apply, receive, refund, void, delete, retire."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sandbox.intuit import customers, links, payments, purchases, sales
from sandbox.intuit.books import Company, Record
from sandbox.intuit.entities import BY_NAME, operate
from sandbox.intuit.making import MAKERS
from sandbox.intuit.seed import BANK
from sandbox.intuit.wire import id_of

NAMES = {"invoice": "Invoice", "credit_memo": "CreditMemo", "payment": "Payment", "refund_receipt": "RefundReceipt"}
KINDS = {"Invoice": sales.INVOICE, "CreditMemo": sales.MEMO, "RefundReceipt": sales.REFUND}
RETIRABLE = ("Customer", "Account", "Item", "TaxCode", "Term")
Act = Callable[[Company, Record], Record | None]


def document_of(company: Company, said: Record, *names: str) -> tuple[str, Record]:
    """The object that one of these names tells by number or id; raises ValueError."""
    for name in names or NAMES:
        if said.get(name):
            return NAMES[name], found(company, NAMES[name], str(said[name]))
    raise ValueError(f"say {' or '.join(names or NAMES)}")


def found(company: Company, entity: str, told: str) -> Record:
    """A copy of the object with this id or number; raises ValueError."""
    rows = company.table(entity)
    numbers = ("DocNumber", "PaymentRefNum")
    row = rows.get(told) or next((r for r in rows.values() if told in [r.get(n) for n in numbers]), None)
    if row is None:
        raise ValueError(f"no such {entity}: {told}")
    return dict(row)


def today(company: Company, said: Record) -> str:
    """The `date` that was said, or today's."""
    return str(said.get("date") or company.today)


def join(company: Company, said: Record, customer: Record, total: str, *lines: Record) -> None:
    """A payment of these lines, with a `note` and a `reference` if they were said."""
    told = {"Line": list(lines), "TotalAmt": total, "TxnDate": today(company, said), "CustomerRef": customer}
    told |= {"PrivateNote": str(said.get("note") or "By hand")}
    told |= {"PaymentRefNum": str(said["reference"])} if said.get("reference") else {}
    if total != "0":
        told["DepositToAccountRef"] = {"value": str(said.get("account") or BANK)}
    payments.write(company, told, set())


def part(kind: str, key: str, amount: str) -> Record:
    """A line of a payment."""
    return {"Amount": amount, "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}


def apply(company: Company, said: Record) -> None:
    """Put `amount` (or what both sides can take) of a credit memo against an invoice."""
    _, memo = document_of(company, said, "credit_memo")
    _, invoice = document_of(company, said, "invoice")
    most = min(memo["Balance"], invoice["Balance"], key=Decimal)
    amount = str(said.get("amount") or most)
    lines = part("Invoice", invoice["Id"], amount), part("CreditMemo", memo["Id"], amount)
    join(company, said, invoice["CustomerRef"], "0", *lines)


def unapply(company: Company, said: Record) -> None:
    """Take a credit memo off what it was applied to: the `invoice` that is said, or all of them."""
    _, memo = document_of(company, said, "credit_memo")
    only = document_of(company, said, "invoice")[1]["Id"] if said.get("invoice") else None
    for row in links.payments_of(company, memo):
        if only in (None, *(share.key for share in links.shares_of(row) if share.kind == "Invoice")):
            take_back(company, row)


def take_back(company: Company, row: Record) -> None:
    """Delete a payment of no money; of one with money, leave out its credits."""
    if Decimal(row["TotalAmt"]) == 0:
        payments.delete(company, row)
        return
    for share in links.shares_of(row):
        if share.is_credit:
            links.leave(company, company.table("Payment")[row["Id"]], share.entity, share.key)


def pay(company: Company, said: Record) -> None:
    """Money for an invoice, into `account` (the bank)."""
    _, invoice = document_of(company, said, "invoice")
    amount = str(said.get("amount") or invoice["Balance"])
    join(company, said, invoice["CustomerRef"], amount, part("Invoice", invoice["Id"], amount))


def refund(company: Company, said: Record) -> None:
    """Money back to the customer of a credit memo, out of `account` (the bank), joined with the memo."""
    _, memo = document_of(company, said, "credit_memo")
    amount = str(said.get("amount") or memo["Balance"])
    detail = {"AccountRef": {"value": receivable(company, id_of(memo["CurrencyRef"]))}}
    expense = purchases.write(
        company,
        {
            "PaymentType": "Cash",
            "AccountRef": {"value": str(said.get("account") or BANK)},
            "EntityRef": {"value": id_of(memo["CustomerRef"]), "type": "Customer"},
            "TxnDate": today(company, said),
            "Line": [{"Amount": amount, "DetailType": purchases.DETAIL, purchases.DETAIL: detail}],
        },
        set(),
    )
    lines = part("Expense", expense["Id"], amount), part("CreditMemo", memo["Id"], amount)
    join(company, said, memo["CustomerRef"], "0", *lines)


def receivable(company: Company, currency: str) -> str:
    """The account of what customers owe in this currency."""
    ours = (row for row in company.table("Account").values() if purchases.is_receivable(row))
    return next(str(row["Id"]) for row in ours if id_of(row["CurrencyRef"]) == currency)


def void(company: Company, said: Record) -> None:
    """Void a document or a payment; by hand, credit memos too."""
    entity, row = document_of(company, said)
    if entity == "Payment":
        payments.void(company, row)
    else:
        sales.void(company, KINDS[entity], row)


def delete(company: Company, said: Record) -> None:
    """Delete a document or a payment."""
    entity, row = document_of(company, said)
    operate(company, BY_NAME[entity], "delete", {"Id": row["Id"], "SyncToken": row["SyncToken"]}, set())


def delete_payment(company: Company, said: Record) -> None:
    """Take payments back: the one that is said, or every one of a document."""
    entity, row = document_of(company, said)
    for each in [row] if entity == "Payment" else links.payments_of(company, row):
        payments.delete(company, each)


def edit(company: Company, said: Record) -> None:
    """Change `fields` of a document, a payment or the customer that `customer` names by id or name."""
    if said.get("customer"):
        entity, row = "Customer", named(company, "Customer", str(said["customer"]))
    else:
        entity, row = document_of(company, said)
    sent = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True, **said["fields"]}
    operate(company, BY_NAME[entity], "update", sent, set())


def named(company: Company, entity: str, told: str) -> Record:
    """A copy of the object of a list with this id or name; raises ValueError."""
    rows = company.table(entity)
    row = rows.get(told) or next((r for r in rows.values() if told in (r.get("Name"), r.get("DisplayName"))), None)
    if row is None:
        raise ValueError(f"no such {entity}: {told}")
    return dict(row)


def active(truth: bool) -> Act:
    """The act of making something of a list inactive, or of bringing it back."""

    def act(company: Company, said: Record) -> None:
        entity = next((name for name in RETIRABLE if said.get(name.lower())), None)
        if entity is None:
            raise ValueError(f"say {' or '.join(name.lower() for name in RETIRABLE)}")
        row = named(company, entity, str(said[entity.lower()]))
        field = "DisplayName" if entity == "Customer" else "Name"
        if not truth and entity == "Customer":
            customers.retire(company, row)
        elif truth:
            row[field] = row[field].removesuffix(customers.GONE)
        company.put(entity, {**row, "Active": truth})

    return act


ACTS: dict[str, Act] = {
    **MAKERS,
    "apply": apply,
    "unapply": unapply,
    "pay": pay,
    "refund": refund,
    "void": void,
    "delete": delete,
    "delete_payment": delete_payment,
    "edit": edit,
    "retire": active(False),
    "restore": active(True),
}


def do(company: Company, name: str, said: Record) -> Record | None:
    """Do one act in the books, or none of it, and answer what was written.

    Raises InvalidError, KeyError, ValueError.
    """
    act = ACTS[name]
    with company.transaction():
        return act(company, said)
