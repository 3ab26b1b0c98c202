"""A ledger connected to a practice company, and what its tests put there."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from accounting.ledger_session import open_ledger
from accounting.ledgers.protocol import (
    ContactOrder,
    CreditNoteOrder,
    DocumentOrder,
    Ledger,
    PaymentOrder,
    RefundOrder,
    RemoteCreditNote,
    WriteResult,
)
from accounting.models import AccountingSettings
from tests.accounting.mirror.ledger_actions import act_in_ledger
from tests.tenants import Tenant
from wisepay.money import Money

TODAY = date(2026, 11, 21)


def aud(amount: int) -> Money:
    return Money(amount, "AUD")


@dataclass
class LedgerCase:
    """A merchant's books and orders for them."""

    tenant: Tenant
    ledger: Ledger
    settings: AccountingSettings

    def create_contact(self, name: str = "Harbour Dental") -> str:
        """A contact's id."""
        [result] = self.ledger.create_contacts([build_contact_order(name)], key=f"c-{name}"[:50])
        assert result.id, result.refusal
        return result.id

    def build_document_order(
        self, contact_id: str, number: str = "PF-1", amount: int = 62500, **changes: Any
    ) -> DocumentOrder:
        """An invoice or a credit note."""
        words: dict[str, Any] = {
            "number": number,
            "contact_id": contact_id,
            "on": TODAY,
            "reference": "PF Q1-1",
            "description": "Prepayment",
            "amount": aud(amount),
            "account": self.settings.prepayments_account,
            "tax_code": self.settings.tax_code,
            "item": self.settings.item,
        }
        return DocumentOrder(**(words | changes))

    def create_invoice(self, contact_id: str, number: str = "PF-1", amount: int = 62500) -> WriteResult:
        """An invoice that is there."""
        [result] = self.ledger.create_invoices(
            [self.build_document_order(contact_id, number, amount)], key=f"i-{number}"
        )
        assert result.id, result.refusal
        return result

    def create_credit_note(self, number: str = "PF_CR-1", contact_id: str = "") -> WriteResult:
        """An approved credit note that is there."""
        whose = contact_id or self.create_contact(number)
        [result] = self.ledger.create_credit_notes([self.build_document_order(whose, number)], key=f"n-{number}")
        assert result.id, result.refusal
        return result

    def build_payment_order(
        self, invoice: WriteResult, contact_id: str, amount: int = 62500, *, number: str = ""
    ) -> PaymentOrder:
        """Money for an invoice."""
        return PaymentOrder(
            number or invoice.number,
            invoice.number,
            TODAY,
            aud(amount),
            self.settings.clearing_account,
            invoice_id=invoice.id,
            contact_id=contact_id,
        )

    def build_refund_order(
        self, note: WriteResult, contact_id: str, amount: int, number: str = "PF_RF-1"
    ) -> RefundOrder:
        """Money given back out of a credit note."""
        clearing = self.settings.clearing_account
        return RefundOrder(number, note.number, note.id, TODAY, aud(amount), clearing, contact_id)

    def read_credit_note(self, number: str = "PF_CR-1") -> RemoteCreditNote:
        """The one credit note."""
        [found] = self.ledger.read_credit_notes_by_number([number])
        return found

    def count_writes(self, since: int) -> int:
        """Calls that could change the books."""
        calls = self.tenant.world.journal(self.tenant.connection.provider)[since:]
        return len([e for e in calls if e["method"] != "GET" and not e["path"].endswith("/query")])

    def act_in_ledger(self, act: str, **fields: Any) -> None:
        """What somebody else does in the books."""
        act_in_ledger(self.tenant, act, **fields)

    def count_calls(self) -> int:
        """How many calls the package has seen."""
        return len(self.tenant.world.journal(self.tenant.connection.provider))


def build_contact_order(name: str, number: str = "") -> ContactOrder:
    return ContactOrder(number or f"no-{name}"[:50], name, "a@example.com", "", "AUD")


def build_credit_note_order(note: WriteResult, amount: int = 62500) -> CreditNoteOrder:
    return CreditNoteOrder(note.number, note.id, TODAY, aud(amount))


@pytest.fixture
def ledger_case(any_tenant: Tenant) -> LedgerCase:
    """The merchant's books, whichever they are."""
    ledger = open_ledger(any_tenant.connection, priority="company", now=timezone.now())
    return LedgerCase(any_tenant, ledger, AccountingSettings.objects.get(merchant=any_tenant.merchant))
