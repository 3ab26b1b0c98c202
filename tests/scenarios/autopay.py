"""Scenarios of automatic payments: an invoice appears in the ledger and is charged automatically."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.test import Client
from django.utils import timezone

from accounting.autopay.charging import schedule_due_payments
from accounting.autopay.notices import schedule_due_notices
from accounting.autopay.terms import import_ledger_terms
from accounting.models import AutoPayMapping, AutoPaySettings, BillingTerm, LedgerInvoice, LedgerTerm, ScheduledPayment
from payments.models import Attempt, SavedMethod
from tests.accounting.autopay.builders import AUTHENTICATION_CARD, DECLINING_CARD, GOOD_CARD
from tests.accounting.invoices.scenario import InvoiceScenario
from tests.payments.consent_form import get_saving_terms
from tests.payments.signed_in_payer import create_bank_token
from tests.payments.three_d_secure import answer_three_d_secure
from tests.scenarios.base import Scenario
from tests.scenarios.payers import SaveCardScenario
from tests.tenants import Tenant


def enable_autopay(tenant: Tenant, **chosen: Any) -> None:
    """Switch automatic payments on, with one billing term that covers every term of the ledger."""
    fresh = {"is_enabled": True, "maximum_retries": 1, "notice_days": 0, **chosen}
    AutoPaySettings.objects.update_or_create(merchant=tenant.merchant, defaults=fresh)
    term, is_new = BillingTerm.objects.get_or_create(merchant=tenant.merchant, name="When due")
    if is_new:
        import_ledger_terms(tenant.merchant, now=timezone.now())
        LedgerTerm.objects.filter(merchant=tenant.merchant).update(billing_term=term)


class AutoPayScenario(Scenario):
    """The invoice is scheduled when the mirror has it, charged to the saved card when it is due, and posted."""

    interrupt_from: ClassVar[str] = "sync_mirror"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (schedule_due_payments,)
    cards: ClassVar[tuple[str, ...]] = (GOOD_CARD,)
    retries: ClassVar[int] = 1

    def set_up(self) -> None:
        name, email = f"Harbour Dental {self.number}", f"payer{self.number}@example.com"
        self.billing = InvoiceScenario(self.tenant, name=name, email=email)
        enable_autopay(self.tenant, maximum_retries=self.retries)
        primary, *others = self.save_methods()
        self.mapping = AutoPayMapping.objects.create(
            merchant=self.tenant.merchant,
            company=self.billing.company,
            primary_method=primary,
            secondary_method=others[0] if others else None,
            origin="merchant",
            state="active",
            state_at=timezone.now(),
        )
        due = (timezone.now() + timedelta(days=7)).date().isoformat()
        self.billing.act_in_ledger(
            "make_invoice", contact=name, amount="349.00", number=f"INV-{self.number}", due_date=due
        )

    def save_methods(self) -> list[SavedMethod]:
        """The methods that the payer saves in their settings, the primary one first."""
        return [self.save("card", self.tenant.confirmation_token(card)) for card in self.cards]

    def save(self, method: str, token: str) -> SavedMethod:
        """The payer presses Save, and answers their bank if it asks."""
        form: dict[str, Any] = {"company": self.billing.company.reference, "method": method}
        form |= {"confirmation_token": token, "accepted_terms": get_saving_terms(self.tenant.merchant, method)}
        answer = self.billing.client.post("/my/methods", form, headers={"Accept": "application/json"}).json()
        if answer["status"] == "requires_action":
            answer_three_d_secure(self.tenant.world, answer["client_secret"])
            self.billing.client.post(answer["attempt"], headers={"Accept": "application/json"})
        return SavedMethod.objects.filter(company=self.billing.company, state="active").latest("pk")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.sync_mirror, self.make_due, self.run_worker, self.send_webhooks, self.run_worker]

    def make_due(self) -> None:
        """Days pass, in which the invoice was not read. Nothing of ours runs."""
        now = timezone.now()
        LedgerInvoice.objects.filter(number=f"INV-{self.number}").update(read_at=now - timedelta(hours=1))
        ScheduledPayment.objects.filter(invoice__number=f"INV-{self.number}", state="scheduled").update(run_at=now)

    def act_after_stop(self) -> None:
        """Nobody does anything: the mirror is read now and then, and scheduled payments come due."""
        self.sync_mirror(after=440)
        for after in (450, 460, 470):
            self.run_worker(after=after)
            self.make_due()
            self.run_worker(after=after + 5)

    @property
    def invoice(self) -> LedgerInvoice:
        """The mirror's row."""
        return self.billing.get_invoice(f"INV-{self.number}")

    @property
    def scheduled(self) -> ScheduledPayment:
        """The only scheduled payment of it, read afresh."""
        return ScheduledPayment.objects.select_related("payment").get(invoice=self.invoice)

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt to charge it, oldest first."""
        return list(Attempt.objects.filter(payment__allocations__invoice=self.invoice).order_by("pk"))

    def list_emails(self) -> set[str]:
        """The texts of the payer's emails about automatic payments; one that was sent twice counts once."""
        mails = self.tenant.mails(self.billing.email)
        return {str(mail["text"]) for mail in mails if "automatic payment" in mail["subject"]}

    def list_charge_states(self) -> list[str]:
        """How each charge at the gateway ended, oldest first."""
        intent_ids = {intent["id"] for intent in self.list_new_intents()}
        charges = [c for c in self.tenant.charges() if c["payment_intent"] in intent_ids]
        return [c["status"] for c in sorted(charges, key=lambda c: (c["created"], c["id"]))]

    def verify(self) -> None:
        super().verify()
        assert sum(i["amount_received"] for i in self.list_new_intents()) == 34900
        self.verify_scheduled()
        assert self.billing.get_ledger_status(self.invoice) == ("PAID", "0.00")
        assert [row[1:] for row in self.billing.list_ledger_payments(self.invoice)] == [("349.00", "AUTHORISED")]
        self.sync_mirror()
        assert self.invoice.status == "paid"

    def verify_scheduled(self) -> None:
        """Check the state of the scheduled payment."""
        assert (self.scheduled.state, self.list_emails(), self.list_charge_states()) == (
            "settled",
            set(),
            ["succeeded"],
        )


class AutoPayNoticeScenario(AutoPayScenario):
    """The payer is mailed a notice, once, and charged only after it."""

    interrupt_from: ClassVar[str] = "approach"
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = (schedule_due_notices, schedule_due_payments)

    def set_up(self) -> None:
        super().set_up()
        enable_autopay(self.tenant, notice_days=3)

    @property
    def steps(self) -> list[Callable[[], None]]:
        act = [self.make_due, self.run_worker, self.send_webhooks, self.run_worker]
        return [self.sync_mirror, self.approach, self.run_worker, *act]

    def approach(self) -> None:
        """The day comes near."""
        rows = ScheduledPayment.objects.filter(invoice__number=f"INV-{self.number}", notified_at=None)
        rows.update(run_at=timezone.now() + timedelta(days=3))

    def make_due(self) -> None:
        """The announced day comes; what was not announced is no nearer."""
        super().make_due()
        rows = ScheduledPayment.objects.filter(invoice__number=f"INV-{self.number}", notice_sent_at__isnull=False)
        rows.update(notified_run_at=timezone.now())

    def verify_scheduled(self) -> None:
        super().verify_scheduled()
        notices = [m for m in self.tenant.mails(self.billing.email) if "Upcoming payment" in m["subject"]]
        assert len({dict(mail["headers"])["Message-ID"] for mail in notices}) == 1
        assert self.scheduled.notices == 1


class AutoPayRetryScenario(AutoPayScenario):
    """The card is declined, once more a day later, and then the secondary method is charged."""

    interrupt_from: ClassVar[str] = "make_due"
    cards: ClassVar[tuple[str, ...]] = (DECLINING_CARD, GOOD_CARD)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [
            self.sync_mirror,
            self.make_due,
            self.run_worker,
            self.make_due,
            self.run_worker,
            self.send_webhooks,
            self.run_worker,
        ]

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.method_id) == ("settled", self.mapping.secondary_method_id)
        assert sorted(self.list_charge_states()) == ["failed", "failed", "succeeded"]
        # A failure whose email is due only when the other card has paid is not mailed.
        assert 1 <= len(self.list_emails()) <= 2


class AutoPayDebitReturnedScenario(AutoPayScenario):
    """A bank debit is returned for insufficient funds; it is presented once more, settles, and is posted then."""

    interrupt_from: ClassVar[str] = "make_due"

    def save_methods(self) -> list[SavedMethod]:
        self.tenant.open_checkout()  # the merchant takes Australian dollars
        return [self.save("bank_debit", create_bank_token(self.tenant, "aud"))]

    @property
    def steps(self) -> list[Callable[[], None]]:
        again = [self.make_due, self.run_worker, self.settle, self.send_webhooks, self.run_worker]
        return [self.sync_mirror, *again, *again]

    def settle(self, outcome: str = "settle", **details: Any) -> None:
        """The first one is returned; the next one settles."""
        if any(status == "failed" for status in self.list_charge_states()):
            super().settle()
        else:
            super().settle("bounce", code="insufficient_funds")

    def act_after_stop(self) -> None:
        super().act_after_stop()
        for after in (480, 490):
            self.settle()
            self.send_webhooks()
            self.run_worker(after=after)
            self.make_due()
            self.run_worker(after=after + 5)
        self.settle()

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.presentations) == ("settled", 2)
        assert sorted(self.list_charge_states()) == ["failed", "succeeded"]


class AutoPayAuthenticationScenario(AutoPayScenario):
    """The card needs authentication: the payer is mailed a link, and pays through it."""

    interrupt_from: ClassVar[str] = "make_due"
    cards: ClassVar[tuple[str, ...]] = (AUTHENTICATION_CARD,)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.sync_mirror, self.make_due, self.run_worker, self.follow_link, self.send_webhooks, self.run_worker]

    def follow_link(self) -> None:
        """The payer opens the link of the mail, and pays with another card."""
        payment = self.scheduled.payment
        assert payment is not None
        paths = {path for text in self.list_emails() for path in re.findall(r"/i/\S+", text)}
        assert {Client().get(path)["Location"] for path in paths} == {f"/pay/{payment.reference}"}
        form = self.billing.build_pay_form(payment) | {"confirmation_token": self.tenant.confirmation_token(GOOD_CARD)}
        with self.stopper.process():
            self.billing.send(payment, form)

    def act_after_stop(self) -> None:
        super().act_after_stop()
        payment = self.scheduled.payment
        if payment is not None and payment.state == "open":
            self.follow_link()

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.resolution) == ("failed", "The payer paid it.")
        assert [a.failure_code for a in self.attempts if a.is_off_session] == ["authentication_required"]


class AutoPayRequeueScenario(AutoPayScenario):
    """It failed for good; somebody changes the mapping's card and presses Reset & Requeue."""

    interrupt_from: ClassVar[str] = "requeue"
    cards: ClassVar[tuple[str, ...]] = (GOOD_CARD, DECLINING_CARD)
    retries: ClassVar[int] = 0

    def save_methods(self) -> list[SavedMethod]:
        self.good, declining = super().save_methods()
        return [declining]

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.sync_mirror, self.make_due, self.run_worker, self.change_card, self.requeue, self.run_worker]

    def change_card(self) -> None:
        """The mapping gets a card that works."""
        AutoPayMapping.objects.filter(pk=self.mapping.pk).update(primary_method=self.good)

    def requeue(self) -> None:
        """The merchant presses Reset & Requeue."""
        path = self.tenant.url(f"automatic-payments/p/{self.scheduled.reference}/requeue")
        with self.stopper.process():
            self.tenant.admin.post(path)

    def act_after_stop(self) -> None:
        super().act_after_stop()
        if self.scheduled.state == "failed":
            self.change_card()
            self.requeue()
        self.run_worker(after=480)

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.method_id) == ("settled", self.good.pk)
        assert sorted(self.list_charge_states()) == ["failed", "succeeded"]


class AutoPayMappingScenario(SaveCardScenario):
    """A quote that recurs is paid and its card saved: that creates the mapping of its recurring invoices."""

    parts: ClassVar[int] = 1
    interrupt_from: ClassVar[str] = "run_worker"
    interrupt_until: ClassVar[str] = "return_to_quote"

    def set_up(self) -> None:
        super().set_up()
        enable_autopay(self.tenant, from_quotes=AutoPaySettings.FromQuotes.MAKE)

    def verify(self) -> None:
        super().verify()
        [method] = self.payer.methods
        [mapping] = AutoPayMapping.objects.filter(company=self.opened_checkout.payment.company)
        assert (mapping.state, mapping.origin, mapping.primary_method) == ("active", "quote", method)
        assert mapping.acceptance is not None
