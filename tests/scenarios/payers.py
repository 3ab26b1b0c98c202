"""Scenarios of payers with an account: saved methods, debits that settle, are returned or disputed; refunds."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.test import Client
from django.utils import timezone

from merchants.models import Notification, Terms
from payers.models import PayerAccess
from payments.models import Dispute, SavedMethod
from payments.refunds import send_refund, start_refund
from payments.states import LIVE_STATES
from tests.payments.consent_form import get_consent_fields
from tests.payments.signed_in_payer import ONLY_RECURRING, RECURRING, SignedInPayer, create_bank_token, get_terms_id
from tests.scenarios.base import Scenario, list_credit_notes, list_documents, list_payments, list_remaining_credits
from tests.scenarios.quotes import QuoteScenario
from tests.tenants import Tenant, merge_body
from wisepay.models import OutboxMessage

DEBIT = {"allowed_methods": ["card", "bank_debit"]}


def list_voided_credit(tenant: Tenant) -> list[tuple[str, float]]:
    """The ledger's rows of a credit that was voided: QuickBooks deletes what Xero voids."""
    return [("VOIDED", 625.0)] if tenant.connection.provider == "xero" else []


class RegisteredPayerScenario(QuoteScenario):
    """A payer with an account."""

    def set_up(self) -> None:
        super().set_up()
        self.payer = SignedInPayer(self.tenant)


class SaveCardScenario(RegisteredPayerScenario):
    """They pay a quote that recurs, and the same confirmation saves the card."""

    interrupt_from: ClassVar[str] = "pay"
    interrupt_until: ClassVar[str] = "run_worker"
    changes: ClassVar[dict[str, Any]] = RECURRING

    def pay(self) -> None:
        form = {
            "confirmation_token": self.tenant.confirmation_token(self.card),
            "saves": "1",
        }
        with self.stopper.process():
            self.payer.pay(self.opened_checkout, **form)

    def verify(self) -> None:
        super().verify()
        [method] = self.payer.methods
        assert (method.state, self.opened_checkout.payment.saved_method) == ("active", method)


class RegisterScenario(QuoteScenario):
    """Somebody registers, pays at once and saves the card; the Welcome mail follows."""

    interrupt_from: ClassVar[str] = "register"
    interrupt_until: ClassVar[str] = "send_webhooks"
    changes: ClassVar[dict[str, Any]] = RECURRING

    def set_up(self) -> None:
        super().set_up()
        self.browser = Client()
        self.email = f"riley{self.number}@example.com"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.register, self.pay, self.send_webhooks, self.run_worker, self.return_to_quote]

    def register(self) -> None:
        """Payer Information and the terms."""
        terms = get_terms_id(self.tenant.merchant, Terms.Kind.USER_ACCOUNT)
        form = {"name": "Riley Register", "email": self.email, "phone": "", "accepted_terms": terms}
        with self.stopper.process():
            self.browser.post(f"{self.opened_checkout.path}/register", form)

    def pay(self) -> None:
        if "registering" not in self.browser.session:
            self.register()
        form = {
            "name": "Riley Register",
            "email": self.email,
            "amount": self.opened_checkout.payment.amount,
            "confirmation_token": self.tenant.confirmation_token(self.card),
            "saves": "1",
            **get_consent_fields(self.opened_checkout.payment, saves=True),
        }
        with self.stopper.process():
            self.browser.post(f"{self.opened_checkout.path}/attempts", form)

    def verify(self) -> None:
        super().verify()
        access = PayerAccess.objects.get(user__email=self.email)
        assert (access.state, access.invitations.filter(used_at=None, replaced_at=None).count()) == ("pending", 1)
        assert [(m.state, m.owner) for m in SavedMethod.objects.filter(registration__user=access.user)] == [
            ("active", None)
        ]
        assert any("Welcome" in mail["subject"] for mail in self.tenant.mails(self.email))


class SetupOnlyScenario(RegisteredPayerScenario):
    """Nothing is due: they save a card and nothing is charged."""

    interrupt_from: ClassVar[str] = "pay"
    changes: ClassVar[dict[str, Any]] = ONLY_RECURRING

    def pay(self) -> None:
        form = {"confirmation_token": self.tenant.confirmation_token(self.card)}
        with self.stopper.process():
            self.payer.save(self.opened_checkout, **form)

    def recover(self) -> None:
        self.open_again()
        for after in (30, 400):
            self.run_worker(after=after)
        if (
            self.opened_checkout.payment.state == "open"
            and not self.opened_checkout.payment.setups.filter(state__in=LIVE_STATES).exists()
        ):
            self.pay()
        self.send_webhooks()
        for after in (500, 900, 1500, 4000):
            self.run_worker(after=after)
        self.return_to_quote()
        self.run_worker(after=8000)

    def verify(self) -> None:
        assert self.list_new_intents() == []
        assert (self.opened_checkout.payment.state, self.opened_checkout.quote.state) == ("saved", "saved")
        assert [m.state for m in self.payer.methods] == ["active"]
        assert self.opened_checkout.payment.saved_method == self.payer.methods[0]
        assert not OutboxMessage.objects.exclude(state="done").exists()


class BankDebitScenario(RegisteredPayerScenario):
    """They pay by bank debit, save the account, and it settles days later."""

    interrupt_from: ClassVar[str] = "pay"
    changes: ClassVar[dict[str, Any]] = merge_body(DEBIT, RECURRING)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [
            self.open,
            self.pay,
            self.send_webhooks,
            self.run_worker,
            self.bank_answers,
            self.send_webhooks,
            self.run_worker,
            self.return_to_quote,
        ]

    def pay(self) -> None:
        token = create_bank_token(self.tenant, "aud")
        form = {
            "method": "bank_debit",
            "confirmation_token": token,
            "saves": "1",
        }
        with self.stopper.process():
            self.payer.pay(self.opened_checkout, **form)

    def bank_answers(self) -> None:
        """Days pass, and the bank settles the debit. Nothing of ours runs."""
        self.settle()

    def recover(self) -> None:
        self.open_again()
        for after in (30, 400):
            self.run_worker(after=after)
        if self.opened_checkout.payment.state == "open" and not any(a.is_live for a in self.opened_checkout.attempts):
            self.pay()
        self.send_webhooks()
        self.run_worker(after=500)
        self.bank_answers()
        self.send_webhooks()
        for after in (900, 1500, 4000, 8000):
            self.run_worker(after=after)
        self.return_to_quote()
        self.run_worker(after=12000)

    def verify(self) -> None:
        super().verify()
        assert [m.kind for m in self.payer.methods] == ["au_becs_debit"]


class DebitRejectedScenario(BankDebitScenario):
    """The debit is returned days later, the draft is removed, and a card pays."""

    interrupt_from: ClassVar[str] = "bank_answers"

    def bank_answers(self) -> None:
        self.settle("bounce", code="insufficient_funds")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps[:-1], self.pay_by_card, self.send_webhooks, self.run_worker, self.return_to_quote]

    def pay_by_card(self) -> None:
        """Pay Quote, with a card."""
        form = {
            "confirmation_token": self.tenant.confirmation_token(self.card),
            "saves": "1",
        }
        with self.stopper.process():
            self.payer.pay(self.opened_checkout, **form)

    def recover(self) -> None:
        super().recover()
        if self.opened_checkout.payment.state == "open":
            self.pay_by_card()
        self.send_webhooks()
        for after in (13000, 17000, 22000):
            self.run_worker(after=after)

    def verify(self) -> None:
        assert sum(i["amount_received"] for i in self.list_new_intents()) == 62500
        assert (self.opened_checkout.payment.state, self.opened_checkout.quote.state) == ("succeeded", "paid")
        stem = self.opened_checkout.payment.reference[:12].upper()
        assert list_documents(self.tenant, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("PAID", 625.0)]
        assert list_payments(self.tenant, stem) == [("AUTHORISED", 625.0)]
        notes = [n for n in list_credit_notes(self.tenant, stem) if n != ("DELETED", 625.0)]
        assert notes == [("AUTHORISED", 625.0)]
        assert not OutboxMessage.objects.exclude(state="done").exists()


class DebitReversedScenario(BankDebitScenario):
    """The debit settles and is disputed afterwards: everything is reverted, and it is owed again."""

    interrupt_from: ClassVar[str] = "dispute"
    changes: ClassVar[dict[str, Any]] = DEBIT

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps[:-1], self.dispute, self.send_webhooks, self.run_worker, self.return_to_quote]

    def dispute(self) -> None:
        """The payer's bank disputes the charge. Nothing of ours runs."""
        for intent in self.list_new_intents():
            if intent["status"] == "succeeded" and not self.is_disputed(intent):
                self.tenant.act_at_stripe("dispute", intent["id"])

    def is_disputed(self, intent: dict[str, Any]) -> bool:
        """Whether a charge of it was disputed already."""
        return any(c["disputed"] for c in self.tenant.charges() if c["payment_intent"] == intent["id"])

    def recover(self) -> None:
        super().recover()
        self.dispute()
        self.send_webhooks()
        for after in (13000, 17000, 22000):
            self.run_worker(after=after)

    def verify(self) -> None:
        assert (self.opened_checkout.payment.state, self.opened_checkout.quote.state) == ("reversed", "open")
        stem = self.opened_checkout.payment.reference[:12].upper()
        assert list_documents(self.tenant, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("AUTHORISED", 625.0)]
        assert list_payments(self.tenant, stem) == []
        assert list_credit_notes(self.tenant, stem) == list_voided_credit(self.tenant)
        assert [m.state for m in self.payer.methods] == ["invalid"]
        assert not OutboxMessage.objects.exclude(state="done").exists()


class DisputeWonScenario(DebitReversedScenario):
    """After that the dispute is won: the quote is paid again, and posted under numbers of its own."""

    interrupt_from: ClassVar[str] = "reinstate"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.reinstate, self.send_webhooks, self.run_worker, self.return_to_quote]

    def reinstate(self) -> None:
        """The payer's bank withdraws the dispute. Nothing of ours runs."""
        dispute = Dispute.objects.get(attempt__payment=self.opened_checkout.payment)
        self.tenant.act_at_stripe("reinstate", dispute.stripe_dispute_id)

    def verify(self) -> None:
        assert (self.opened_checkout.payment.state, self.opened_checkout.quote.state) == ("succeeded", "paid")
        assert [a.state for a in self.opened_checkout.attempts] == ["reversed", "succeeded"]
        stem = self.opened_checkout.payment.reference[:12].upper()
        assert list_documents(self.tenant, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("PAID", 625.0)]
        assert list_payments(self.tenant, stem) == [("AUTHORISED", 625.0)]
        assert list_credit_notes(self.tenant, stem) == [*list_voided_credit(self.tenant), ("AUTHORISED", 625.0)]
        notifications = Notification.objects.filter(
            title="Dispute won", body__contains=self.opened_checkout.payment.company.name
        )
        assert notifications.count() == 1
        assert not OutboxMessage.objects.exclude(state="done").exists()


class RefundScenario(QuoteScenario):
    """A paid quote is refunded in part by the merchant."""

    interrupt_from: ClassVar[str] = "refund"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.pay, self.run_worker, self.refund, self.send_webhooks, self.run_worker]

    def refund(self) -> None:
        """The merchant's admin presses Refund."""
        now = timezone.now()
        with self.stopper.process():
            refund = start_refund(self.opened_checkout.payment, amount=20000, reason="", by=self.tenant.user, now=now)
            send_refund(refund, now=now)

    def is_refund_requested(self) -> bool:
        """Whether a refund was started, so that nobody presses Refund again."""
        return self.opened_checkout.payment.refunds.exclude(state="failed").exists()

    def recover(self) -> None:
        super().recover()
        if not self.is_refund_requested():
            self.refund()
        self.send_webhooks()
        for after in (13000, 17000, 22000):
            self.run_worker(after=after)

    def verify(self) -> None:
        charges = [c for c in self.tenant.charges() if c["payment_intent"] not in self.before]
        captured, refunded = (sum(c[f"amount_{what}"] for c in charges) for what in ("captured", "refunded"))
        assert (captured, refunded) == (62500, 20000)
        assert (self.opened_checkout.payment.state, self.opened_checkout.payment.refunded_amount) == (
            "succeeded",
            20000,
        )
        [note] = list_remaining_credits(self.tenant, self.opened_checkout.payment.reference[:12].upper())
        assert note == ("AUTHORISED", 425.0)
        assert not OutboxMessage.objects.exclude(state="done").exists()


class RefundFailedScenario(RefundScenario):
    """The refund fails, for the payer's account is closed: the credit has its full amount again."""

    interrupt_from: ClassVar[str] = "fail_refund"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.fail_refund, self.send_webhooks, self.run_worker]

    def is_refund_requested(self) -> bool:
        return self.opened_checkout.payment.refunds.exclude(stripe_refund_id="").exists()

    def fail_refund(self) -> None:
        """Days pass, and the refund fails. Nothing of ours runs."""
        for refund in self.opened_checkout.payment.refunds.filter(state="succeeded"):
            self.tenant.act_at_stripe("fail_refund", refund.stripe_refund_id)

    def recover(self) -> None:
        super().recover()
        self.fail_refund()
        self.send_webhooks()
        for after in (23000, 27000, 32000):
            self.run_worker(after=after)

    def verify(self) -> None:
        assert [refund.state for refund in self.opened_checkout.payment.refunds.all()] == ["failed"]
        assert (self.opened_checkout.payment.state, self.opened_checkout.payment.refunded_amount) == (
            "succeeded",
            0,
        )
        assert list_remaining_credits(self.tenant, self.opened_checkout.payment.reference[:12].upper()) == [
            ("AUTHORISED", 625.0)
        ]
        Scenario.verify(self)
