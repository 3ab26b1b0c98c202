"""What a bookkeeper does in the practice books: write, approve, void, allocate, refund, reconcile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from sandbox.xero import allocations, bookkeeper_documents, documents, payments, webhooks
from sandbox.xero.calls import XeroCall
from sandbox.xero.documents import CREDIT_NOTE, INVOICE, XeroDocumentKind
from sandbox.xero.errors import XeroValidationError
from sandbox.xero.organisation import Organisation, Record

BANK = "090"
MERGED = ("contact", "into")
BookkeeperAction = Callable[[XeroCall, Record], Record | None]


def build_call(org: Organisation) -> XeroCall:
    """A call that comes from no app."""
    return XeroCall(org=org, client="practice", path={}, params={"unitdp": "4"})


def get_document(call: XeroCall, params: Record) -> tuple[XeroDocumentKind, Record]:
    """The document that `credit_note` or `invoice` names by number or id; raises ValueError."""
    for kind, name in ((CREDIT_NOTE, "credit_note"), (INVOICE, "invoice")):
        if params.get(name):
            found = documents.find_document(call.org, kind, params[name])
            if found is None:
                raise ValueError(f"no such {name}: {params[name]}")
            return kind, found
    raise ValueError("say credit_note or invoice")


def get_named_document(call: XeroCall, kind: XeroDocumentKind, params: Record, name: str) -> Record:
    """The document of this kind under `name`; raises ValueError."""
    return get_document(call, {("credit_note" if kind is CREDIT_NOTE else "invoice"): params.get(name)})[1]


def build_status_action(status: str) -> BookkeeperAction:
    """The act of giving a document another status."""

    def act(call: XeroCall, params: Record) -> Record:
        kind, document = get_document(call, params)
        return documents.update(call, kind, document, {"Status": status})

    return act


def edit_document(call: XeroCall, params: Record) -> Record:
    """Edit the texts of an invoice or a credit note."""
    kind, document = get_document(call, params)
    return bookkeeper_documents.edit_document(call, kind, document, params)


def allocate_credit_note(call: XeroCall, params: Record) -> Record:
    """Put `amount` (or what both sides can take) of a credit note against an invoice."""
    note, invoice = (
        get_named_document(call, CREDIT_NOTE, params, "credit_note"),
        get_named_document(call, INVOICE, params, "invoice"),
    )
    most = min(note["RemainingCredit"], invoice["AmountDue"], key=Decimal)
    sent = {"Amount": params.get("amount") or most, "Date": get_date(call, params)}
    return allocations.create(call, note, {**sent, "Invoice": {"InvoiceID": invoice["InvoiceID"]}})


def remove_allocations(call: XeroCall, params: Record) -> None:
    """Take allocations off a credit note: those to `invoice`, or all of them."""
    note = get_named_document(call, CREDIT_NOTE, params, "credit_note")
    only = get_named_document(call, INVOICE, params, "invoice")["InvoiceID"] if params.get("invoice") else None
    for entry in list(note["Allocations"]):
        if only in (None, entry["InvoiceID"]):
            allocations.delete(call, call.org.get("credit_notes", note["CreditNoteID"]) or {}, entry["AllocationID"])


def create_payment(call: XeroCall, params: Record) -> Record:
    """Money for an invoice, or back to the customer of a credit note, through `account` (the bank)."""
    kind, document = get_document(call, params)
    remaining = document["AmountDue" if kind is INVOICE else "RemainingCredit"]
    target = "Invoice" if kind is INVOICE else "CreditNote"
    return payments.create(
        call,
        {
            target: {kind.id_field: document[kind.id_field]},
            "Account": {"Code": str(params.get("account") or BANK)},
            "Amount": params.get("amount") or remaining,
            "Date": get_date(call, params),
            "Reference": str(params.get("reference") or "By hand"),
        },
    )


def get_date(call: XeroCall, params: Record) -> str:
    """The `date` of the parameters, or today's."""
    return str(params.get("date") or call.org.now.date().isoformat())


def list_payments(call: XeroCall, params: Record) -> Iterator[Record]:
    """The payment with the id `payment`, or every standing one of a document; raises ValueError."""
    if params.get("payment"):
        found = call.org.get("payments", params["payment"])
        if found is None:
            raise ValueError("no such payment")
        yield found
        return
    _, document = get_document(call, params)
    for key in document["PaymentIDs"]:
        row = call.org.get("payments", key)
        if row and row["Status"] != "DELETED":
            yield row


def delete_payments(call: XeroCall, params: Record) -> None:
    """Take payments back."""
    for row in list(list_payments(call, params)):
        payments.delete(call, row, {"Status": "DELETED"})


def build_reconcile_action(truth: bool) -> BookkeeperAction:
    """The act of matching payments with lines of the bank's statement, or of undoing that."""

    def act(call: XeroCall, params: Record) -> None:
        for row in list(list_payments(call, params)):
            call.org.save("payments", row["PaymentID"], {**row, "IsReconciled": truth})

    return act


def merge_contacts(call: XeroCall, params: Record) -> Record:
    """Merge `contact` into `into`: its documents go there, and it is archived for good; raises ValueError."""
    keys = [bookkeeper_documents.get_or_create_contact(call.org, params[name]).get("ContactID") for name in MERGED]
    loser, survivor = (call.org.get("contacts", key) if key else None for key in keys)
    if loser is None or survivor is None or loser["ContactID"] == survivor["ContactID"]:
        raise ValueError("say contact and into, two contacts")
    for kind in ("invoices", "credit_notes"):
        for key, row in list(call.org.table(kind).items()):
            if row["ContactID"] == loser["ContactID"]:
                call.org.write_silently(kind, key, {**row, "ContactID": survivor["ContactID"]})
    archived = {**loser, "ContactStatus": "ARCHIVED", "MergedToContactID": survivor["ContactID"]}
    return call.org.save("contacts", loser["ContactID"], archived)


ACTIONS: dict[str, BookkeeperAction] = {
    "make_invoice": bookkeeper_documents.create_invoice,
    "make_credit_note": bookkeeper_documents.create_credit_note,
    "make_contact": bookkeeper_documents.create_contact,
    "make_theme": bookkeeper_documents.create_theme,
    "delete_theme": bookkeeper_documents.delete_theme,
    "edit": edit_document,
    "edit_contact": bookkeeper_documents.edit_contact,
    "merge": merge_contacts,
    "approve": build_status_action("AUTHORISED"),
    "delete": build_status_action("DELETED"),
    "void": build_status_action("VOIDED"),
    "allocate": allocate_credit_note,
    "deallocate": remove_allocations,
    "pay": create_payment,
    "refund": create_payment,
    "delete_payment": delete_payments,
    "reconcile": build_reconcile_action(True),
    "unreconcile": build_reconcile_action(False),
}


def run_action(org: Organisation, name: str, params: Any) -> Record | None:
    """Do one act in the books of `org`, or none of it, and answer what was written.

    Raises XeroValidationError, KeyError, ValueError.
    """
    try:
        written = ACTIONS[name](build_call(org), params)
    except (XeroValidationError, ValueError, KeyError):
        org.rollback()
        raise
    webhooks.publish_changes(org)
    return written
