"""The allocations of the Xero ledger: a credit note put to an invoice, and taken off it again."""

from xero_python.accounting import Allocation, Allocations, Invoice

from accounting.ledgers.protocol import AllocationOrder, RemoteAllocation, WriteResult
from accounting.ledgers.xero.client import call_api
from accounting.ledgers.xero.credit_notes import XeroCreditNotes
from accounting.ledgers.xero.shapes import clear_read_only_flags, convert_to_float, convert_to_text, parse_results
from wisepay.errors import Unavailable


class XeroAllocations(XeroCreditNotes):
    """One call each. An allocation carries no number of ours: it is known by its note, its invoice and its amount."""

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        asked = Allocation(
            invoice=clear_read_only_flags(Invoice(invoice_id=order.invoice_id)),
            amount=convert_to_float(order.amount),
            date=order.on,
        )
        body = Allocations(allocations=[asked])
        write = self._api.create_credit_note_allocation
        answer = call_api(write, self._caller, order.note_id, body, summarize_errors=False, idempotency_key=key)
        [found] = parse_results(orders, answer.allocations, "allocation_id")
        if not found.refusal and not convert_to_text(found.id):
            raise Unavailable("Xero did not say under which id it put the credit to the invoice")
        return [found]

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        standing = self._read_allocations(orders)
        met = (
            (o, next((a for a in standing.get(o.note_number, ()) if is_requested_allocation(a, o)), None))
            for o in orders
        )
        return [WriteResult(o.number, id=a.id) for o, a in met if a]

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        call_api(self._api.delete_credit_note_allocations, self._caller, order.note_id, order.id)
        return [WriteResult(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        standing = self._read_allocations(orders)
        gone = (o for o in orders if o.note_number in standing)
        return [WriteResult(o.number, id=o.id) for o in gone if o.id not in {a.id for a in standing[o.note_number]}]

    def _read_allocations(self, orders: list[AllocationOrder]) -> dict[str, tuple[RemoteAllocation, ...]]:
        """What stands of these notes, by the note's number; a note that is not there is left out."""
        rows = self.read_credit_notes_by_number(sorted({o.note_number for o in orders})) if orders else []
        wanted = {o.note_id for o in orders}
        return {row.number: row.allocations for row in rows if row.id in wanted}


def is_requested_allocation(found: RemoteAllocation, order: AllocationOrder) -> bool:
    """Whether this allocation is the one that was asked for."""
    return found.invoice_id == order.invoice_id and found.amount == order.amount
