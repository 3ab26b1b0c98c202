"""The Xero ledger. Source: developer.xero.com, Accounting API."""

from collections.abc import Callable, Iterable

from xero_python.accounting import Contacts, Invoices

from accounting.ledgers.parsing import RemoteRow, is_same_amount, parse_rows
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
from accounting.ledgers.xero.allocations import XeroAllocations
from accounting.ledgers.xero.parsing import parse_account, parse_results, parse_tax_code, parse_term
from accounting.ledgers.xero.payments import XeroPayments
from accounting.ledgers.xero.reading import XeroReader
from accounting.ledgers.xero.shapes import build_contact, build_invoice, build_invoice_update, escape_quotes
from wisepay.errors import Rejected, Unavailable


class XeroLedger(XeroPayments, XeroAllocations, XeroReader):
    """One Xero organisation."""

    batch_size = 50
    supports_drafts = True
    mirrored_kinds = ("contacts", "invoices", "credits")
    deletion_feed_window = None
    needs_item = False
    supports_mixed_batches = False

    def create_mixed_batch(self, groups: list[OrderGroup], *, key: str) -> list[WriteResult]:
        create: dict[MixableDocument, Callable[..., list[WriteResult]]] = {
            "contact": self.create_contacts,
            "invoice": self.create_invoices,
            "credit_note": self.create_credit_notes,
            "payment": self.create_payments,
        }
        return [
            result for group in groups for result in create[group.document](group.orders, key=f"{key}-{group.document}")
        ]

    # ---- contacts -------------------------------------------------------------------------------

    def create_contacts(self, orders: list[ContactOrder], *, key: str) -> list[WriteResult]:
        body = Contacts(contacts=[build_contact(order) for order in orders])
        answer = self._client.write_batch(self._api.create_contacts, body, key=key)
        return parse_results(orders, answer.get("Contacts"), "ContactID")

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        found = []
        for order in orders:
            where = f'ContactNumber=="{escape_quotes(order.number)}" OR Name=="{escape_quotes(order.name)}"'
            rows = self._client.read(self._api.get_contacts, where=where).get("Contacts") or []
            active = [row for row in rows if row.get("ContactStatus") != "ARCHIVED"]
            best = sorted(active, key=lambda row: row.get("ContactNumber") != order.number)
            found += [WriteResult(order.number, id=best[0]["ContactID"])] if best else []
        return found

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        body = Invoices(invoices=[build_invoice(order) for order in orders])
        answer = self._client.write_batch(self._api.create_invoices, body, key=key, unitdp=4)
        return parse_results(orders, answer.get("Invoices"), "InvoiceID")

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        if not orders:
            return []
        rows = self._read_invoices(invoice_numbers=[order.number for order in orders])
        by_number = {row.get("InvoiceNumber"): row for row in rows}
        return _find_requested_invoices((order, by_number.get(order.number)) for order in orders)

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        body = Invoices(invoices=[build_invoice_update(order) for order in orders])
        answer = self._client.write_batch(self._api.update_or_create_invoices, body, key=key, unitdp=4)
        return parse_results(orders, answer.get("Invoices"), "InvoiceID")

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        if not orders:
            return []
        by_id = {row["InvoiceID"]: row for row in self._read_invoices(i_ds=[order.id for order in orders])}
        return _find_requested_invoices((order, by_id.get(order.id)) for order in orders)

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        content = self._client.download(self._api.get_invoice_as_pdf, invoice_id)
        if not content.startswith(b"%PDF"):
            raise Unavailable("Xero sent no document")
        return content

    # ---- lists ----------------------------------------------------------------------------------

    def read_accounts(self) -> list[RemoteAccount]:
        rows = self._client.read(self._api.get_accounts, where='Status=="ACTIVE"').get("Accounts") or []
        return list(parse_rows((row for row in rows if row.get("Code")), parse_account))

    def read_tax_codes(self) -> list[RemoteTaxCode]:
        rows = self._client.read(self._api.get_tax_rates).get("TaxRates") or []
        return list(parse_rows((row for row in rows if row.get("Status") == "ACTIVE"), parse_tax_code))

    def read_terms(self) -> list[RemoteTerm]:
        rows = self._client.read(self._api.get_branding_themes).get("BrandingThemes") or []
        return list(parse_rows(rows, parse_term))

    def read_settings_warning(self) -> str:
        return ""

    def read_items(self) -> list[RemoteItem]:
        return []

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        raise Rejected("no_item", "Lines of Xero need no item.")


def _find_requested_invoices(pairs: Iterable[tuple[DocumentOrder, RemoteRow | None]]) -> list[WriteResult]:
    """Find the orders whose invoice is of the order's amount and neither deleted nor voided."""
    return [
        WriteResult(order.number, id=row["InvoiceID"])
        for order, row in pairs
        if row is not None
        and row.get("Status") not in ("DELETED", "VOIDED")
        and is_same_amount(row.get("Total"), order.amount)
    ]
