"""One merchant with a row of every kind that a page is about: what the walk's forms name."""

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from allauth.mfa.models import Authenticator
from django.core import signing
from django.utils import timezone

from accounting.models import (
    Acknowledgement,
    AutoPayMapping,
    AutoPaySettings,
    BillingTerm,
    CreditMatch,
    CreditNote,
    LedgerContact,
    LedgerInvoice,
    LedgerTerm,
    ManualTask,
    PaymentAllocation,
    Posting,
    ScheduledPayment,
)
from accounting.reconciliation.acknowledgements import SALT
from connections.models import Authorisation
from merchants.models import Notification, Terms
from merchants.terms.services import get_current_terms
from payers.companies import Contact, map_company
from payers.models import PayerAccess
from payments.models import Attempt, Payment, Payout, SavedMethod, Setup
from tests.payers.welcome_flow import invite
from tests.tenants import Checkout, Tenant


@dataclass
class Scene:
    """A merchant, a payer of a company, and one row of each kind. `mark` keeps two merchants' ids apart."""

    tenant: Tenant
    mark: str
    things: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = timezone.now()
        self.merchant = self.tenant.merchant
        self.email = f"payer-{self.mark}@harbourdental.example"
        self.access = self.tenant.access(self.email)
        self.company = self.access.company
        self.organisation = self.tenant.connection.organisation_id
        map_company(self.company, contact=Contact(self.organisation, f"contact-{self.mark}"))
        where = {"merchant": self.merchant, "organisation_id": self.organisation, "contact_id": f"contact-{self.mark}"}
        LedgerContact.objects.create(**where, name="Harbour", folded_name="harbour", is_active=True, read_at=self.now)
        for kind in Terms.Kind:  # the first version of a text is made when it is first read
            get_current_terms(self.merchant, kind.value)
        self.card, self.other_card = self.save_card("one", is_default=True), self.save_card("two")
        self.make_payments()
        self.make_credit()
        self.make_unprocessed_payment()
        self.make_acknowledgement()
        self.make_automatic_payments()
        self.make_console()
        self.name_things()

    @property
    def state(self) -> dict[str, Any]:
        """What every row with a history has."""
        return {"state_at": self.now}

    def save_card(self, name: str, **columns: Any) -> SavedMethod:
        """A saved card."""
        return SavedMethod.objects.create(
            account=self.merchant.gateway_account,
            company=self.company,
            owner=self.access.user,
            kind="card",
            brand="visa",
            last4="4242",
            stripe_customer_id=f"cus_{self.mark}",
            stripe_payment_method_id=f"pm_{self.mark}{name}",
            state="active",
            is_shared=True,
            **self.state,
            **columns,
        )

    def make_payments(self) -> None:
        """An open quote, one that a guest may not pay, one that was paid, and a payout."""
        customer = {"customer": {"account_name": self.company.name}}
        self.checkout: Checkout = self.tenant.open_checkout(**customer)
        recurring = {"recurring": {"total": "349.00", "interval": "month", "periods": 12}}
        nothing_due = {"amounts": {"one_time_total": "0.00", "tax": "0.00", "due_now": "0.00"}}
        self.saving = self.tenant.open_checkout(**customer, **recurring, **nothing_due)
        self.paid = self.tenant.open_checkout(**customer)
        self.attempt = self.create_attempt(self.paid.payment)
        Payment.objects.filter(pk=self.paid.payment.pk).update(
            state="succeeded", paid_amount=self.attempt.amount, paid_at=self.now
        )
        self.setup = self.create_setup(self.saving.payment)
        self.addition = self.create_setup(None)
        self.payout = Payout.objects.create(
            account=self.merchant.gateway_account,
            stripe_payout_id=f"po_{self.mark}",
            amount=1000,
            currency="AUD",
            status="paid",
            arrives_on=self.now.date(),
            created_at=self.now,
        )

    def create_attempt(self, payment: Payment) -> Attempt:
        """A charge that went through."""
        return Attempt.objects.create(
            payment=payment,
            account=self.merchant.gateway_account,
            amount=payment.amount,
            idempotency_key=f"key-{payment.reference}",
            confirmation_token=f"ctoken_{self.mark}",
            stripe_payment_intent_id=f"pi_{payment.reference}",
            user=self.access.user,
            payer_name="Ada",
            payer_email=self.email,
            ip="198.51.100.7",
            method_kind="card",
            state="succeeded",
            **self.state,
        )

    def create_setup(self, payment: Payment | None) -> Setup:
        """A card that was not saved, with a quote or on the payer's own page."""
        reference = payment.reference if payment else self.mark
        return Setup.objects.create(
            payment=payment,
            company=self.company,
            account=self.merchant.gateway_account,
            idempotency_key=f"setup-{reference}",
            confirmation_token=f"ctoken_{self.mark}",
            user=self.access.user,
            payer_name="Ada",
            payer_email=self.email,
            ip="198.51.100.7",
            state="failed",
            method_types=["card"],
            **self.state,
        )

    def create_invoice(self, number: str) -> LedgerInvoice:
        """An open invoice, as the mirror writes it."""
        return LedgerInvoice.objects.create(
            merchant=self.merchant,
            organisation_id=self.organisation,
            ledger_id=f"ledger-{self.mark}-{number}",
            number=f"{number}-{self.mark}",
            contact_id=f"contact-{self.mark}",
            company=self.company,
            currency="AUD",
            total=50_000,
            due=50_000,
            status="open",
            issued_on=self.now.date(),
            due_on=self.now.date() + timedelta(days=7),
            term_id="theme",
            changed_at=self.now,
        )

    def make_credit(self) -> None:
        """Invoices, and a credit with its match."""
        self.invoice, self.other_invoice = self.create_invoice("INV-1"), self.create_invoice("INV-2")
        self.scheduled_invoice = self.create_invoice("INV-3")
        self.note = CreditNote.objects.create(
            merchant=self.merchant,
            payment=self.paid.payment,
            attempt=self.attempt,
            number=f"PF_CR-{self.mark}",
            amount=self.attempt.amount,
            currency="AUD",
            remaining=self.attempt.amount,
            ledger_id=f"credit-{self.mark}",
            organisation_id=self.organisation,
            state="approved",
            **self.state,
        )
        self.match = CreditMatch.objects.create(
            merchant=self.merchant,
            note=self.note,
            invoice=self.invoice,
            amount=10_000,
            confidence=70,
            state="proposed",
            **self.state,
        )

    def make_unprocessed_payment(self) -> None:
        """A payment that its invoice did not take, and the task that follows."""
        payment = Payment.objects.create(
            merchant=self.merchant,
            company=self.company,
            currency="AUD",
            amount=10_000,
            paid_amount=10_000,
            paid_at=self.now,
            origin="invoices",
            purpose="Invoice",
            methods=["card"],
            done_path="/my/",
            expires_at=self.now + timedelta(days=1),
            state="succeeded",
            **self.state,
        )
        allocation = PaymentAllocation.objects.create(payment=payment, invoice=self.other_invoice, amount=10_000)
        posting = Posting.objects.create(
            merchant=self.merchant,
            kind="invoice_payment",
            number=f"WP-{self.mark}",
            company=self.company,
            payment=payment,
            attempt=self.create_attempt(payment),
            payment_allocation=allocation,
            amount=10_000,
            on=self.now.date(),
            error="refused",
            state="rejected",
            **self.state,
        )
        self.task = ManualTask.objects.create(
            merchant=self.merchant,
            company=self.company,
            payment=payment,
            posting=posting,
            kind="invoice_payment",
            title="Book it",
            state="open",
            **self.state,
        )

    def make_acknowledgement(self) -> None:
        """A difference that somebody knows."""
        self.acknowledgement = Acknowledgement.objects.create(
            merchant=self.merchant,
            content_hash=f"content-{self.mark}",
            identity_hash=f"identity-{self.mark}",
            kind="missing",
            description="Known",
            amount=1,
            on=date(2026, 11, 1),
            reason="seen",
            acknowledged_by=self.tenant.user,
            acknowledged_at=self.now,
        )

    def make_automatic_payments(self) -> None:
        """Terms, a mapping that charges, one that a quote proposes, and scheduled payments."""
        AutoPaySettings.objects.create(merchant=self.merchant, is_enabled=True)
        self.term = BillingTerm.objects.create(merchant=self.merchant, name="Net 7")
        self.unused_term = BillingTerm.objects.create(merchant=self.merchant, name="Net 14")
        self.theme = LedgerTerm.objects.create(
            merchant=self.merchant,
            organisation_id=self.organisation,
            term_id=f"theme-{self.mark}",
            name="Theme",
            read_at=self.now,
        )
        self.mapping = self.create_mapping("active", term=self.term, origin="payer", created_by=self.access.user)
        self.proposal = self.create_mapping("proposed", origin="quote", quote_payment=self.paid.payment)
        self.invitation = self.create_mapping("proposed", origin="merchant", term=self.unused_term, asks_payer=True)
        self.scheduled = self.create_scheduled(self.scheduled_invoice, "scheduled")
        self.failed = self.create_scheduled(self.invoice, "failed")

    def create_mapping(self, state: str, **columns: Any) -> AutoPayMapping:
        """A mapping to the first card."""
        common = {"merchant": self.merchant, "company": self.company, "primary_method": self.card}
        return AutoPayMapping.objects.create(**common, **columns, state=state, **self.state)

    def create_scheduled(self, invoice: LedgerInvoice, state: str) -> ScheduledPayment:
        """An invoice that is scheduled, or was."""
        return ScheduledPayment.objects.create(
            merchant=self.merchant,
            company=self.company,
            invoice=invoice,
            mapping=self.mapping,
            method=self.card,
            amount=50_000,
            run_at=self.now + timedelta(days=3),
            state=state,
            **self.state,
        )

    def make_console(self) -> None:
        """A notification, a choice of organisations, and somebody who was invited."""
        self.notification = Notification.objects.create(
            merchant=self.merchant,
            user=self.tenant.user,
            key=f"told-{self.mark}",
            event="payment_received",
            title="Paid",
            body="Paid",
            path="/",
        )
        organisation = {"id": f"org-{self.mark}", "name": "Org", "remote_id": ""}
        tokens = {"access": "a", "refresh": "r", "expires_at": (self.now + timedelta(minutes=30)).isoformat()}
        self.authorisation = Authorisation.objects.create(
            state_digest=f"digest-{self.mark}",
            merchant=self.merchant,
            user=self.tenant.user,
            tier="wise_pay",
            provider="xero",
            code_verifier="verifier",
            expires_at=self.now + timedelta(minutes=5),
            tokens=json.dumps(tokens),
            organisations=[organisation, {**organisation, "id": self.organisation}],
        )
        self.invited: PayerAccess = invite(self.tenant, f"invited-{self.mark}@harbourdental.example")

    def name_things(self) -> None:
        """What the parts of paths are, where a page has no other."""
        self.things = {
            "merchant_ref": self.merchant.reference,
            "reference": self.checkout.payment.reference,
            "company_ref": self.company.reference,
            "user_ref": self.access.user.reference,
            "access_ref": self.access.reference,
            "method_ref": self.other_card.reference,
            "mapping_ref": self.mapping.reference,
            "scheduled_ref": self.scheduled.reference,
            "term_ref": self.unused_term.reference,
            "acknowledgement_ref": self.acknowledgement.reference,
            "payout_id": self.payout.stripe_payout_id,
            "setup_ref": self.addition.reference,
            "operation_ref": self.attempt.reference,
            "checkout_id": self.checkout.body["id"],
            "tier": "wise_pay",
            "kind": "payment",
            "day": "2026-11-01",
            "pk": str(self.notification.pk),
            "provider": "xero",
            "provider_id": "xero",
            "token": "none",
        }

    def terms(self, kind: Terms.Kind) -> int:
        """The id of the text in force."""
        return get_current_terms(self.merchant, kind).pk

    @property
    def signed_difference(self) -> str:
        """A difference of reconciliation as its page shows it."""
        shown = {
            "content_hash": "c" * 64,
            "identity_hash": "i" * 64,
            "kind": "missing",
            "subject": "x",
            "description": "Something is missing",
            "amount": 1,
            "currency": "AUD",
            "on": "2026-11-01",
        }
        return signing.dumps([self.merchant.pk, shown], salt=SALT, compress=True)

    @cached_property
    def passkey(self) -> Authenticator:
        """A passkey of the admin; its page only names it."""
        return Authenticator.objects.create(
            user=self.tenant.user, type="webauthn", data={"name": "Key", "passwordless": False, "credential": {}}
        )
