"""Read the closed invoices of PSA, look for each in the books, and say what would be made. Nothing is written there."""

from collections.abc import Sequence
from datetime import datetime

from django_subatomic.db import transaction

from accounting.ledger_session import open_ledger_session
from connections.models import Connection
from psa.billing_protocol import RemoteBilledInvoice
from psa.invoice_sync.books import BooksInvoices, read_books
from psa.invoice_sync.checks import check_row
from psa.invoice_sync.models import InvoiceSync, InvoiceSyncRow, PsaTaxCode
from psa.invoice_sync.services import SyncRefused, build_context, get_working_parts
from psa.models import PsaConnection
from psa.session import open_psa_session
from wisepay.errors import Disconnected, NotPermitted, Rejected
from wisepay.money import Money

MOST_INVOICES = 1000
TOO_MANY = f"More than {MOST_INVOICES} invoices are closed since that day. Choose a later one."
OTHER_SYSTEMS = "ConnectWise PSA or the books are other ones by now than when it was started. Start another sync."
MISSING_RIGHT = "The API member may not read this: {what}. Give its security role Finance › Invoicing: inquire."


def preview_sync(sync: InvoiceSync, *, now: datetime) -> None:
    """Read, compare, and let the run wait for a person; what makes it impossible ends it with a sentence.

    Raises Unavailable or Retry.
    """
    if sync.state != "reading":
        return
    try:
        found = read_psa_invoices(sync, now=now)
        if len(found) > MOST_INVOICES:
            raise SyncRefused(TOO_MANY)
        rows = [build_row(sync, one, now=now) for one in found]
        books = read_numbers(sync, [row.number for row in rows if row.number], now=now)
    except (SyncRefused, Disconnected) as error:
        fail_sync(sync, str(error), now=now)
        return
    except Rejected as error:
        fail_sync(sync, explain_refusal(error), now=now)
        return
    save_preview(sync, rows, books, now=now)


def explain_refusal(error: Rejected) -> str:
    """What a refusal means for people."""
    if isinstance(error, NotPermitted):
        return MISSING_RIGHT.format(what=error.message)
    return f"It was refused: {error.message}"


def get_parts(sync: InvoiceSync) -> tuple[PsaConnection, Connection]:
    """The connections to the PSA and the books that the run is about. Raises SyncRefused once they are other ones."""
    psa, books = get_working_parts(sync.merchant)
    if (psa.organisation_id, books.organisation_id) != (sync.psa_organisation, sync.organisation_id):
        raise SyncRefused(OTHER_SYSTEMS)
    return psa, books


def read_psa_invoices(sync: InvoiceSync, *, now: datetime) -> list[RemoteBilledInvoice]:
    """Read PSA's closed invoices. Raises SyncRefused, Unavailable, Rejected or Disconnected."""
    connection, _ = get_parts(sync)
    with open_psa_session(connection, priority="company", now=now) as psa:
        return psa.list_closed_invoices(since=sync.since, most=MOST_INVOICES)


def read_numbers(sync: InvoiceSync, numbers: Sequence[str], *, now: datetime) -> BooksInvoices:
    """Read the books' invoices with these numbers. Raises SyncRefused, Unavailable, Rejected, Disconnected or Retry."""
    _, connection = get_parts(sync)
    with open_ledger_session(connection, priority="company", now=now) as ledger:
        return read_books(ledger, numbers)


def build_row(sync: InvoiceSync, found: RemoteBilledInvoice, *, now: datetime) -> InvoiceSyncRow:
    """The row of an invoice, not decided yet."""
    return InvoiceSyncRow(
        sync=sync,
        merchant=sync.merchant,
        psa_organisation=sync.psa_organisation,
        organisation_id=sync.organisation_id,
        state="blocked",
        state_at=now,
        invoice_id=found.id,
        number=found.number,
        kind=found.kind,
        psa_company_id=found.company_id,
        psa_company=found.company_name,
        currency=found.currency,
        subtotal=get_amount(found.subtotal),
        tax=get_amount(found.tax),
        total=get_amount(found.total),
        balance=get_amount(found.balance),
        issued_on=found.issued_on,
        due_on=found.due_on,
        remark=found.remark,
        tax_code_id=found.tax_code_id,
        tax_code_name=found.tax_code_name,
        lines=build_lines(found),
        changed_at=found.changed_at,
    )


def get_amount(money: Money | None) -> int | None:
    """The minor units; None where there is no amount, which is not zero."""
    return None if money is None else money.amount


def build_lines(found: RemoteBilledInvoice) -> list[dict[str, str | int]]:
    """The lines of an invoice: its parts, or the subtotal where PSA names none; none where something was taken off."""
    if found.is_netted:
        return []
    if found.parts:
        return [{"description": words, "amount": amount.amount} for words, amount in found.parts]
    amount = get_amount(found.subtotal)
    return [] if amount is None else [{"description": f"Invoice {found.number}", "amount": amount}]


def save_preview(sync: InvoiceSync, rows: Sequence[InvoiceSyncRow], books: BooksInvoices, *, now: datetime) -> None:
    """Decide the rows, store them, and let the run wait for a person."""
    save_tax_codes(sync, rows)
    context = build_context(sync, rows, books)
    for row in rows:
        row.state, row.reason = check_row(row, context)
        row.reason = row.reason[:300]
    with transaction():
        if sync.lock().state != "reading":
            return
        InvoiceSyncRow.objects.bulk_create(rows)
        sync.move_to("ready", now=now, by="psa", reason=f"{len(rows)} read", error="")


def save_tax_codes(sync: InvoiceSync, rows: Sequence[InvoiceSyncRow]) -> None:
    """Note PSA's tax codes that these invoices have, for the table that a person fills."""
    names = {(row.tax_code_id, bool(row.tax)): row.tax_code_name for row in rows if row.tax is not None}
    own = {
        "merchant": sync.merchant,
        "psa_organisation": sync.psa_organisation,
        "organisation_id": sync.organisation_id,
    }
    PsaTaxCode.objects.bulk_create(
        [PsaTaxCode(**own, tax_code_id=key, is_taxed=taxed, name=name) for (key, taxed), name in names.items()],
        update_conflicts=True,
        unique_fields=["merchant", "psa_organisation", "organisation_id", "tax_code_id", "is_taxed"],
        update_fields=["name"],
    )


def check_again(sync: InvoiceSync, *, now: datetime) -> None:
    """Decide the rows of a preview anew with what people said since; what the books hold is asked again.

    Raises SyncRefused, Unavailable, Rejected, Disconnected or Retry.
    """
    rows = list(sync.rows.select_related("company").order_by("pk"))
    books = read_numbers(sync, [row.number for row in rows if row.number], now=now)
    context = build_context(sync, rows, books)
    for row in rows:
        state, reason = check_row(row, context)
        row.state, row.reason = state, reason[:300]
    with transaction():
        if sync.lock().state == "ready":
            columns = ["state", "reason", "company", "contact_id", "ledger_tax_code"]
            InvoiceSyncRow.objects.bulk_update(rows, columns, batch_size=200)


def fail_sync(sync: InvoiceSync, reason: str, *, now: datetime) -> None:
    """End a run with a sentence for a person; what was made stays, and one that was confirmed can go on."""
    with transaction():
        sync.move_to("failed", now=now, by="psa", reason=reason, error=reason[:300])
