"""The practice books, filled through the ledger's own door, with the mistakes that a bookkeeper would make."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.utils import timezone

from accounting.ledgers import open_ledger
from accounting.ledgers.words import (
    ContactOrder,
    DocumentOrder,
    Ledger,
    PaymentOrder,
    RefundOrder,
    RemovalOrder,
    Written,
)
from accounting.models import AccountingSettings, LedgerAccount
from connections import governor
from tests.accounting.reconciliation.deals import ELSEWHERE, Deal
from tests.people import House
from wisepay.money import Money
from wisepay.references import new_reference


def in_no_time(house: House) -> None:
    """A month's calls in a second: neither side counts those that were made before."""
    governor.keyspace = new_reference()
    house.world.config(
        xero_limits={"minute": 10_000}, intuit_limits={"second": 10_000, "minute": 10_000, "batch": 10_000}
    )


class Shelf:
    """Puts the documents of deals into the practice books, and keeps the ids that these give."""

    def __init__(self, house: House, deals: Sequence[Deal]) -> None:
        self.house = house
        self.deals = [deal for deal in deals if deal.state == "succeeded"]
        self.company = house.company()
        self.chosen = AccountingSettings.objects.get(merchant=house.merchant)
        self.ledger: Ledger = open_ledger(house.connection, lane="interactive", now=timezone.now())
        others = LedgerAccount.objects.filter(merchant=house.merchant, takes_payments=True)
        self.elsewhere = others.exclude(code=self.chosen.clearing_account).order_by("code").first()

    def fill(self) -> None:
        """Everything, in as few calls as it takes."""
        self.be_known()
        notes = [self.document(deal, f"PF_CR-{deal.stem}") for deal in self.deals]
        self.keep(self.deals, "credit_note", notes, "create_credit_notes")
        paid = [deal for deal in self.deals if deal.posting == "posted" and deal.papers]
        self.pay(self.deals, paid)
        back = [deal for deal in self.deals if deal.refunded]
        self.keep(back, "refund", [self.refund(deal) for deal in back], "create_refunds")
        self.pay_twice([deal for deal in paid if deal.papers > 1])
        self.delete([deal for deal in paid if deal.paper.get("is_standing") is False])

    def be_known(self) -> None:
        """The payer is a contact."""
        whom = ContactOrder("stage", "Harbour Dental Pty Ltd", "accounts@harbourdental.example", "", "AUD")
        self.company.contact_id = self.made([whom], "create_contacts")[0].id
        self.company.organisation_id = self.house.connection.organisation_id
        self.company.save(update_fields=["contact_id", "organisation_id"])

    def pay(self, deals: list[Deal], paid: list[Deal] | None = None) -> None:
        """PF invoices, and the money of those that were paid."""
        self.keep(deals, "invoice", [self.document(d, f"PF-{d.stem}") for d in deals], "create_invoices")
        paid = deals if paid is None else paid
        self.keep(paid, "payment", [self.payment(deal) for deal in paid], "create_payments")

    def made(self, orders: Sequence[Any], verb: str) -> list[Written]:
        """What the books say of these, none of which they refuse."""
        found: list[Written] = []
        for begin in range(0, len(orders), self.ledger.batch_size):
            in_no_time(self.house)
            found += getattr(self.ledger, verb)(orders[begin : begin + self.ledger.batch_size], key=new_reference())
        assert all(said.id for said in found), [said for said in found if not said.id]
        return found

    def keep(self, deals: list[Deal], name: str, orders: Sequence[Any], verb: str) -> None:
        """Make them, and let each deal know its document."""
        for deal, said in zip(deals, self.made(orders, verb), strict=True):
            deal.ids[name] = said.id

    def document(self, deal: Deal, number: str, amount: int = 0) -> DocumentOrder:
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

    def payment(self, deal: Deal) -> PaymentOrder:
        """The money, as somebody put it there."""
        account = self.chosen.clearing_account
        if deal.paper.get("account") == ELSEWHERE:
            assert self.elsewhere is not None
            account = self.elsewhere.code
        number = f"PF-{deal.stem}"
        amount = deal.paper.get("amount", Money(deal.amount, "AUD"))
        ids = (deal.ids["invoice"], self.company.contact_id)
        return PaymentOrder(number, number, deal.paper.get("on", deal.day), amount, account, *ids)

    def refund(self, deal: Deal) -> RefundOrder:
        """Money that went back, out of the credit."""
        note = (f"PF_CR-{deal.stem}", deal.ids["credit_note"])
        amount, contact = Money(deal.refunded, "AUD"), self.company.contact_id
        return RefundOrder(f"PF_RF-{deal.stem}", *note, deal.day, amount, self.chosen.clearing_account, contact)

    def pay_twice(self, deals: list[Deal]) -> None:
        """The same payment once more, for another invoice of the payer."""
        if not deals:
            return
        other = self.document(deals[0], "INV-OTHER", sum(deal.amount for deal in deals))
        invoice = self.made([other], "create_invoices")[0].id
        again = [replace(self.payment(d), invoice_number="INV-OTHER", invoice_id=invoice) for d in deals]
        self.made(again, "create_payments")

    def delete(self, deals: list[Deal]) -> None:
        """A bookkeeper takes payments back, one by one."""
        for deal in deals:
            order = RemovalOrder(f"PF-{deal.stem}", deal.ids["payment"])
            assert self.ledger.remove_payments([order], key=new_reference())[0].id
