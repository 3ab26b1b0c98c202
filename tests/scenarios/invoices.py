"""Scenarios of invoices: some are chosen and paid, and the payment is posted to each, or reversed."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils import timezone

from accounting.models import LedgerInvoice, PaymentAllocation, Posting
from payments.models import Payment
from payments.refunds import send_refund, start_refund
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.accounting.paynow_links.steps import Guest, age_reading, get_event_path
from tests.scenarios.base import Scenario


class InvoicePaymentScenario(Scenario):
    """A payer pays a part of an invoice by card."""

    interrupt_from: ClassVar[str] = "choose_invoices"
    parts_paid: ClassVar[tuple[str, ...]] = ("320.00",)
    bill: ClassVar[str] = "500.00"

    def set_up(self) -> None:
        name, email = f"Harbour Dental {self.number}", f"payer{self.number}@example.com"
        self.billing = InvoiceScenario(self.tenant, name=name, email=email)
        numbers = [f"INV-{self.number}-{place}" for place, _ in enumerate(self.parts_paid)]
        invoices = [self.billing.create_invoice(self.bill, number=number) for number in numbers]
        self.chosen = dict(zip(invoices, self.parts_paid, strict=True))
        self.payment: Payment | None = None

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.choose_invoices, self.press_pay, self.send_webhooks, self.run_worker]

    def choose_invoices(self) -> None:
        """The payer presses Continue on Pay Invoice, or on Batch Pay Now."""
        [first, *others] = self.chosen
        with self.stopper.process():
            if others:
                self.payment = self.billing.get_payment_by_path(self.billing.submit_batch(self.chosen)["Location"])
            else:
                self.payment = self.billing.create_payment(first, self.chosen[first])

    @property
    def current_payment(self) -> Payment:
        """The payment, read afresh."""
        assert self.payment is not None
        return Payment.objects.get(pk=self.payment.pk)

    def press_pay(self) -> None:
        """The payer presses Pay."""
        form = self.billing.build_pay_form(self.current_payment) | {
            "confirmation_token": self.tenant.confirmation_token(self.card)
        }
        with self.stopper.process():
            self.billing.send(self.current_payment, form)

    def recover(self) -> None:
        if self.payment is None:
            self.choose_invoices()
        super().recover()

    def act_after_stop(self) -> None:
        if (
            self.current_payment.state == "open"
            and not self.current_payment.attempts.exclude(state__in=["failed", "cancelled"]).exists()
        ):
            self.press_pay()

    def list_expected_payments(self, invoice: LedgerInvoice) -> list[tuple[str, str, str]]:
        """The payments that the ledger must have of one of the invoices."""
        [allocation] = PaymentAllocation.objects.filter(payment=self.current_payment, invoice=invoice)
        place = (
            list(PaymentAllocation.objects.filter(payment=self.current_payment).order_by("pk")).index(allocation) + 1
        )
        return [(f"PF-{self.current_payment.reference[:12].upper()}/{place}", self.chosen[invoice], "AUTHORISED")]

    def list_ledger_payments(self, invoice: LedgerInvoice) -> list[tuple[str, str, str]]:
        """The payments that the ledger has."""
        return [row for row in self.billing.list_ledger_payments(invoice) if row[2] != "DELETED"]

    def verify(self) -> None:
        super().verify()
        assert sum(i["amount_received"] for i in self.list_new_intents()) == sum(map(parse_cents, self.parts_paid))
        assert self.current_payment.state == "succeeded"
        for invoice, part in self.chosen.items():
            assert self.billing.list_ledger_payments(invoice) == self.list_expected_payments(invoice)
            assert self.billing.get_ledger_status(invoice) == get_remaining_balance(self.bill, part)
        assert set(Posting.objects.filter(payment=self.current_payment).values_list("state", flat=True)) == {"posted"}
        assert Payment.objects.filter(company=self.billing.company).count() == 1


def parse_cents(amount: str) -> int:
    """Minor units of an amount with two decimals."""
    return int(amount.replace(".", ""))


def get_remaining_balance(bill: str, part: str) -> tuple[str, str]:
    """(status, amount due) of an invoice of which a part was paid."""
    due = parse_cents(bill) - parse_cents(part)
    return ("AUTHORISED" if due else "PAID"), f"{due // 100}.{due % 100:02}"


class InvoiceLinkScenario(InvoicePaymentScenario):
    """A client follows the personal link of a mail and pays as a guest; the books are read before each step."""

    interrupt_until: ClassVar[str] = "send_webhooks"

    def set_up(self) -> None:
        super().set_up()
        [(self.invoice, self.part)] = self.chosen.items()
        self.guest, self.path = Guest(self.billing), get_event_path(self.invoice)

    def choose_invoices(self) -> None:
        """The client presses Continue as guest."""
        age_reading(self.invoice)
        with self.stopper.process():
            self.payment = self.guest.start(self.path, self.part, shown=parse_cents(self.bill))

    def press_pay(self) -> None:
        form = self.billing.build_pay_form(self.current_payment) | {
            "confirmation_token": self.tenant.confirmation_token(self.card)
        }
        age_reading(self.invoice)
        with self.stopper.process():
            self.billing.send(self.current_payment, form, client=self.guest.client)


class BatchPaymentScenario(InvoicePaymentScenario):
    """Three at once, one of them in part: one charge, three payments in the ledger."""

    interrupt_from: ClassVar[str] = "send_webhooks"
    parts_paid: ClassVar[tuple[str, ...]] = ("500.00", "80.00", "500.00")


class InvoiceDebitScenario(InvoicePaymentScenario):
    """By bank debit: nothing is in the ledger until it settles."""

    interrupt_from: ClassVar[str] = "run_worker"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.settle, self.send_webhooks, self.run_worker]

    def press_pay(self) -> None:
        with self.stopper.process():
            self.billing.pay_by_bank(self.current_payment)

    def act_after_stop(self) -> None:
        if not self.list_new_intents():
            super().act_after_stop()
        self.send_webhooks()
        self.run_worker(after=450)
        self.settle()

    def verify_untouched(self) -> None:
        """The invoices are owed in full, and can be paid again."""
        Scenario.verify(self)
        for invoice in self.chosen:
            assert self.list_ledger_payments(invoice) == []
            assert self.billing.get_ledger_status(invoice) == ("AUTHORISED", self.bill)
            assert self.billing.submit_pay_invoice(invoice).status_code == 302


class InvoiceDebitReturnedScenario(InvoiceDebitScenario):
    """The debit is returned, and the invoice is owed as it was."""

    interrupt_from: ClassVar[str] = "settle"

    def settle(self, outcome: str = "bounce", **details: Any) -> None:
        super().settle("bounce", code="insufficient_funds")

    def verify(self) -> None:
        assert [i["amount_received"] for i in self.list_new_intents()] == [0]
        assert (self.current_payment.state, {a.state for a in self.current_payment.attempts.all()}) == (
            "open",
            {"failed"},
        )
        assert not Posting.objects.filter(payment=self.current_payment).exists()
        self.verify_untouched()


class InvoiceDisputedScenario(InvoiceDebitScenario):
    """It settles and is disputed: the payments of the invoices are removed again."""

    interrupt_from: ClassVar[str] = "dispute"
    parts_paid: ClassVar[tuple[str, ...]] = ("500.00", "80.00")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.dispute, self.send_webhooks, self.run_worker]

    def dispute(self) -> None:
        """The payer's bank takes it back. Nothing of ours runs."""
        disputed = {c["payment_intent"] for c in self.tenant.charges() if c["disputed"]}
        for intent in self.list_new_intents():
            if intent["status"] == "succeeded" and intent["id"] not in disputed:
                self.tenant.act_at_stripe("dispute", intent["id"])

    def recover(self) -> None:
        super().recover()
        self.dispute()
        self.send_webhooks()
        for after in (13000, 17000, 22000):
            self.run_worker(after=after)

    def verify(self) -> None:
        assert self.current_payment.state == "reversed"
        self.sync_mirror()
        self.verify_untouched()


class InvoiceRefundScenario(InvoicePaymentScenario):
    """A part of it is refunded: the payment in the ledger becomes smaller by it."""

    interrupt_from: ClassVar[str] = "refund"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.choose_invoices, self.press_pay, self.run_worker, self.refund, self.send_webhooks, self.run_worker]

    def refund(self) -> None:
        """The merchant's admin presses Refund."""
        now = timezone.now()
        with self.stopper.process():
            refund = start_refund(self.current_payment, amount=12000, reason="", by=self.tenant.user, now=now)
            send_refund(refund, now=now)

    def recover(self) -> None:
        super().recover()
        if not self.current_payment.refunds.exclude(state="failed").exists():
            self.refund()
        self.send_webhooks()
        for after in (13000, 17000, 22000):
            self.run_worker(after=after)

    def verify(self) -> None:
        Scenario.verify(self)
        assert (self.current_payment.state, self.current_payment.refunded_amount) == ("succeeded", 12000)
        [invoice] = self.chosen
        assert [row[1:] for row in self.list_ledger_payments(invoice)] == [("200.00", "AUTHORISED")]
        assert self.billing.get_ledger_status(invoice) == ("AUTHORISED", "300.00")
