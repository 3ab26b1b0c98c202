"""The stage of automatic payments: a merchant with terms, a payer with kept methods, invoices of the books."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounting.autopay.planning import Planned, plan_merchant
from accounting.autopay.running import run_scheduled
from accounting.models import (
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
)
from merchants.models import Terms
from merchants.terms import current_terms
from payers.companies import Contact, map_company
from payers.models import PayerCompany
from payments.gateways import Method, Outcome
from payments.models import Attempt, SavedMethod
from payments.outcomes import settle_attempt
from tests.payments.bank import answer_bank
from tests.payments.shopper import bank_token
from tests.people import House, drain_outbox

numbers = itertools.count(1)
PAYER = "accounts@harbourdental.example"
GOOD, DECLINING, ASKING = "4242424242424242", "4000000000000341", "4000002760003184"


def at(day: date, hour: int = 6, minute: int = 0, *, house: House) -> datetime:
    """An instant on the merchant's clock."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=house.merchant.zone).astimezone(UTC)


@dataclass
class Stage:
    """One merchant's automatic payments, in full working order, and a payer company."""

    house: House
    company: PayerCompany = field(init=False)
    term: BillingTerm = field(init=False)

    def __post_init__(self) -> None:
        self.company = self.house.access(PAYER).company
        map_company(self.company, contact=Contact(self.organisation_id, "contact-1"))
        AutoPaySettings.objects.create(merchant=self.house.merchant, is_enabled=True)
        self.term = self.add_term("Net 7")

    @property
    def organisation_id(self) -> str:
        """The connected organisation."""
        return self.house.connection.organisation_id

    @property
    def today(self) -> date:
        """The day that it is for the merchant."""
        return timezone.now().astimezone(self.house.merchant.zone).date()

    def set(self, **columns: Any) -> None:
        """The merchant changes their settings."""
        AutoPaySettings.objects.filter(merchant=self.house.merchant).update(**columns)

    def add_term(self, name: str, *, theme: str = "", **columns: Any) -> BillingTerm:
        """A billing term that covers one theme of the books."""
        term = BillingTerm.objects.create(merchant=self.house.merchant, name=name, **columns)
        LedgerTerm.objects.create(
            merchant=self.house.merchant,
            organisation_id=self.organisation_id,
            term_id=theme or f"theme-{name}",
            name=name,
            billing_term=term,
            read_at=timezone.now(),
        )
        return term

    def invoice(self, amount: int = 34900, *, due_in: int = 7, **columns: Any) -> LedgerInvoice:
        """An open invoice under the usual term, as the mirror writes it."""
        number, now = next(numbers), timezone.now()
        usual: dict[str, Any] = {
            "merchant": self.house.merchant,
            "organisation_id": self.organisation_id,
            "ledger_id": f"ledger-{number}",
            "number": f"INV-{number:04}",
            "contact_id": "contact-1",
            "company": self.company,
            "currency": "AUD",
            "total": amount,
            "due": amount,
            "status": "open",
            "issued_on": self.today,
            "due_on": self.today + timedelta(days=due_in),
            "term_id": f"theme-{self.term.name}",
            "changed_at": now,
        }
        return LedgerInvoice.objects.create(**usual | columns)

    def card(self, number: str = GOOD, *, owner: str = PAYER) -> SavedMethod:
        """A card that the payer saves at the practice Stripe."""
        return self._add("card", Terms.Kind.SAVED_CARD, self.house.confirmation_token(number), owner)

    def bank_account(self, number: str = "000123456", *, owner: str = PAYER) -> SavedMethod:
        """An Australian bank account that the payer saves; which kind it is comes from what they were asked to pay."""
        self.house.open_checkout()
        token = bank_token(self.house, "aud", account_number=number)
        return self._add("bank_debit", Terms.Kind.SAVED_BANK_ACCOUNT, token, owner)

    def _add(self, method: str, kind: str, token: str, owner: str) -> SavedMethod:
        terms = current_terms(self.house.merchant, kind)
        form = {"company": self.company.reference, "method": method, "confirmation_token": token}
        client = self.house.payer(owner)
        headers = {"Accept": "application/json"}
        answer = client.post("/my/methods", form | {"accepted_terms": terms.pk}, headers=headers)
        said = json.loads(answer.content)
        if said["status"] == "requires_action":
            answer_bank(self.house.world, said["client_secret"])
            said = json.loads(client.post(said["attempt"], headers=headers).content)
        assert said["status"] == "succeeded", said
        return SavedMethod.objects.select_related("company__merchant").order_by("-pk")[0]

    def map(
        self,
        primary: SavedMethod,
        secondary: SavedMethod | None = None,
        *,
        term: BillingTerm | None = None,
        origin: str = "merchant",
        company: PayerCompany | None = None,
    ) -> AutoPayMapping:
        """An active mapping."""
        return AutoPayMapping.objects.create(
            merchant=self.house.merchant,
            company=company or self.company,
            term=term,
            primary_method=primary,
            secondary_method=secondary,
            origin=origin,
            state="active",
            state_at=timezone.now(),
        )

    def plan(self, *, now: datetime | None = None, ids: list[int] | None = None) -> Planned:
        """Plan everything, or some invoices."""
        return plan_merchant(self.house.merchant, now=now or timezone.now(), ids=ids)

    def scheduled(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """The newest scheduled payment of an invoice, read afresh."""
        rows = ScheduledPayment.objects.select_related("merchant", "company__merchant", "invoice", "payment", "method")
        return rows.filter(invoice=invoice).order_by("-pk")[0]

    def due_now(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """Planned, and its time has come."""
        self.plan()
        ScheduledPayment.objects.filter(invoice=invoice, state="scheduled").update(run_at=timezone.now())
        return self.scheduled(invoice)

    def charge(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """Planned, due and run, with everything that follows."""
        run_scheduled(self.due_now(invoice).pk, now=timezone.now())
        drain_outbox()
        return self.scheduled(invoice)

    def attempts(self, invoice: LedgerInvoice) -> list[Attempt]:
        """Every attempt to charge it, oldest first."""
        rows = Attempt.objects.filter(payment__shares__invoice=invoice).select_related("payment__merchant", "account")
        return list(rows.order_by("pk"))

    def say(self, attempt: Attempt, status: Any, code: str = "") -> None:
        """The gateway's word on an attempt that waits, and all that follows."""
        row = Attempt.objects.select_related("payment__merchant", "account", "saved_method").get(pk=attempt.pk)
        method = Method(row.stripe_payment_method_id, row.method_kind, row.brand, row.last4)
        money = row.money if status == "succeeded" else None
        intent = row.stripe_payment_intent_id or f"pi_stage{row.pk}"
        settle_attempt(
            row, Outcome(status, intent, money, method=method, failure_code=code), by="gateway", now=timezone.now()
        )
        drain_outbox()
