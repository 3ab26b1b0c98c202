"""The money of the Xero ledger: payments of PF invoices, refunds of credit notes, and taking either back."""

from xero_python.accounting import Account, CreditNote, Invoice, Payment, PaymentDelete, Payments

from accounting.ledgers.parsing import is_same_amount
from accounting.ledgers.protocol import PaymentOrder, PaymentRemovalOrder, RefundOrder, WriteResult
from accounting.ledgers.xero.base import XeroOrganisation
from accounting.ledgers.xero.client import call_api
from accounting.ledgers.xero.credit_notes import XeroCreditNotes
from accounting.ledgers.xero.shapes import (
    clear_read_only_flags,
    convert_to_float,
    convert_to_text,
    exclude_deleted,
    parse_results,
)


class XeroPayments(XeroCreditNotes, XeroOrganisation):
    """Payments: made or deleted, never edited. One against a credit note gives money back."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[WriteResult]:
        asked = [
            Payment(
                invoice=clear_read_only_flags(
                    Invoice(invoice_id=o.invoice_id) if o.invoice_id else Invoice(invoice_number=o.invoice_number)
                ),
                account=clear_read_only_flags(Account(code=o.account)),
                date=o.on,
                amount=convert_to_float(o.amount),
                reference=o.number,
            )
            for o in orders
        ]
        answer = self._write(self._api.create_payments, Payments(payments=asked), key=key)
        return parse_results(orders, answer.payments, "payment_id")

    def find_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        ours = [o for o in orders if not o.is_foreign]
        rows = self._read_invoices(invoice_numbers=[o.invoice_number for o in ours]) if ours else []
        paid = {row.invoice_number: exclude_deleted(row.payments) for row in rows}
        found = self._find_foreign_payments([o for o in orders if o.is_foreign])
        for order in ours:
            meant = [p for p in paid.get(order.invoice_number, []) if is_same_amount(p.amount, order.amount)]
            # A bookkeeper may have paid it by hand; a payment with another number of ours is another one.
            mine = [
                p
                for p in meant
                if convert_to_text(p.reference) == order.number or not convert_to_text(p.reference).startswith("PF-")
            ]
            best = sorted(mine, key=lambda p: convert_to_text(p.reference) != order.number)
            found += [WriteResult(order.number, id=best[0].payment_id)] if best else []
        return found

    def _find_foreign_payments(self, orders: list[PaymentOrder]) -> list[WriteResult]:
        """Payments of invoices that are not ours: a bookkeeper's of the same amount is another one."""
        rows = self._read_invoices(i_ds=sorted({o.invoice_id for o in orders})) if orders else []
        paid = {
            (row.invoice_id, convert_to_text(p.reference)): p for row in rows for p in exclude_deleted(row.payments)
        }
        met = ((o, paid.get((o.invoice_id, o.number))) for o in orders)
        return [WriteResult(o.number, id=p.payment_id) for o, p in met if p and is_same_amount(p.amount, o.amount)]

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[WriteResult]:
        asked = [
            Payment(
                credit_note=clear_read_only_flags(CreditNote(credit_note_id=o.note_id)),
                account=clear_read_only_flags(Account(code=o.account)),
                date=o.on,
                amount=convert_to_float(o.amount),
                reference=o.number,
            )
            for o in orders
        ]
        answer = self._write(self._api.create_payments, Payments(payments=asked), key=key)
        return parse_results(orders, answer.payments, "payment_id")

    def find_refunds(self, orders: list[RefundOrder]) -> list[WriteResult]:
        rows = self.read_credit_notes_by_number(sorted({o.note_number for o in orders})) if orders else []
        paid = {(row.number, r.reference): r for row in rows for r in row.refunds}
        met = ((o, paid.get((o.note_number, o.number))) for o in orders)
        return [WriteResult(o.number, id=r.id) for o, r in met if r and r.amount == o.amount]

    def remove_payments(self, orders: list[PaymentRemovalOrder], *, key: str) -> list[WriteResult]:
        [order] = orders
        body = PaymentDelete(status="DELETED")
        answer = call_api(self._api.delete_payment, self._caller, order.id, body, idempotency_key=key)
        return parse_results(orders, answer.payments, "payment_id")

    def find_removed_payments(self, orders: list[PaymentRemovalOrder]) -> list[WriteResult]:
        rows = [(o, (call_api(self._api.get_payment, self._caller, o.id).payments or [None])[0]) for o in orders]
        return [WriteResult(o.number, id=o.id) for o, row in rows if row and convert_to_text(row.status) == "DELETED"]
