"""Journeys of payers in their settings: a card or a bank account is saved, and nothing is charged."""

from collections.abc import Callable
from typing import Any, ClassVar

import requests

from merchants.models import Terms
from tests.journeys import SECURE_CARD, Journey
from tests.journeys_of_people import PersonJourney
from tests.payments.shopper import USD, bank_token, terms_of
from wisepay.models import OutboxMessage


class AdditionJourney(PersonJourney):
    """They add a card in their settings; its bank asks, and nothing is charged."""

    card = SECURE_CARD
    stops_from: ClassVar[str] = "add"
    kept_as: ClassVar[tuple[str, str]] = ("card", "3184")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [self.open, self.enter, self.add, self.authenticate, self.check, self.hear, self.work, self.look]

    def enter(self) -> None:
        """They have access to the quote's company, which has a currency by it. Nothing of ours runs."""
        self.shopper.enter(self.opened.payment)

    def order(self) -> dict[str, Any]:
        """What the page of the settings posts besides the company."""
        return {
            "method": "card",
            "confirmation_token": self.house.confirmation_token(self.card),
            "accepted_terms": terms_of(self.house.merchant, Terms.Kind.SAVED_CARD),
        }

    def add(self) -> None:
        """The payer presses Save."""
        form = {"company": self.opened.payment.company.reference, **self.order()}
        with self.stopper.process():
            self.shopper.client.post("/my/methods", form)

    def authenticate(self) -> None:
        for intent in self.at_stripe("setup_intents"):
            if intent["status"] == "requires_action":
                url = intent["next_action"]["use_stripe_sdk"]["stripe_js"]
                requests.post(url, data={"outcome": "complete"}, timeout=10)

    def check(self) -> None:
        for setup in self.shopper.setups:
            if setup.state == "requires_action":
                with self.stopper.process():
                    self.shopper.client.post(f"/my/methods/added/{setup.reference}/check")

    def look(self) -> None:
        """The payer opens the list of what is kept."""
        page = "cards" if self.kept_as[0] == "card" else "bank-accounts"
        with self.stopper.process():
            assert self.kept_as[1] in self.shopper.client.get(f"/my/{page}").content.decode()

    def recover(self) -> None:
        for after in (30, 400):
            self.work(after=after)
        if not self.shopper.methods and not any(setup.is_live for setup in self.shopper.setups):
            self.add()
        self.authenticate()
        self.check()
        self.hear()
        for after in (500, 900, 1500, 4000):
            self.work(after=after)
        self.look()

    def verify(self) -> None:
        assert self.taken() == []
        [method] = self.shopper.methods
        assert (method.kind, method.last4, method.state, method.is_default) == (*self.kept_as, "active", True)
        assert method.acceptance is not None
        assert method.acceptance.user == self.shopper.user
        assert [s.state for s in self.shopper.setups if s.state not in ("failed", "cancelled")] == ["succeeded"]
        assert [i["payment_method"] for i in self.at_stripe("setup_intents")] == [method.stripe_payment_method_id]
        assert [m["id"] for m in self.at_stripe("payment_methods")] == [method.stripe_payment_method_id]
        assert (self.opened.payment.state, self.opened.payment.saved_method) == ("open", None)
        assert not OutboxMessage.objects.exclude(state="done").exists()

    def at_stripe(self, kind: str) -> list[dict[str, Any]]:
        """The practice account's objects of every customer that has the company's name."""
        auth = {"Authorization": f"Bearer {self.house.stripe_key}"}
        url, company = f"{self.house.world.url}/stripe/v1", self.opened.payment.company.name
        people = requests.get(f"{url}/customers?limit=100", headers=auth, timeout=10).json()["data"]
        mine = [customer["id"] for customer in people if customer["name"] == company]
        return [
            found
            for customer in mine
            for found in requests.get(
                f"{url}/{kind}", params={"customer": customer, "limit": 100}, headers=auth, timeout=10
            ).json()["data"]
        ]


class BankAdditionJourney(AdditionJourney):
    """The same with a bank account and its mandate."""

    changes: ClassVar[dict[str, Any]] = USD
    kept_as: ClassVar[tuple[str, str]] = ("us_bank_account", "6789")

    def order(self) -> dict[str, Any]:
        return {
            "method": "bank_debit",
            "confirmation_token": bank_token(self.house, "usd"),
            "accepted_terms": terms_of(self.house.merchant, Terms.Kind.SAVED_BANK_ACCOUNT),
        }

    def verify(self) -> None:
        super().verify()
        [method] = self.shopper.methods
        assert [i["mandate"] for i in self.at_stripe("setup_intents")] == [method.stripe_mandate_id]


class RemovalJourney(AdditionJourney):
    """They remove the card again: nobody can charge it, and the gateway forgets it."""

    parts: ClassVar[int] = 1
    stops_from: ClassVar[str] = "remove"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.remove, self.work]

    def remove(self) -> None:
        """The payer presses Remove."""
        [method] = self.shopper.methods
        with self.stopper.process():
            self.shopper.client.post(f"/my/methods/{method.reference}/remove")

    def recover(self) -> None:
        for after in (30, 400):
            self.work(after=after)
        if self.shopper.methods[0].state == "active":
            self.remove()
        self.work(after=500)

    def verify(self) -> None:
        assert [method.state for method in self.shopper.methods] == ["removed"]
        assert self.at_stripe("payment_methods") == []
        Journey.verify(self)
