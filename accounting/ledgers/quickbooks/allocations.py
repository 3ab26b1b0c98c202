"""The allocations of the QuickBooks ledger: a payment of nothing that joins a credit memo with an invoice."""

from decimal import Decimal

from accounting.ledgers.parsing import RemoteRow, is_same_amount
from accounting.ledgers.protocol import AllocationOrder, WriteResult
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.credit_memos import QuickBooksCreditMemos
from accounting.ledgers.quickbooks.parsing import split_payment
from accounting.ledgers.quickbooks.shapes import (
    build_linked_line,
    build_payment_header,
    get_payment_reference,
    get_sync_token,
    list_links,
    list_payment_ids,
)
from wisepay.errors import Rejected

SHARED_PAYMENT_REFUSAL = (
    "In QuickBooks the credit was put to this invoice by a payment that holds other things as well. Open that payment, "
    "take the tick off the credit memo, and save it."
)


class QuickBooksAllocations(QuickBooksCreditMemos):
    """One payment each, whose id is the allocation's."""

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        return self._write([BatchItemRequest(order.number, "Payment", build_allocation(order))], key=key)

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        """By what the invoices say paid them; somebody may have done by hand what was to be done."""
        invoices = self._query_by_field("Invoice", "Id", [o.invoice_id for o in orders])
        keys = [key for row in invoices.values() for key in list_payment_ids(row)]
        payments = self._query_by_id({"Payment": keys})["Payment"].values()
        found = []
        for order in orders:
            meant = [row for row in payments if has_allocation(row, order) and is_full_allocation(row, order)]
            best = sorted(meant, key=lambda row: get_payment_reference(row) != order.number)
            found += [WriteResult(order.number, id=str(best[0]["Id"]))] if best else []
        return found

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """What holds more than this one is a person's, and left to a person."""
        [order] = orders
        row = self._query_by_field("Payment", "Id", [order.id]).get(order.id)
        if row is None or not has_allocation(row, order):
            raise Rejected("610", "The credit was taken off this invoice already in QuickBooks.")
        if not is_single_allocation(row):
            return [WriteResult(order.number, refusal=SHARED_PAYMENT_REFUSAL)]
        said = self._write_with_fresh_tokens(lambda: self._build_removal(order), key=key)
        refusal = next((w.refusal for w in said if w.refusal), "")
        return [WriteResult(order.number, refusal=refusal) if refusal else WriteResult(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        rows = self._query_by_field("Payment", "Id", [o.id for o in orders])
        return [WriteResult(o.number, id=o.id) for o in orders if o.id not in rows or not has_allocation(rows[o.id], o)]

    def _build_removal(self, order: AllocationOrder) -> list[BatchItemRequest]:
        """The payment as it is now, to be deleted while nothing else was put into it."""
        rows = self._query_by_field("Payment", "Id", [order.id]).values()
        return [
            BatchItemRequest(order.number, "Payment", get_sync_token(r), "delete")
            for r in rows
            if has_allocation(r, order) and is_single_allocation(r)
        ]


def build_allocation(order: AllocationOrder) -> RemoteRow:
    """The payment of nothing that puts a memo to an invoice."""
    return {
        **build_payment_header(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": 0,
        "Line": [
            build_linked_line(order.amount, order.invoice_id, "Invoice"),
            build_linked_line(order.amount, order.note_id, "CreditMemo"),
        ],
    }


def has_allocation(row: RemoteRow, order: AllocationOrder) -> bool:
    """Whether a payment put something of the order's memo to the order's invoice."""
    return get_allocated_amount(row, order) > 0


def is_full_allocation(row: RemoteRow, order: AllocationOrder) -> bool:
    """Whether it put as much of it there as the order says."""
    return is_same_amount(get_allocated_amount(row, order), order.amount)


def get_allocated_amount(row: RemoteRow, order: AllocationOrder) -> Decimal:
    """How much of the order's memo a payment put to the order's invoice."""
    wanted = ("Invoice", order.invoice_id, order.note_id)
    return sum(
        (part.amount for part in split_payment(row) if (part.kind, part.document_id, part.credit_memo_id) == wanted),
        Decimal(0),
    )


def is_single_allocation(row: RemoteRow) -> bool:
    """Whether a payment joins one memo with one invoice, without money."""
    kinds = sorted(kind for kind, _, _ in list_links(row))
    return kinds == ["CreditMemo", "Invoice"] and not Decimal(str(row.get("TotalAmt") or 0))
