"""Journeys of invoices: some of the books are chosen and paid, and the money is posted to each, or taken back."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils import timezone

from accounting.models import LedgerInvoice, Posting, Share
from payments.models import Payment
from payments.refunds import order_refund, run_refund
from tests.accounting.invoices import Billing
from tests.journeys import Journey


class InvoiceJourney(Journey):
    """A payer pays a part of an invoice by card."""

    stops_from: ClassVar[str] = "choose"
    parts_paid: ClassVar[tuple[str, ...]] = ("320.00",)
    bill: ClassVar[str] = "500.00"

    def set_up(self) -> None:
        name, email = f"Harbour Dental {self.number}", f"payer{self.number}@example.com"
        self.billing = Billing(self.house, name=name, email=email)
        numbers = [f"INV-{self.number}-{place}" for place, _ in enumerate(self.parts_paid)]
        invoices = [self.billing.bill(self.bill, number=number) for number in numbers]
        self.chosen = dict(zip(invoices, self.parts_paid, strict=True))
        self.payment: Payment | None = None

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.choose, self.press_pay, self.hear, self.work]

    def choose(self) -> None:
        """The payer presses Continue on Pay Invoice, or on Batch Pay Now."""
        [first, *others] = self.chosen
        with self.stopper.process():
            if others:
                self.payment = self.billing.payment_behind(self.billing.batch(self.chosen)["Location"])
            else:
                self.payment = self.billing.chosen(first, self.chosen[first])

    @property
    def paid(self) -> Payment:
        """The payment, read afresh."""
        assert self.payment is not None
        return Payment.objects.get(pk=self.payment.pk)

    def press_pay(self) -> None:
        """The payer presses Pay."""
        form = self.billing.order(self.paid) | {"confirmation_token": self.house.confirmation_token(self.card)}
        with self.stopper.process():
            self.billing.send(self.paid, form)

    def recover(self) -> None:
        if self.payment is None:
            self.choose()
        super().recover()

    def go_on(self) -> None:
        if self.paid.state == "open" and not self.paid.attempts.exclude(state__in=["failed", "cancelled"]).exists():
            self.press_pay()

    def posted(self, invoice: LedgerInvoice) -> list[tuple[str, str, str]]:
        """What has to stand in the books against one of the invoices."""
        [share] = Share.objects.filter(payment=self.paid, invoice=invoice)
        place = list(Share.objects.filter(payment=self.paid).order_by("pk")).index(share) + 1
        return [(f"PF-{self.paid.reference[:12].upper()}/{place}", self.chosen[invoice], "AUTHORISED")]

    def standing_payments(self, invoice: LedgerInvoice) -> list[tuple[str, str, str]]:
        """What does stand there."""
        return [row for row in self.billing.booked(invoice) if row[2] != "DELETED"]

    def verify(self) -> None:
        super().verify()
        assert sum(i["amount_received"] for i in self.taken()) == sum(map(cents, self.parts_paid))
        assert self.paid.state == "succeeded"
        for invoice, part in self.chosen.items():
            assert self.billing.booked(invoice) == self.posted(invoice)
            assert self.billing.standing(invoice) == left_of(self.bill, part)
        assert set(Posting.objects.filter(payment=self.paid).values_list("state", flat=True)) == {"posted"}
        assert Payment.objects.filter(company=self.billing.company).count() == 1


def cents(amount: str) -> int:
    """Minor units of an amount with two decimals."""
    return int(amount.replace(".", ""))


def left_of(bill: str, part: str) -> tuple[str, str]:
    """(status, what is due) of an invoice of which a part was paid."""
    due = cents(bill) - cents(part)
    return ("AUTHORISED" if due else "PAID"), f"{due // 100}.{due % 100:02}"


class BatchJourney(InvoiceJourney):
    """Three at once, one of them in part: one charge, three payments in the books."""

    stops_from: ClassVar[str] = "hear"
    parts_paid: ClassVar[tuple[str, ...]] = ("500.00", "80.00", "500.00")


class InvoiceDebitJourney(InvoiceJourney):
    """By bank debit: nothing is in the books until it settles."""

    stops_from: ClassVar[str] = "work"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.settle, self.hear, self.work]

    def press_pay(self) -> None:
        with self.stopper.process():
            self.billing.pay_by_bank(self.paid)

    def go_on(self) -> None:
        if not self.taken():
            super().go_on()
        self.hear()
        self.work(after=450)
        self.settle()

    def verify_untouched(self) -> None:
        """The invoices are owed in full, and can be paid again."""
        Journey.verify(self)
        for invoice in self.chosen:
            assert self.standing_payments(invoice) == []
            assert self.billing.standing(invoice) == ("AUTHORISED", self.bill)
            assert self.billing.choose(invoice).status_code == 302


class InvoiceReturnedJourney(InvoiceDebitJourney):
    """The debit comes back, and the invoice is owed as it was."""

    stops_from: ClassVar[str] = "settle"

    def settle(self, outcome: str = "bounce", **said: Any) -> None:
        super().settle("bounce", code="insufficient_funds")

    def verify(self) -> None:
        assert [i["amount_received"] for i in self.taken()] == [0]
        assert (self.paid.state, {a.state for a in self.paid.attempts.all()}) == ("open", {"failed"})
        assert not Posting.objects.filter(payment=self.paid).exists()
        self.verify_untouched()


class InvoiceReversedJourney(InvoiceDebitJourney):
    """It settles and is disputed: what was put to the invoices is taken off again."""

    stops_from: ClassVar[str] = "dispute"
    parts_paid: ClassVar[tuple[str, ...]] = ("500.00", "80.00")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.dispute, self.hear, self.work]

    def dispute(self) -> None:
        """The payer's bank takes it back. Nothing of ours runs."""
        disputed = {c["payment_intent"] for c in self.house.charges() if c["disputed"]}
        for intent in self.taken():
            if intent["status"] == "succeeded" and intent["id"] not in disputed:
                self.house.by_hand("dispute", intent["id"])

    def recover(self) -> None:
        super().recover()
        self.dispute()
        self.hear()
        for after in (13000, 17000, 22000):
            self.work(after=after)

    def verify(self) -> None:
        assert self.paid.state == "reversed"
        self.read_books()
        self.verify_untouched()


class InvoiceRefundJourney(InvoiceJourney):
    """A part of it is given back: what stands in the books becomes smaller by it."""

    stops_from: ClassVar[str] = "give_back"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.choose, self.press_pay, self.work, self.give_back, self.hear, self.work]

    def give_back(self) -> None:
        """The merchant's admin presses Refund."""
        now = timezone.now()
        with self.stopper.process():
            refund = order_refund(self.paid, amount=12000, reason="", by=self.house.user, now=now)
            run_refund(refund, now=now)

    def recover(self) -> None:
        super().recover()
        if not self.paid.refunds.exclude(state="failed").exists():
            self.give_back()
        self.hear()
        for after in (13000, 17000, 22000):
            self.work(after=after)

    def verify(self) -> None:
        Journey.verify(self)
        assert (self.paid.state, self.paid.refunded_amount) == ("succeeded", 12000)
        [invoice] = self.chosen
        assert [row[1:] for row in self.standing_payments(invoice)] == [("200.00", "AUTHORISED")]
        assert self.billing.standing(invoice) == ("AUTHORISED", "300.00")
