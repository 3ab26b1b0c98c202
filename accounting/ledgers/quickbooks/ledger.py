"""The QuickBooks Online ledger. Source: developer.intuit.com, Accounting API, minor version 75."""

from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any

from accounting.ledgers.parsing import RemoteRow
from accounting.ledgers.protocol import (
    ContactOrder,
    DocumentOrder,
    MixableDocument,
    OrderGroup,
    RemoteAccount,
    RemoteItem,
    RemoteTaxCode,
    RemoteTerm,
    WriteResult,
)
from accounting.ledgers.quickbooks.allocations import QuickBooksAllocations
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.credit_memos import build_credit_memo_batch_item
from accounting.ledgers.quickbooks.errors import AUTO_APPLY_WARNING
from accounting.ledgers.quickbooks.parsing import (
    get_tax_rate,
    is_requested_document,
    parse_account,
    parse_credit_note,
    parse_item,
    parse_term,
)
from accounting.ledgers.quickbooks.payments import QuickBooksPayments, build_payment_batch_item
from accounting.ledgers.quickbooks.shapes import (
    build_contact_tag,
    build_customer,
    build_display_name,
    build_document,
    build_in_condition,
    build_ref,
    get_sync_token,
    quote_literal,
)
from wisepay.errors import Rejected, Unavailable

SALES_ITEM_TYPES = ("Service", "NonInventory")


class QuickBooksLedger(QuickBooksPayments, QuickBooksAllocations):
    """One QuickBooks company."""

    supports_drafts = False
    mirrored_kinds = ("contacts", "invoices", "credits")
    needs_item = True
    supports_mixed_batches = True

    def create_mixed_batch(self, groups: list[OrderGroup], *, key: str) -> list[WriteResult]:
        return self._write(
            [BATCH_ITEM_BUILDERS[group.document](order) for group in groups for order in group.orders], key=key
        )

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_contact_batch_item(o) for o in orders], key=key)

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        rows = (
            self._query_rows("Customer", build_in_condition("DisplayName", [build_display_name(o) for o in orders]))
            if orders
            else []
        )
        found = []
        for order in orders:
            named = [r for r in rows if r["DisplayName"].casefold() == build_display_name(order).casefold()]
            # If the name had to be changed, only our tag tells whose customer it is.
            matching = [r for r in named if has_contact_tag(r, order) or build_display_name(order) == order.name]
            best = sorted(matching, key=lambda r: not has_contact_tag(r, order))
            found += [WriteResult(order.number, id=str(best[0]["Id"]))] if best else []
        return found

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_invoice_batch_item(o) for o in orders], key=key)

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._query_by_field("Invoice", "DocNumber", [o.number for o in orders])
        return [
            WriteResult(o.number, id=str(r["Id"]))
            for o in orders
            if (r := rows.get(o.number)) and is_requested_document(r, o)
        ]

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        """Update unpaid invoices; QuickBooks would update a paid one as well, so that is refused here."""
        rows = self._query_by_field("Invoice", "Id", [o.id for o in orders])
        refused = {o.number: reason for o in orders if (reason := get_update_refusal(rows.get(o.id)))}
        unpaid = [o for o in orders if o.number not in refused]
        done = (
            {w.number: w for w in self._write_with_fresh_tokens(lambda: self._build_updates(unpaid), key=key)}
            if unpaid
            else {}
        )
        return [
            done.get(o.number) or WriteResult(o.number, refusal=refused.get(o.number, "It is gone.")) for o in orders
        ]

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        rows = self._query_by_field("Invoice", "Id", [o.id for o in orders])
        return [WriteResult(o.number, id=o.id) for o in orders if (r := rows.get(o.id)) and is_requested_document(r, o)]

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        found = self._client.get_pdf(f"invoice/{invoice_id}")
        if not found.startswith(b"%PDF"):
            raise Unavailable("QuickBooks sent no document")
        return found

    def _build_updates(self, orders: list[DocumentOrder]) -> list[BatchItemRequest]:
        """Build sparse updates with the invoices' current sync tokens: another line and another day."""
        rows = self._query_by_field("Invoice", "Id", [o.id for o in orders])
        return [
            BatchItemRequest(o.number, "Invoice", build_invoice_update(o, rows[o.id]), "update")
            for o in orders
            if o.id in rows
        ]

    # ---- lists ----------------------------------------------------------------------------------

    @cached_property
    def _lists(self) -> dict[str, list[RemoteRow]]:
        """All lists in one call, because whoever reads one reads the others next."""
        active = dict.fromkeys(("Account", "TaxCode", "Item", "Term"), "Active = true")
        return self._query_kinds(active | {"TaxRate": ""})

    def read_accounts(self) -> list[RemoteAccount]:
        return [parse_account(row) for row in self._lists["Account"]]

    def read_tax_codes(self) -> list[RemoteTaxCode]:
        rates = {str(r["Id"]): Decimal(str(r.get("RateValue") or 0)) for r in self._lists["TaxRate"]}
        return [
            RemoteTaxCode(code=str(row["Id"]), name=str(row["Name"]), rate=rate)
            for row in self._lists["TaxCode"]
            if (rate := get_tax_rate(row, rates)) is not None
        ]

    def read_terms(self) -> list[RemoteTerm]:
        return [parse_term(row) for row in self._lists["Term"]]

    def read_settings_warning(self) -> str:
        forms = self._client.get_preferences().get("SalesFormsPrefs") or {}
        return AUTO_APPLY_WARNING if forms.get("AutoApplyCredit") else ""

    def read_items(self) -> list[RemoteItem]:
        return [
            parse_item(r)
            for r in self._lists["Item"]
            if r.get("Type") in SALES_ITEM_TYPES and r.get("IncomeAccountRef")
        ]

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        existing = next((r for r in self._query_rows("Item", f"Name = {quote_literal(name)}")), None)
        if existing is not None and parse_item(existing).account != account:
            raise Rejected("6240", f"An item “{name}” is in QuickBooks already, with another income account.")
        if existing is not None:
            return parse_item(existing)
        body = {"Name": name, "Type": "Service", "IncomeAccountRef": build_ref(account)}
        [response] = self._send_batch([BatchItemRequest(name, "Item", body)], key=key)
        if response.refusal:
            raise Rejected(str(response.code), response.refusal)
        return parse_item(response.row)


def build_contact_batch_item(order: ContactOrder) -> BatchItemRequest:
    """Return the operation that creates a customer."""
    return BatchItemRequest(order.number, "Customer", build_customer(order))


def build_invoice_batch_item(order: DocumentOrder) -> BatchItemRequest:
    """Return the operation that creates an invoice, due at once."""
    return BatchItemRequest(order.number, "Invoice", {**build_document(order), "DueDate": order.on.isoformat()})


BATCH_ITEM_BUILDERS: dict[MixableDocument, Callable[[Any], BatchItemRequest]] = {
    "contact": build_contact_batch_item,
    "invoice": build_invoice_batch_item,
    "credit_note": build_credit_memo_batch_item,
    "payment": build_payment_batch_item,
}


def has_contact_tag(row: RemoteRow, order: ContactOrder) -> bool:
    """Return whether we created this customer for the order's company."""
    return build_contact_tag(order.number) in str(row.get("Notes") or "").splitlines()


def build_invoice_update(order: DocumentOrder, row: RemoteRow) -> RemoteRow:
    """Return a sparse update of an invoice; its number stays."""
    new = build_document(order)
    changes: RemoteRow = {name: new[name] for name in ("Line", "TxnDate", "GlobalTaxCalculation") if name in new}
    return {
        **get_sync_token(row),
        "sparse": True,
        **changes,
        "CustomerRef": row["CustomerRef"],
        "DueDate": order.on.isoformat(),
    }


def get_update_refusal(row: RemoteRow | None) -> str:
    """Return why an invoice cannot have another amount, or an empty text."""
    if row is None:
        return "The invoice is not in QuickBooks any more."
    document = parse_credit_note(row)
    return "" if document.remaining == document.total else "The invoice was paid in QuickBooks, so its amount stays."
