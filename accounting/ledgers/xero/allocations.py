"""The allocations of the Xero ledger: a credit note is applied to an invoice, and taken off it again."""

from xero_python.accounting import Allocations

from accounting.ledgers.protocol import AllocationOrder, RemoteAllocation, WriteResult
from accounting.ledgers.xero.credit_notes import XeroCreditNotes
from accounting.ledgers.xero.parsing import parse_results
from accounting.ledgers.xero.shapes import build_allocation
from wisepay.errors import Unavailable


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
