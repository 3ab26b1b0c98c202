"""Journeys of automatic payments: an invoice appears in the books and is charged by itself, one way or another."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from django.utils import timezone

from accounting.autopay.running import arm_due
from accounting.autopay.terms import read_ledger_terms
from accounting.models import AutoPayMapping, AutoPaySettings, BillingTerm, LedgerInvoice, LedgerTerm, ScheduledPayment
from merchants.models import Terms
from payments.models import Attempt, SavedMethod
from tests.accounting.autopay.stage import ASKING, DECLINING, GOOD
from tests.accounting.invoices import Billing
from tests.journeys import Journey
from tests.journeys_of_people import SavingJourney
from tests.payments.bank import answer_bank
from tests.payments.shopper import bank_token, terms_of
from tests.people import House


def charge_by_itself(house: House, **chosen: Any) -> None:
    """The merchant switches automatic payments on, under one billing term for everything that the books know."""
    fresh = {"is_enabled": True, "maximum_retries": 1, **chosen}
    AutoPaySettings.objects.update_or_create(merchant=house.merchant, defaults=fresh)
    term, is_new = BillingTerm.objects.get_or_create(merchant=house.merchant, name="When due")
    if is_new:
        read_ledger_terms(house.merchant, now=timezone.now())
        LedgerTerm.objects.filter(merchant=house.merchant).update(billing_term=term)


class AutomaticJourney(Journey):
    """It is scheduled when the mirror shows it, charged to the saved card when its time has come, and booked."""

    stops_from: ClassVar[str] = "read_books"
    beat: ClassVar[tuple[Callable[..., object], ...]] = (arm_due,)
    cards: ClassVar[tuple[str, ...]] = (GOOD,)
    retries: ClassVar[int] = 1

    def set_up(self) -> None:
        name, email = f"Harbour Dental {self.number}", f"payer{self.number}@example.com"
        self.billing = Billing(self.house, name=name, email=email)
        charge_by_itself(self.house, maximum_retries=self.retries)
        primary, *others = self.save_methods()
        self.mapping = AutoPayMapping.objects.create(
            merchant=self.house.merchant,
            company=self.billing.company,
            primary_method=primary,
            secondary_method=others[0] if others else None,
            origin="merchant",
            state="active",
            state_at=timezone.now(),
        )
        due = (timezone.now() + timedelta(days=7)).date().isoformat()
        self.billing.by_hand("make_invoice", contact=name, amount="349.00", number=f"INV-{self.number}", due_date=due)

    def save_methods(self) -> list[SavedMethod]:
        """What the payer saved in their settings, the primary one first."""
        return [self.save("card", self.house.confirmation_token(card), Terms.Kind.SAVED_CARD) for card in self.cards]

    def save(self, method: str, token: str, kind: str) -> SavedMethod:
        """The payer presses Save, and answers their bank if it asks."""
        form = {"company": self.billing.company.reference, "method": method, "confirmation_token": token}
        form["accepted_terms"] = str(terms_of(self.house.merchant, kind))
        said = self.billing.client.post("/my/methods", form, headers={"Accept": "application/json"}).json()
        if said["status"] == "requires_action":
            answer_bank(self.house.world, said["client_secret"])
            self.billing.client.post(said["attempt"], headers={"Accept": "application/json"})
        return SavedMethod.objects.filter(company=self.billing.company, state="active").latest("pk")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books, self.come_due, self.work, self.hear, self.work]

    def come_due(self) -> None:
        """Days pass, and nobody has looked at the invoice lately. Nothing of ours runs."""
        now = timezone.now()
        LedgerInvoice.objects.filter(number=f"INV-{self.number}").update(read_at=now - timedelta(hours=1))
        ScheduledPayment.objects.filter(invoice__number=f"INV-{self.number}", state="scheduled").update(run_at=now)

    def go_on(self) -> None:
        """Nobody does anything: the books are looked at every now and then, and what is due comes due."""
        self.read_books(after=440)
        for after in (450, 460, 470):
            self.work(after=after)
            self.come_due()
            self.work(after=after + 5)

    @property
    def invoice(self) -> LedgerInvoice:
        """The mirror's row."""
        return self.billing.invoice(f"INV-{self.number}")

    @property
    def scheduled(self) -> ScheduledPayment:
        """The only scheduled payment of it, read afresh."""
        return ScheduledPayment.objects.select_related("payment").get(invoice=self.invoice)

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt to charge it, oldest first."""
        return list(Attempt.objects.filter(payment__shares__invoice=self.invoice).order_by("pk"))

    def letters(self) -> set[str]:
        """What the payer was told of automatic payments; a letter that was sent twice is one."""
        mails = self.house.mails(self.billing.email)
        return {str(mail["text"]) for mail in mails if "automatic payment" in mail["subject"]}

    def tried(self) -> list[str]:
        """How each charge at the gateway ended, oldest first."""
        mine = {intent["id"] for intent in self.taken()}
        charges = [c for c in self.house.charges() if c["payment_intent"] in mine]
        return [c["status"] for c in sorted(charges, key=lambda c: (c["created"], c["id"]))]

    def verify(self) -> None:
        super().verify()
        assert sum(i["amount_received"] for i in self.taken()) == 34900
        self.verify_scheduled()
        assert self.billing.standing(self.invoice) == ("PAID", "0.00")
        assert [row[1:] for row in self.billing.booked(self.invoice)] == [("349.00", "AUTHORISED")]
        self.read_books()
        assert self.invoice.status == "paid"

    def verify_scheduled(self) -> None:
        """What became of the scheduled payment."""
        assert (self.scheduled.state, self.letters(), self.tried()) == ("settled", set(), ["succeeded"])


class RetriedJourney(AutomaticJourney):
    """The card is declined, once more a day later, and then the secondary method is charged."""

    stops_from: ClassVar[str] = "come_due"
    cards: ClassVar[tuple[str, ...]] = (DECLINING, GOOD)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books, self.come_due, self.work, self.come_due, self.work, self.hear, self.work]

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.method_id) == ("settled", self.mapping.secondary_method_id)
        assert sorted(self.tried()) == ["failed", "failed", "succeeded"]
        # A failure that could only be told of when the other card had paid is not told of.
        assert 1 <= len(self.letters()) <= 2


class RequeuedJourney(AutomaticJourney):
    """A bank debit comes back for want of funds; it is presented once more, settles, and is booked then."""

    stops_from: ClassVar[str] = "come_due"

    def save_methods(self) -> list[SavedMethod]:
        self.house.open_checkout()  # the merchant takes Australian dollars
        return [self.save("bank_debit", bank_token(self.house, "aud"), Terms.Kind.SAVED_BANK_ACCOUNT)]

    @property
    def steps(self) -> list[Callable[[], None]]:
        again = [self.come_due, self.work, self.settle, self.hear, self.work]
        return [self.read_books, *again, *again]

    def settle(self, outcome: str = "settle", **said: Any) -> None:
        """The first one comes back; the next one settles."""
        if any(status == "failed" for status in self.tried()):
            super().settle()
        else:
            super().settle("bounce", code="insufficient_funds")

    def go_on(self) -> None:
        super().go_on()
        for after in (480, 490):
            self.settle()
            self.hear()
            self.work(after=after)
            self.come_due()
            self.work(after=after + 5)
        self.settle()

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.presentations) == ("settled", 2)
        assert sorted(self.tried()) == ["failed", "succeeded"]


class AskingJourney(AutomaticJourney):
    """The card's bank wants its payer: they are mailed a link, and pay through it."""

    stops_from: ClassVar[str] = "come_due"
    cards: ClassVar[tuple[str, ...]] = (ASKING,)

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books, self.come_due, self.work, self.follow_link, self.hear, self.work]

    def follow_link(self) -> None:
        """The payer opens the link of the mail, and pays with another card."""
        payment = self.scheduled.payment
        assert payment is not None
        assert any(f"/pay/{payment.reference}" in text for text in self.letters())
        form = self.billing.order(payment) | {"confirmation_token": self.house.confirmation_token(GOOD)}
        with self.stopper.process():
            self.billing.send(payment, form)

    def go_on(self) -> None:
        super().go_on()
        payment = self.scheduled.payment
        if payment is not None and payment.state == "open":
            self.follow_link()

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.resolution) == ("failed", "The payer paid it.")
        assert [a.failure_code for a in self.attempts if a.is_off_session] == ["authentication_required"]


class FixedJourney(AutomaticJourney):
    """It failed for good; somebody changes the mapping's card and presses Reset & Requeue."""

    stops_from: ClassVar[str] = "requeue"
    cards: ClassVar[tuple[str, ...]] = (GOOD, DECLINING)
    retries: ClassVar[int] = 0

    def save_methods(self) -> list[SavedMethod]:
        self.good, declining = super().save_methods()
        return [declining]

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.read_books, self.come_due, self.work, self.mend, self.requeue, self.work]

    def mend(self) -> None:
        """The mapping gets a card that works."""
        AutoPayMapping.objects.filter(pk=self.mapping.pk).update(primary_method=self.good)

    def requeue(self) -> None:
        """The merchant presses Reset & Requeue."""
        path = self.house.url(f"automatic-payments/p/{self.scheduled.reference}/requeue")
        with self.stopper.process():
            self.house.admin.post(path)

    def go_on(self) -> None:
        super().go_on()
        if self.scheduled.state == "failed":
            self.mend()
            self.requeue()
        self.work(after=480)

    def verify_scheduled(self) -> None:
        assert (self.scheduled.state, self.scheduled.method_id) == ("settled", self.good.pk)
        assert sorted(self.tried()) == ["failed", "succeeded"]


class MappingJourney(SavingJourney):
    """A quote that recurs is paid and its card saved: that is the mapping of what will be billed."""

    parts: ClassVar[int] = 1
    stops_from: ClassVar[str] = "work"
    stops_until: ClassVar[str] = "come_back"

    def set_up(self) -> None:
        super().set_up()
        charge_by_itself(self.house, from_quotes=AutoPaySettings.FromQuotes.MAKE)

    def verify(self) -> None:
        super().verify()
        [method] = self.shopper.methods
        [mapping] = AutoPayMapping.objects.filter(company=self.opened.payment.company)
        assert (mapping.state, mapping.origin, mapping.primary_method) == ("active", "quote", method)
        assert mapping.acceptance is not None
