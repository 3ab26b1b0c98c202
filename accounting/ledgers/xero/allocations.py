"""The allocations of the Xero ledger: a credit note is applied to an invoice, and taken off it again."""

from collections.abc import Iterable
from typing import Any

from xero_python.accounting import Allocations

from accounting.ledgers.parsing import (
    UNREADABLE,
    RemoteRow,
    choose_results,
    get_candidates,
    get_text,
    is_same_amount,
    read_id,
    read_list,
    read_object,
)
from accounting.ledgers.protocol import AllocationOrder, WriteResult
from accounting.ledgers.xero.credit_notes import XeroCreditNotes
from accounting.ledgers.xero.parsing import parse_results
from accounting.ledgers.xero.shapes import build_allocation


class XeroAllocations(XeroCreditNotes):
    """The verbs of allocations, one call each. An allocation has no number: note, invoice and amount identify it."""

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """Create an allocation; where the answer names no id, which Xero's own example does not, it is read."""
        [order] = orders
        body = Allocations(allocations=[build_allocation(order)])
        answer = self._client.write_batch(self._api.create_credit_note_allocation, order.note_id, body, key=key)
        [result] = parse_results(orders, answer, "Allocations", "AllocationID")
        if result.id or result.refusal:
            return [result]
        return self.find_allocations(orders) or [result]

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        rows = self._read_notes([order.note_number for order in orders])
        return choose_results(
            orders,
            lambda order: list_allocations(get_candidates(rows, order.note_number), order),
            is_requested_allocation,
            lambda allocation: read_id(allocation, "AllocationID"),
        )

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        self._client.call(self._api.delete_credit_note_allocations, order.note_id, order.id)
        return [WriteResult(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        rows = self._read_notes([order.note_number for order in orders])
        return choose_results(
            orders,
            lambda order: list_notes(get_candidates(rows, order.note_number), order),
            lambda note, order: (
                order.id not in {get_text(each, "AllocationID") for each in read_list(note, "Allocations")}
            ),
            lambda note: read_id(note, "CreditNoteID"),
            name_id=lambda order: order.id,
        )


def list_notes(rows: Iterable[Any], order: AllocationOrder) -> list[Any]:
    """Return those of these credit notes that are the order's, or that nobody can read."""
    return [row for row in rows if not isinstance(row, dict) or get_text(row, "CreditNoteID") in (order.note_id, "")]


def list_allocations(rows: Iterable[Any], order: AllocationOrder) -> list[Any]:
    """Return the allocations of the order's credit note, or what is there instead of them, which nobody can read."""
    found: list[Any] = []
    for row in list_notes(rows, order):
        try:
            found += read_list(row, "Allocations")
        except UNREADABLE:
            found.append("")
    return found


def is_requested_allocation(row: RemoteRow, order: AllocationOrder) -> bool:
    """Return whether this allocation is the one that was asked for. Raises UnreadableField."""
    invoice_id = read_id(read_object(row, "Invoice"), "InvoiceID")
    return invoice_id == order.invoice_id and is_same_amount(row.get("Amount"), order.amount)
