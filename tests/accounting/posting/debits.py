"""Bank debits, reversals and refunds as the gateway would tell of them, and the practice books to look into."""

import itertools
from dataclasses import dataclass
from typing import Any

import requests
from django.db import transaction
from django.utils import timezone

from accounting.models import CreditNote, Posting
from payments.attempts.services import apply_attempt_result, reverse_attempt
from payments.gateways import OperationResult, RefundResult, RemoteMethod
from payments.models import Attempt, GatewayAccount, Payment, Refund
from payments.refunds import apply_refund_result
from tests.tenants import Checkout, Tenant
from wisepay.models import OutboxMessage

numbers = itertools.count(1)
BANK = RemoteMethod("pm_bank", "au_becs_debit", "Practice Bank", "3456")
CARD = RemoteMethod("pm_card", "card", "visa", "4242")


@dataclass
class AttemptScenario:
    """An attempt that was submitted to the gateway, and what the gateway answers next."""

    tenant: Tenant
    attempt: Attempt
    method: RemoteMethod

    @property
    def note(self) -> CreditNote:
        """The attempt's credit note, read afresh."""
        return CreditNote.objects.get(attempt=self.attempt)

    @property
    def payment(self) -> Payment:
        """The payment, read afresh."""
        return Payment.objects.select_related("merchant", "company").get(pk=self.attempt.payment_id)

    @property
    def states(self) -> dict[str, str]:
        """The state of every posting of this attempt by kind."""
        return dict(Posting.objects.filter(attempt=self.attempt).order_by("pk").values_list("kind", "state"))

    def receive_outcome(self, status: Any, **more: Any) -> None:
        """The gateway's word."""
        self.attempt = Attempt.objects.select_related("payment__merchant", "account").get(pk=self.attempt.pk)
        intent = self.attempt.stripe_payment_intent_id or f"pi_books{next(numbers)}"
        outcome = OperationResult(status, intent, self.attempt.money, method=self.method, **more)
        apply_attempt_result(self.attempt, outcome, by="gateway", now=timezone.now())

    def settle(self) -> None:
        """The money has arrived."""
        self.receive_outcome("succeeded")

    def fail(self) -> None:
        """The bank refuses the debit."""
        self.receive_outcome("failed", failure_code="account_closed")

    def reverse(self) -> None:
        """The bank took it back."""
        self.attempt = Attempt.objects.select_related("payment__merchant").get(pk=self.attempt.pk)
        with transaction.atomic():
            assert reverse_attempt(self.attempt, reason="dispute:debit_not_authorized", now=timezone.now())

    def refund(self, amount: int, *, status: Any = "succeeded") -> Refund:
        """Money went back, ordered here."""
        number = next(numbers)
        refund = Refund.objects.create(
            payment=self.payment,
            attempt=self.attempt,
            amount=amount,
            idempotency_key=f"refund-books-{number}",
            state="processing",
            state_at=timezone.now(),
        )
        Payment.objects.filter(pk=self.attempt.payment_id).update(refunded_amount=self.payment.refunded_amount + amount)
        receive_refund_outcome(refund, status)
        return refund


def receive_refund_outcome(refund: Refund, status: Any) -> None:
    """The gateway's word on a refund."""
    row = Refund.objects.select_related("payment__merchant", "attempt__payment").get(pk=refund.pk)
    apply_refund_result(row, RefundResult(status, f"re_books{refund.pk}", row.money), now=timezone.now())


def create_processing_attempt(
    tenant: Tenant, payment: Payment, method: RemoteMethod = BANK, *, amount: int = 0
) -> AttemptScenario:
    """An attempt that the gateway has not answered."""
    number = next(numbers)
    now = timezone.now()
    attempt = Attempt.objects.create(
        payment=payment,
        account=GatewayAccount.objects.get(merchant=tenant.merchant),
        state="processing",
        state_at=now,
        amount=amount or payment.amount,
        idempotency_key=f"books-{number}",
        confirmation_token="ctoken_books",
        payer_name="Accounts Payable",
        payer_email="accounts@harbourdental.example",
        ip="127.0.0.1",
    )
    return AttemptScenario(tenant, attempt, method)


def submit_debit(tenant: Tenant, checkout: Checkout | None = None, *, amount: int = 0) -> AttemptScenario:
    """A bank debit that the payer's bank has."""
    payment = (checkout or tenant.open_checkout()).payment
    debit = create_processing_attempt(tenant, payment, amount=amount)
    debit.receive_outcome("processing")
    return debit


def hold_messages(handler: str) -> None:
    """Messages for this handler are late; `let_come` brings them."""
    rows = OutboxMessage.objects.filter(handler=handler, state="pending")
    assert rows.update(state="dead")


def release_messages(handler: str) -> None:
    """Send the events that were withheld."""
    rows = OutboxMessage.objects.filter(handler=handler, state="dead")
    assert rows.update(state="pending", run_after=timezone.now())


def redeliver_messages(handler: str) -> None:
    """What was delivered is delivered once more."""
    rows = OutboxMessage.objects.filter(handler=handler, state="done")
    assert rows.update(state="pending", run_after=timezone.now())


def call_xero(tenant: Tenant, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What a bookkeeper's own tool does with the merchant's books."""
    headers = {
        "Authorization": f"Bearer {tenant.connection.access_token.decrypt()}",
        "Xero-Tenant-Id": tenant.connection.organisation_id,
        "Accept": "application/json",
    }
    url = f"{tenant.world.url}/xero/api.xro/2.0/{path}"
    answer = requests.request(method, url, json=body, headers=headers, timeout=10)
    assert answer.ok, answer.text
    found: dict[str, Any] = answer.json()
    return found


def set_credit_note_status(tenant: Tenant, note: CreditNote, status: str) -> None:
    """Somebody gives a credit note another status in the ledger."""
    call_xero(tenant, "POST", "CreditNotes", {"CreditNotes": [{"CreditNoteID": note.ledger_id, "Status": status}]})


def list_credit_notes(tenant: Tenant) -> list[tuple[str, str, float]]:
    """(number, status, remaining credit) of every credit note in the ledger, oldest first."""
    rows = call_xero(tenant, "GET", "CreditNotes?pageSize=100&page=1")["CreditNotes"]
    return [(r["CreditNoteNumber"], r["Status"], r["RemainingCredit"]) for r in rows]


def list_pf_invoices(tenant: Tenant) -> list[tuple[str, float, float]]:
    """(status, total, due) of every PF invoice."""
    rows = call_xero(tenant, "GET", "Invoices?pageSize=100&page=1")["Invoices"]
    return [(r["Status"], r["Total"], r["AmountDue"]) for r in rows if r["InvoiceNumber"].startswith("PF-")]


def list_ledger_payments(tenant: Tenant) -> list[tuple[str, str, float]]:
    """(reference, status, amount) of every payment in the ledger, the deleted ones too, by reference."""
    rows = call_xero(tenant, "GET", "Payments?pageSize=100&page=1")["Payments"]
    return sorted((r["Reference"], r["Status"], r["Amount"]) for r in rows)


def allocate_credit_note(tenant: Tenant, note: CreditNote, amount: float, *, number: str = "INV-9") -> str:
    """A bookkeeper puts a part of the note against an invoice of the same contact; answers the allocation's path."""
    contact = note.payment.company.contact_id
    line = {
        "Description": "Onboarding",
        "Quantity": 1,
        "UnitAmount": amount,
        "AccountCode": "200",
        "TaxType": "BASEXCLUDED",
    }
    invoice = {
        "Type": "ACCREC",
        "Status": "AUTHORISED",
        "InvoiceNumber": number,
        "Contact": {"ContactID": contact},
        "DueDate": "2026-12-31",
        "LineItems": [line | {"TaxType": "BASEXCLUDED"}],
        "CurrencyCode": note.currency,
    }
    call_xero(tenant, "PUT", "Invoices", {"Invoices": [invoice]})
    path = f"CreditNotes/{note.ledger_id}/Allocations"
    sent = {"Allocations": [{"Amount": amount, "Date": "2026-11-22", "Invoice": {"InvoiceNumber": number}}]}
    allocation = call_xero(tenant, "PUT", path, sent)["Allocations"][0]
    return f"{path}/{allocation['AllocationID']}"
