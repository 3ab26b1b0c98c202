"""The payments of the QuickBooks ledger: payments of invoices, refunds of credit memos, and the removal of either.

A refund is an expense on receivables, and a payment of zero that links it with the credit memo: two calls, because
the second needs the id that the first created.
"""

import uuid
from typing import Any

from accounting.ledgers.parsing import (
    UNREADABLE,
    RemoteRow,
    choose_results,
    get_text,
    is_same_amount,
    read_id,
    read_number,
)
from accounting.ledgers.protocol import PaymentOrder, PaymentRemovalOrder, RefundOrder, WriteResult
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.credit_memos import QuickBooksCreditMemos
from accounting.ledgers.quickbooks.parsing import (
    EXPENSE_TYPES,
    get_currency,
    get_payment_reference,
    is_voided,
    list_links,
    read_links,
)
from accounting.ledgers.quickbooks.shapes import (
    build_linked_line,
    build_payment,
    build_payment_header,
    build_ref,
    get_exact_amount,
    get_sync_token,
    quote_literal,
)
from wisepay.errors import Rejected, Unavailable

RECEIVABLE_FILTER = "AccountType = 'Accounts Receivable'"


class QuickBooksPayments(QuickBooksCreditMemos):
    """The verbs of payments, which are created or deleted, never edited."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_payment_batch_item(o) for o in orders], key=key)

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        """Find payments among those that the invoices link; a bookkeeper may have entered one by hand."""
        linked = self._list_linked_payments(o.invoice_id for o in orders)
        return choose_results(
            orders,
            lambda order: linked.get(order.invoice_id, ()),
            is_requested_payment,
            lambda row: read_id(row, "Id"),
            is_ours=lambda row, order: get_payment_reference(row) == order.number,
        )

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        """Create refunds; the expense that an earlier try created is linked, and not created again."""
        expenses = self._create_expenses(orders, key=key)
        paid = [(order, expense.id) for order, expense in zip(orders, expenses, strict=True) if expense.id]
        if not paid:
            return expenses
        requests = [BatchItemRequest(o.number, "Payment", build_refund_payment(o, expense)) for o, expense in paid]
        links = {link.number: link for link in self._write(requests, key=f"{key}-2")}
        self._delete_expenses([(o, expense) for o, expense in paid if not links[o.number].id], key=f"{key}-3")
        return [
            WriteResult(expense.number, id=f"{link.id}-{expense.id}")
            if (link := links.get(expense.number, expense)).id
            else link
            for expense in expenses
        ]

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        """Find refunds; one that was interrupted between its two calls is finished first, or is not there at all."""
        expenses = self._query_all_by_field("Purchase", "DocNumber", [o.number for o in orders])
        started = [o for o in orders if find_requested_expense(expenses, o)]
        found = self._find_linked_refunds(started)
        known = {result.number for result in found}
        if unfinished := [o for o in started if o.number not in known]:
            found += [result for result in self.create_refunds(unfinished, key=f"wp-{uuid.uuid4()}") if result.id]
        return found

    def _find_linked_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        """Find refunds whose payment of zero exists."""
        payments = self._payments_of(o.contact_id for o in orders if o.contact_id)
        return choose_results(
            orders,
            lambda order: payments,
            is_requested_refund,
            lambda row: f"{read_id(row, 'Id')}-{find_expense_id(row)}",
        )

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        if not self._build_removals(order):
            raise Rejected("610", "It has already been deleted in QuickBooks.")
        results = self._write_with_fresh_tokens(lambda: self._build_removals(order), key=key)
        refusal = next((result.refusal for result in results if result.refusal), "")
        return [WriteResult(order.number, refusal=refusal) if refusal else WriteResult(order.number, id=order.id)]

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]:
        """Find orders of which nothing exists, or only a payment that a person voided. One call for all."""
        ids = [split_refund_id(order) for order in orders]
        rows = self._query_by_id({"Payment": [p for p, _ in ids], "Purchase": [e for _, e in ids]})
        standing = {key for key, row in rows["Payment"].items() if is_perhaps_standing(row)} | rows["Purchase"].keys()
        if "" in standing:
            raise Unavailable("QuickBooks' answer names no id of something that stands")
        pairs = zip(orders, ids, strict=True)
        return [WriteResult(order.number, id=order.id) for order, keys in pairs if not standing & set(keys)]

    def _create_expenses(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        """Return the expense of every refund: the existing one, or one created now."""
        rows = self._query_all_by_field("Purchase", "DocNumber", [o.number for o in orders])
        known = {o.number: row for o in orders if (row := find_requested_expense(rows, o))}
        missing = [o for o in orders if o.number not in known]
        created: dict[str, WriteResult] = {}
        if missing:
            accounts = self._query_rows("Account", RECEIVABLE_FILTER)
            requests = [
                BatchItemRequest(o.number, "Purchase", build_expense(o, find_receivable_account(accounts, o)))
                for o in missing
            ]
            created = {result.number: result for result in self._write(requests, key=key)}
        return [created.get(o.number) or WriteResult(o.number, id=get_text(known[o.number], "Id")) for o in orders]

    def _delete_expenses(self, refused: list[tuple[RefundOrder, str]], *, key: str) -> None:
        """Delete the expenses of refunds that the credit memo did not cover."""
        if not refused:
            return
        rows = self._query_by_field("Purchase", "Id", [purchase for _, purchase in refused])
        requests = [
            BatchItemRequest(o.number, "Purchase", get_sync_token(rows[p]), "delete") for o, p in refused if p in rows
        ]
        self._send_batch(requests, key=key)

    def _build_removals(self, order: PaymentRemovalOrder) -> list[BatchItemRequest]:
        """Build the deletions of what exists: the payment, and of a refund the expense as well."""
        first, second = split_refund_id(order)
        ids = [("Payment", first), *([("Purchase", second)] if second else [])]
        rows = [(entity, row) for entity, key in ids for row in self._query_rows(entity, f"Id = {quote_literal(key)}")]
        return [BatchItemRequest(entity, entity, get_sync_token(row), "delete") for entity, row in rows]


def split_refund_id(order: PaymentRemovalOrder) -> tuple[str, str]:
    """Return the id of the payment and, for a refund, that of its expense."""
    first, _, expense = order.id.partition("-")
    return first, expense


def build_payment_batch_item(order: PaymentOrder) -> BatchItemRequest:
    """Return the operation that creates a payment."""
    return BatchItemRequest(order.number, "Payment", build_payment(order))


def is_requested_payment(row: RemoteRow, order: PaymentOrder) -> bool:
    """Return whether a payment is the order's: not one with another number of ours, and not one of credit alone."""
    is_ours = get_payment_reference(row) == order.number
    is_another = not is_ours and (order.is_foreign or get_payment_reference(row).startswith("PF-"))
    is_money = read_number(row.get("TotalAmt")) >= order.amount.decimal
    amounts = [a for kind, key, a in read_links(row) if (kind, key) == ("Invoice", order.invoice_id)]
    return is_money and not is_another and any(is_same_amount(amount, order.amount) for amount in amounts)


def is_requested_refund(row: RemoteRow, order: RefundOrder) -> bool:
    """Return whether a payment is the order's refund out of its credit memo."""
    if get_payment_reference(row) != order.number or not find_expense_id(row):
        return False
    amounts = [a for kind, key, a in read_links(row) if (kind, key) == ("CreditMemo", order.note_id)]
    return any(is_same_amount(amount, order.amount) for amount in amounts)


def is_perhaps_standing(row: RemoteRow) -> bool:
    """Return whether a payment was not voided, or says of it what cannot be read."""
    try:
        return not is_voided(row)
    except UNREADABLE:
        return True


def find_expense_id(row: RemoteRow) -> str:
    """Return the id of the expense that a payment links."""
    return next((key for kind, key in list_links(row) if kind in EXPENSE_TYPES), "")


def find_requested_expense(expenses: dict[str, list[RemoteRow]], order: RefundOrder) -> RemoteRow | None:
    """Find the expense with the order's number that has its amount too. Raises Unavailable if one cannot be read."""
    try:
        rows = expenses.get(order.number, ())
        return next((row for row in rows if is_same_amount(row.get("TotalAmt"), order.amount)), None)
    except UNREADABLE as error:
        raise Unavailable(f"An expense {order.number} in QuickBooks cannot be read") from error


def find_receivable_account(accounts: list[RemoteRow], order: RefundOrder) -> str:
    """Return the receivables account, in the order's currency where there are several. Raises Rejected."""
    if not accounts:
        raise Rejected("no_receivable", "QuickBooks has no account of the type Accounts Receivable.")
    fitting = [row for row in accounts if get_currency(row) == order.amount.currency]
    return get_text((fitting or accounts)[0], "Id")


def build_expense(order: RefundOrder, account: str) -> RemoteRow:
    """Return the expense of a refund, out of the clearing account."""
    detail: dict[str, Any] = {"AccountRef": build_ref(account), "CustomerRef": build_ref(order.contact_id)}
    return {
        "PaymentType": "Cash",
        "AccountRef": build_ref(order.account),
        "EntityRef": {"value": order.contact_id, "type": "Customer"},
        "DocNumber": order.number,
        "TxnDate": order.on.isoformat(),
        "CurrencyRef": build_ref(order.amount.currency),
        "PrivateNote": f"Refund of {order.note_number}",
        "Line": [
            {
                "Amount": get_exact_amount(order.amount),
                "Description": f"Refund of {order.note_number}",
                "DetailType": "AccountBasedExpenseLineDetail",
                "AccountBasedExpenseLineDetail": detail,
            }
        ],
    }


def build_refund_payment(order: RefundOrder, purchase: str) -> RemoteRow:
    """Return the payment of zero that links an expense with a credit memo."""
    return {
        **build_payment_header(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": 0,
        "Line": [
            build_linked_line(order.amount, purchase, EXPENSE_TYPES[0]),
            build_linked_line(order.amount, order.note_id, "CreditMemo"),
        ],
    }
