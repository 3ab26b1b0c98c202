"""The Xero ledger. Source: developer.xero.com, Accounting API."""

from collections.abc import Callable, Iterable
from typing import Any

from xero_python.accounting import (
    Allocations,
    Contacts,
    CreditNote,
    CreditNotes,
    Invoices,
    Payment,
    PaymentDelete,
    Payments,
)

from accounting.ledgers.parsing import RemoteRow, is_same_amount, parse_every_row, parse_rows
from accounting.ledgers.protocol import (
    AllocationOrder,
    ContactOrder,
    CreditNoteOrder,
    DocumentOrder,
    MixableDocument,
    OrderGroup,
    PaymentOrder,
    PaymentRemovalOrder,
    RefundOrder,
    RemoteAccount,
    RemoteAllocation,
    RemoteCreditNote,
    RemoteItem,
    RemoteTaxCode,
    RemoteTerm,
    WriteResult,
)
from accounting.ledgers.xero.client import XeroOrganisation
from accounting.ledgers.xero.parsing import (
    list_standing_payments,
    parse_account,
    parse_credit_note,
    parse_results,
    parse_tax_code,
    parse_term,
)
from accounting.ledgers.xero.reading import XeroReader
from accounting.ledgers.xero.shapes import (
    build_allocation,
    build_contact,
    build_credit_note,
    build_invoice,
    build_invoice_update,
    build_payment,
    build_refund,
    clear_read_only_flags,
    escape_quotes,
)
from wisepay.errors import Rejected, Unavailable


class XeroCreditNotes(XeroOrganisation):
    """The verbs of PF_CR credit notes."""

    def create_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._create(orders, "AUTHORISED", key=key)

    def create_draft_credit_notes(self, orders: list[DocumentOrder], *, key: str) -> list[WriteResult]:
        return self._create(orders, "DRAFT", key=key)

    def find_credit_notes(self, orders: list[DocumentOrder]) -> list[WriteResult]:
        return self._find(orders, "draft", "approved", "applied")

    def approve_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        return self._set_status(orders, "AUTHORISED", key=key, is_dated=True)

    def find_approved_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        return self._find(orders, "approved", "applied")

    def remove_draft_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        return self._set_status(orders, "DELETED", key=key)

    def find_removed_draft_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        return self._find(orders, "removed", "voided")

    def void_credit_notes(self, orders: list[CreditNoteOrder], *, key: str) -> list[WriteResult]:
        return self._set_status(orders, "VOIDED", key=key)

    def find_voided_credit_notes(self, orders: list[CreditNoteOrder]) -> list[WriteResult]:
        return self._find(orders, "removed", "voided")

    def read_credit_notes_by_number(self, numbers: list[str]) -> list[RemoteCreditNote]:
        where = " OR ".join(f'CreditNoteNumber=="{escape_quotes(number)}"' for number in numbers)
        body = self._client.read(self._api.get_credit_notes, where=where, page=1, page_size=100)
        return parse_every_row(body.get("CreditNotes") or [], parse_credit_note)

    def _create(self, orders: list[DocumentOrder], status: str, *, key: str) -> list[WriteResult]:
        body = CreditNotes(credit_notes=[build_credit_note(order, status) for order in orders])
        answer = self._client.write_batch(self._api.create_credit_notes, body, key=key, unitdp=4)
        return parse_results(orders, answer.get("CreditNotes"), "CreditNoteID")

    def _set_status(
        self, orders: list[CreditNoteOrder], status: str, *, key: str, is_dated: bool = False
    ) -> list[WriteResult]:
        """Give credit notes another status; they are named by id, so that none can be created by it."""
        notes = [
            CreditNote(credit_note_id=order.id, status=status, **({"date": order.on} if is_dated else {}))
            for order in orders
        ]
        body = CreditNotes(credit_notes=[clear_read_only_flags(note) for note in notes])
        answer = self._client.write_batch(self._api.update_or_create_credit_notes, body, key=key, unitdp=4)
        return parse_results(orders, answer.get("CreditNotes"), "CreditNoteID")

    def _find(self, orders: list[Any], *statuses: str) -> list[WriteResult]:
        """Find the orders whose credit note is in one of these statuses and of the order's amount."""
        if not orders:
            return []
        notes = {note.number: note for note in self.read_credit_notes_by_number([o.number for o in orders])}
        pairs = ((order, notes.get(order.number)) for order in orders)
        return [
            WriteResult(order.number, id=note.id)
            for order, note in pairs
            if note and note.status in statuses and note.total == order.amount
        ]


OUR_PREFIX = "PF-"


class XeroAllocations(XeroCreditNotes):
    """The verbs of allocations, one call each. An allocation has no number: note, invoice and amount identify it."""

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        body = Allocations(allocations=[build_allocation(order)])
        answer = self._client.write_batch(self._api.create_credit_note_allocation, order.note_id, body, key=key)
        [result] = parse_results(orders, answer.get("Allocations"), "AllocationID")
        if not result.refusal and not result.id:
            raise Unavailable("Xero's answer has no id of the allocation")
        return [result]

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        standing = self._read_allocations(orders)
        pairs = (
            (order, next((a for a in standing.get(order.note_number, ()) if is_requested_allocation(a, order)), None))
            for order in orders
        )
        return [WriteResult(order.number, id=allocation.id) for order, allocation in pairs if allocation]

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        self._client.call(self._api.delete_credit_note_allocations, order.note_id, order.id)
        return [WriteResult(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        standing = self._read_allocations(orders)
        return [
            WriteResult(order.number, id=order.id)
            for order in orders
            if order.note_number in standing and order.id not in {a.id for a in standing[order.note_number]}
        ]

    def _read_allocations(self, orders: list[AllocationOrder]) -> dict[str, tuple[RemoteAllocation, ...]]:
        """Read the allocations that stand, by the credit note's number; a note that does not exist is left out."""
        notes = self.read_credit_notes_by_number(sorted({o.note_number for o in orders})) if orders else []
        note_ids = {order.note_id for order in orders}
        return {note.number: note.allocations for note in notes if note.id in note_ids}


def is_requested_allocation(allocation: RemoteAllocation, order: AllocationOrder) -> bool:
    """Return whether this allocation is the one that was asked for."""
    return allocation.invoice_id == order.invoice_id and allocation.amount == order.amount


class XeroPayments(XeroCreditNotes):
    """The verbs of payments, which are created or deleted, never edited. One of a credit note gives money back."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]:
        return self._create_payments(orders, [build_payment(order) for order in orders], key=key)

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        return self._create_payments(orders, [build_refund(order) for order in orders], key=key)

    def _create_payments(
        self, orders: list[PaymentOrder] | list[RefundOrder], payments: list[Payment], *, key: str
    ) -> list[WriteResult]:
        answer = self._client.write_batch(self._api.create_payments, Payments(payments=payments), key=key)
        return parse_results(orders, answer.get("Payments"), "PaymentID")

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        ours = [order for order in orders if not order.is_foreign]
        invoices = self._read_invoices(invoice_numbers=[order.invoice_number for order in ours]) if ours else []
        paid = {row.get("InvoiceNumber"): list_standing_payments(row) for row in invoices}
        found = self._find_foreign_payments([order for order in orders if order.is_foreign])
        for order in ours:
            matching = [row for row in paid.get(order.invoice_number, []) if is_requested_payment(row, order)]
            best = sorted(matching, key=lambda row: get_reference(row) != order.number)
            found += [WriteResult(order.number, id=best[0]["PaymentID"])] if best else []
        return found

    def _find_foreign_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        """Find our payments of invoices that are not ours: a bookkeeper's of the same amount is another one."""
        invoices = self._read_invoices(i_ds=sorted({order.invoice_id for order in orders})) if orders else []
        paid = {
            (invoice["InvoiceID"], get_reference(row)): row
            for invoice in invoices
            for row in list_standing_payments(invoice)
        }
        pairs = ((order, paid.get((order.invoice_id, order.number))) for order in orders)
        return [
            WriteResult(order.number, id=row["PaymentID"])
            for order, row in pairs
            if row and is_same_amount(row.get("Amount"), order.amount)
        ]

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        notes = self.read_credit_notes_by_number(sorted({o.note_number for o in orders})) if orders else []
        paid = {(note.number, refund.reference): refund for note in notes for refund in note.refunds}
        pairs = ((order, paid.get((order.note_number, order.number))) for order in orders)
        return [
            WriteResult(order.number, id=refund.id)
            for order, refund in pairs
            if refund and refund.amount == order.amount
        ]

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        body = PaymentDelete(status="DELETED")
        answer = self._client.call(self._api.delete_payment, order.id, body, idempotency_key=key)
        return parse_results(orders, answer.get("Payments"), "PaymentID")

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]:
        return [WriteResult(order.number, id=order.id) for order in orders if self._is_deleted(order.id)]

    def _is_deleted(self, payment_id: str) -> bool:
        rows = self._client.call(self._api.get_payment, payment_id).get("Payments") or []
        return bool(rows) and rows[0].get("Status") == "DELETED"

    def _read_invoices(self, **query: list[str]) -> list[RemoteRow]:
        """Read invoices by `invoice_numbers` or `i_ds`."""
        body = self._client.read(self._api.get_invoices, page=1, page_size=100, **query)
        return list(body.get("Invoices") or [])


def get_reference(payment: RemoteRow) -> str:
    """Return a payment's reference."""
    return payment.get("Reference") or ""


def is_requested_payment(payment: RemoteRow, order: PaymentOrder) -> bool:
    """Return whether this is the order's money: without a number of ours, a bookkeeper may have entered it by hand."""
    reference = get_reference(payment)
    is_another = reference != order.number and reference.startswith(OUR_PREFIX)
    return not is_another and is_same_amount(payment.get("Amount"), order.amount)


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
