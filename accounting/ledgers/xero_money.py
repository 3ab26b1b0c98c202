"""The money of the Xero ledger: payments of PF invoices, refunds of credit notes, and taking either back."""

from xero_python.accounting import Account, CreditNote, Invoice, Payment, PaymentDelete, Payments

from accounting.ledgers.words import PaymentOrder, RefundOrder, RemovalOrder, Written
from accounting.ledgers.xero_base import XeroOrganisation
from accounting.ledgers.xero_client import call
from accounting.ledgers.xero_notes import XeroNotes
from accounting.ledgers.xero_shapes import bare, each, number, same, standing, text


class XeroMoney(XeroNotes, XeroOrganisation):
    """Payments: made or deleted, never edited. One against a credit note gives money back."""

    def create_payments(self, orders: list[PaymentOrder], *, key: str) -> list[Written]:
        asked = [
            Payment(
                invoice=bare(
                    Invoice(invoice_id=o.invoice_id) if o.invoice_id else Invoice(invoice_number=o.invoice_number)
                ),
                account=bare(Account(code=o.account)),
                date=o.on,
                amount=number(o.amount),
                reference=o.number,
            )
            for o in orders
        ]
        answer = self._write(self._api.create_payments, Payments(payments=asked), key=key)
        return each(orders, answer.payments, "payment_id")

    def find_payments(self, orders: list[PaymentOrder]) -> list[Written]:
        ours = [o for o in orders if not o.is_foreign]
        rows = self._invoices(invoice_numbers=[o.invoice_number for o in ours]) if ours else []
        paid = {row.invoice_number: standing(row.payments) for row in rows}
        found = self._find_on_foreign([o for o in orders if o.is_foreign])
        for order in ours:
            meant = [p for p in paid.get(order.invoice_number, []) if same(p.amount, order.amount)]
            # A bookkeeper may have paid it by hand; a payment with another number of ours is another one.
            mine = [p for p in meant if text(p.reference) == order.number or not text(p.reference).startswith("PF-")]
            best = sorted(mine, key=lambda p: text(p.reference) != order.number)
            found += [Written(order.number, id=best[0].payment_id)] if best else []
        return found

    def _find_on_foreign(self, orders: list[PaymentOrder]) -> list[Written]:
        """Payments of invoices that are not ours: a bookkeeper's of the same amount is another one."""
        rows = self._invoices(i_ds=sorted({o.invoice_id for o in orders})) if orders else []
        paid = {(row.invoice_id, text(p.reference)): p for row in rows for p in standing(row.payments)}
        met = ((o, paid.get((o.invoice_id, o.number))) for o in orders)
        return [Written(o.number, id=p.payment_id) for o, p in met if p and same(p.amount, o.amount)]

    def create_refunds(self, orders: list[RefundOrder], *, key: str) -> list[Written]:
        asked = [
            Payment(
                credit_note=bare(CreditNote(credit_note_id=o.note_id)),
                account=bare(Account(code=o.account)),
                date=o.on,
                amount=number(o.amount),
                reference=o.number,
            )
            for o in orders
        ]
        answer = self._write(self._api.create_payments, Payments(payments=asked), key=key)
        return each(orders, answer.payments, "payment_id")

    def find_refunds(self, orders: list[RefundOrder]) -> list[Written]:
        rows = self.read_credit_notes(sorted({o.note_number for o in orders})) if orders else []
        paid = {(row.number, r.reference): r for row in rows for r in row.refunds}
        met = ((o, paid.get((o.note_number, o.number))) for o in orders)
        return [Written(o.number, id=r.id) for o, r in met if r and r.amount == o.amount]

    def remove_payments(self, orders: list[RemovalOrder], *, key: str) -> list[Written]:
        [order] = orders
        body = PaymentDelete(status="DELETED")
        answer = call(self._api.delete_payment, self._caller, order.id, body, idempotency_key=key)
        return each(orders, answer.payments, "payment_id")

    def find_removed_payments(self, orders: list[RemovalOrder]) -> list[Written]:
        rows = [(o, (call(self._api.get_payment, self._caller, o.id).payments or [None])[0]) for o in orders]
        return [Written(o.number, id=o.id) for o, row in rows if row and text(row.status) == "DELETED"]
