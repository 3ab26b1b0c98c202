"""Scenarios of ConnectWise PSA: a paid quote's payment is written on its invoice, and taken back."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.test import Client

from psa.callbacks import build_callback_url, get_or_create_secret
from psa.connectwise.signatures import compute_signature
from psa.models import PsaConnection, PsaPayment
from psa.polling import poll_every_connection
from tests.accounting.posting.debits import CARD, AttemptScenario
from tests.psa.scene import PsaScene, connect
from tests.psa.test_callbacks import build_message
from tests.scenarios.quotes import QuoteScenario
from tests.tenants import merge_body
from wisepay.models import OutboxMessage


class PsaPaymentScenario(QuoteScenario):
    """A quote is paid by card; its money is written on the down-payment invoice that PSA has."""

    interrupt_from: ClassVar[str] = "write"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (poll_every_connection,)
    has_invoice: ClassVar[bool] = True

    def set_up(self) -> None:
        super().set_up()
        if PsaConnection.objects.filter(merchant=self.tenant.merchant, state="connected").exists():
            self.scene = PsaScene(self.tenant, PsaConnection.objects.get(merchant=self.tenant.merchant))
        else:
            self.scene = connect(self.tenant)
        # The workers of the scenario before looked from far in the future.
        PsaConnection.objects.update(polled_at=None)
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
