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
from accounting.reconciliation.reading import read_ledger_payments
from payers.models import PayerCompany
from payments.models import Attempt, GatewayAccount, MovementCursor, Payment, Refund
from payments.movements import read_movements
from tests.accounting.reconciliation.deals import PAYER, ZONE, Deal, entries_of
from tests.accounting.reconciliation.shelf import Shelf, in_no_time
from tests.people import House


@dataclass
class Trade:
    """All the deals of a merchant, built on all three sides by `build`."""

    house: House
    deals: list[Deal]
    now: datetime
    strangers: int = 0

    def build(self) -> None:
        """Let it have happened."""
        self.house.merchant.time_zone = str(ZONE)
        self.house.merchant.save()
        self.play()
        self.write()
        self.book()
        self.mirror()

    @property
    def company(self) -> PayerCompany:
        """The payer's company."""
        return self.house.company()

    def play(self) -> None:
        """Stripe's side: one order with everything, then a day goes by, so that the payouts are made."""
        entries: list[dict[str, Any]] = []
        for deal in self.deals:
            entries += entries_of(deal, len(entries))
        at = int((self.now - timedelta(days=9)).timestamp())
        for number in range(self.strangers):
            entries.append({"kind": "charge", "amount": 7_000 + number, "currency": "aud", "at": at})
        order = {"play": {"account": self.house.stripe_key, "entries": entries}}
        made = self.house.world.post("/stripe/_control", order)["play"]["made"]
        by_reference = {one["metadata"].get("attempt"): one["payment_intent"] for one in reversed(made)}
        for deal in self.deals:
            deal.intent = by_reference.get(deal.reference) or f"pi_lost{deal.number}"
        self.house.world.advance(0)

    def write(self) -> None:
        """Our side."""
        account, company = GatewayAccount.objects.get(merchant=self.house.merchant), self.company
        payments = Payment.objects.bulk_create(payment_row(deal, company) for deal in self.deals)
        rows = zip(self.deals, payments, strict=True)
        attempts = Attempt.objects.bulk_create(attempt_row(deal, one, account) for deal, one in rows)
        for deal, payment, attempt in zip(self.deals, payments, attempts, strict=True):
            deal.attempt, deal.payment = attempt.pk, payment.pk
        Refund.objects.bulk_create(refund_row(deal) for deal in self.deals if deal.refunded)

    def book(self) -> None:
        """The books' side: what was posted, what became of it there, and all of it read back."""
        Shelf(self.house, self.deals).fill()
        company = self.company
        books = self.house.connection.organisation_id
        Posting.objects.bulk_create(row for deal in self.deals for row in postings_of(deal, company, books))
        CreditNote.objects.bulk_create(
            note_row(deal, company, books) for deal in self.deals if deal.state == "succeeded"
        )
        self.read_books()

    def read_books(self) -> None:
        """Read the payments of the books, as of now and an hour ago, when nothing was fresh."""
        in_no_time(self.house)
        read_ledger_payments(self.house.merchant, now=self.now)
        LedgerPayment.objects.update(read_at=self.now - timedelta(hours=1))

    def mirror(self) -> None:
        """The mirror: an invoice of the payer for every credit, which was used for it."""
        common: dict[str, Any] = {
            "merchant": self.house.merchant,
            "organisation_id": self.house.connection.organisation_id,
            "currency": "AUD",
            "changed_at": self.now,
            "read_at": self.now,
        }
        made = [deal for deal in self.deals if deal.state == "succeeded"]
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
                merchant=self.house.merchant,
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

    def read(self) -> None:
        """Read Stripe, up to now."""
        read_movements(GatewayAccount.objects.get(merchant=self.house.merchant), now=self.now)
        MovementCursor.objects.update(known_until=self.now)


def payment_row(deal: Deal, company: PayerCompany) -> Payment:
    """The promise."""
    is_paid = deal.state == "succeeded"
    return Payment(
        reference=deal.reference,
        merchant=company.merchant,
        company=company,
        currency="AUD",
        amount=deal.amount,
        paid_amount=deal.amount if is_paid else None,
        paid_at=deal.at if is_paid else None,
        refunded_amount=deal.refunded if is_paid else 0,
        purpose=f"Quote {deal.number}",
        done_path="/done",
        expires_at=deal.at + timedelta(days=30),
        created_at=deal.at,
        state="succeeded" if is_paid else "open",
        state_at=deal.at,
    )


def attempt_row(deal: Deal, payment: Payment, account: GatewayAccount) -> Attempt:
    """The conversation."""
    return Attempt(
        reference=deal.reference,
        payment=payment,
        account=account,
        amount=deal.amount,
        state=deal.state,
        state_at=deal.at,
        created_at=deal.at,
        idempotency_key=f"stage-{deal.reference}",
        confirmation_token="ctoken_stage",
        stripe_payment_intent_id=deal.intent,
        method_kind="card" if deal.number % 3 else "au_becs_debit",
        payer_name="Accounts Payable",
        payer_email="accounts@harbourdental.example",
        ip="127.0.0.1",
    )


def refund_row(deal: Deal) -> Refund:
    """Money that went back, as we know it."""
    reference = f"refund{deal.reference}"[:20]
    return Refund(
        reference=reference,
        payment_id=deal.payment,
        attempt_id=deal.attempt,
        amount=deal.refunded,
        idempotency_key=f"refund-{reference}",
        state="succeeded",
        state_at=deal.at + timedelta(hours=1),
        created_at=deal.at + timedelta(hours=1),
    )


def postings_of(deal: Deal, company: PayerCompany, organisation_id: str) -> list[Posting]:
    """What we put into the books."""
    if deal.state != "succeeded":
        return []
    common: dict[str, Any] = {
        "merchant": company.merchant,
        "company": company,
        "payment_id": deal.payment,
        "attempt_id": deal.attempt,
        "amount": deal.amount,
        "on": deal.day,
        "sent_to": organisation_id,
        "state": "posted",
        "state_at": deal.at,
        "created_at": deal.at,
    }
    rows = [
        Posting(kind="invoice", number=f"PF-{deal.stem}", ledger_id=deal.ids["invoice"], **common),
        Posting(kind="credit_note", number=f"PF_CR-{deal.stem}", ledger_id=deal.ids["credit_note"], **common),
    ]
    if deal.posting:
        ledger_id = deal.ids["payment"] if deal.posting == "posted" else ""
        said = common | {"state": deal.posting, "error": "The period is locked." if deal.posting == "rejected" else ""}
        rows.append(Posting(kind="payment", number=f"PF-{deal.stem}", ledger_id=ledger_id, **said))
    if deal.refunded:
        refund = Refund.objects.get(attempt=deal.attempt)
        said = common | {"amount": deal.refunded, "refund": refund, "ledger_id": deal.ids["refund"]}
        rows.append(Posting(kind="refund", number=f"PF_RF-{deal.stem}", **said))
    return rows


def note_row(deal: Deal, company: PayerCompany, organisation_id: str) -> CreditNote:
    """The credit that it left."""
    return CreditNote(
        merchant=company.merchant,
        payment_id=deal.payment,
        attempt_id=deal.attempt,
        number=f"PF_CR-{deal.stem}",
        amount=deal.amount,
        currency="AUD",
        remaining=deal.amount - deal.refunded,
        ledger_id=deal.ids["credit_note"],
        organisation_id=organisation_id,
        state="approved",
        state_at=deal.at,
        created_at=deal.at,
    )
