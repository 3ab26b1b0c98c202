"""The money of the QuickBooks ledger: payments of PF invoices, refunds out of credit memos, and taking either back.

A refund is an expense on receivables, and a payment of nothing that joins it with the memo: two calls, because the
second names what the first made.
"""

import uuid
from decimal import Decimal
from typing import Any

from accounting.ledgers.parsing import RemoteRow, is_same_amount
from accounting.ledgers.protocol import PaymentOrder, PaymentRemovalOrder, RefundOrder, WriteResult
from accounting.ledgers.quickbooks.company import BatchItemRequest
from accounting.ledgers.quickbooks.credit_memos import QuickBooksCreditMemos
from accounting.ledgers.quickbooks.parsing import EXPENSE_TYPES
from accounting.ledgers.quickbooks.shapes import (
    build_linked_line,
    build_payment,
    build_payment_header,
    build_ref,
    get_currency,
    get_exact_amount,
    get_payment_reference,
    get_sync_token,
    is_voided,
    list_links,
    list_payment_ids,
    quote_literal,
)
from wisepay.errors import Rejected

RECEIVABLE_FILTER = "AccountType = 'Accounts Receivable'"


class QuickBooksPayments(QuickBooksCreditMemos):
    """Payments: made or deleted, never edited."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]:
        return self._write([build_payment_batch_item(o) for o in orders], key=key)

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        """By what the invoices say paid them; somebody may have paid one by hand."""
        invoices = self._query_by_field("Invoice", "Id", [o.invoice_id for o in orders])
        keys = [key for row in invoices.values() for key in list_payment_ids(row)]
        payments = list(self._query_by_id({"Payment": keys})["Payment"].values())
        found = []
        for order in orders:
            meant = [p for p in payments if is_requested_payment(p, order)]
            best = sorted(meant, key=lambda p: get_payment_reference(p) != order.number)
            found += [WriteResult(order.number, id=str(best[0]["Id"]))] if best else []
        return found

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        """What an earlier try has paid out already is joined, and not paid out again."""
        said = self._create_expenses(orders, key=key)
        paid = [(o, w.id) for o, w in zip(orders, said, strict=True) if w.id]
        if not paid:
            return said
        joins = [BatchItemRequest(o.number, "Payment", build_refund_payment(o, purchase)) for o, purchase in paid]
        answers = {w.number: w for w in self._write(joins, key=f"{key}-2")}
        self._delete_expenses([(o, purchase) for o, purchase in paid if not answers[o.number].id], key=f"{key}-3")
        purchases = {o.number: purchase for o, purchase in paid}
        return [
            WriteResult(w.number, id=f"{found.id}-{purchases[w.number]}")
            if (found := answers.get(w.number, w)).id
            else found
            for w in said
        ]

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        """One that was broken off between its two calls is finished first, so that it is there or not at all."""
        there = self._query_by_field("Purchase", "DocNumber", [o.number for o in orders])
        begun = [o for o in orders if is_requested_expense(there.get(o.number), o)]
        found = self._find_joined_refunds(begun)
        if half := [o for o in begun if o.number not in {w.number for w in found}]:
            found += [w for w in self.create_refunds(half, key=f"wp-{uuid.uuid4()}") if w.id]
        return found

    def _find_joined_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        """The refunds whose payment of nothing is there."""
        payments = self._payments_of(o.contact_id for o in orders if o.contact_id)
        met = ((o, next((p for p in payments if is_requested_refund(p, o)), None)) for o in orders)
        return [WriteResult(o.number, id=f"{p['Id']}-{find_expense_id(p)}") for o, p in met if p]

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        acts = self._build_removals(order)
        if not acts:
            raise Rejected("610", "It has already been deleted in QuickBooks.")
        answers = self._write_with_fresh_tokens(lambda: self._build_removals(order), key=key)
        refusal = next((w.refusal for w in answers if w.refusal), "")
        return [WriteResult(order.number, refusal=refusal) if refusal else WriteResult(order.number, id=order.id)]

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]:
        """Those of which nothing is there, or nothing but a payment that a person voided. One call for all."""
        named = [split_refund_id(o) for o in orders]
        there = self._query_by_id({"Payment": [p for p, _ in named], "Purchase": [e for _, e in named]})
        paid = {key for key, row in there["Payment"].items() if not is_voided(row)}
        met = zip(orders, named, strict=True)
        return [WriteResult(o.number, id=o.id) for o, (p, e) in met if p not in paid and e not in there["Purchase"]]

    def _create_expenses(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        """The expense of every refund: there already, or made now."""
        there = self._query_by_field("Purchase", "DocNumber", [o.number for o in orders])
        known = {o.number: there[o.number] for o in orders if is_requested_expense(there.get(o.number), o)}
        missing = [o for o in orders if o.number not in known]
        made: dict[str, WriteResult] = {}
        if missing:
            accounts = self._query_rows("Account", RECEIVABLE_FILTER)
            acts = [
                BatchItemRequest(o.number, "Purchase", build_expense(o, find_receivable_account(accounts, o)))
                for o in missing
            ]
            made = {w.number: w for w in self._write(acts, key=key)}
        return [made.get(o.number) or WriteResult(o.number, id=str(known[o.number]["Id"])) for o in orders]

    def _delete_expenses(self, refused: list[tuple[RefundOrder, str]], *, key: str) -> None:
        """Money paid out that no credit covers was not paid out."""
        if not refused:
            return
        rows = self._query_by_field("Purchase", "Id", [purchase for _, purchase in refused])
        acts = [
            BatchItemRequest(o.number, "Purchase", get_sync_token(rows[p]), "delete") for o, p in refused if p in rows
        ]
        if acts:
            self._send_batch(acts, key=key)

    def _build_removals(self, order: PaymentRemovalOrder) -> list[BatchItemRequest]:
        """What of it is there: the payment, and of a refund the expense as well."""
        first, second = split_refund_id(order)
        wanted = [("Payment", first), *([("Purchase", second)] if second else [])]
        rows = [
            (entity, row)
            for entity, found in wanted
            for row in self._query_rows(entity, f"Id = {quote_literal(found)}")
        ]
        return [BatchItemRequest(entity, entity, get_sync_token(row), "delete") for entity, row in rows]


def split_refund_id(order: PaymentRemovalOrder) -> tuple[str, str]:
    """The ids of a payment and, of a refund, of its expense."""
    first, _, expense = order.id.partition("-")
    return first, expense


def build_payment_batch_item(order: PaymentOrder) -> BatchItemRequest:
    """A payment to make."""
    return BatchItemRequest(order.number, "Payment", build_payment(order))


def is_requested_payment(row: RemoteRow, order: PaymentOrder) -> bool:
    """Whether a payment brought this money; one with another number of ours brought other money, a credit none."""
    is_ours = get_payment_reference(row) == order.number
    is_another = not is_ours and (order.is_foreign or get_payment_reference(row).startswith("PF-"))
    is_money = Decimal(str(row.get("TotalAmt") or 0)) >= order.amount.decimal
    shares = [a for kind, key, a in list_links(row) if (kind, key) == ("Invoice", order.invoice_id)]
    return is_money and not is_another and any(is_same_amount(amount, order.amount) for amount in shares)


def is_requested_refund(row: RemoteRow, order: RefundOrder) -> bool:
    """Whether a payment gave this money back out of the order's memo."""
    shares = [a for kind, key, a in list_links(row) if (kind, key) == ("CreditMemo", order.note_id)]
    return (
        get_payment_reference(row) == order.number
        and bool(find_expense_id(row))
        and any(is_same_amount(a, order.amount) for a in shares)
    )


def find_expense_id(row: RemoteRow) -> str:
    """The expense that a payment joins."""
    return next((key for kind, key, _ in list_links(row) if kind in EXPENSE_TYPES), "")


def is_requested_expense(row: RemoteRow | None, order: RefundOrder) -> bool:
    """Whether an expense of the order's number is the order's own."""
    return row is not None and is_same_amount(row.get("TotalAmt"), order.amount)


def find_receivable_account(accounts: list[RemoteRow], order: RefundOrder) -> str:
    """The account of what customers owe, in the order's currency where there are several. Raises Rejected."""
    if not accounts:
        raise Rejected("no_receivable", "QuickBooks has no account of the type Accounts Receivable.")
    fitting = [row for row in accounts if get_currency(row) == order.amount.currency]
    return str((fitting or accounts)[0]["Id"])


def build_expense(order: RefundOrder, account: str) -> RemoteRow:
    """Money paid out of clearing, against what the customer is owed."""
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
    """The payment of nothing that takes an expense out of a memo."""
    return {
        **build_payment_header(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": 0,
        "Line": [
            build_linked_line(order.amount, purchase, EXPENSE_TYPES[0]),
            build_linked_line(order.amount, order.note_id, "CreditMemo"),
        ],
    }
