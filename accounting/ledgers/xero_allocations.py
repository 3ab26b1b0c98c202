"""The allocations of the Xero ledger: a credit note put to an invoice, and taken off it again."""

from xero_python.accounting import Allocation, Allocations, Invoice

from accounting.ledgers.words import Allocated, AllocationOrder, Written
from accounting.ledgers.xero_client import call
from accounting.ledgers.xero_notes import XeroNotes
from accounting.ledgers.xero_shapes import bare, each, number, text
from wisepay.errors import Unavailable


class XeroAllocations(XeroNotes):
    """One call each. An allocation carries no number of ours: it is known by its note, its invoice and its amount."""

    def allocate_credits(self, orders: list[AllocationOrder], *, key: str) -> list[Written]:
        [order] = orders
        asked = Allocation(
            invoice=bare(Invoice(invoice_id=order.invoice_id)), amount=number(order.amount), date=order.on
        )
        body = Allocations(allocations=[asked])
        write = self._api.create_credit_note_allocation
        answer = call(write, self._caller, order.note_id, body, summarize_errors=False, idempotency_key=key)
        [found] = each(orders, answer.allocations, "allocation_id")
        if not found.refusal and not text(found.id):
            raise Unavailable("Xero did not say under which id it put the credit to the invoice")
        return [found]

    def find_allocations(self, orders: list[AllocationOrder]) -> list[Written]:
        standing = self._standing(orders)
        met = ((o, next((a for a in standing.get(o.note_number, ()) if is_meant(a, o)), None)) for o in orders)
        return [Written(o.number, id=a.id) for o, a in met if a]

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[Written]:
        [order] = orders
        call(self._api.delete_credit_note_allocations, self._caller, order.note_id, order.id)
        return [Written(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[Written]:
        standing = self._standing(orders)
        gone = (o for o in orders if o.note_number in standing)
        return [Written(o.number, id=o.id) for o in gone if o.id not in {a.id for a in standing[o.note_number]}]

    def _standing(self, orders: list[AllocationOrder]) -> dict[str, tuple[Allocated, ...]]:
        """What stands of these notes, by the note's number; a note that is not there is left out."""
        rows = self.read_credit_notes(sorted({o.note_number for o in orders})) if orders else []
        wanted = {o.note_id for o in orders}
        return {row.number: row.allocations for row in rows if row.id in wanted}


def is_meant(found: Allocated, order: AllocationOrder) -> bool:
    """Whether this allocation is the one that was asked for."""
    return found.invoice_id == order.invoice_id and found.amount == order.amount
