"""Journeys of payers with an account: saved methods, bank debits that settle, come back or are disputed; refunds."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.test import Client
from django.utils import timezone

from merchants.models import Notification, Terms
from payers.models import PayerAccess
from payments.models import Dispute, SavedMethod
from payments.refunds import order_refund, run_refund
from payments.states import LIVE
from tests.journeys import Journey, QuoteJourney, documents, notes_of, payments_of, remaining_notes
from tests.payments.shopper import ONLY_RECURRING, RECURRING, Shopper, bank_token, terms_of
from tests.people import House, merged
from wisepay.models import OutboxMessage

DEBIT = {"allowed_methods": ["card", "bank_debit"]}


def voided(house: House) -> list[tuple[str, float]]:
    """What the books show of a credit that was taken back: QuickBooks deletes what Xero voids."""
    return [("VOIDED", 625.0)] if house.connection.provider == "xero" else []


class PersonJourney(QuoteJourney):
    """A payer with an account."""

    def set_up(self) -> None:
        super().set_up()
        self.shopper = Shopper(self.house)


class SavingJourney(PersonJourney):
    """They pay a quote that recurs, and the same confirmation saves the card."""

    stops_from: ClassVar[str] = "pay"
    stops_until: ClassVar[str] = "work"
    changes: ClassVar[dict[str, Any]] = RECURRING

    def pay(self) -> None:
        form = {
            "confirmation_token": self.house.confirmation_token(self.card),
            "saves": "1",
            "accepted_terms": terms_of(self.house.merchant, Terms.Kind.SAVED_CARD),
        }
        with self.stopper.process():
            self.shopper.pay(self.opened, **form)

    def verify(self) -> None:
        super().verify()
        [method] = self.shopper.methods
        assert (method.state, self.opened.payment.saved_method) == ("active", method)


class RegisterJourney(QuoteJourney):
    """Somebody registers, pays at once and saves the card; the Welcome mail follows."""

    stops_from: ClassVar[str] = "register"
    stops_until: ClassVar[str] = "hear"
    changes: ClassVar[dict[str, Any]] = RECURRING

    def set_up(self) -> None:
        super().set_up()
        self.browser = Client()
        self.email = f"riley{self.number}@example.com"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.register, self.pay, self.hear, self.work, self.come_back]

    def register(self) -> None:
        """Payer Information and the terms."""
        terms = terms_of(self.house.merchant, Terms.Kind.USER_ACCOUNT)
        form = {"name": "Riley Register", "email": self.email, "phone": "", "accepted_terms": terms}
        with self.stopper.process():
            self.browser.post(f"{self.opened.path}/register", form)

    def pay(self) -> None:
        if "registering" not in self.browser.session:
            self.register()
        form = {
            "name": "Riley Register",
            "email": self.email,
            "amount": self.opened.payment.amount,
            "confirmation_token": self.house.confirmation_token(self.card),
            "saves": "1",
            "accepted_terms": terms_of(self.house.merchant, Terms.Kind.SAVED_CARD),
        }
        with self.stopper.process():
            self.browser.post(f"{self.opened.path}/attempts", form)

    def verify(self) -> None:
        super().verify()
        access = PayerAccess.objects.get(user__email=self.email)
        assert (access.state, access.invitations.filter(used_at=None, replaced_at=None).count()) == ("pending", 1)
        assert [m.state for m in SavedMethod.objects.filter(owner=access.user)] == ["active"]
        assert any("Welcome" in mail["subject"] for mail in self.house.mails(self.email))


class SetupJourney(PersonJourney):
    """Nothing is due: they save a card and nothing is charged."""

    stops_from: ClassVar[str] = "pay"
    changes: ClassVar[dict[str, Any]] = ONLY_RECURRING

    def pay(self) -> None:
        form = {"confirmation_token": self.house.confirmation_token(self.card)}
        with self.stopper.process():
            self.shopper.save(self.opened, **form)

    def recover(self) -> None:
        self.open_again()
        for after in (30, 400):
            self.work(after=after)
        if self.opened.payment.state == "open" and not self.opened.payment.setups.filter(state__in=LIVE).exists():
            self.pay()
        self.hear()
        for after in (500, 900, 1500, 4000):
            self.work(after=after)
        self.come_back()
        self.work(after=8000)

    def verify(self) -> None:
        assert self.taken() == []
        assert (self.opened.payment.state, self.opened.quote.state) == ("saved", "saved")
        assert [m.state for m in self.shopper.methods] == ["active"]
        assert self.opened.payment.saved_method == self.shopper.methods[0]
        assert not OutboxMessage.objects.exclude(state="done").exists()


class DebitJourney(PersonJourney):
    """They pay by bank debit, save the account, and it settles days later."""

    stops_from: ClassVar[str] = "pay"
    changes: ClassVar[dict[str, Any]] = merged(DEBIT, RECURRING)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.pay, self.hear, self.work, self.bank_answers, self.hear, self.work, self.come_back]

    def pay(self) -> None:
        token = bank_token(self.house, "aud")
        form = {
            "method": "bank_debit",
            "confirmation_token": token,
            "saves": "1",
            "accepted_terms": terms_of(self.house.merchant, Terms.Kind.SAVED_BANK_ACCOUNT),
        }
        with self.stopper.process():
            self.shopper.pay(self.opened, **form)

    def bank_answers(self) -> None:
        """Days pass. Nothing of ours runs."""
        self.settle()

    def recover(self) -> None:
        self.open_again()
        for after in (30, 400):
            self.work(after=after)
        if self.opened.payment.state == "open" and not any(a.is_live for a in self.opened.attempts):
            self.pay()
        self.hear()
        self.work(after=500)
        self.bank_answers()
        self.hear()
        for after in (900, 1500, 4000, 8000):
            self.work(after=after)
        self.come_back()
        self.work(after=12000)

    def verify(self) -> None:
        super().verify()
        assert [m.kind for m in self.shopper.methods] == ["au_becs_debit"]


class RejectedJourney(DebitJourney):
    """The debit comes back days later, the draft is removed, and a card pays."""

    stops_from: ClassVar[str] = "bank_answers"

    def bank_answers(self) -> None:
        self.settle("bounce", code="insufficient_funds")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps[:-1], self.pay_by_card, self.hear, self.work, self.come_back]

    def pay_by_card(self) -> None:
        """Pay Quote, with a card."""
        form = {
            "confirmation_token": self.house.confirmation_token(self.card),
            "saves": "1",
            "accepted_terms": terms_of(self.house.merchant, Terms.Kind.SAVED_CARD),
        }
        with self.stopper.process():
            self.shopper.pay(self.opened, **form)

    def recover(self) -> None:
        super().recover()
        if self.opened.payment.state == "open":
            self.pay_by_card()
        self.hear()
        for after in (13000, 17000, 22000):
            self.work(after=after)

    def verify(self) -> None:
        assert sum(i["amount_received"] for i in self.taken()) == 62500
        assert (self.opened.payment.state, self.opened.quote.state) == ("succeeded", "paid")
        stem = self.opened.payment.reference[:12].upper()
        assert documents(self.house, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("PAID", 625.0)]
        assert payments_of(self.house, stem) == [("AUTHORISED", 625.0)]
        notes = [n for n in notes_of(self.house, stem) if n != ("DELETED", 625.0)]
        assert notes == [("AUTHORISED", 625.0)]
        assert not OutboxMessage.objects.exclude(state="done").exists()


class ReversedJourney(DebitJourney):
    """The debit settles and is disputed afterwards: everything is undone, and it is owed again."""

    stops_from: ClassVar[str] = "dispute"
    changes: ClassVar[dict[str, Any]] = DEBIT

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps[:-1], self.dispute, self.hear, self.work, self.come_back]

    def dispute(self) -> None:
        """The payer's bank takes it back. Nothing of ours runs."""
        for intent in self.taken():
            if intent["status"] == "succeeded" and not self.is_disputed(intent):
                self.house.by_hand("dispute", intent["id"])

    def is_disputed(self, intent: dict[str, Any]) -> bool:
        """Whether it was taken back already."""
        return any(c["disputed"] for c in self.house.charges() if c["payment_intent"] == intent["id"])

    def recover(self) -> None:
        super().recover()
        self.dispute()
        self.hear()
        for after in (13000, 17000, 22000):
            self.work(after=after)

    def verify(self) -> None:
        assert (self.opened.payment.state, self.opened.quote.state) == ("reversed", "open")
        stem = self.opened.payment.reference[:12].upper()
        assert documents(self.house, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("AUTHORISED", 625.0)]
        assert payments_of(self.house, stem) == []
        assert notes_of(self.house, stem) == voided(self.house)
        assert [m.state for m in self.shopper.methods] == ["invalid"]
        assert not OutboxMessage.objects.exclude(state="done").exists()


class ReinstatedJourney(ReversedJourney):
    """After that the bank gives the money back: it is paid again, and booked under numbers of its own."""

    stops_from: ClassVar[str] = "reinstate"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.reinstate, self.hear, self.work, self.come_back]

    def reinstate(self) -> None:
        """The payer's bank thinks again. Nothing of ours runs."""
        dispute = Dispute.objects.get(attempt__payment=self.opened.payment)
        self.house.by_hand("reinstate", dispute.stripe_dispute_id)

    def verify(self) -> None:
        assert (self.opened.payment.state, self.opened.quote.state) == ("succeeded", "paid")
        assert [a.state for a in self.opened.attempts] == ["reversed", "succeeded"]
        stem = self.opened.payment.reference[:12].upper()
        assert documents(self.house, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("PAID", 625.0)]
        assert payments_of(self.house, stem) == [("AUTHORISED", 625.0)]
        assert notes_of(self.house, stem) == [*voided(self.house), ("AUTHORISED", 625.0)]
        told = Notification.objects.filter(title="Dispute won", body__contains=self.opened.payment.company.name)
        assert told.count() == 1
        assert not OutboxMessage.objects.exclude(state="done").exists()


class RefundJourney(QuoteJourney):
    """A paid quote is given back in part by the merchant."""

    stops_from: ClassVar[str] = "give_back"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.pay, self.work, self.give_back, self.hear, self.work]

    def give_back(self) -> None:
        """The merchant's admin presses Refund."""
        now = timezone.now()
        with self.stopper.process():
            refund = order_refund(self.opened.payment, amount=20000, reason="", by=self.house.user, now=now)
            run_refund(refund, now=now)

    def is_ordered(self) -> bool:
        """Whether nobody need press it again."""
        return self.opened.payment.refunds.exclude(state="failed").exists()

    def recover(self) -> None:
        super().recover()
        if not self.is_ordered():
            self.give_back()
        self.hear()
        for after in (13000, 17000, 22000):
            self.work(after=after)

    def verify(self) -> None:
        mine = [c for c in self.house.charges() if c["payment_intent"] not in self.before]
        assert (sum(c["amount_captured"] for c in mine), sum(c["amount_refunded"] for c in mine)) == (62500, 20000)
        assert (self.opened.payment.state, self.opened.payment.refunded_amount) == ("succeeded", 20000)
        [note] = remaining_notes(self.house, self.opened.payment.reference[:12].upper())
        assert note == ("AUTHORISED", 425.0)
        assert not OutboxMessage.objects.exclude(state="done").exists()


class RefundFailedJourney(RefundJourney):
    """The gateway takes the refund back, for the payer's account is closed: the credit is whole again."""

    stops_from: ClassVar[str] = "fail"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.fail, self.hear, self.work]

    def is_ordered(self) -> bool:
        return self.opened.payment.refunds.exclude(stripe_refund_id="").exists()

    def fail(self) -> None:
        """Days pass. Nothing of ours runs."""
        for refund in self.opened.payment.refunds.filter(state="succeeded"):
            self.house.by_hand("fail_refund", refund.stripe_refund_id)

    def recover(self) -> None:
        super().recover()
        self.fail()
        self.hear()
        for after in (23000, 27000, 32000):
            self.work(after=after)

    def verify(self) -> None:
        assert [refund.state for refund in self.opened.payment.refunds.all()] == ["failed"]
        assert (self.opened.payment.state, self.opened.payment.refunded_amount) == ("succeeded", 0)
        assert remaining_notes(self.house, self.opened.payment.reference[:12].upper()) == [("AUTHORISED", 625.0)]
        Journey.verify(self)
