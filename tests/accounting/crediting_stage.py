"""The stage of the tests about credits: a payer whose quote is paid, and the bookkeeper's down-payment invoice."""

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounting.ledgers.words import NoteFacts
from accounting.models import CreditMatch, CreditNote, LedgerInvoice, Posting
from tests.accounting.invoices import Billing
from tests.journeys import rows_of
from tests.people import Checkout, House, drain_outbox

numbers = itertools.count(9100)


@dataclass
class Stage:
    """Harbour Dental pays quotes; its bookkeeper bills."""

    house: House
    billing: Billing = field(init=False)

    def __post_init__(self) -> None:
        self.billing = Billing(self.house)

    def paid_quote(self, *, due: str = "625.00", **quote: Any) -> Checkout:
        """A quote that was paid by card and whose credit stands in the books."""
        changes = {"quote": {"purchase_order_number": "", "opportunity_id": "", **quote}}
        checkout = self.house.open_checkout(amounts={"due_now": due, "full_payment_allowed": False}, **changes)
        checkout.pay()
        drain_outbox()
        return checkout

    def note(self, checkout: Checkout) -> CreditNote:
        """The quote's credit, read afresh."""
        return CreditNote.objects.select_related("payment", "merchant").get(payment=checkout.payment)

    def bill(self, amount: str = "625.00", *, reference: str = "", **more: Any) -> LedgerInvoice:
        """A bookkeeper's invoice; the mirror reads it, and all that follows is done."""
        number = f"INV-{next(numbers)}"
        invoice = self.billing.bill(amount, number=number, reference=reference, **more)
        drain_outbox()
        return invoice

    def read(self) -> None:
        """The mirror reads everything, and all that follows is done."""
        self.billing.read()
        drain_outbox()

    def match(self, checkout: Checkout) -> CreditMatch:
        """The quote's only match, read afresh."""
        rows = CreditMatch.objects.select_related("note__payment", "invoice", "merchant")
        return rows.get(note=self.note(checkout))

    def states(self, checkout: Checkout) -> list[tuple[str, str]]:
        """(invoice, state) of every match of the quote."""
        rows = CreditMatch.objects.filter(note=self.note(checkout)).order_by("pk")
        return list(rows.values_list("invoice__number", "state"))

    def postings(self, checkout: Checkout) -> list[tuple[str, str]]:
        """(kind, state) of the quote's allocations and their removals."""
        rows = Posting.objects.filter(payment=checkout.payment, kind__startswith="allocation").order_by("pk")
        return list(rows.values_list("kind", "state"))

    def in_books(self, checkout: Checkout) -> list[tuple[str, str]]:
        """(invoice, amount) of every allocation of the quote's credit in the books."""
        number = self.note(checkout).number
        [row] = rows_of(self.house, "CreditNotes", where=f'CreditNoteNumber=="{number}"')
        return [(a["Invoice"]["InvoiceNumber"], f"{a['Amount']:.2f}") for a in row["Allocations"]]

    def by_hand(self, act: str, **said: Any) -> None:
        """What a bookkeeper does."""
        self.billing.by_hand(act, **said)

    def calls(self, method: str, tail: str = "/Allocations") -> int:
        """How often the allocations of a note were written."""
        rows = self.house.world.journal("xero")
        return len([e for e in rows if e["method"] == method and tail in e["path"]])


def facts(note: CreditNote) -> NoteFacts:
    """The note as an untouched one."""
    return NoteFacts(note.number, note.ledger_id, "approved", note.money, note.money)


def in_a_while(**delta: float) -> Any:
    """So long from now."""
    return timezone.now() + timedelta(**delta)
