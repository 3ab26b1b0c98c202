"""Xero behind the ledger's door. Source: developer.xero.com, Accounting API."""

from collections.abc import Callable
from decimal import Decimal

from xero_python.accounting import Contacts, Invoice, Invoices

from accounting.ledgers.parsing import is_same_amount
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
from accounting.ledgers.xero.client import call_api
from accounting.ledgers.xero.payment_pages import XeroPaymentPages
from accounting.ledgers.xero.payments import XeroPayments
from accounting.ledgers.xero.reading import XeroReader
from accounting.ledgers.xero.shapes import (
    build_contact,
    build_document_fields,
    clear_read_only_flags,
    convert_to_text,
    escape_quotes,
    parse_results,
)
from wisepay.errors import Rejected, Unavailable


class XeroLedger(XeroPayments, XeroAllocations, XeroPaymentPages, XeroReader):
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
        asked = [clear_read_only_flags(build_contact(o)) for o in orders]
        answer = self._write(self._api.create_contacts, Contacts(contacts=asked), key=key)
        return parse_results(orders, answer.contacts, "contact_id")

    def find_contacts(self, orders: list[ContactOrder]) -> list[WriteResult]:
        found = []
        for order in orders:
            where = f'ContactNumber=="{escape_quotes(order.number)}" OR Name=="{escape_quotes(order.name)}"'
            rows = self._read(self._api.get_contacts, where=where).contacts or []
            active = [r for r in rows if convert_to_text(r.contact_status) != "ARCHIVED"]
            best = sorted(active, key=lambda r: r.contact_number != order.number)
            found += [WriteResult(order.number, id=best[0].contact_id)] if best else []
        return found

    # ---- invoices -------------------------------------------------------------------------------

    def create_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        asked = [
            clear_read_only_flags(
                Invoice(
                    type="ACCREC",
                    status="AUTHORISED",
                    invoice_number=o.number,
                    due_date=o.on,
                    **build_document_fields(o),
                )
            )
            for o in orders
        ]
        answer = self._write(self._api.create_invoices, Invoices(invoices=asked), key=key, unitdp=4)
        return parse_results(orders, answer.invoices, "invoice_id")

    def find_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        if not orders:
            return []
        rows = {i.invoice_number: i for i in self._read_invoices(invoice_numbers=[o.number for o in orders])}
        return _find_requested_invoices([(o, rows.get(o.number)) for o in orders])

    def update_invoices(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        asked = [
            clear_read_only_flags(Invoice(invoice_id=o.id, due_date=o.on, **build_document_fields(o))) for o in orders
        ]
        answer = self._write(self._api.update_or_create_invoices, Invoices(invoices=asked), key=key, unitdp=4)
        return parse_results(orders, answer.invoices, "invoice_id")

    def find_updated_invoices(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        if not orders:
            return []
        rows = {i.invoice_id: i for i in self._read_invoices(i_ds=[o.id for o in orders])}
        return _find_requested_invoices([(o, rows.get(o.id)) for o in orders])

    def read_invoice_pdf(self, invoice_id: str) -> bytes:
        found: bytes = call_api(self._api.get_invoice_as_pdf, self._caller, invoice_id)
        if not found.startswith(b"%PDF"):
            raise Unavailable("Xero sent no document")
        return found

    # ---- lists ----------------------------------------------------------------------------------

    def read_accounts(self) -> list[RemoteAccount]:
        rows = self._read(self._api.get_accounts, where='Status=="ACTIVE"').accounts or []
        return [
            RemoteAccount(
                code=convert_to_text(r.code),
                name=r.name,
                kind=convert_to_text(r.type),
                takes_payments=bool(r.enable_payments_to_account) or convert_to_text(r.type) == "BANK",
                holds_prepayments=convert_to_text(r.type) != "BANK",
                number=convert_to_text(r.code),
            )
            for r in rows
            if convert_to_text(r.code)
        ]

    def read_tax_codes(self) -> list[RemoteTaxCode]:
        rows = self._read(self._api.get_tax_rates).tax_rates or []
        return [
            RemoteTaxCode(code=convert_to_text(r.tax_type), name=r.name, rate=Decimal(str(r.effective_rate or 0)))
            for r in rows
            if convert_to_text(r.status) == "ACTIVE"
        ]

    def read_terms(self) -> list[RemoteTerm]:
        rows = self._read(self._api.get_branding_themes).branding_themes or []
        return [RemoteTerm(id=convert_to_text(r.branding_theme_id), name=convert_to_text(r.name)) for r in rows]

    def read_settings_warning(self) -> str:
        return ""

    def read_items(self) -> list[RemoteItem]:
        return []

    def get_or_create_item(self, name: str, *, account: str, key: str) -> RemoteItem:
        raise Rejected("no_item", "Lines of Xero need no item.")


def _find_requested_invoices(pairs: "list[tuple[DocumentOrder, Invoice | None]]") -> list[WriteResult]:
    """The orders whose invoice is there, for the same amount and not deleted or voided."""
    return [
        WriteResult(order.number, id=row.invoice_id)
        for order, row in pairs
        if row is not None
        and convert_to_text(row.status) not in ("DELETED", "VOIDED")
        and is_same_amount(row.total, order.amount)
    ]
