"""Builders of automatic payments: a merchant with terms, a payer with saved methods, mirrored invoices."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from accounting.autopay.charging import charge_scheduled_payment
from accounting.autopay.planning import PlanningResult, plan_merchant_payments
from accounting.models import (
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    LedgerInvoice,
    LedgerTerm,
    ScheduledPayment,
)
from payers.companies import Contact, map_company
from payers.models import PayerCompany
from payments.attempts.services import apply_attempt_result
from payments.gateways import OperationResult, RemoteMethod
from payments.models import Attempt, SavedMethod
from tests.payments.consent_form import get_saving_terms
from tests.payments.signed_in_payer import create_bank_token
from tests.payments.three_d_secure import answer_three_d_secure
from tests.tenants import Tenant, deliver_outbox

invoice_numbers = itertools.count(1)
PAYER = "accounts@harbourdental.example"
GOOD_CARD, DECLINING_CARD, AUTHENTICATION_CARD = "4242424242424242", "4000000000000341", "4000002760003184"


def local_instant(day: date, hour: int = 6, minute: int = 0, *, tenant: Tenant) -> datetime:
    """The instant of a local time of the merchant."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=tenant.merchant.zone).astimezone(UTC)


@dataclass
class AutoPayBuilder:
    """One merchant with automatic payments switched on, and a payer company."""

    tenant: Tenant
    company: PayerCompany = field(init=False)
    term: BillingTerm = field(init=False)

    def __post_init__(self) -> None:
        self.company = self.tenant.access(PAYER).company
        map_company(self.company, contact=Contact(self.organisation_id, "contact-1"))
        AutoPaySettings.objects.create(merchant=self.tenant.merchant, is_enabled=True, notice_days=0)
        self.term = self.add_term("Net 7")

    @property
    def organisation_id(self) -> str:
        """The connected organisation."""
        return self.tenant.connection.organisation_id

    @property
    def today(self) -> date:
        """Today in the merchant's zone."""
        return timezone.now().astimezone(self.tenant.merchant.zone).date()

    def update_settings(self, **columns: Any) -> None:
        """Change the merchant's settings."""
        AutoPaySettings.objects.filter(merchant=self.tenant.merchant).update(**columns)

    def add_term(self, name: str, *, theme: str = "", **columns: Any) -> BillingTerm:
        """Create a billing term that covers one theme of the ledger."""
        term = BillingTerm.objects.create(merchant=self.tenant.merchant, name=name, **columns)
        LedgerTerm.objects.create(
            merchant=self.tenant.merchant,
            organisation_id=self.organisation_id,
            term_id=theme or f"theme-{name}",
            name=name,
            billing_term=term,
            read_at=timezone.now(),
        )
        return term

    def create_invoice(self, amount: int = 34900, *, due_in: int = 7, **columns: Any) -> LedgerInvoice:
        """Create an open invoice under the usual term, as the mirror writes it."""
        number, now = next(invoice_numbers), timezone.now()
        usual: dict[str, Any] = {
            "merchant": self.tenant.merchant,
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

    def save_card(self, number: str = GOOD_CARD, *, owner: str = PAYER) -> SavedMethod:
        """Save a card as the payer."""
        return self._save_method("card", self.tenant.confirmation_token(number), owner)

    def save_bank_account(self, number: str = "000123456", *, owner: str = PAYER) -> SavedMethod:
        """Save an Australian bank account as the payer; its type follows the currency that they were asked to pay."""
        self.tenant.open_checkout()
        token = create_bank_token(self.tenant, "aud", account_number=number)
        return self._save_method("bank_debit", token, owner)

    def _save_method(self, method: str, token: str, owner: str) -> SavedMethod:
        form: dict[str, Any] = {"company": self.company.reference, "method": method, "confirmation_token": token}
        form["shares"] = "1"
        client = self.tenant.payer(owner)
        headers = {"Accept": "application/json"}
        answer = client.post(
            "/my/methods", form | {"accepted_terms": get_saving_terms(self.tenant.merchant, method)}, headers=headers
        )
        result = json.loads(answer.content)
        if result["status"] == "requires_action":
            answer_three_d_secure(self.tenant.world, result["client_secret"])
            result = json.loads(client.post(result["attempt"], headers=headers).content)
        assert result["status"] == "succeeded", result
        return SavedMethod.objects.select_related("company__merchant").order_by("-pk")[0]

    def create_mapping(
        self,
        primary: SavedMethod,
        secondary: SavedMethod | None = None,
        *,
        term: BillingTerm | None = None,
        origin: str = "merchant",
        company: PayerCompany | None = None,
    ) -> AutoPayMapping:
        """Create an active mapping."""
        return AutoPayMapping.objects.create(
            merchant=self.tenant.merchant,
            company=company or self.company,
            term=term,
            primary_method=primary,
            secondary_method=secondary,
            origin=origin,
            state="active",
            state_at=timezone.now(),
        )

    def plan(self, *, now: datetime | None = None, ids: list[int] | None = None) -> PlanningResult:
        """Plan everything, or some invoices."""
        return plan_merchant_payments(self.tenant.merchant, now=now or timezone.now(), ids=ids)

    def get_scheduled(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """The newest scheduled payment of an invoice, read again."""
        rows = ScheduledPayment.objects.select_related("merchant", "company__merchant", "invoice", "payment", "method")
        return rows.filter(invoice=invoice).order_by("-pk")[0]

    def plan_and_make_due(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """Plan an invoice, and make its scheduled payment due now."""
        self.plan()
        ScheduledPayment.objects.filter(invoice=invoice, state="scheduled").update(run_at=timezone.now())
        return self.get_scheduled(invoice)

    def charge(self, invoice: LedgerInvoice) -> ScheduledPayment:
        """Plan and charge an invoice, and deliver everything that follows."""
        charge_scheduled_payment(self.plan_and_make_due(invoice).pk, now=timezone.now())
        deliver_outbox()
        return self.get_scheduled(invoice)

    def list_attempts(self, invoice: LedgerInvoice) -> list[Attempt]:
        """Every attempt to charge it, oldest first."""
        rows = Attempt.objects.filter(payment__allocations__invoice=invoice).select_related(
            "payment__merchant", "account"
        )
        return list(rows.order_by("pk"))

    def settle(self, attempt: Attempt, status: Any, code: str = "") -> None:
        """Apply the gateway's result of an attempt, and deliver everything that follows."""
        row = Attempt.objects.select_related("payment__merchant", "account", "saved_method").get(pk=attempt.pk)
        method = RemoteMethod(row.stripe_payment_method_id, row.method_kind, row.brand, row.last4)
        money = row.money if status == "succeeded" else None
        intent = row.stripe_payment_intent_id or f"pi_builder{row.pk}"
        apply_attempt_result(
            row,
            OperationResult(status, intent, money, method=method, failure_code=code),
            by="gateway",
            now=timezone.now(),
        )
        deliver_outbox()
