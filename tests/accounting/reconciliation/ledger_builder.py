"""The practice books, filled through the ledger's own door, with the mistakes that a bookkeeper would make."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from accounting.ledger_session import open_ledger
from accounting.ledgers.protocol import (
    ContactOrder,
    DocumentOrder,
    Ledger,
    PaymentOrder,
    PaymentRemovalOrder,
    RefundOrder,
    WriteResult,
)
from accounting.models import AccountingSettings, LedgerAccount
from connections.rate_limiter import limiter
from tests.accounting.reconciliation.payment_cases import OTHER_ACCOUNT, PaymentCase
from tests.tenants import Tenant
from wisepay.addresses import new_reference
from wisepay.money import Money


def reset_rate_limits(tenant: Tenant) -> None:
    """A month's calls in a second: neither side counts those that were made before."""
    limiter.keyspace = new_reference()
    tenant.world.config(
        xero_limits={"minute": 10_000}, intuit_limits={"second": 10_000, "minute": 10_000, "batch": 10_000}
    )


class LedgerBuilder:
    """Puts the documents of deals into the practice books, and keeps the ids that these give."""

    def __init__(self, tenant: Tenant, deals: Sequence[PaymentCase]) -> None:
        self.tenant = tenant
        self.cases = [deal for deal in deals if deal.state == "succeeded"]
        self.company = tenant.company()
        self.chosen = AccountingSettings.objects.get(merchant=tenant.merchant)
        self.ledger: Ledger = open_ledger(tenant.connection, priority="interactive", now=timezone.now())
        others = LedgerAccount.objects.filter(merchant=tenant.merchant, takes_payments=True)
        self.other_account = others.exclude(code=self.chosen.clearing_account).order_by("code").first()

    def build(self) -> None:
        """Everything, in as few calls as it takes."""
        self.create_contact()
        notes = [self.build_document_order(deal, f"PF_CR-{deal.stem}") for deal in self.cases]
        self.create_documents(self.cases, "credit_note", notes, "create_credit_notes")
        paid = [deal for deal in self.cases if deal.posting == "posted" and deal.ledger_payment_count]
        self.create_invoices(self.cases, paid)
        back = [deal for deal in self.cases if deal.refunded]
        self.create_documents(back, "refund", [self.build_refund_order(deal) for deal in back], "create_refunds")
        self.create_second_payments([deal for deal in paid if deal.ledger_payment_count > 1])
        self.delete_payments([deal for deal in paid if deal.ledger_payment.get("is_standing") is False])

    def create_contact(self) -> None:
        """The payer is a contact."""
        whom = ContactOrder("stage", "Harbour Dental Pty Ltd", "accounts@harbourdental.example", "", "AUD")
        self.company.contact_id = self.send_orders([whom], "create_contacts")[0].id
        self.company.organisation_id = self.tenant.connection.organisation_id
        self.company.save(update_fields=["contact_id", "organisation_id"])

    def create_invoices(self, deals: list[PaymentCase], paid: list[PaymentCase] | None = None) -> None:
        """PF invoices, and the money of those that were paid."""
        self.create_documents(
            deals, "invoice", [self.build_document_order(d, f"PF-{d.stem}") for d in deals], "create_invoices"
        )
        paid = deals if paid is None else paid
        self.create_documents(paid, "payment", [self.build_payment_order(deal) for deal in paid], "create_payments")

    def send_orders(self, orders: Sequence[Any], verb: str) -> list[WriteResult]:
        """What the books say of these, none of which they refuse."""
        found: list[WriteResult] = []
        for begin in range(0, len(orders), self.ledger.batch_size):
            reset_rate_limits(self.tenant)
            found += getattr(self.ledger, verb)(orders[begin : begin + self.ledger.batch_size], key=new_reference())
        assert all(result.id for result in found), [result for result in found if not result.id]
        return found

    def create_documents(self, deals: list[PaymentCase], name: str, orders: Sequence[Any], verb: str) -> None:
        """Make them, and let each deal know its document."""
        for deal, result in zip(deals, self.send_orders(orders, verb), strict=True):
            deal.ids[name] = result.id

    def build_document_order(self, deal: PaymentCase, number: str, amount: int = 0) -> DocumentOrder:
        """The PF invoice, or the credit note."""
        return DocumentOrder(
            number,
            self.company.contact_id,
            deal.day,
            "PF Stage",
            "Prepayment",
            Money(amount or deal.amount, "AUD"),
            self.chosen.prepayments_account,
            self.chosen.tax_code,
            item=self.chosen.item,
        )

    def build_payment_order(self, deal: PaymentCase) -> PaymentOrder:
        """The money, as somebody put it there."""
        account = self.chosen.clearing_account
        if deal.ledger_payment.get("account") == OTHER_ACCOUNT:
            assert self.other_account is not None
            account = self.other_account.code
        number = f"PF-{deal.stem}"
        amount = deal.ledger_payment.get("amount", Money(deal.amount, "AUD"))
        ids = (deal.ids["invoice"], self.company.contact_id)
        return PaymentOrder(number, number, deal.ledger_payment.get("on", deal.day), amount, account, *ids)

    def build_refund_order(self, deal: PaymentCase) -> RefundOrder:
        """Money that went back, out of the credit."""
        note = (f"PF_CR-{deal.stem}", deal.ids["credit_note"])
        amount, contact = Money(deal.refunded, "AUD"), self.company.contact_id
        return RefundOrder(f"PF_RF-{deal.stem}", *note, deal.day, amount, self.chosen.clearing_account, contact)

    def create_second_payments(self, deals: list[PaymentCase]) -> None:
        """The same payment once more, for another invoice of the payer."""
        if not deals:
            return
        other = self.build_document_order(deals[0], "INV-OTHER", sum(deal.amount for deal in deals))
        invoice = self.send_orders([other], "create_invoices")[0].id
        again = [replace(self.build_payment_order(d), invoice_number="INV-OTHER", invoice_id=invoice) for d in deals]
        self.send_orders(again, "create_payments")

    def delete_payments(self, deals: list[PaymentCase]) -> None:
        """A bookkeeper takes payments back, one by one."""
        for deal in deals:
            order = PaymentRemovalOrder(f"PF-{deal.stem}", deal.ids["payment"])
            assert self.ledger.remove_payments([order], key=new_reference())[0].id
