"""A merchant with ConnectWise PSA and books, closed invoices at PSA, and Sync Invoices switched on."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounting.models import LedgerAccount, LedgerItem, LedgerTaxCode
from psa.agreements.models import PsaCompanyLink
from psa.invoice_sync.models import InvoiceSync, InvoiceSyncRow
from psa.invoice_sync.services import compute_fingerprint
from tests.accounting.invoices.scenario import PAYER, InvoiceScenario
from tests.psa.scene import PsaScene
from tests.scenarios.base import list_ledger_rows
from tests.tenants import Tenant, deliver_outbox

HARBOUR: dict[str, Any] = {"id": 19, "identifier": "HarbourDental", "name": "Harbour Dental Pty Ltd"}
AUD = {"id": 1, "currencyCode": "AUD", "name": "Australian Dollar"}
CLOSED = {"id": 2, "name": "Closed"}
TAXED = ("GST on Income", "GST")  # in Xero, in QuickBooks
FREE = ("GST Free Income", "GST free")
numbers = itertools.count(9001)


@dataclass
class SyncScene:
    """Harbour Dental is company 19 of PSA and a contact of the books."""

    tenant: Tenant
    psa: PsaScene
    name: str = HARBOUR["name"]
    email: str = PAYER
    billing: InvoiceScenario = field(init=False)

    def __post_init__(self) -> None:
        self.billing = InvoiceScenario(self.tenant, name=self.name, email=self.email)

    @property
    def is_quickbooks(self) -> bool:
        """Which package it is."""
        return bool(self.tenant.connection.provider == "quickbooks")

    def link(self) -> None:
        """A person has said which payer company it is."""
        PsaCompanyLink.objects.update_or_create(
            merchant=self.tenant.merchant,
            organisation_id=self.psa.connection.organisation_id,
            psa_company_id=19,
            defaults={"company": self.billing.company, "name": HARBOUR["name"]},
        )

    def enable(self) -> None:
        """Switch it on, with the account or the item that lines are booked to."""
        if self.is_quickbooks:
            form = {"item": LedgerItem.objects.get(merchant=self.tenant.merchant, name="Services").code}
        else:
            form = {"account": LedgerAccount.objects.get(merchant=self.tenant.merchant, name="Sales").code}
        path = self.tenant.url("psa/invoice-sync/settings")
        assert self.tenant.admin.post(path, form | {"is_enabled": "on"}).status_code == 302

    def choose_taxes(self) -> None:
        """Fill the table: code 4 is GST with tax and without."""
        codes = LedgerTaxCode.objects.filter(merchant=self.tenant.merchant)
        taxed, free = codes.get(name__in=TAXED, rate__gt=0).code, codes.get(name__in=FREE).code
        path = self.tenant.url("psa/invoice-sync/taxes")
        assert self.tenant.admin.post(path, {"tax_4_1": taxed, "tax_4_0": free, "tax_0_0": free}).status_code == 302

    def insert(self, **fields: Any) -> str:
        """A closed invoice at PSA of 100.00 and 10 % GST; answers its number."""
        number = fields.pop("invoiceNumber", f"INV{next(numbers)}")
        row = {
            "invoiceNumber": number,
            "type": "Standard",
            "status": CLOSED,
            "company": HARBOUR,
            "currency": AUD,
            "subtotal": 100.0,
            "salesTax": 10.0,
            "total": 110.0,
            "serviceTotal": 60.0,
            "productTotal": 40.0,
            "expenseTotal": 0.0,
            "credits": 0.0,
            "date": f"{timezone.now() - timedelta(days=3):%Y-%m-%d}T00:00:00Z",
            "dueDate": f"{timezone.now() + timedelta(days=11):%Y-%m-%d}T00:00:00Z",
            "customerPO": "PO-77",
            "taxCode": {"id": 4, "name": "AU GST"},
        }
        self.psa.control(insert={"table": "invoices", "rows": [row | fields]})
        return str(number)

    def change(self, number: str, **fields: Any) -> None:
        """Change an invoice at PSA."""
        [row] = [one for one in self.psa.control()["invoices"] if one["invoiceNumber"] == number]
        self.psa.control(change={"table": "invoices", "id": row["id"], "fields": fields})

    def start(self) -> InvoiceSync:
        """Press Preview, and have it read."""
        since = f"{timezone.now() - timedelta(days=20):%Y-%m-%d}"
        answer = self.tenant.admin.post(self.tenant.url("psa/invoice-sync/"), {"since": since})
        assert answer.status_code == 302, answer.text[-2000:]
        deliver_outbox()
        return self.sync

    def prepare(self) -> InvoiceSync:
        """Everything that a preview needs, after which it shows what would be made."""
        self.enable()
        self.link()
        sync = self.start()
        self.choose_taxes()
        self.decide("refresh")
        return sync

    def decide(self, act: str, **form: str) -> Any:
        """Press a button of the run."""
        sync = self.sync
        path = self.tenant.url(f"psa/invoice-sync/{sync.reference}/decisions")
        return self.tenant.admin.post(path, {"act": act, "seen": compute_fingerprint(sync), **form})

    @property
    def sync(self) -> InvoiceSync:
        """The newest run, read afresh."""
        return InvoiceSync.objects.select_related("merchant").latest("pk")

    def row(self, number: str) -> InvoiceSyncRow:
        """An invoice's row in the newest run."""
        return InvoiceSyncRow.objects.get(sync=self.sync, number=number)

    def run(self) -> None:
        """Confirm, and let workers do what is due in the next minutes."""
        assert self.decide("confirm").status_code == 302
        self.deliver()

    def deliver(self) -> None:
        """Let workers do what is due now and in the next minutes."""
        for after in (0, 30, 200, 400, 700):
            deliver_outbox(at=timezone.now() + timedelta(seconds=after))

    def list_in_books(self, number: str) -> list[dict[str, Any]]:
        """The invoices of the books with this number that stand, in Xero's form."""
        rows = list_ledger_rows(self.tenant, "Invoices", where=f'InvoiceNumber=="{number}"')
        return [row for row in rows if row["Status"] not in ("VOIDED", "DELETED")]
