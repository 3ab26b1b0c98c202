"""The operations of the REST API: lists, single records, payments, callbacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from sandbox.psa import invoices
from sandbox.psa.accepted_quotes import record_accepted_quote
from sandbox.psa.callbacks import create_callback, render_callback
from sandbox.psa.errors import build_not_found
from sandbox.psa.listing import find_matching, list_page, select_fields
from sandbox.psa.tenant import Record

if TYPE_CHECKING:
    from sandbox.psa.api import Call

Work = Callable[["Call"], Response]


class LatePayment(Exception):
    """The write lands later, and its caller hears nothing."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and a pattern of paths, and the right that it needs."""

    method: str
    pattern: re.Pattern[str]
    right: str
    work: Work


def get_record(call: Call, table: str, name: str = "id") -> Record:
    """The record that the path names. Raises RefusedError (404)."""
    row = call.tenant.get(table, call.path[name])
    if row is None:
        raise build_not_found(table)
    return row


def render(call: Call, table: str, row: Record) -> Record:
    """A record as the API answers it."""
    if table == "invoices":
        return invoices.render_invoice(call.tenant, row)
    if table == "payments":
        return invoices.render_payment(call.tenant, row)
    return render_callback(row) if table == "callbacks" else row


def list_rows(call: Call, table: str) -> Iterable[Record]:
    """The records of a list, below a parent if the path names one."""
    rows: list[Record] = list(call.tenant.table(table).values())
    parent = call.path.get("parentId")
    if parent is not None and table == "payments":
        get_record(call, "invoices", "parentId")
        rows = call.tenant.list_payments(parent)
    elif parent is not None:
        owner = "company" if table == "sites" else "agreement"
        rows = [row for row in rows if str((row.get(owner) or {}).get("id", row.get("agreementId"))) == parent]
    return [render(call, table, row) for row in rows]


def build_list(table: str) -> Work:
    """The operation that lists a table."""
    return lambda call: list_page(call.tenant.world, call.request, list_rows(call, table))


def build_count(table: str) -> Work:
    """The operation that counts it."""

    def work(call: Call) -> Response:
        return JSONResponse({"count": len(find_matching(call.tenant.world, call.request, list_rows(call, table)))})

    return work


def build_get(table: str) -> Work:
    """The operation that answers one record."""

    def work(call: Call) -> Response:
        if table == "opportunities":
            record_accepted_quote(call.tenant, call.path["id"])
        row = render(call, table, get_record(call, table))
        return JSONResponse(select_fields(call.request, row))

    return work


def show_info(call: Call) -> Response:
    """The installation."""
    return JSONResponse({"version": "v2025.8.101", "isCloud": True, "serverTimeZone": "US Eastern Standard Time"})


def post_invoice(call: Call) -> Response:
    """Make an invoice."""
    row = invoices.create_invoice(call.tenant, call.body, by=call.by)
    return JSONResponse(invoices.render_invoice(call.tenant, row), 201)


def patch_invoice(call: Call) -> Response:
    """Change an invoice; a closed one refuses."""
    row = get_record(call, "invoices")
    invoices.check_open(call.tenant, row)
    known = ("reference", "customerPO", "internalNotes", "attention", "dueDate")
    invoices.apply_patch(call.tenant, row, call.body, known=known, resource="invoice")
    call.tenant.touch(row, by=call.by)
    return JSONResponse(invoices.render_invoice(call.tenant, row))


def print_invoice(call: Call) -> Response:
    """The printed invoice."""
    row = get_record(call, "invoices")
    return Response(invoices.render_pdf(call.tenant, row), media_type="application/pdf")


def get_payment(call: Call) -> Record:
    """The payment that the path names, on the invoice that it names. Raises RefusedError (404)."""
    row = get_record(call, "payments")
    if str(row["invoice"]["id"]) != call.path["parentId"]:
        raise build_not_found("payments")
    return row


def post_payment(call: Call) -> Response:
    """Apply a payment; one that was ordered to be late lands later, without an answer."""
    invoice = get_record(call, "invoices", "parentId")
    late = call.tenant.data.pop("late_payment", None)
    if late is not None:
        due = call.tenant.world.now().timestamp() + float(late)
        order = {"due": due, "invoice": invoice["id"], "sent": call.body, "by": call.by}
        call.tenant.data["late"].append(order)
        raise LatePayment
    row = invoices.create_payment(call.tenant, invoice, call.body, by=call.by)
    return JSONResponse(invoices.render_payment(call.tenant, row), 201)


def show_payment(call: Call) -> Response:
    """One payment."""
    row = invoices.render_payment(call.tenant, get_payment(call))
    return JSONResponse(select_fields(call.request, row))


def patch_payment(call: Call) -> Response:
    """Change a payment."""
    row = get_payment(call)
    invoices.check_open(call.tenant, get_record(call, "invoices", "parentId"))
    invoices.apply_patch(call.tenant, row, call.body, known=(), resource="payment")
    call.tenant.touch(row, by=call.by)
    return JSONResponse(invoices.render_payment(call.tenant, row))


def delete_payment(call: Call) -> Response:
    """Take a payment back."""
    row = get_payment(call)
    invoice = get_record(call, "invoices", "parentId")
    invoices.delete_payment(call.tenant, invoice, str(row["id"]), by=call.by)
    return Response(status_code=204)


def post_callback(call: Call) -> Response:
    """Register a callback."""
    return JSONResponse(render_callback(create_callback(call.tenant, call.body, member=call.member)), 201)


def patch_callback(call: Call) -> Response:
    """Change a callback, for example switch it on again."""
    row = get_record(call, "callbacks")
    invoices.apply_patch(call.tenant, row, call.body, known=("inactiveFlag", "url"), resource="callback")
    if not row.get("inactiveFlag"):
        row.pop("failed_on", None)
    call.tenant.touch(row, by=call.by)
    return JSONResponse(render_callback(row))


def delete_callback(call: Call) -> Response:
    """Remove a callback."""
    del call.tenant.table("callbacks")[str(get_record(call, "callbacks")["id"])]
    return Response(status_code=204)


LISTS = {
    "/company/companies": ("companies", "companies"),
    "/company/contacts": ("contacts", "contacts"),
    "/finance/invoices": ("invoices", "invoicing"),
    "/finance/billingStatuses": ("billingStatuses", ""),
    "/finance/billingTerms": ("billingTerms", "billing_terms"),
    "/finance/agreements": ("agreements", "agreements"),
    "/sales/orders": ("orders", "orders"),
    "/system/callbacks": ("callbacks", "callbacks"),
    "/company/companies/{parentId}/sites": ("sites", "companies"),
    "/finance/agreements/{parentId}/additions": ("additions", "agreements"),
}
SINGLES = {
    "/company/companies": ("companies", "companies"),
    "/company/contacts": ("contacts", "contacts"),
    "/finance/invoices": ("invoices", "invoicing"),
    "/finance/agreements": ("agreements", "agreements"),
    "/sales/opportunities": ("opportunities", "opportunities"),
    "/sales/orders": ("orders", "orders"),
    "/system/callbacks": ("callbacks", "callbacks"),
}
OTHERS: list[tuple[str, str, str, Work]] = [
    ("GET", "/system/info", "", show_info),
    ("POST", "/system/callbacks", "callbacks", post_callback),
    ("PATCH", "/system/callbacks/{id}", "callbacks", patch_callback),
    ("DELETE", "/system/callbacks/{id}", "callbacks", delete_callback),
    ("POST", "/finance/invoices", "invoicing", post_invoice),
    ("PATCH", "/finance/invoices/{id}", "invoicing", patch_invoice),
    ("GET", "/finance/invoices/{id}/pdf", "invoicing", print_invoice),
    ("GET", "/finance/invoices/{parentId}/payments", "invoicing", build_list("payments")),
    ("POST", "/finance/invoices/{parentId}/payments", "invoicing", post_payment),
    ("GET", "/finance/invoices/{parentId}/payments/{id}", "invoicing", show_payment),
    ("PATCH", "/finance/invoices/{parentId}/payments/{id}", "invoicing", patch_payment),
    ("DELETE", "/finance/invoices/{parentId}/payments/{id}", "invoicing", delete_payment),
]


def build_pattern(path: str) -> re.Pattern[str]:
    """A path whose placeholders are numbers."""
    return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[0-9]{1,12})", path) + "/?$")


def build_operations() -> list[Operation]:
    """Every operation; counts stand before single records."""
    rows = [(method, path, right, work) for method, path, right, work in OTHERS]
    for path, (table, right) in LISTS.items():
        rows += [("GET", f"{path}/count", right, build_count(table)), ("GET", path, right, build_list(table))]
    rows += [("GET", f"{path}/{{id}}", right, build_get(table)) for path, (table, right) in SINGLES.items()]
    return [Operation(method, build_pattern(path), right, work) for method, path, right, work in rows]


OPERATIONS = build_operations()


def find_operation(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """The operation of a path, and the parts of the path. Raises RefusedError (404)."""
    for operation in OPERATIONS:
        match = operation.pattern.match(path)
        if match and operation.method == method:
            return operation, match.groupdict()
    raise build_not_found("The operation was")
