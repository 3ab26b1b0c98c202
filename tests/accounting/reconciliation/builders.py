"""A month of trade, three times: at the practice Stripe, in our ledger, and in the practice books."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounting.models import (
    CreditNote,
    LedgerApplication,
    LedgerCredit,
    LedgerInvoice,
    LedgerPayment,
    Posting,
)
from accounting.reconciliation.ledger_payments import sync_ledger_payments
from payers.models import PayerCompany
from payments.balance.services import sync_balance
from payments.models import Attempt, BalanceTransactionCursor, GatewayAccount, Payment, Refund
from tests.accounting.reconciliation.ledger_builder import LedgerBuilder, reset_rate_limits
from tests.accounting.reconciliation.payment_cases import PAYER, ZONE, PaymentCase, build_stripe_entries
from tests.tenants import Tenant


@dataclass
class ReconciliationScenario:
    """All the deals of a merchant, built on all three sides by `build`."""

    tenant: Tenant
    cases: list[PaymentCase]
    now: datetime
    foreign_charges: int = 0

    def build(self) -> None:
        """Let it have happened."""
        self.tenant.merchant.time_zone = str(ZONE)
        self.tenant.merchant.save()
        self.create_at_stripe()
        self.create_our_rows()
        self.create_in_ledger()
        self.create_mirror()

    @property
    def company(self) -> PayerCompany:
        """The payer's company."""
        return self.tenant.company()

    def create_at_stripe(self) -> None:
        """Stripe's side: one order with everything, then a day goes by, so that the payouts are made."""
        entries: list[dict[str, Any]] = []
        for deal in self.cases:
            entries += build_stripe_entries(deal, len(entries))
        at = int((self.now - timedelta(days=9)).timestamp())
        for number in range(self.foreign_charges):
            entries.append({"kind": "charge", "amount": 7_000 + number, "currency": "aud", "at": at})
        order = {"play": {"account": self.tenant.stripe_key, "entries": entries}}
        made = self.tenant.world.post("/stripe/_control", order)["play"]["made"]
        by_reference = {one["metadata"].get("attempt"): one["payment_intent"] for one in reversed(made)}
        for deal in self.cases:
            deal.intent = by_reference.get(deal.reference) or f"pi_lost{deal.number}"
        self.tenant.world.advance(0)

    def create_our_rows(self) -> None:
        """Our side."""
        account, company = GatewayAccount.objects.get(merchant=self.tenant.merchant), self.company
        payments = Payment.objects.bulk_create(build_payment(deal, company) for deal in self.cases)
        rows = zip(self.cases, payments, strict=True)
        attempts = Attempt.objects.bulk_create(build_attempt(deal, one, account) for deal, one in rows)
        for deal, payment, attempt in zip(self.cases, payments, attempts, strict=True):
            deal.attempt, deal.payment = attempt.pk, payment.pk
        Refund.objects.bulk_create(build_refund(deal) for deal in self.cases if deal.refunded)

    def create_in_ledger(self) -> None:
        """The books' side: what was posted, what became of it there, and all of it read back."""
        LedgerBuilder(self.tenant, self.cases).build()
        company = self.company
        books = self.tenant.connection.organisation_id
        Posting.objects.bulk_create(row for deal in self.cases for row in build_postings(deal, company, books))
        CreditNote.objects.bulk_create(
            build_credit_note(deal, company, books) for deal in self.cases if deal.state == "succeeded"
        )
        self.read_books()

    def read_books(self) -> None:
        """Read the payments of the books, as of now and an hour ago, when nothing was fresh."""
        reset_rate_limits(self.tenant)
        sync_ledger_payments(self.tenant.merchant, now=self.now)
        LedgerPayment.objects.update(read_at=self.now - timedelta(hours=1))

    def create_mirror(self) -> None:
        """The mirror: an invoice of the payer for every credit, which was used for it."""
        common: dict[str, Any] = {
            "merchant": self.tenant.merchant,
            "organisation_id": self.tenant.connection.organisation_id,
            "currency": "AUD",
            "changed_at": self.now,
            "read_at": self.now,
        }
        made = [deal for deal in self.cases if deal.state == "succeeded"]
        contact = self.company.contact_id
        LedgerCredit.objects.bulk_create(
            LedgerCredit(
                ledger_id=deal.ids["credit_note"],
                number=f"PF_CR-{deal.stem}",
                contact_id=contact,
                total=deal.amount,
                status="open",
                remaining=0,
                **common,
            )
            for deal in made
        )
        used = [deal for deal in made if deal.used]
        invoices = LedgerInvoice.objects.bulk_create(
            LedgerInvoice(
                ledger_id=f"invoice-{deal.number}",
                number=f"INV-{deal.number}",
                contact_id=contact if deal.used_by == PAYER else deal.used_by,
                total=deal.amount * 2,
                due=0,
                status="open",
                **common,
            )
            for deal in used
        )
        LedgerApplication.objects.bulk_create(
            LedgerApplication(
                merchant=self.tenant.merchant,
                organisation_id=common["organisation_id"],
                invoice=invoice,
                kind="credit",
                ledger_id=f"allocation-{deal.number}",
                source_id=deal.ids["credit_note"],
                amount=deal.used,
                on=deal.day,
            )
            for deal, invoice in zip(used, invoices, strict=True)
        )

    def read_stripe(self) -> None:
        """Read Stripe, up to now."""
        sync_balance(GatewayAccount.objects.get(merchant=self.tenant.merchant), now=self.now)
        BalanceTransactionCursor.objects.update(known_until=self.now)


def build_payment(case: PaymentCase, company: PayerCompany) -> Payment:
    """The promise."""
    is_paid = case.state == "succeeded"
    return Payment(
        reference=case.reference,
        merchant=company.merchant,
        company=company,
        currency="AUD",
        amount=case.amount,
        paid_amount=case.amount if is_paid else None,
        paid_at=case.at if is_paid else None,
        refunded_amount=case.refunded if is_paid else 0,
        purpose=f"Quote {case.number}",
        done_path="/done",
        expires_at=case.at + timedelta(days=30),
        created_at=case.at,
        state="succeeded" if is_paid else "open",
        state_at=case.at,
    )


def build_attempt(case: PaymentCase, payment: Payment, account: GatewayAccount) -> Attempt:
    """The conversation."""
    return Attempt(
        reference=case.reference,
        payment=payment,
        account=account,
        amount=case.amount,
        state=case.state,
        state_at=case.at,
        created_at=case.at,
        idempotency_key=f"stage-{case.reference}",
        confirmation_token="ctoken_stage",
        stripe_payment_intent_id=case.intent,
        method_kind="card" if case.number % 3 else "au_becs_debit",
        payer_name="Accounts Payable",
        payer_email="accounts@harbourdental.example",
        ip="127.0.0.1",
    )


def build_refund(case: PaymentCase) -> Refund:
    """Money that went back, as we know it."""
    reference = f"refund{case.reference}"[:20]
    return Refund(
        reference=reference,
        payment_id=case.payment,
        attempt_id=case.attempt,
        amount=case.refunded,
        idempotency_key=f"refund-{reference}",
        state="succeeded",
        state_at=case.at + timedelta(hours=1),
        created_at=case.at + timedelta(hours=1),
    )


def build_postings(case: PaymentCase, company: PayerCompany, organisation_id: str) -> list[Posting]:
    """What we put into the books."""
    if case.state != "succeeded":
        return []
    common: dict[str, Any] = {
        "merchant": company.merchant,
        "company": company,
        "payment_id": case.payment,
        "attempt_id": case.attempt,
        "amount": case.amount,
        "on": case.day,
        "sent_to": organisation_id,
        "state": "posted",
        "state_at": case.at,
        "created_at": case.at,
    }
    rows = [
        Posting(kind="invoice", number=f"PF-{case.stem}", ledger_id=case.ids["invoice"], **common),
        Posting(kind="credit_note", number=f"PF_CR-{case.stem}", ledger_id=case.ids["credit_note"], **common),
    ]
    if case.posting:
        ledger_id = case.ids["payment"] if case.posting == "posted" else ""
        fields = common | {
            "state": case.posting,
            "error": "The period is locked." if case.posting == "rejected" else "",
        }
        rows.append(Posting(kind="payment", number=f"PF-{case.stem}", ledger_id=ledger_id, **fields))
    if case.refunded:
        refund = Refund.objects.get(attempt=case.attempt)
        fields = common | {"amount": case.refunded, "refund": refund, "ledger_id": case.ids["refund"]}
        rows.append(Posting(kind="refund", number=f"PF_RF-{case.stem}", **fields))
    return rows


def build_credit_note(case: PaymentCase, company: PayerCompany, organisation_id: str) -> CreditNote:
    """The credit that it left."""
    return CreditNote(
        merchant=company.merchant,
        payment_id=case.payment,
        attempt_id=case.attempt,
        number=f"PF_CR-{case.stem}",
        amount=case.amount,
        currency="AUD",
        remaining=case.amount - case.refunded,
        ledger_id=case.ids["credit_note"],
        organisation_id=organisation_id,
        state="approved",
        state_at=case.at,
        created_at=case.at,
    )
