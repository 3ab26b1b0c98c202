"""Scenarios of payers in their settings: a card or a bank account is saved, and nothing is charged."""

from collections.abc import Callable
from typing import Any, ClassVar

import requests

from tests.payments.consent_form import get_saving_terms
from tests.payments.signed_in_payer import USD, create_bank_token
from tests.scenarios.base import SECURE_CARD, Scenario
from tests.scenarios.payers import RegisteredPayerScenario
from wisepay.models import OutboxMessage


class AddCardScenario(RegisteredPayerScenario):
    """They add a card in their settings; its bank asks, and nothing is charged."""

    card = SECURE_CARD
    interrupt_from: ClassVar[str] = "add"
    saved_as: ClassVar[tuple[str, str]] = ("card", "3184")

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [
            self.open,
            self.grant_access,
            self.add,
            self.authenticate,
            self.check,
            self.send_webhooks,
            self.run_worker,
            self.open_saved_methods,
        ]

    def grant_access(self) -> None:
        """Give the payer access to the quote's company, which has its currency. Nothing of ours runs."""
        self.payer.grant_access(self.opened_checkout.payment)

    def get_form_data(self) -> dict[str, Any]:
        """What the page of the settings posts besides the company."""
        return {
            "method": "card",
            "confirmation_token": self.tenant.confirmation_token(self.card),
            "accepted_terms": get_saving_terms(self.tenant.merchant, "card"),
        }

    def add(self) -> None:
        """The payer presses Save."""
        form = {"company": self.opened_checkout.payment.company.reference, **self.get_form_data()}
        with self.stopper.process():
            self.payer.client.post("/my/methods", form)

    def authenticate(self) -> None:
        for intent in self.list_stripe_objects("setup_intents"):
            if intent["status"] == "requires_action":
                url = intent["next_action"]["use_stripe_sdk"]["stripe_js"]
                requests.post(url, data={"outcome": "complete"}, timeout=10)

    def check(self) -> None:
        for setup in self.payer.setups:
            if setup.state == "requires_action":
                with self.stopper.process():
                    self.payer.client.post(f"/my/methods/added/{setup.reference}/check")

    def open_saved_methods(self) -> None:
        """The payer opens the list of saved methods."""
        page = "cards" if self.saved_as[0] == "card" else "bank-accounts"
        with self.stopper.process():
            assert self.saved_as[1] in self.payer.client.get(f"/my/{page}").content.decode()

    def recover(self) -> None:
        for after in (30, 400):
            self.run_worker(after=after)
        if not self.payer.methods and not any(setup.is_live for setup in self.payer.setups):
            self.add()
        self.authenticate()
        self.check()
        self.send_webhooks()
        for after in (500, 900, 1500, 4000):
            self.run_worker(after=after)
        self.open_saved_methods()

    def verify(self) -> None:
        assert self.list_new_intents() == []
        [method] = self.payer.methods
        assert (method.kind, method.last4, method.state, method.is_default) == (*self.saved_as, "active", True)
        assert method.acceptance is not None
        assert method.acceptance.user == self.payer.user
        assert [s.state for s in self.payer.setups if s.state not in ("failed", "cancelled")] == ["succeeded"]
        assert [i["payment_method"] for i in self.list_stripe_objects("setup_intents")] == [
            method.stripe_payment_method_id
        ]
        assert [m["id"] for m in self.list_stripe_objects("payment_methods")] == [method.stripe_payment_method_id]
        assert (self.opened_checkout.payment.state, self.opened_checkout.payment.saved_method) == ("open", None)
        assert not OutboxMessage.objects.exclude(state="done").exists()

    def list_stripe_objects(self, kind: str) -> list[dict[str, Any]]:
        """The Stripe account's objects of every customer that has the company's name."""
        auth = {"Authorization": f"Bearer {self.tenant.stripe_key}"}
        url, company = f"{self.tenant.world.url}/stripe/v1", self.opened_checkout.payment.company.name
        customers = requests.get(f"{url}/customers?limit=100", headers=auth, timeout=10).json()["data"]
        customer_ids = [customer["id"] for customer in customers if customer["name"] == company]
        return [
            found
            for customer in customer_ids
            for found in requests.get(
                f"{url}/{kind}", params={"customer": customer, "limit": 100}, headers=auth, timeout=10
            ).json()["data"]
        ]


class AddBankAccountScenario(AddCardScenario):
    """The same with a bank account and its mandate."""

    changes: ClassVar[dict[str, Any]] = USD
    saved_as: ClassVar[tuple[str, str]] = ("us_bank_account", "6789")

    def get_form_data(self) -> dict[str, Any]:
        return {
            "method": "bank_debit",
            "confirmation_token": create_bank_token(self.tenant, "usd"),
            "accepted_terms": get_saving_terms(self.tenant.merchant, "bank_debit"),
        }

    def verify(self) -> None:
        super().verify()
        [method] = self.payer.methods
        assert [i["mandate"] for i in self.list_stripe_objects("setup_intents")] == [method.stripe_mandate_id]


class RemoveMethodScenario(AddCardScenario):
    """They remove the card again: nobody can charge it, and the gateway deletes it."""

    parts: ClassVar[int] = 1
    interrupt_from: ClassVar[str] = "remove"

    @property
    def steps(self) -> list[Callable[[], None]]:
        return [*super().steps, self.remove, self.run_worker]

    def remove(self) -> None:
        """The payer presses Remove."""
        [method] = self.payer.methods
        with self.stopper.process():
            self.payer.client.post(f"/my/methods/{method.reference}/remove")

    def recover(self) -> None:
        for after in (30, 400):
            self.run_worker(after=after)
        if self.payer.methods[0].state == "active":
            self.remove()
        self.run_worker(after=500)

    def verify(self) -> None:
        assert [method.state for method in self.payer.methods] == ["removed"]
        assert self.list_stripe_objects("payment_methods") == []
        Scenario.verify(self)
