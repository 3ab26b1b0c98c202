"""The money of the QuickBooks ledger: payments of PF invoices, refunds out of credit memos, and taking either back.

A refund is an expense on receivables, and a payment of nothing that joins it with the memo: two calls, because the
second names what the first made.
"""

import uuid
from decimal import Decimal
from typing import Any

from accounting.ledgers.quickbooks_base import Act
from accounting.ledgers.quickbooks_facts import PAID_OUT
from accounting.ledgers.quickbooks_notes import QuickBooksNotes
from accounting.ledgers.quickbooks_shapes import (
    Row,
    currency_of,
    exact,
    is_voided,
    joined,
    linked,
    links_of,
    paid_by,
    payment,
    quoted,
    ref,
    reference,
    same,
    token,
)
from accounting.ledgers.words import PaymentOrder, RefundOrder, RemovalOrder, Written
from wisepay.errors import Rejected

RECEIVABLE = "AccountType = 'Accounts Receivable'"


class QuickBooksMoney(QuickBooksNotes):
    """Payments: made or deleted, never edited."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[Written]:
        return self._write([payment_act(o) for o in orders], key=key)

    def find_payments(self, orders: list[PaymentOrder]) -> list[Written]:
        """By what the invoices say paid them; somebody may have paid one by hand."""
        invoices = self._by("Invoice", "Id", [o.invoice_id for o in orders])
        keys = [key for row in invoices.values() for key in paid_by(row)]
        payments = list(self._known({"Payment": keys})["Payment"].values())
        found = []
        for order in orders:
            meant = [p for p in payments if pays(p, order)]
            best = sorted(meant, key=lambda p: reference(p) != order.number)
            found += [Written(order.number, id=str(best[0]["Id"]))] if best else []
        return found

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[Written]:
        """What an earlier try has paid out already is joined, and not paid out again."""
        said = self._pay_out(orders, key=key)
        paid = [(o, w.id) for o, w in zip(orders, said, strict=True) if w.id]
        if not paid:
            return said
        joins = [Act(o.number, "Payment", join(o, purchase)) for o, purchase in paid]
        answers = {w.number: w for w in self._write(joins, key=f"{key}-2")}
        self._take_back([(o, purchase) for o, purchase in paid if not answers[o.number].id], key=f"{key}-3")
        purchases = {o.number: purchase for o, purchase in paid}
        return [
            Written(w.number, id=f"{found.id}-{purchases[w.number]}")
            if (found := answers.get(w.number, w)).id
            else found
            for w in said
        ]

    def find_refunds(self, orders: list[RefundOrder]) -> list[Written]:
        """One that was broken off between its two calls is finished first, so that it is there or not at all."""
        there = self._by("Purchase", "DocNumber", [o.number for o in orders])
        begun = [o for o in orders if is_paid_out(there.get(o.number), o)]
        found = self._joined(begun)
        if half := [o for o in begun if o.number not in {w.number for w in found}]:
            found += [w for w in self.create_refunds(half, key=f"wp-{uuid.uuid4()}") if w.id]
        return found

    def _joined(self, orders: list[RefundOrder]) -> list[Written]:
        """The refunds whose payment of nothing is there."""
        payments = self._payments_of(o.contact_id for o in orders if o.contact_id)
        met = ((o, next((p for p in payments if refunds(p, o)), None)) for o in orders)
        return [Written(o.number, id=f"{p['Id']}-{paid_out(p)}") for o, p in met if p]

    def remove_payments(self, orders: list[RemovalOrder], *, key: str) -> list[Written]:
        [order] = orders
        acts = self._removals(order)
        if not acts:
            raise Rejected("610", "It has already been deleted in QuickBooks.")
        answers = self._change(lambda: self._removals(order), key=key)
        refusal = next((w.refusal for w in answers if w.refusal), "")
        return [Written(order.number, refusal=refusal) if refusal else Written(order.number, id=order.id)]

    def find_removed_payments(self, orders: list[RemovalOrder]) -> list[Written]:
        """Those of which nothing is there, or nothing but a payment that a person voided. One call for all."""
        named = [halves(o) for o in orders]
        there = self._known({"Payment": [p for p, _ in named], "Purchase": [e for _, e in named]})
        paid = {key for key, row in there["Payment"].items() if not is_voided(row)}
        met = zip(orders, named, strict=True)
        return [Written(o.number, id=o.id) for o, (p, e) in met if p not in paid and e not in there["Purchase"]]

    def _pay_out(self, orders: list[RefundOrder], *, key: str) -> list[Written]:
        """The expense of every refund: there already, or made now."""
        there = self._by("Purchase", "DocNumber", [o.number for o in orders])
        known = {o.number: there[o.number] for o in orders if is_paid_out(there.get(o.number), o)}
        missing = [o for o in orders if o.number not in known]
        made: dict[str, Written] = {}
        if missing:
            accounts = self._rows("Account", RECEIVABLE)
            acts = [Act(o.number, "Purchase", expense(o, receivable(accounts, o))) for o in missing]
            made = {w.number: w for w in self._write(acts, key=key)}
        return [made.get(o.number) or Written(o.number, id=str(known[o.number]["Id"])) for o in orders]

    def _take_back(self, refused: list[tuple[RefundOrder, str]], *, key: str) -> None:
        """Money paid out that no credit covers was not paid out."""
        if not refused:
            return
        rows = self._by("Purchase", "Id", [purchase for _, purchase in refused])
        acts = [Act(o.number, "Purchase", token(rows[p]), "delete") for o, p in refused if p in rows]
        if acts:
            self._do(acts, key=key)

    def _removals(self, order: RemovalOrder) -> list[Act]:
        """What of it is there: the payment, and of a refund the expense as well."""
        first, second = halves(order)
        wanted = [("Payment", first), *([("Purchase", second)] if second else [])]
        rows = [(entity, row) for entity, found in wanted for row in self._rows(entity, f"Id = {quoted(found)}")]
        return [Act(entity, entity, token(row), "delete") for entity, row in rows]


def halves(order: RemovalOrder) -> tuple[str, str]:
    """The ids of a payment and, of a refund, of its expense."""
    first, _, expense = order.id.partition("-")
    return first, expense


def payment_act(order: PaymentOrder) -> Act:
    """A payment to make."""
    return Act(order.number, "Payment", payment(order))


def pays(row: Row, order: PaymentOrder) -> bool:
    """Whether a payment brought this money; one with another number of ours brought other money, a credit none."""
    is_ours = reference(row) == order.number
    is_another = not is_ours and (order.is_foreign or reference(row).startswith("PF-"))
    is_money = Decimal(str(row.get("TotalAmt") or 0)) >= order.amount.decimal
    shares = [a for kind, key, a in links_of(row) if (kind, key) == ("Invoice", order.invoice_id)]
    return is_money and not is_another and any(same(amount, order.amount) for amount in shares)


def refunds(row: Row, order: RefundOrder) -> bool:
    """Whether a payment gave this money back out of the order's memo."""
    shares = [a for kind, key, a in links_of(row) if (kind, key) == ("CreditMemo", order.note_id)]
    return reference(row) == order.number and bool(paid_out(row)) and any(same(a, order.amount) for a in shares)


def paid_out(row: Row) -> str:
    """The expense that a payment joins."""
    return next((key for kind, key, _ in links_of(row) if kind in PAID_OUT), "")


def is_paid_out(row: Row | None, order: RefundOrder) -> bool:
    """Whether an expense of the order's number is the order's own."""
    return row is not None and same(row.get("TotalAmt"), order.amount)


def receivable(accounts: list[Row], order: RefundOrder) -> str:
    """The account of what customers owe, in the order's currency where there are several. Raises Rejected."""
    if not accounts:
        raise Rejected("no_receivable", "QuickBooks has no account of the type Accounts Receivable.")
    fitting = [row for row in accounts if currency_of(row) == order.amount.currency]
    return str((fitting or accounts)[0]["Id"])


def expense(order: RefundOrder, account: str) -> Row:
    """Money paid out of clearing, against what the customer is owed."""
    detail: dict[str, Any] = {"AccountRef": ref(account), "CustomerRef": ref(order.contact_id)}
    return {
        "PaymentType": "Cash",
        "AccountRef": ref(order.account),
        "EntityRef": {"value": order.contact_id, "type": "Customer"},
        "DocNumber": order.number,
        "TxnDate": order.on.isoformat(),
        "CurrencyRef": ref(order.amount.currency),
        "PrivateNote": f"Refund of {order.note_number}",
        "Line": [
            {
                "Amount": exact(order.amount),
                "Description": f"Refund of {order.note_number}",
                "DetailType": "AccountBasedExpenseLineDetail",
                "AccountBasedExpenseLineDetail": detail,
            }
        ],
    }


def join(order: RefundOrder, purchase: str) -> Row:
    """The payment of nothing that takes an expense out of a memo."""
    return {
        **joined(order.contact_id, order.number, order.on, order.amount),
        "TotalAmt": 0,
        "Line": [
            linked(order.amount, purchase, PAID_OUT[0]),
            linked(order.amount, order.note_id, "CreditMemo"),
        ],
    }
