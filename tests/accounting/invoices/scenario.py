"""The scenario of the tests about invoices: a bookkeeper who bills, the mirror, and a payer who pays."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.mirror.reader import schedule_full_sync
from accounting.mirror.services import sync_mirror
from accounting.models import LedgerInvoice, PaymentAllocation, Posting
from payers.companies import Contact, map_company
from payers.models import PayerAccess, PayerCompany
from payments.models import Attempt, Payment
from tests.accounting.mirror.ledger_actions import act_in_ledger
from tests.payments.consent_form import get_consent_fields
from tests.payments.signed_in_payer import create_bank_token
from tests.scenarios.base import list_ledger_rows
from tests.tenants import Tenant, rate_limiter_clock_at

numbers = itertools.count(7000)
only_xero = pytest.mark.parametrize("any_tenant", ["xero"], indirect=True)
PAYER = "accounts@harbourdental.example"


@dataclass
class InvoiceScenario:
    """Harbour Dental, which is a contact of the ledger, its bookkeeper, and a payer who sees the whole company."""

    tenant: Tenant
    name: str = "Harbour Dental Pty Ltd"
    email: str = PAYER
    slug: str = "au"
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.act_in_ledger("make_contact", name=self.name)
        [contact] = list_ledger_rows(self.tenant, "Contacts", where=f'Name=="{self.name}"')
        company = self.tenant.company(self.name)
        map_company(company, contact=Contact(self.tenant.connection.organisation_id, contact["ContactID"]))
        self.access = self.tenant.access(self.email, company=self.name)
        self.client.force_login(self.access.user)

    @property
    def company(self) -> PayerCompany:
        """The payer's company, read afresh."""
        return PayerCompany.objects.select_related("merchant").get(pk=self.access.company_id)

    def act_in_ledger(self, act: str, **parameters: Any) -> None:
        """Do something as the bookkeeper in the practice ledger."""
        act_in_ledger(self.tenant, act, organisation=self.slug, **parameters)

    def create_invoice(
        self, amount: str = "500.00", *, number: str = "", due_in: int = 14, **more: Any
    ) -> LedgerInvoice:
        """Create an invoice in the ledger and let the mirror read it."""
        number = self.make_invoice(amount, number=number, due_in=due_in, **more)
        self.sync_mirror()
        return self.get_invoice(number)

    def create_invoices(self, count: int, amount: str = "500.00") -> list[LedgerInvoice]:
        """Create several that the mirror reads at once, with the calls of one sync."""
        made = [self.make_invoice(amount) for _ in range(count)]
        self.sync_mirror()
        return [self.get_invoice(number) for number in made]

    def make_invoice(self, amount: str, *, number: str = "", due_in: int = 14, **more: Any) -> str:
        """Create an invoice in the ledger, and return its number."""
        number = number or f"INV-{next(numbers)}"
        due = (timezone.now() + timedelta(days=due_in)).date().isoformat()
        self.act_in_ledger("make_invoice", contact=self.name, amount=amount, number=number, due_date=due, **more)
        return number

    def sync_mirror(self, at: datetime | None = None) -> None:
        """Let the mirror read everything anew, now or `at` an instant."""
        now = at or timezone.now()
        with rate_limiter_clock_at(at):
            schedule_full_sync(self.tenant.merchant, self.tenant.connection.organisation_id, now=now)
            sync_mirror(self.tenant.merchant, now=now)

    def get_invoice(self, number: str) -> LedgerInvoice:
        """The mirror's row, read afresh."""
        rows = LedgerInvoice.objects.select_related("company__merchant", "merchant")
        return rows.get(merchant=self.tenant.merchant, number=number)

    def submit_pay_invoice(self, invoice: LedgerInvoice, amount: str = "", **more: str) -> Any:
        """Press Continue on Pay Invoice."""
        form = {"amount": amount or str(invoice.due_money.plain), **more}
        return self.client.post(f"/my/invoices/{invoice.reference}", form)

    def create_payment(self, invoice: LedgerInvoice, amount: str = "", **more: str) -> Payment:
        """The payment that Pay Invoice leads to."""
        answer = self.submit_pay_invoice(invoice, amount, **more)
        assert answer.status_code == 302, answer.content.decode()[-3000:]
        return self.get_payment_by_path(answer["Location"])

    def get_payment_by_path(self, path: str) -> Payment:
        """The payment of a Pay Now page."""
        return Payment.objects.select_related("merchant", "company").get(reference=path.split("/")[2])

    def submit_batch(self, parts: dict[LedgerInvoice, str], **more: str) -> Any:
        """Press Continue on Batch Pay Now with these invoices ticked."""
        form = {f"pick-{i.reference}": "on" for i in parts}
        form |= {f"amount-{i.reference}": amount for i, amount in parts.items()}
        first = next(iter(parts))
        path = f"/my/invoices/batch?company={self.company.reference}&currency={first.currency}"
        return self.client.post(path, form | more)

    def pay(self, payment: Payment, card: str = "4242424242424242", *, client: Client | None = None) -> dict[str, Any]:
        """Press Pay with a new card; what the page's script is answered."""
        form = self.build_pay_form(payment) | {"confirmation_token": self.tenant.confirmation_token(card)}
        return self.send(payment, form, client=client)

    def pay_by_bank(self, payment: Payment) -> dict[str, Any]:
        """Press Pay with a new bank account."""
        form = self.build_pay_form(payment) | {
            "method": "bank_debit",
            "confirmation_token": create_bank_token(self.tenant, payment.currency.lower()),
            **get_consent_fields(payment, method="bank_debit"),
        }
        return self.send(payment, form)

    def build_pay_form(self, payment: Payment) -> dict[str, Any]:
        """The form that every payer sends."""
        who = {"name": "Ada Payer", "email": self.email, "phone": "", "amount": payment.amount}
        return who | get_consent_fields(payment)

    def send(self, payment: Payment, form: dict[str, Any], *, client: Client | None = None) -> dict[str, Any]:
        """Post the pay form."""
        answer = (client or self.client).post(f"/pay/{payment.reference}/attempts", form)
        found: dict[str, Any] = json.loads(answer.content)
        return found

    def get_latest_attempt(self, payment: Payment) -> Attempt:
        """The newest attempt of a payment."""
        rows = Attempt.objects.select_related("payment__merchant", "payment__company", "account", "saved_method")
        return rows.filter(payment=payment).latest("pk")

    def get_ledger_status(self, invoice: LedgerInvoice) -> tuple[str, str]:
        """(status, what is due) of the invoice in the ledger."""
        [row] = list_ledger_rows(self.tenant, "Invoices", where=f'InvoiceNumber=="{invoice.number}"')
        return str(row["Status"]), f"{row['AmountDue']:.2f}"

    def list_ledger_payments(self, invoice: LedgerInvoice) -> list[tuple[str, str, str]]:
        """(reference, amount, status) of every payment of an invoice in the ledger, the first one first."""
        rows = list_ledger_rows(self.tenant, "Payments", where=f'Invoice.InvoiceNumber=="{invoice.number}"')
        return [(str(r.get("Reference") or ""), f"{r['Amount']:.2f}", str(r["Status"])) for r in rows]

    def list_postings(self, payment: Payment) -> list[tuple[str, str, int | None]]:
        """(kind, state, amount) of a payment's postings in order."""
        rows = Posting.objects.filter(payment=payment).order_by("pk")
        return list(rows.values_list("kind", "state", "amount"))

    def list_allocations(self, payment: Payment) -> list[PaymentAllocation]:
        """The payment's allocations."""
        return list(
            PaymentAllocation.objects.filter(payment=payment).select_related("invoice", "payment").order_by("pk")
        )

    def get_outstanding_widget(self) -> str:
        """The Outstanding Payments widget."""
        return str(self.client.get("/my/outstanding", headers={"HX-Request": "true"}).content.decode())

    def create_other_payer(self, email: str = "bo@harbourdental.example", *, scope: str = "company") -> Client:
        """Somebody else of the same company."""
        access: PayerAccess = self.tenant.access(email, company=self.name, scope=scope)
        client = Client()
        client.force_login(access.user)
        return client


def get_future_time(**delta: float) -> datetime:
    """So long from now."""
    return timezone.now() + timedelta(**delta)
