"""The scenario of the tests about credits: a payer whose quote is paid, and a down-payment invoice."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounting.ledgers.protocol import RemoteCreditNote
from accounting.models import CreditMatch, CreditNote, LedgerInvoice, Posting
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.scenarios.base import list_ledger_rows
from tests.tenants import Checkout, Tenant, deliver_outbox

numbers = itertools.count(9100)


@dataclass
class CreditScenario:
    """Harbour Dental pays quotes; its bookkeeper bills."""

    tenant: Tenant
    billing: InvoiceScenario = field(init=False)

    def __post_init__(self) -> None:
        self.billing = InvoiceScenario(self.tenant)

    def pay_quote(self, *, due: str = "625.00", **quote: Any) -> Checkout:
        """A quote that was paid by card and whose credit is posted."""
        changes = {"quote": {"purchase_order_number": "", "opportunity_id": "", **quote}}
        checkout = self.tenant.open_checkout(amounts={"due_now": due, "full_payment_allowed": False}, **changes)
        checkout.pay()
        deliver_outbox()
        return checkout

    def get_note(self, checkout: Checkout) -> CreditNote:
        """The quote's credit, read afresh."""
        return CreditNote.objects.select_related("payment", "merchant").get(payment=checkout.payment)

    def create_invoice(self, amount: str = "625.00", *, reference: str = "", **more: Any) -> LedgerInvoice:
        """Create an invoice as the bookkeeper, let the mirror read it, and deliver what follows."""
        number = f"INV-{next(numbers)}"
        invoice = self.billing.create_invoice(amount, number=number, reference=reference, **more)
        deliver_outbox()
        return invoice

    def sync_mirror(self) -> None:
        """Let the mirror read everything, and deliver what follows."""
        self.billing.sync_mirror()
        deliver_outbox()

    def get_match(self, checkout: Checkout) -> CreditMatch:
        """The quote's only match, read afresh."""
        rows = CreditMatch.objects.select_related("note__payment", "invoice", "merchant")
        return rows.get(note=self.get_note(checkout))

    def list_match_states(self, checkout: Checkout) -> list[tuple[str, str]]:
        """(invoice, state) of every match of the quote."""
        rows = CreditMatch.objects.filter(note=self.get_note(checkout)).order_by("pk")
        return list(rows.values_list("invoice__number", "state"))

    def list_postings(self, checkout: Checkout) -> list[tuple[str, str]]:
        """(kind, state) of the quote's allocations and their removals."""
        rows = Posting.objects.filter(payment=checkout.payment, kind__startswith="allocation").order_by("pk")
        return list(rows.values_list("kind", "state"))

    def list_ledger_allocations(self, checkout: Checkout) -> list[tuple[str, str]]:
        """(invoice, amount) of every allocation of the quote's credit in the ledger."""
        number = self.get_note(checkout).number
        [row] = list_ledger_rows(self.tenant, "CreditNotes", where=f'CreditNoteNumber=="{number}"')
        return [(a["Invoice"]["InvoiceNumber"], f"{a['Amount']:.2f}") for a in row["Allocations"]]

    def act_in_ledger(self, act: str, **parameters: Any) -> None:
        """Do something as the bookkeeper in the practice ledger."""
        self.billing.act_in_ledger(act, **parameters)

    def count_calls(self, method: str, tail: str = "/Allocations") -> int:
        """How often the allocations of a note were written."""
        rows = self.tenant.world.journal("xero")
        return len([e for e in rows if e["method"] == method and tail in e["path"]])


def build_unused_note(note: CreditNote) -> RemoteCreditNote:
    """The note as an untouched one."""
    return RemoteCreditNote(note.number, note.ledger_id, "approved", note.money, note.money)


def get_future_time(**delta: float) -> Any:
    """So long from now."""
    return timezone.now() + timedelta(**delta)
