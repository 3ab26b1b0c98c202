"""Scenario of Sync Invoices: closed invoices of PSA are previewed, confirmed, and made in the books."""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from django.utils import timezone

from psa.invoice_sync.models import InvoiceSync, InvoiceSyncRow
from psa.invoice_sync.services import compute_fingerprint
from tests.psa.sync_scene import SyncScene
from tests.scenarios.agreements import connect_once
from tests.scenarios.base import Scenario


class InvoiceSyncScenario(Scenario):
    """Two invoices; an admin asks for a preview, and confirms it."""

    interrupt_from: ClassVar[str] = "start"

    def set_up(self) -> None:
        name, email = f"Harbour Dental {self.number}", f"payer{self.number}@example.com"
        self.scene = SyncScene(self.tenant, connect_once(self), name=name, email=email)
        self.scene.link()
        self.scene.enable()
        InvoiceSync.objects.filter(state__in=["reading", "ready"]).update(state="cancelled")
        self.made = [self.scene.insert(invoiceNumber=f"S{self.number}-{n}") for n in (1, 2)]
        if not InvoiceSync.objects.filter(merchant=self.tenant.merchant).exists():
            self.scene.start()
            self.scene.choose_taxes()
            self.scene.decide("drop")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.start, self.run_worker, self.confirm, self.run_worker]

    def start(self) -> None:
        """An admin presses Preview."""
        since = f"{timezone.now() - timedelta(days=20):%Y-%m-%d}"
        with self.stopper.process():
            self.tenant.admin.post(self.tenant.url("psa/invoice-sync/"), {"since": since})

    def confirm(self) -> None:
        """An admin confirms what waits, or has what failed go on."""
        for sync in InvoiceSync.objects.filter(state__in=["ready", "failed"]):
            path = self.tenant.url(f"psa/invoice-sync/{sync.reference}/decisions")
            with self.stopper.process():
                self.tenant.admin.post(path, {"act": "confirm", "seen": compute_fingerprint(sync)})

    def act_after_stop(self) -> None:
        """The admin presses the buttons again, until everything is done."""
        if not InvoiceSync.objects.filter(state__in=["ready", "running"]).exists():
            self.start()
            self.run_worker(after=410)
        self.confirm()

    def verify(self) -> None:
        """Each stands in the books once, whichever run made it."""
        super().verify()
        for number in self.made:
            [made] = self.scene.list_in_books(number)
            assert float(made["Total"]) == 110
            assert InvoiceSyncRow.objects.filter(number=number, state="posted").count() <= 1
        assert not InvoiceSync.objects.filter(state__in=["reading", "running", "failed"]).exists()
