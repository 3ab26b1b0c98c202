"""The allocations of the QuickBooks ledger: a payment of nothing that joins a credit memo with an invoice."""

from decimal import Decimal

from accounting.ledgers.quickbooks_base import Act
from accounting.ledgers.quickbooks_facts import portions
from accounting.ledgers.quickbooks_notes import QuickBooksNotes
from accounting.ledgers.quickbooks_shapes import Row, joined, linked, links_of, paid_by, reference, same, token
from accounting.ledgers.words import AllocationOrder, Written
from wisepay.errors import Rejected

NOT_ALONE = (
    "In QuickBooks the credit was put to this invoice by a payment that holds other things as well. Open that payment, "
    "take the tick off the credit memo, and save it."
)


class QuickBooksAllocations(QuickBooksNotes):
    """One payment each, whose id is the allocation's."""

    def allocate_credits(self, orders: list[AllocationOrder], *, key: str) -> list[Written]:
        [order] = orders
        return self._write([Act(order.number, "Payment", allocation(order))], key=key)

    def find_allocations(self, orders: list[AllocationOrder]) -> list[Written]:
        """By what the invoices say paid them; somebody may have done by hand what was to be done."""
        invoices = self._by("Invoice", "Id", [o.invoice_id for o in orders])
        keys = [key for row in invoices.values() for key in paid_by(row)]
        payments = self._known({"Payment": keys})["Payment"].values()
        found = []
        for order in orders:
            meant = [row for row in payments if joins(row, order) and is_whole(row, order)]
            best = sorted(meant, key=lambda row: reference(row) != order.number)
            found += [Written(order.number, id=str(best[0]["Id"]))] if best else []
        return found

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[Written]:
        """What holds more than this one is a person's, and left to a person."""
        [order] = orders
        row = self._by("Payment", "Id", [order.id]).get(order.id)
        if row is None or not joins(row, order):
            raise Rejected("610", "The credit was taken off this invoice already in QuickBooks.")
        if not is_alone(row):
            return [Written(order.number, refusal=NOT_ALONE)]
        said = self._change(lambda: self._removal(order), key=key)
        refusal = next((w.refusal for w in said if w.refusal), "")
        return [Written(order.number, refusal=refusal) if refusal else Written(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[Written]:
        rows = self._by("Payment", "Id", [o.id for o in orders])
        return [Written(o.number, id=o.id) for o in orders if o.id not in rows or not joins(rows[o.id], o)]

    def _removal(self, order: AllocationOrder) -> list[Act]:
        """The payment as it is now, to be deleted while nothing else was put into it."""
        rows = self._by("Payment", "Id", [order.id]).values()
        return [Act(order.number, "Payment", token(r), "delete") for r in rows if joins(r, order) and is_alone(r)]


def allocation(order: AllocationOrder) -> Row:
    """The payment of nothing that puts a memo to an invoice."""
    return {
        **joined(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": 0,
        "Line": [
            linked(order.amount, order.invoice_id, "Invoice"),
            linked(order.amount, order.note_id, "CreditMemo"),
        ],
    }


def joins(row: Row, order: AllocationOrder) -> bool:
    """Whether a payment put something of the order's memo to the order's invoice."""
    return given(row, order) > 0


def is_whole(row: Row, order: AllocationOrder) -> bool:
    """Whether it put as much of it there as the order says."""
    return same(given(row, order), order.amount)


def given(row: Row, order: AllocationOrder) -> Decimal:
    """How much of the order's memo a payment put to the order's invoice."""
    wanted = ("Invoice", order.invoice_id, order.note_id)
    return sum((part.amount for part in portions(row) if (part.kind, part.key, part.memo) == wanted), Decimal(0))


def is_alone(row: Row) -> bool:
    """Whether a payment joins one memo with one invoice, without money."""
    kinds = sorted(kind for kind, _, _ in links_of(row))
    return kinds == ["CreditMemo", "Invoice"] and not Decimal(str(row.get("TotalAmt") or 0))
