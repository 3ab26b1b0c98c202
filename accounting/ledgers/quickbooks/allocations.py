"""The allocations of the QuickBooks ledger: a payment of zero that links a credit memo with an invoice."""

from decimal import Decimal

from accounting.ledgers.parsing import (
    UNREADABLE,
    RemoteRow,
    choose_results,
    explain_unreadable,
    get_candidates,
    is_same_amount,
    read_id,
    read_number,
)
from accounting.ledgers.protocol import AllocationOrder, WriteResult
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.credit_memos import QuickBooksCreditMemos
from accounting.ledgers.quickbooks.parsing import get_payment_reference, list_links, split_payment
from accounting.ledgers.quickbooks.shapes import build_linked_line, build_payment_header, get_sync_token
from wisepay.errors import Rejected

SHARED_PAYMENT_REFUSAL = (
    "In QuickBooks the credit was applied to this invoice by a payment that links other documents as well. Open it, "
    "take the tick off the credit memo, and save it."
)


class QuickBooksAllocations(QuickBooksCreditMemos):
    """The verbs of allocations. Each is one payment, whose id is the allocation's."""

    def create_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        return self._write([BatchItemRequest(order.number, "Payment", build_allocation(order))], key=key)

    def find_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        """Find allocations among the payments that the invoices link; a bookkeeper may have entered one by hand."""
        linked = self._list_linked_payments(o.invoice_id for o in orders)
        return choose_results(
            orders,
            lambda order: linked.get(order.invoice_id, ()),
            lambda row, order: has_allocation(row, order) and is_full_allocation(row, order),
            lambda row: read_id(row, "Id"),
            is_ours=lambda row, order: get_payment_reference(row) == order.number,
        )

    def remove_allocations(self, orders: list[AllocationOrder], *, key: str) -> list[WriteResult]:
        """Delete the payment of one allocation; one that links more was entered by a person, and is refused."""
        [order] = orders
        row = self._query_by_field("Payment", "Id", [order.id]).get(order.id)
        if row is not None and (reason := get_unreadable_reason(row, order)):
            return [WriteResult(order.number, refusal=f"The payment cannot be read. {reason}")]
        if row is None or not has_allocation(row, order):
            raise Rejected("610", "The credit was taken off this invoice already in QuickBooks.")
        if not is_single_allocation(row):
            return [WriteResult(order.number, refusal=SHARED_PAYMENT_REFUSAL)]
        results = self._write_with_fresh_tokens(lambda: self._build_removal(order), key=key)
        refusal = next((result.refusal for result in results if result.refusal), "")
        return [WriteResult(order.number, refusal=refusal) if refusal else WriteResult(order.number, id=order.id)]

    def find_removed_allocations(self, orders: list[AllocationOrder]) -> list[WriteResult]:
        rows = self._query_all_by_field("Payment", "Id", [o.id for o in orders])
        return choose_results(
            orders,
            lambda order: get_candidates(rows, order.id) or [None],
            lambda row, order: row is None or not has_allocation(row, order),
            lambda row: "",
            name_id=lambda order: order.id,
        )

    def _build_removal(self, order: AllocationOrder) -> list[BatchItemRequest]:
        """Build the deletion of the payment as it is now, if it links nothing else."""
        rows = self._query_by_field("Payment", "Id", [order.id]).values()
        return [
            BatchItemRequest(order.number, "Payment", get_sync_token(r), "delete")
            for r in rows
            if has_allocation(r, order) and is_single_allocation(r)
        ]


def build_allocation(order: AllocationOrder) -> RemoteRow:
    """Return the payment of zero that applies a credit memo to an invoice."""
    return {
        **build_payment_header(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": 0,
        "Line": [
            build_linked_line(order.amount, order.invoice_id, "Invoice"),
            build_linked_line(order.amount, order.note_id, "CreditMemo"),
        ],
    }


def has_allocation(row: RemoteRow, order: AllocationOrder) -> bool:
    """Return whether a payment applied a part of the order's credit memo to its invoice."""
    return get_allocated_amount(row, order) > 0


def is_full_allocation(row: RemoteRow, order: AllocationOrder) -> bool:
    """Return whether a payment applied exactly the order's amount."""
    return is_same_amount(get_allocated_amount(row, order), order.amount)


def get_allocated_amount(row: RemoteRow, order: AllocationOrder) -> Decimal:
    """Return how much of the order's credit memo a payment applied to its invoice."""
    requested = ("Invoice", order.invoice_id, order.note_id)
    return sum(
        (part.amount for part in split_payment(row) if (part.kind, part.document_id, part.credit_memo_id) == requested),
        Decimal(0),
    )


def is_single_allocation(row: RemoteRow) -> bool:
    """Return whether a payment links one credit memo with one invoice, without money."""
    kinds = sorted(kind for kind, _ in list_links(row))
    return kinds == ["CreditMemo", "Invoice"] and not read_number(row.get("TotalAmt"))


def get_unreadable_reason(row: RemoteRow, order: AllocationOrder) -> str:
    """Return why a payment cannot be read, or an empty text."""
    try:
        has_allocation(row, order)
        is_single_allocation(row)
    except UNREADABLE as error:
        return explain_unreadable(error)
    return ""
