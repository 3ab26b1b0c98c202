"""What a bookkeeper does by hand in the practice books: write, approve, void, allocate, refund, reconcile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from sandbox.xero import allocations, documents, making, payments, webhooks
from sandbox.xero.books import Organisation, Record
from sandbox.xero.calls import Call
from sandbox.xero.documents import INVOICE, NOTE, Kind
from sandbox.xero.errors import InvalidError

BANK = "090"
Act = Callable[[Call, Record], Record | None]


def call_for(org: Organisation) -> Call:
    """A call that no app made."""
    return Call(org=org, client="practice", path={}, params={"unitdp": "4"})


def document_of(call: Call, said: Record) -> tuple[Kind, Record]:
    """The document that `credit_note` or `invoice` names by number or id; raises ValueError."""
    for kind, name in ((NOTE, "credit_note"), (INVOICE, "invoice")):
        if said.get(name):
            found = documents.find(call.org, kind, said[name])
            if found is None:
                raise ValueError(f"no such {name}: {said[name]}")
            return kind, found
    raise ValueError("say credit_note or invoice")


def named(call: Call, kind: Kind, said: Record, name: str) -> Record:
    """The document of this kind under `name`; raises ValueError."""
    return document_of(call, {("credit_note" if kind is NOTE else "invoice"): said.get(name)})[1]


def status(wanted: str) -> Act:
    """The act of giving a document another status."""

    def act(call: Call, said: Record) -> Record:
        kind, document = document_of(call, said)
        return documents.update(call, kind, document, {"Status": wanted})

    return act


def edit(call: Call, said: Record) -> Record:
    """Other words in an invoice or a credit note."""
    kind, document = document_of(call, said)
    return making.edit(call, kind, document, said)


def allocate(call: Call, said: Record) -> Record:
    """Put `amount` (or what both sides can take) of a credit note against an invoice."""
    note, invoice = named(call, NOTE, said, "credit_note"), named(call, INVOICE, said, "invoice")
    most = min(note["RemainingCredit"], invoice["AmountDue"], key=Decimal)
    sent = {"Amount": said.get("amount") or most, "Date": today(call, said)}
    return allocations.create(call, note, {**sent, "Invoice": {"InvoiceID": invoice["InvoiceID"]}})


def deallocate(call: Call, said: Record) -> None:
    """Take allocations off a credit note: those to `invoice`, or all of them."""
    note = named(call, NOTE, said, "credit_note")
    only = named(call, INVOICE, said, "invoice")["InvoiceID"] if said.get("invoice") else None
    for entry in list(note["Allocations"]):
        if only in (None, entry["InvoiceID"]):
            allocations.delete(call, call.org.get("credit_notes", note["CreditNoteID"]) or {}, entry["AllocationID"])


def pay(call: Call, said: Record) -> Record:
    """Money for an invoice, or back to the customer of a credit note, through `account` (the bank)."""
    kind, document = document_of(call, said)
    left = document["AmountDue" if kind is INVOICE else "RemainingCredit"]
    target = "Invoice" if kind is INVOICE else "CreditNote"
    return payments.create(
        call,
        {
            target: {kind.id_field: document[kind.id_field]},
            "Account": {"Code": str(said.get("account") or BANK)},
            "Amount": said.get("amount") or left,
            "Date": today(call, said),
            "Reference": str(said.get("reference") or "By hand"),
        },
    )


def today(call: Call, said: Record) -> str:
    """The `date` that was said, or today's."""
    return str(said.get("date") or call.org.now.date().isoformat())


def payments_of(call: Call, said: Record) -> Iterator[Record]:
    """The payment with the id `payment`, or every standing one of a document; raises ValueError."""
    if said.get("payment"):
        found = call.org.get("payments", said["payment"])
        if found is None:
            raise ValueError("no such payment")
        yield found
        return
    _, document = document_of(call, said)
    for key in document["PaymentIDs"]:
        row = call.org.get("payments", key)
        if row and row["Status"] != "DELETED":
            yield row


def delete_payment(call: Call, said: Record) -> None:
    """Take payments back."""
    for row in list(payments_of(call, said)):
        payments.delete(call, row, {"Status": "DELETED"})


def reconciled(truth: bool) -> Act:
    """The act of matching payments with lines of the bank's statement, or of undoing that."""

    def act(call: Call, said: Record) -> None:
        for row in list(payments_of(call, said)):
            call.org.put("payments", row["PaymentID"], {**row, "IsReconciled": truth})

    return act


ACTS: dict[str, Act] = {
    "make_invoice": making.make_invoice,
    "make_credit_note": making.make_credit_note,
    "make_contact": making.make_contact,
    "make_theme": making.make_theme,
    "edit": edit,
    "edit_contact": making.edit_contact,
    "approve": status("AUTHORISED"),
    "delete": status("DELETED"),
    "void": status("VOIDED"),
    "allocate": allocate,
    "deallocate": deallocate,
    "pay": pay,
    "refund": pay,
    "delete_payment": delete_payment,
    "reconcile": reconciled(True),
    "unreconcile": reconciled(False),
}


def do(org: Organisation, name: str, said: Any) -> Record | None:
    """Do one act in the books of `org`, or none of it, and answer what was written.

    Raises InvalidError, KeyError, ValueError.
    """
    try:
        written = ACTS[name](call_for(org), said)
    except (InvalidError, ValueError, KeyError):
        org.rollback()
        raise
    webhooks.announce(org)
    return written
