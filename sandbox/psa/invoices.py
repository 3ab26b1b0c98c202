"""Invoices and the payments on them: the balance after each, closed ones that refuse, PSA's own kind of PATCH."""

from __future__ import annotations

from typing import Any

from sandbox.core.pdf import build_pdf_file
from sandbox.psa.callbacks import publish_change
from sandbox.psa.errors import build_invalid
from sandbox.psa.tenant import CURRENCY, OPEN, Record, Tenant, format_time

TYPES = ("Agreement", "CreditMemo", "DownPayment", "Miscellaneous", "Progress", "Standard")
APPLY_TO = ("All", "Agreement", "Project", "ProjectPhase", "SalesOrder", "Ticket")
LONGEST = {"invoiceNumber": 15, "reference": 50, "customerPO": 50, "attention": 60}
SOURCES = ("Default", "WisePay")


def get_status(tenant: Tenant, invoice: Record) -> Record:
    """The billing status of an invoice."""
    return tenant.table("billingStatuses")[str(invoice["status"]["id"])]


def render_invoice(tenant: Tenant, invoice: Record) -> Record:
    """An invoice as the API answers it, with what is paid and what is left."""
    paid = round(sum(row["amount"] for row in tenant.list_payments(invoice["id"])), 2)
    status = get_status(tenant, invoice)
    shown = {"id": status["id"], "name": status["name"], "isClosed": bool(status.get("closedFlag"))}
    balance = round(invoice["total"] - paid - invoice.get("credits", 0.0), 2)
    return {**invoice, "status": shown, "payments": paid, "balance": balance}


def create_invoice(tenant: Tenant, sent: Record, *, by: str = "staff") -> Record:
    """Make an invoice. Raises RefusedError (400)."""
    check_invoice(tenant, sent)
    company = tenant.table("companies")[str(sent["company"]["id"])]
    fresh: Record = {
        "invoiceNumber": f"INV{tenant.data['next_id'] + 1}",
        "status": {"id": OPEN},
        "total": 0.0,
        "credits": 0.0,
        "date": format_time(tenant.world.now()),
        "currency": CURRENCY,
        **{name: value for name, value in sent.items() if name not in ("id", "balance", "payments")},
        "company": {name: company[name] for name in ("id", "identifier", "name")},
    }
    row = tenant.insert("invoices", fresh, by=by)
    publish_change(tenant, "invoice", row["id"], "added", render_invoice(tenant, row))
    return row


def check_invoice(tenant: Tenant, sent: Record) -> None:
    """Refuse what the vendor refuses."""
    if sent.get("type") not in TYPES:
        raise build_invalid("invoice", "type", "InvalidType", f"type is one of {', '.join(TYPES)}")
    if sent.get("applyToType") not in (None, *APPLY_TO):
        raise build_invalid("invoice", "applyToType", "InvalidType", f"applyToType is one of {', '.join(APPLY_TO)}")
    named = sent.get("company")
    if not isinstance(named, dict) or tenant.get("companies", named.get("id", 0)) is None:
        raise build_invalid("invoice", "company", "MissingField", "company is required")
    for field, most in LONGEST.items():
        if len(str(sent.get(field) or "")) > most:
            raise build_invalid("invoice", field, "StringTooLong", f"{field} may have {most} characters")


def check_open(tenant: Tenant, invoice: Record) -> None:
    """Refuse to change what a closed invoice has."""
    if get_status(tenant, invoice).get("closedFlag"):
        raise build_invalid("invoice", "status", "InvoiceClosed", "The invoice is closed and cannot be changed.")


def create_payment(tenant: Tenant, invoice: Record, sent: Record, *, by: str) -> Record:
    """Apply a payment; the same again is another one. Raises RefusedError (400)."""
    amount = sent.get("amount")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
        raise build_invalid("payment", "amount", "MissingField", "amount is required")
    if sent.get("source", "Default") not in SOURCES:
        raise build_invalid("payment", "source", "InvalidType", f"source is one of {', '.join(SOURCES)}")
    named = sent.get("invoice")
    if isinstance(named, dict) and named.get("id", invoice["id"]) != invoice["id"]:
        raise build_invalid("payment", "invoice", "InvalidReference", "invoice is another one than the address names")
    check_open(tenant, invoice)
    row = tenant.insert(
        "payments",
        {
            "type": "Payment",
            "source": sent.get("source", "Default"),
            "invoice": {"id": invoice["id"], "identifier": invoice["invoiceNumber"]},
            "amount": round(float(amount), 2),
            "paymentDate": sent.get("paymentDate") or format_time(tenant.world.now()),
            "appliedBy": by,
            "paymentSyncStatus": "Unapplied",
        },
        by=by,
    )
    tenant.touch(invoice, by=by)
    publish_change(tenant, "invoice", invoice["id"], "updated", render_invoice(tenant, invoice))
    return row


def delete_payment(tenant: Tenant, invoice: Record, key: str, *, by: str) -> None:
    """Take a payment back. Raises RefusedError (400)."""
    check_open(tenant, invoice)
    del tenant.table("payments")[key]
    tenant.touch(invoice, by=by)
    publish_change(tenant, "invoice", invoice["id"], "updated", render_invoice(tenant, invoice))


def render_payment(tenant: Tenant, payment: Record) -> Record:
    """A payment as the API answers it, with the invoice's balance."""
    invoice = tenant.table("invoices").get(str(payment["invoice"]["id"]))
    balance = render_invoice(tenant, invoice)["balance"] if invoice else None
    total = invoice["total"] if invoice else None
    return {**payment, "balance": 0.0, "invoiceBalance": balance, "invoiceTotal": total}


def apply_patch(tenant: Tenant, row: Record, operations: Any, *, known: tuple[str, ...], resource: str) -> None:
    """Change whole fields by their bare names; a path into a field is taken and changes nothing."""
    if not isinstance(operations, list):
        raise build_invalid(resource, "", "InvalidObject", "A patch is an array of operations")
    for each in operations:
        path, verb = str(each.get("path", "")), each.get("op")
        if verb not in ("add", "replace", "remove"):
            raise build_invalid(resource, path, "InvalidOperation", f"{verb} is no operation")
        if "/" in path:
            continue
        if path not in known and path not in row:
            raise build_invalid(resource, path, "UnknownField", f"{path} is no field")
        if verb == "remove":
            row.pop(path, None)
        else:
            row[path] = each.get("value")


def render_pdf(tenant: Tenant, invoice: Record) -> bytes:
    """The printed invoice."""
    lines = [(20, f"Invoice {invoice['invoiceNumber']}"), (12, invoice["company"]["name"]), (12, str(invoice["total"]))]
    return build_pdf_file(lines)
