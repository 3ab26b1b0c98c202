"""The payments of the Xero ledger: payments of invoices, refunds of credit notes, and the removal of either."""

from xero_python.accounting import Payment, PaymentDelete, Payments

from accounting.ledgers.parsing import RemoteRow, is_same_amount
from accounting.ledgers.protocol import PaymentOrder, PaymentRemovalOrder, RefundOrder, WriteResult
from accounting.ledgers.xero.credit_notes import XeroCreditNotes
from accounting.ledgers.xero.parsing import list_standing_payments, parse_results
from accounting.ledgers.xero.shapes import build_payment, build_refund

OUR_PREFIX = "PF-"


class XeroPayments(XeroCreditNotes):
    """The verbs of payments, which are created or deleted, never edited. One of a credit note gives money back."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]:
        return self._create_payments(orders, [build_payment(order) for order in orders], key=key)

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        return self._create_payments(orders, [build_refund(order) for order in orders], key=key)

    def _create_payments(
        self, orders: list[PaymentOrder] | list[RefundOrder], payments: list[Payment], *, key: str
    ) -> list[WriteResult]:
        answer = self._client.write_batch(self._api.create_payments, Payments(payments=payments), key=key)
        return parse_results(orders, answer.get("Payments"), "PaymentID")

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        ours = [order for order in orders if not order.is_foreign]
        invoices = self._read_invoices(invoice_numbers=[order.invoice_number for order in ours]) if ours else []
        paid = {row.get("InvoiceNumber"): list_standing_payments(row) for row in invoices}
        found = self._find_foreign_payments([order for order in orders if order.is_foreign])
        for order in ours:
            matching = [row for row in paid.get(order.invoice_number, []) if is_requested_payment(row, order)]
            best = sorted(matching, key=lambda row: get_reference(row) != order.number)
            found += [WriteResult(order.number, id=best[0]["PaymentID"])] if best else []
        return found

    def _find_foreign_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        """Find our payments of invoices that are not ours: a bookkeeper's of the same amount is another one."""
        invoices = self._read_invoices(i_ds=sorted({order.invoice_id for order in orders})) if orders else []
        paid = {
            (invoice["InvoiceID"], get_reference(row)): row
            for invoice in invoices
            for row in list_standing_payments(invoice)
        }
        pairs = ((order, paid.get((order.invoice_id, order.number))) for order in orders)
        return [
            WriteResult(order.number, id=row["PaymentID"])
            for order, row in pairs
            if row and is_same_amount(row.get("Amount"), order.amount)
        ]

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        notes = self.read_credit_notes_by_number(sorted({o.note_number for o in orders})) if orders else []
        paid = {(note.number, refund.reference): refund for note in notes for refund in note.refunds}
        pairs = ((order, paid.get((order.note_number, order.number))) for order in orders)
        return [
            WriteResult(order.number, id=refund.id)
            for order, refund in pairs
            if refund and refund.amount == order.amount
        ]

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        body = PaymentDelete(status="DELETED")
        answer = self._client.call(self._api.delete_payment, order.id, body, idempotency_key=key)
        return parse_results(orders, answer.get("Payments"), "PaymentID")

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]:
        return [WriteResult(order.number, id=order.id) for order in orders if self._is_deleted(order.id)]

    def _is_deleted(self, payment_id: str) -> bool:
        rows = self._client.call(self._api.get_payment, payment_id).get("Payments") or []
        return bool(rows) and rows[0].get("Status") == "DELETED"

    def _read_invoices(self, **query: list[str]) -> list[RemoteRow]:
        """Read invoices by `invoice_numbers` or `i_ds`."""
        body = self._client.read(self._api.get_invoices, page=1, page_size=100, **query)
        return list(body.get("Invoices") or [])


def get_reference(payment: RemoteRow) -> str:
    """Return a payment's reference."""
    return payment.get("Reference") or ""


def is_requested_payment(payment: RemoteRow, order: PaymentOrder) -> bool:
    """Return whether this is the order's money: without a number of ours, a bookkeeper may have entered it by hand."""
    reference = get_reference(payment)
    is_another = reference != order.number and reference.startswith(OUR_PREFIX)
    return not is_another and is_same_amount(payment.get("Amount"), order.amount)
