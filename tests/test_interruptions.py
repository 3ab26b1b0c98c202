"""Stopped before and after every commit and foreign call, then swept: charged once at most, posted exactly once."""

import hashlib
import hmac
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.test import Client
from django.utils import timezone

from accounting.models import CreditNote, Posting
from connections.models import Connection
from quotes.models import Callback
from sandbox.launch import Running
from tests.interruptions import Stopped, Stopper
from tests.people import BODY, WEBHOOK_SECRET, Checkout, House, build_house, drain_outbox, merged
from tests.sandbox.receiver import Receiver
from wisepay.models import OutboxMessage, RateWindow

pytestmark = pytest.mark.django_db(transaction=True)

CARD, SECURE_CARD = "4242424242424242", "4000002760003184"
PARTS = 4  # the stops are shared out over so many tests, so that they can run side by side
numbers = itertools.count(50_000)


class Journey:
    """One quote on its way from CPQ to the books, by several processes of ours and people around them."""

    def __init__(self, house: House, cpq: Receiver, stopper: Stopper, *, card: str) -> None:
        self.house, self.stopper, self.card = house, stopper, card
        number = next(numbers)
        self.start = timezone.now()
        self.body = merged(
            BODY,
            {
                "quote": {"id": f"guid-{number}", "number": number},
                "customer": {"account_name": f"Harbour Dental {number}"},
                "callback_url": f"{cpq.url}/callback",
            },
        )
        self.checkout: Checkout | None = None
        self.length = 0
        self.before = {i["id"] for i in house.intents()}
        RateWindow.objects.all().delete()
        # An hour has passed since the journey before: its token is old, and no worker of then is at work.
        Connection.objects.update(access_expires_at=self.start, draining_until=None)

    @property
    def steps(self) -> list[Callable[[], None]]:
        """The whole way, in order."""
        return [self.open, self.pay, self.authenticate, self.check, self.hear, self.work, self.come_back]

    def open(self) -> None:
        """CPQ opens the checkout; it repeats the call when it gets no answer."""
        with self.stopper.process():
            answer = self.house.call(self.body)
        assert answer.status_code in (200, 201), answer.content
        self.checkout = Checkout(self.house, json.loads(answer.content))

    @property
    def opened(self) -> Checkout:
        assert self.checkout is not None
        return self.checkout

    def pay(self) -> None:
        """The payer presses Pay."""
        token = self.house.confirmation_token(self.card)
        with self.stopper.process():
            self.opened.pay(confirmation_token=token)

    def authenticate(self) -> None:
        """The payer answers their bank, if it asks. Nothing of ours runs."""
        for intent in self.house.intents():
            if intent["id"] not in self.before and intent["status"] == "requires_action":
                url = intent["next_action"]["use_stripe_sdk"]["stripe_js"]
                requests.post(url, data={"outcome": "complete"}, timeout=10)

    def check(self) -> None:
        """The payer's browser asks how it went."""
        for attempt in self.opened.attempts:
            if attempt.state == "requires_action":
                with self.stopper.process():
                    Client().post(f"{self.opened.path}/attempts/{attempt.reference}/check")

    def hear(self) -> None:
        """Stripe sends its events, and sends them again when they were not answered."""
        auth = {"Authorization": f"Bearer {self.house.stripe_key}"}
        url = f"{self.house.world.url}/stripe/v1/events?limit=20"
        for event in requests.get(url, headers=auth, timeout=10).json()["data"]:
            if event["data"]["object"]["id"] in self.before or event["data"]["object"]["object"] != "payment_intent":
                continue
            body, stamp = json.dumps(event), int(time.time())
            signed = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
            with self.stopper.process():
                Client().post(
                    f"/webhooks/stripe/{self.house.merchant.reference}",
                    body,
                    content_type="application/json",
                    headers={"Stripe-Signature": f"t={stamp},v1={signed}"},
                )

    def work(self, *, after: float = 0.5) -> None:
        """A worker delivers what is due in `after` seconds."""
        with self.stopper.process():
            drain_outbox(at=timezone.now() + timedelta(seconds=after))

    def come_back(self) -> None:
        """The browser goes back to the quote."""
        with self.stopper.process():
            assert Client().get(f"/quotes/{self.opened.quote.reference}/return").status_code == 303

    def run(self) -> bool:
        """Go the way until the end or the stop; True when it was stopped."""
        try:
            for step in self.steps:
                step()
        except Stopped:
            return True
        self.length = len(self.stopper.points)
        return False

    def recover(self) -> None:
        """What happens by itself after the stop: sweeps; and what people do: look again, and pay if it's not paid."""
        self.open_again()
        for after in (30, 400):
            self.work(after=after)
        if self.opened.payment.state == "open":
            if not any(a.is_live for a in self.opened.attempts):
                self.pay()
            self.authenticate()
            self.check()
        self.hear()
        for after in (500, 900, 1500, 4000):
            self.work(after=after)
        self.come_back()
        self.work(after=8000)

    def open_again(self) -> None:
        """CPQ repeats its call if it never got an answer."""
        if self.checkout is None:
            self.open()

    def verify(self) -> None:
        """Charged once, posted once, everybody told, nothing dead."""
        taken = [i for i in self.house.intents() if i["id"] not in self.before]
        assert sum(i["amount_received"] for i in taken) == 62500
        assert len([i for i in taken if i["status"] == "succeeded"]) == 1
        assert (self.opened.payment.state, self.opened.quote.state) == ("succeeded", "paid")
        stem = self.opened.payment.reference.upper()
        assert documents(self.house, "Invoices", "InvoiceNumber", f"PF-{stem}") == [("PAID", 625.0)]
        assert documents(self.house, "CreditNotes", "CreditNoteNumber", f"PF_CR-{stem}") == [("AUTHORISED", 625.0)]
        assert documents(self.house, "Payments", "Reference", f"PF-{stem}") == [("AUTHORISED", 625.0)]
        company = self.opened.payment.company
        assert documents(self.house, "Contacts", "Name", company.name) == [("ACTIVE", None)]
        assert set(Posting.objects.filter(company=company).values_list("state", flat=True)) == {"posted"}
        assert CreditNote.objects.get(payment=self.opened.payment).state == "approved"
        told = Callback.objects.filter(quote=self.opened.quote, event="checkout.paid")
        assert [c.delivered_at is not None for c in told] == [True]
        assert not OutboxMessage.objects.exclude(state="done").exists()


def documents(house: House, kind: str, key: str, value: str) -> list[tuple[str, float | None]]:
    """(status, total) of the practice organisation's documents with that number."""
    where = f'{key}=="{value}"'
    headers = {
        "Authorization": f"Bearer {house.connection.access_token.reveal()}",
        "Xero-Tenant-Id": house.connection.organisation_id,
        "Accept": "application/json",
    }
    url = f"{house.world.url}/xero/api.xro/2.0/{kind}"
    rows: list[dict[str, Any]] = requests.get(url, params={"where": where}, headers=headers, timeout=10).json()[kind]
    return [(r.get("Status") or r["ContactStatus"], r.get("Total", r.get("Amount"))) for r in rows]


@pytest.fixture
def cpq() -> Iterator[Receiver]:
    """CPQ's callback address."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def busy_house(db: None, world: Running, settings: Any) -> House:
    """A merchant whose practice world has no limits on calls, since hundreds of journeys go through it."""
    world.config(xero_limits={"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50})
    settings.GUEST_ATTEMPTS_PER_IP_HOUR = 10**6
    house = build_house(world)
    drain_outbox(at=timezone.now())
    return house


def journeys(house: House, cpq: Receiver, patch: pytest.MonkeyPatch, card: str) -> Iterator[tuple[int | None, Journey]]:
    """An undisturbed journey first, then one for every point that it passed."""
    clean = Stopper()
    with patch.context() as scope:
        clean.install(scope)
        undisturbed = Journey(house, cpq, clean, card=card)
        yield None, undisturbed
    for stop_at in range(undisturbed.length):
        stopper = Stopper(stop_at)
        with patch.context() as scope:
            stopper.install(scope)
            yield stop_at, Journey(house, cpq, stopper, card=card)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("card", [CARD, SECURE_CARD], ids=["card", "3-D Secure"])
def test_interruptions(busy_house: House, cpq: Receiver, monkeypatch: pytest.MonkeyPatch, card: str, part: int) -> None:
    stops = 0
    for stop_at, journey in journeys(busy_house, cpq, monkeypatch, card):
        if stop_at is not None and stop_at % PARTS != part:
            continue
        was_stopped = journey.run()
        assert was_stopped == (stop_at is not None), "a point was skipped"
        journey.stopper.stop_at = None
        journey.recover()
        try:
            journey.verify()
        except AssertionError as error:
            where = journey.stopper.points[stop_at] if stop_at is not None else "nowhere"
            raise AssertionError(f"stopped at {stop_at}, {where}: {error}") from error
        stops += was_stopped
    assert stops > 0


def test_the_interruptions_cover_every_foreign_call(
    busy_house: House, cpq: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopper = Stopper()
    stopper.install(monkeypatch)
    assert not Journey(busy_house, cpq, stopper, card=SECURE_CARD).run()
    calls = {re.sub(r"(pi_)\w+", r"\1*", p) for p in stopper.points if "COMMIT" not in p and "/" in p}
    expected = {
        "POST /stripe/v1/payment_intents",
        "GET /stripe/v1/payment_intents/pi_*",
        "POST /xero/identity/connect/token",
        "PUT /Contacts",
        "PUT /Invoices",
        "PUT /CreditNotes",
        "PUT /Payments",
        "POST /callback",
    }
    assert calls == {f"{when} {name}" for when in ("before", "after") for name in expected}
    assert stopper.points.count("before mail") == stopper.points.count("after mail") == 2
    assert stopper.points.count("before COMMIT") == stopper.points.count("after COMMIT") > 15
