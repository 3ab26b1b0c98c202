"""What a bookkeeper does in the practice books: apply, receive, refund, void, delete, retire."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sandbox.intuit import customers, linked_transactions, payments, purchases, sales
from sandbox.intuit.bookkeeper_documents import CREATE_ACTIONS
from sandbox.intuit.company import Company, Record
from sandbox.intuit.entities import BY_NAME, run_operation
from sandbox.intuit.formats import get_reference_id
from sandbox.intuit.seed import BANK

ENTITY_BY_NAME = {
    "invoice": "Invoice",
    "credit_memo": "CreditMemo",
    "payment": "Payment",
    "refund_receipt": "RefundReceipt",
}
DOCUMENT_KINDS = {"Invoice": sales.INVOICE, "CreditMemo": sales.CREDIT_MEMO, "RefundReceipt": sales.REFUND_RECEIPT}
DEACTIVATABLE = ("Customer", "Account", "Item", "TaxCode", "Term")
BookkeeperAction = Callable[[Company, Record], Record | None]


def get_document(company: Company, params: Record, *names: str) -> tuple[str, Record]:
    """The object that one of these parameters names by number or id; raises ValueError."""
    for name in names or ENTITY_BY_NAME:
        if params.get(name):
            return ENTITY_BY_NAME[name], get_by_id_or_number(company, ENTITY_BY_NAME[name], str(params[name]))
    raise ValueError(f"say {' or '.join(names or ENTITY_BY_NAME)}")


def get_by_id_or_number(company: Company, entity: str, value: str) -> Record:
    """A copy of the object with this id or number; raises ValueError."""
    rows = company.table(entity)
    numbers = ("DocNumber", "PaymentRefNum")
    row = rows.get(value) or next((r for r in rows.values() if value in [r.get(n) for n in numbers]), None)
    if row is None:
        raise ValueError(f"no such {entity}: {value}")
    return dict(row)


def get_date(company: Company, params: Record) -> str:
    """The `date` of the parameters, or today's."""
    return str(params.get("date") or company.today)


def create_payment(company: Company, params: Record, customer: Record, total: str, *lines: Record) -> None:
    """A payment of these lines, with a `note` and a `reference` if they are given."""
    sent = {"Line": list(lines), "TotalAmt": total, "TxnDate": get_date(company, params), "CustomerRef": customer}
    sent |= {"PrivateNote": str(params.get("note") or "By hand")}
    sent |= {"PaymentRefNum": str(params["reference"])} if params.get("reference") else {}
    if total != "0":
        sent["DepositToAccountRef"] = {"value": str(params.get("account") or BANK)}
    payments.write_payment(company, sent, set())


def build_payment_line(kind: str, key: str, amount: str) -> Record:
    """A line of a payment."""
    return {"Amount": amount, "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}


def apply_credit(company: Company, params: Record) -> None:
    """Put `amount` (or what both sides can take) of a credit memo against an invoice."""
    _, memo = get_document(company, params, "credit_memo")
    _, invoice = get_document(company, params, "invoice")
    most = min(memo["Balance"], invoice["Balance"], key=Decimal)
    amount = str(params.get("amount") or most)
    lines = build_payment_line("Invoice", invoice["Id"], amount), build_payment_line("CreditMemo", memo["Id"], amount)
    create_payment(company, params, invoice["CustomerRef"], "0", *lines)


def unapply_credit(company: Company, params: Record) -> None:
    """Take a credit memo off what it was applied to: the `invoice` that is given, or all of them."""
    _, memo = get_document(company, params, "credit_memo")
    only = get_document(company, params, "invoice")[1]["Id"] if params.get("invoice") else None
    for row in linked_transactions.list_payments(company, memo):
        if only in (
            None,
            *(share.key for share in linked_transactions.list_linked_amounts(row) if share.kind == "Invoice"),
        ):
            remove_credit_payment(company, row)


def remove_credit_payment(company: Company, row: Record) -> None:
    """Delete a payment of no money; of one with money, leave out its credits."""
    if Decimal(row["TotalAmt"]) == 0:
        payments.delete_payment(company, row)
        return
    for share in linked_transactions.list_linked_amounts(row):
        if share.is_credit:
            linked_transactions.remove_document_from_payment(
                company, company.table("Payment")[row["Id"]], share.entity, share.key
            )


def pay_invoice(company: Company, params: Record) -> None:
    """Money for an invoice, into `account` (the bank)."""
    _, invoice = get_document(company, params, "invoice")
    amount = str(params.get("amount") or invoice["Balance"])
    create_payment(
        company, params, invoice["CustomerRef"], amount, build_payment_line("Invoice", invoice["Id"], amount)
    )


def refund(company: Company, params: Record) -> None:
    """Money back to the customer of a credit memo, out of `account` (the bank), joined with the memo."""
    _, memo = get_document(company, params, "credit_memo")
    amount = str(params.get("amount") or memo["Balance"])
    detail = {"AccountRef": {"value": get_receivable_account(company, get_reference_id(memo["CurrencyRef"]))}}
    expense = purchases.write_purchase(
        company,
        {
            "PaymentType": "Cash",
            "AccountRef": {"value": str(params.get("account") or BANK)},
            "EntityRef": {"value": get_reference_id(memo["CustomerRef"]), "type": "Customer"},
            "TxnDate": get_date(company, params),
            "Line": [{"Amount": amount, "DetailType": purchases.DETAIL, purchases.DETAIL: detail}],
        },
        set(),
    )
    lines = build_payment_line("Expense", expense["Id"], amount), build_payment_line("CreditMemo", memo["Id"], amount)
    create_payment(company, params, memo["CustomerRef"], "0", *lines)


def get_receivable_account(company: Company, currency: str) -> str:
    """The account of what customers owe in this currency."""
    ours = (row for row in company.table("Account").values() if purchases.is_receivable(row))
    return next(str(row["Id"]) for row in ours if get_reference_id(row["CurrencyRef"]) == currency)


def void(company: Company, params: Record) -> None:
    """Void a document or a payment; a bookkeeper may void credit memos too."""
    entity, row = get_document(company, params)
    if entity == "Payment":
        payments.void_payment(company, row)
    else:
        sales.void_document(company, DOCUMENT_KINDS[entity], row)


def delete(company: Company, params: Record) -> None:
    """Delete a document or a payment."""
    entity, row = get_document(company, params)
    run_operation(company, BY_NAME[entity], "delete", {"Id": row["Id"], "SyncToken": row["SyncToken"]}, set())


def delete_payment(company: Company, params: Record) -> None:
    """Take payments back: the one that is given, or every one of a document."""
    entity, row = get_document(company, params)
    for each in [row] if entity == "Payment" else linked_transactions.list_payments(company, row):
        payments.delete_payment(company, each)


def edit_fields(company: Company, params: Record) -> None:
    """Change `fields` of a document, a payment or the customer that `customer` names by id or name."""
    if params.get("customer"):
        entity, row = "Customer", get_by_id_or_name(company, "Customer", str(params["customer"]))
    else:
        entity, row = get_document(company, params)
    sent = {"Id": row["Id"], "SyncToken": row["SyncToken"], "sparse": True, **params["fields"]}
    run_operation(company, BY_NAME[entity], "update", sent, set())


def get_by_id_or_name(company: Company, entity: str, value: str) -> Record:
    """A copy of the object of a list with this id or name; raises ValueError."""
    rows = company.table(entity)
    row = rows.get(value) or next((r for r in rows.values() if value in (r.get("Name"), r.get("DisplayName"))), None)
    if row is None:
        raise ValueError(f"no such {entity}: {value}")
    return dict(row)


def build_active_action(truth: bool) -> BookkeeperAction:
    """The act of making something of a list inactive, or of bringing it back."""

    def act(company: Company, params: Record) -> None:
        entity = next((name for name in DEACTIVATABLE if params.get(name.lower())), None)
        if entity is None:
            raise ValueError(f"say {' or '.join(name.lower() for name in DEACTIVATABLE)}")
        row = get_by_id_or_name(company, entity, str(params[entity.lower()]))
        field = "DisplayName" if entity == "Customer" else "Name"
        if not truth and entity == "Customer":
            customers.deactivate(company, row)
        elif truth:
            row[field] = row[field].removesuffix(customers.DELETED_SUFFIX)
        company.save(entity, {**row, "Active": truth})

    return act


def merge_customers(company: Company, params: Record) -> None:
    """Merge `customer` into `into`, of the same currency: its documents go there, and it is gone for good."""
    loser, survivor = (get_by_id_or_name(company, "Customer", str(params[name])) for name in ("customer", "into"))
    if loser["Id"] == survivor["Id"] or loser["CurrencyRef"] != survivor["CurrencyRef"]:
        raise ValueError("say customer and into, two customers of one currency")
    for entity in ("Invoice", "CreditMemo", "Payment", "RefundReceipt"):
        for row in list(company.find_by(entity, "Customer", loser["Id"])):
            reference = {"value": survivor["Id"], "name": survivor["DisplayName"]}
            company.move_silently(entity, {**row, "CustomerRef": reference})
    customers.deactivate(company, loser)
    company.save("Customer", {**loser, "Active": False}, act="deleted")
    company.record_merge("Customer", survivor["Id"], merged=loser["Id"])


ACTIONS: dict[str, BookkeeperAction] = {
    **CREATE_ACTIONS,
    "apply": apply_credit,
    "unapply": unapply_credit,
    "pay": pay_invoice,
    "refund": refund,
    "void": void,
    "delete": delete,
    "delete_payment": delete_payment,
    "edit": edit_fields,
    "merge": merge_customers,
    "retire": build_active_action(False),
    "restore": build_active_action(True),
}


def run_action(company: Company, name: str, params: Record) -> Record | None:
    """Do one act in the books, or none of it, and answer what was written.

    Raises IntuitValidationError, KeyError, ValueError.
    """
    act = ACTIONS[name]
    with company.transaction():
        return act(company, params)
