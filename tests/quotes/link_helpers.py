"""What the tests of links share: a merchant with CPQ's keys, quotes in the practice CPQ, and the calls made there."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from payments.models import Payment
from quotes.cpq_connections import get_cpq_connection, save_cpq_keys
from quotes.models import CpqConnection, Quote
from quotes.providers.cpq import CpqKeys
from tests.tenants import Checkout, Tenant

KEYS = CpqKeys("practice", "public0key", "private0key")


def connect_cpq(tenant: Tenant, *, keys: CpqKeys = KEYS, is_trial: bool = False) -> CpqConnection:
    """Save the keys of the practice CPQ, and end the trial."""
    save_cpq_keys(get_cpq_connection(tenant.merchant), keys=keys, by=tenant.user, now=timezone.now())
    if not is_trial:
        confirmed = {"confirmed_at": timezone.now(), "confirmed_by": tenant.user}
        CpqConnection.objects.filter(merchant=tenant.merchant).update(**confirmed)
    return CpqConnection.objects.select_related("merchant").get(merchant=tenant.merchant)


@dataclass
class LinkedQuote:
    """A quote in the practice CPQ, with what its customer's browser does."""

    tenant: Tenant
    number: int
    passcode: str

    @classmethod
    def create(cls, tenant: Tenant, like: str = "deposit", **quote: Any) -> "LinkedQuote":
        """A fresh quote that its customer accepted."""
        made = tenant.world.post("/cpq/_control", {"approve": {"like": like, "quote": quote}})["approve"]
        return cls(tenant, made["number"], made["passcode"])

    def order(self, name: str, **details: Any) -> dict[str, Any]:
        """What happens to it in CPQ without us."""
        order = {name: {"number": self.number, **details}}
        found: dict[str, Any] = self.tenant.world.post("/cpq/_control", order)[name]
        return found

    def follow(self, client: Client | None = None, /, **query: str) -> HttpResponse:
        """Follow the template's link; `query` takes the place of its parameters."""
        path = f"/q/{self.tenant.merchant.reference}"
        answer = (client or Client()).get(path, {"k": self.passcode, **query})
        assert isinstance(answer, HttpResponse)
        return answer

    def open(self) -> Checkout:
        """Follow the link to the checkout."""
        answer = self.follow()
        assert answer.status_code == 303, answer.content.decode()
        quote = Quote.objects.select_related("payment").filter(number=self.number).latest("pk")
        return Checkout(self.tenant, {"id": quote.reference, "url": answer["Location"]})


def list_cpq_calls(tenant: Tenant) -> list[str]:
    """The calls of CPQ's API since the journal was emptied, as method and path."""
    return [f"{each['method']} {each['path']}" for each in tenant.world.journal("cpq")]


def count_stored() -> tuple[int, int]:
    """How many quotes and payments there are."""
    return Quote.objects.count(), Payment.objects.count()
