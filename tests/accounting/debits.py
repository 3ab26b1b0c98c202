"""Bank debits, reversals and refunds as the gateway would tell of them, and the practice books to look into."""

import itertools
from dataclasses import dataclass
from typing import Any

import requests
from django.db import transaction
from django.utils import timezone

from accounting.models import CreditNote, Posting
from payments.gateways import Method, Outcome, RefundOutcome
from payments.models import Attempt, GatewayAccount, Payment, Refund
from payments.outcomes import reverse_attempt, settle_attempt
from payments.refunds import settle_refund
from tests.people import Checkout, House
from wisepay.models import OutboxMessage

numbers = itertools.count(1)
BANK = Method("pm_bank", "au_becs_debit", "Practice Bank", "3456")
CARD = Method("pm_card", "card", "visa", "4242")


@dataclass
class Attempted:
    """An attempt that the gateway was told of, and what the gateway says next."""

    house: House
    attempt: Attempt
    method: Method

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

    def say(self, status: Any, **more: Any) -> None:
        """The gateway's word."""
        self.attempt = Attempt.objects.select_related("payment__merchant", "account").get(pk=self.attempt.pk)
        intent = self.attempt.stripe_payment_intent_id or f"pi_books{next(numbers)}"
        outcome = Outcome(status, intent, self.attempt.money, method=self.method, **more)
        settle_attempt(self.attempt, outcome, by="gateway", now=timezone.now())

    def settle(self) -> None:
        """The money has arrived."""
        self.say("succeeded")

    def fail(self) -> None:
        """The bank said no."""
        self.say("failed", failure_code="account_closed")

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
        say_refund(refund, status)
        return refund


def say_refund(refund: Refund, status: Any) -> None:
    """The gateway's word on a refund."""
    row = Refund.objects.select_related("payment__merchant", "attempt__payment").get(pk=refund.pk)
    settle_refund(row, RefundOutcome(status, f"re_books{refund.pk}", row.money), now=timezone.now())


def try_to_pay(house: House, payment: Payment, method: Method = BANK, *, amount: int = 0) -> Attempted:
    """An attempt that the gateway has not answered."""
    number = next(numbers)
    now = timezone.now()
    attempt = Attempt.objects.create(
        payment=payment,
        account=GatewayAccount.objects.get(merchant=house.merchant),
        state="processing",
        state_at=now,
        amount=amount or payment.amount,
        idempotency_key=f"books-{number}",
        confirmation_token="ctoken_books",
        payer_name="Accounts Payable",
        payer_email="accounts@harbourdental.example",
        ip="127.0.0.1",
    )
    return Attempted(house, attempt, method)


def submit(house: House, checkout: Checkout | None = None, *, amount: int = 0) -> Attempted:
    """A bank debit that the payer's bank has."""
    payment = (checkout or house.open_checkout()).payment
    debit = try_to_pay(house, payment, amount=amount)
    debit.say("processing")
    return debit


def hold_back(handler: str) -> None:
    """Messages for this handler are late; `let_come` brings them."""
    rows = OutboxMessage.objects.filter(handler=handler, state="pending")
    assert rows.update(state="dead")


def let_come(handler: str) -> None:
    """What was held back comes now."""
    rows = OutboxMessage.objects.filter(handler=handler, state="dead")
    assert rows.update(state="pending", run_after=timezone.now())


def come_again(handler: str) -> None:
    """What was delivered is delivered once more."""
    rows = OutboxMessage.objects.filter(handler=handler, state="done")
    assert rows.update(state="pending", run_after=timezone.now())


def at_xero(house: House, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What a bookkeeper's own tool does with the merchant's books."""
    headers = {
        "Authorization": f"Bearer {house.connection.access_token.reveal()}",
        "Xero-Tenant-Id": house.connection.organisation_id,
        "Accept": "application/json",
    }
    url = f"{house.world.url}/xero/api.xro/2.0/{path}"
    answer = requests.request(method, url, json=body, headers=headers, timeout=10)
    assert answer.ok, answer.text
    found: dict[str, Any] = answer.json()
    return found


def change_note(house: House, note: CreditNote, status: str) -> None:
    """Somebody gives a credit note another status in the books."""
    at_xero(house, "POST", "CreditNotes", {"CreditNotes": [{"CreditNoteID": note.ledger_id, "Status": status}]})


def notes(house: House) -> list[tuple[str, str, float]]:
    """(number, status, remaining credit) of every credit note in the books, oldest first."""
    rows = at_xero(house, "GET", "CreditNotes?pageSize=100&page=1")["CreditNotes"]
    return [(r["CreditNoteNumber"], r["Status"], r["RemainingCredit"]) for r in rows]


def invoices(house: House) -> list[tuple[str, float, float]]:
    """(status, total, due) of every PF invoice."""
    rows = at_xero(house, "GET", "Invoices?pageSize=100&page=1")["Invoices"]
    return [(r["Status"], r["Total"], r["AmountDue"]) for r in rows if r["InvoiceNumber"].startswith("PF-")]


def payments_there(house: House) -> list[tuple[str, str, float]]:
    """(reference, status, amount) of every payment in the books, the deleted ones too, by reference."""
    rows = at_xero(house, "GET", "Payments?pageSize=100&page=1")["Payments"]
    return sorted((r["Reference"], r["Status"], r["Amount"]) for r in rows)


def allocate(house: House, note: CreditNote, amount: float, *, number: str = "INV-9") -> str:
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
    at_xero(house, "PUT", "Invoices", {"Invoices": [invoice]})
    path = f"CreditNotes/{note.ledger_id}/Allocations"
    sent = {"Allocations": [{"Amount": amount, "Date": "2026-11-22", "Invoice": {"InvoiceNumber": number}}]}
    made = at_xero(house, "PUT", path, sent)["Allocations"][0]
    return f"{path}/{made['AllocationID']}"
