"""Scenarios of ConnectWise PSA: a paid quote's payment is written on its invoice, and taken back."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.test import Client

from accounting.autopay.charging import schedule_due_payments
from psa.callbacks import build_callback_url, get_or_create_secret
from psa.connectwise.signatures import compute_signature
from psa.models import PsaConnection, PsaPayment
from psa.polling import poll_every_connection
from tests.accounting.posting.debits import CARD, AttemptScenario
from tests.psa.scene import PsaScene, connect
from tests.psa.test_callbacks import build_message
from tests.scenarios.autopay import AutoPayScenario
from tests.scenarios.invoices import InvoiceDisputedScenario, InvoicePaymentScenario
from tests.scenarios.ledger import PaymentSyncScenario
from tests.scenarios.quotes import QuoteScenario
from tests.tenants import Tenant, deliver_outbox, merge_body
from wisepay.models import OutboxMessage


def get_or_connect(tenant: Tenant) -> PsaScene:
    """The scene of a merchant, whose PSA is connected the first time."""
    found = PsaConnection.objects.filter(merchant=tenant.merchant, state="connected").first()
    return PsaScene(tenant, found) if found else connect(tenant)


def forget_polls() -> None:
    """Let the next poll read everything: the workers of the scenario before looked from far in the future."""
    PsaConnection.objects.update(polled_at=None, read_until=None, invoices_read_at=None)


class PsaPaymentScenario(QuoteScenario):
    """A quote is paid by card; its money is written on the down-payment invoice that PSA has."""

    interrupt_from: ClassVar[str] = "write"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (poll_every_connection,)
    has_invoice: ClassVar[bool] = True

    def set_up(self) -> None:
        super().set_up()
        self.scene = get_or_connect(self.tenant)
        forget_polls()
        self.sold = self.scene.sell(invoice=self.has_invoice)
        own: dict[str, Any] = {"quote": {"opportunity_id": str(self.sold["opportunity"])}}
        self.body = merge_body(self.body, own)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.pay, self.write, self.send_webhooks, self.run_worker, self.return_to_quote]

    def write(self) -> None:
        """A worker does what follows."""
        self.run_worker()

    def recover(self) -> None:
        super().recover()
        for after in (8200, 8500, 9000):
            self.run_worker(after=after)

    def get_row(self) -> PsaPayment:
        """The payment at PSA."""
        return PsaPayment.objects.get(payment=self.opened_checkout.payment)

    def verify(self) -> None:
        """The payment stands on the invoice once."""
        super().verify()
        row = self.get_row()
        assert row.state == "written", (row.state, row.explanation)
        assert [p["id"] for p in self.scene.list_payments(row.get_invoice_id())] == [row.psa_payment_id]


class PsaInvoiceLateScenario(PsaPaymentScenario):
    """The invoice is made later, and PSA calls back."""

    has_invoice: ClassVar[bool] = False
    interrupt_from: ClassVar[str] = "call_back"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.pay, self.write, self.send_webhooks, self.call_back, self.write, self.return_to_quote]

    def call_back(self) -> None:
        """Somebody makes the invoice, and PSA says so."""
        order = {"order": self.sold["order"], "amount": 625.0}
        invoice = self.scene.control(down_payment=order)["down_payment"]
        body = build_message(self.scene, invoice)
        connection = PsaConnection.objects.select_related("merchant").get(pk=self.scene.connection.pk)
        path = build_callback_url(connection, get_or_create_secret(connection)).partition("8000")[2]
        signature = compute_signature("practice-signing-key", body)
        with self.stopper.process():
            Client().post(path, body, content_type="application/json", headers={"x-content-signature": signature})


class PsaPaymentRemovedScenario(PsaPaymentScenario):
    """The money goes back, and the payment is taken off the invoice."""

    interrupt_from: ClassVar[str] = "refund"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.pay, self.write, self.send_webhooks, self.refund, self.run_worker]

    def refund(self) -> None:
        """The whole amount goes back, and a worker does what follows."""
        if not self.opened_checkout.payment.refunds.exists():
            AttemptScenario(self.tenant, self.opened_checkout.attempts[-1], CARD).refund(62500)
        self.run_worker()

    def verify(self) -> None:
        """Nothing stands on the invoice."""
        row = self.get_row()
        assert row.state == "removed", (row.state, row.explanation)
        assert self.scene.list_payments(row.get_invoice_id()) == []
        assert not OutboxMessage.objects.exclude(state="done").exists()


class PsaInvoicePaymentScenario(InvoicePaymentScenario):
    """An invoice that PSA has too is paid in part by card; the payment is written on PSA's invoice."""

    interrupt_from: ClassVar[str] = "run_worker"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (poll_every_connection,)

    def set_up(self) -> None:
        super().set_up()
        self.scene = get_or_connect(self.tenant)
        forget_polls()
        self.keys = {invoice: self.scene.bill(invoice.number, float(self.bill)) for invoice in self.chosen}
        self.scene.poll()
        deliver_outbox()

    def recover(self) -> None:
        super().recover()
        for after in (8200, 8500, 9000):
            self.run_worker(after=after)

    def list_psa_payments(self) -> list[list[float]]:
        """The amounts on each invoice at PSA."""
        return [[p["amount"] for p in self.scene.list_payments(key)] for key in self.keys.values()]

    def verify(self) -> None:
        """Each part stands on its invoice once."""
        super().verify()
        rows = PsaPayment.objects.filter(payment=self.current_payment)
        assert {row.state for row in rows} == {"written"}, [(row.state, row.explanation) for row in rows]
        assert self.list_psa_payments() == [[float(part)] for part in self.chosen.values()]


class PsaBatchPaymentScenario(PsaInvoicePaymentScenario):
    """Two at once, one of them in part."""

    parts_paid: ClassVar[tuple[str, ...]] = ("500.00", "80.00")


class PsaAutoPayScenario(AutoPayScenario):
    """An invoice that PSA has too is charged automatically."""

    interrupt_from: ClassVar[str] = "run_worker"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (schedule_due_payments, poll_every_connection)

    def set_up(self) -> None:
        super().set_up()
        self.scene = get_or_connect(self.tenant)
        forget_polls()
        self.key = self.scene.bill(f"INV-{self.number}", 349)

    def recover(self) -> None:
        super().recover()
        for after in (8200, 8500, 9000):
            self.run_worker(after=after)

    def verify(self) -> None:
        """It stands on PSA's invoice once."""
        super().verify()
        assert [p["amount"] for p in self.scene.list_payments(self.key)] == [349.0]


class PsaInvoiceLateReturnScenario(InvoiceDisputedScenario):
    """A debit settles, is written, and is taken back by the payer's bank: so are the payments at PSA."""

    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (poll_every_connection,)

    def set_up(self) -> None:
        super().set_up()
        self.scene = get_or_connect(self.tenant)
        forget_polls()
        self.keys = [self.scene.bill(invoice.number, float(self.bill)) for invoice in self.chosen]
        self.scene.poll()
        deliver_outbox()

    def recover(self) -> None:
        super().recover()
        for after in (22200, 22500, 23000):
            self.run_worker(after=after)

    def verify(self) -> None:
        """Nothing stands there any more."""
        super().verify()
        rows = PsaPayment.objects.filter(payment=self.current_payment)
        assert {row.state for row in rows} <= {"removed", "cancelled"}, [(row.state, row.explanation) for row in rows]
        assert [self.scene.list_payments(key) for key in self.keys] == [[], []]


class PsaPaymentSyncScenario(PaymentSyncScenario):
    """An invoice is paid in the books, and Payment Sync writes that on PSA's invoice."""

    interrupt_from: ClassVar[str] = "run_worker"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (poll_every_connection,)

    def set_up(self) -> None:
        super().set_up()
        self.scene = get_or_connect(self.tenant)
        forget_polls()
        PsaConnection.objects.update(syncs_payments=True)
        self.key = self.scene.bill(self.invoice.number, 500)
        self.scene.poll()
        deliver_outbox()

    def recover(self) -> None:
        super().recover()
        for after in (8200, 8500, 9000):
            self.run_worker(after=after)

    def verify(self) -> None:
        """It stands there once."""
        super().verify()
        assert [p["amount"] for p in self.scene.list_payments(self.key)] == [500.0]
        [row] = PsaPayment.objects.filter(ledger_invoice=self.invoice)
        assert row.state == "written", row.explanation
