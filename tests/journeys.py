"""Journeys: one quote on its way through everything, by processes of ours that can be stopped at any point."""

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

import requests
from django.test import Client
from django.utils import timezone

from accounting.mirror_orders import arm_due as arm_books
from accounting.models import CreditNote, MirrorCursor, Posting
from connections.models import Connection
from quotes.models import Callback
from tests import quickbooks_rows
from tests.interruptions import PARTS, Stopped, Stopper
from tests.people import BODY, WEBHOOK_SECRET, Checkout, House, drain_outbox, merged
from tests.sandbox.receiver import Receiver
from wisepay.models import OutboxMessage, RateWindow

CARD, SECURE_CARD = "4242424242424242", "4000002760003184"
DEBIT = {"allowed_methods": ["card", "bank_debit"]}
HEARD = ("payment_intent.", "setup_intent.", "charge.dispute.", "refund.", "charge.refunded")
numbers = itertools.count(50_000)


def documents(house: House, kind: str, key: str, value: str) -> list[tuple[str, float | None]]:
    """(status, total) of the practice organisation's documents with that number."""
    rows = rows_of(house, kind, where=f'{key}=="{value}"')
    return [(r.get("Status") or r["ContactStatus"], r.get("Total", r.get("Amount"))) for r in rows]


def notes_of(house: House, stem: str) -> list[tuple[str, float]]:
    """(status, total) of every credit note of a payment, the first one first."""
    rows = rows_of(house, "CreditNotes", where=f'CreditNoteNumber.StartsWith("PF_CR-{stem}")')
    return [(r["Status"], r["Total"]) for r in sorted(rows, key=lambda r: str(r["CreditNoteNumber"]))]


def remaining_notes(house: House, stem: str) -> list[tuple[str, float]]:
    """(status, what is left) of the same."""
    rows = rows_of(house, "CreditNotes", where=f'CreditNoteNumber.StartsWith("PF_CR-{stem}")')
    return [(r["Status"], r["RemainingCredit"]) for r in rows]


def payments_of(house: House, stem: str) -> list[tuple[str, float]]:
    """(status, amount) of every payment towards a PF invoice that was not deleted."""
    rows = rows_of(house, "Payments", where=f'Reference.StartsWith("PF-{stem}")')
    return [(r["Status"], r["Amount"]) for r in rows if r["Status"] != "DELETED"]


def rows_of(house: House, kind: str, *, where: str) -> list[dict[str, Any]]:
    """The practice organisation's rows."""
    if house.connection.provider == "quickbooks":
        return quickbooks_rows.rows_of(house, kind, where=where)
    headers = {
        "Authorization": f"Bearer {house.connection.access_token.reveal()}",
        "Xero-Tenant-Id": house.connection.organisation_id,
        "Accept": "application/json",
    }
    url = f"{house.world.url}/xero/api.xro/2.0/{kind}"
    rows: list[dict[str, Any]] = requests.get(url, params={"where": where}, headers=headers, timeout=10).json()[kind]
    return rows


class Journey:
    """A way through the product by several processes of ours, and by people and vendors around them.

    `set_up` is what was there before, `steps` the way, `go_on` what people do when they see how it stands after a
    stop, `verify` what has to be so at its end.
    """

    card = CARD
    # The step before which, and the one from which on, another journey stops everywhere already.
    stops_from: ClassVar[str] = ""
    stops_until: ClassVar[str] = ""
    parts: ClassVar[int] = 1  # tests that share its stops
    # Pages of the vendors' lists as small as these make a long list out of a short one.
    pages: ClassVar[dict[str, int]] = {}
    # What the clock wakes besides the outbox.
    beat: ClassVar[tuple[Callable[..., object], ...]] = ()

    def __init__(self, house: House, cpq: Receiver, stopper: Stopper) -> None:
        self.house, self.cpq, self.stopper = house, cpq, stopper
        self.number = next(numbers)
        self.length = 0
        self.begun: dict[str, int] = {}
        self.before = {i["id"] for i in house.intents()}
        self.heard = {e["id"] for e in self.events()}
        RateWindow.objects.all().delete()
        # An hour has passed since the journey before: its token is old, and no worker of then is at work.
        Connection.objects.update(access_expires_at=timezone.now(), draining_until=None)
        self.set_up()

    def set_up(self) -> None:
        """What was there before. Nothing of it is stopped."""

    @property
    def steps(self) -> list[Callable[[], None]]:
        """The whole way, in order."""
        raise AssertionError("each kind has its own")

    def taken(self) -> list[dict[str, Any]]:
        """The payment intents of this journey."""
        return [i for i in self.house.intents() if i["id"] not in self.before]

    def authenticate(self) -> None:
        """The payer answers their bank, if it asks. Nothing of ours runs."""
        for intent in self.taken():
            if intent["status"] == "requires_action":
                url = intent["next_action"]["use_stripe_sdk"]["stripe_js"]
                requests.post(url, data={"outcome": "complete"}, timeout=10)

    def settle(self, outcome: str = "settle", **said: Any) -> None:
        """Days pass, and the bank answers the debits that are on their way. Nothing of ours runs."""
        for intent in self.taken():
            if intent["status"] == "processing":
                self.house.by_hand(outcome, intent["id"], **said)

    def hear(self) -> None:
        """Stripe sends its events, and sends them again when they were not answered."""
        for event in self.events():
            if event["id"] in self.heard or not event["type"].startswith(HEARD):
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

    def events(self) -> list[dict[str, Any]]:
        """What Stripe has to tell, newest first."""
        auth = {"Authorization": f"Bearer {self.house.stripe_key}"}
        url = f"{self.house.world.url}/stripe/v1/events?limit=40"
        found: list[dict[str, Any]] = requests.get(url, headers=auth, timeout=10).json()["data"]
        return found

    def work(self, *, after: float = 3.0) -> None:
        """A worker delivers what is due in `after` seconds: more than it takes itself, less than a pause."""
        at = timezone.now() + timedelta(seconds=after)
        with self.stopper.process():
            for wake in self.beat:
                wake(now=at)
            drain_outbox(at=at)

    def run(self) -> bool:
        """Go the way until the end or the stop; True when it was stopped."""
        try:
            for step in self.steps:
                self.begun.setdefault(step.__name__, len(self.stopper.points))
                step()
        except Stopped:
            return True
        self.length = len(self.stopper.points)
        return False

    def recover(self) -> None:
        """What happens by itself after the stop, which is sweeps, and what people do."""
        for after in (30, 400):
            self.work(after=after)
        self.go_on()
        self.hear()
        for after in (500, 900, 1500, 4000, 8000):
            self.work(after=after)

    def go_on(self) -> None:
        """People look where it stands, and do what they would."""

    def verify(self) -> None:
        """The world as it has to be in the end. Whatever the journey, nothing is dead and nothing waits."""
        waiting = OutboxMessage.objects.exclude(state="done")
        assert not waiting.exists(), list(waiting.values_list("key", "state", "last_error"))
        assert not Posting.objects.exclude(state__in=Posting.OVER).exists()

    def read_books(self, *, after: float = 3.0) -> None:
        """The books are looked at because it is time to, and what follows from that is done."""
        at = timezone.now() + timedelta(seconds=after)
        MirrorCursor.objects.update(due_at=at)
        with self.stopper.process():
            arm_books(now=at)
            drain_outbox(at=at)


class QuoteJourney(Journey):
    """One quote on its way from CPQ to the books."""

    parts = PARTS
    changes: ClassVar[dict[str, Any]] = {}

    def set_up(self) -> None:
        own = {
            "quote": {"id": f"guid-{self.number}", "number": self.number},
            "customer": {"account_name": f"Harbour Dental {self.number}"},
            "callback_url": f"{self.cpq.url}/callback",
        }
        self.body = merged(merged(BODY, self.changes), own)
        self.checkout: Checkout | None = None

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

    def check(self) -> None:
        """The payer's browser asks how it went."""
        for attempt in self.opened.attempts:
            if attempt.state == "requires_action":
                with self.stopper.process():
                    Client().post(f"{self.opened.path}/attempts/{attempt.reference}/check")

    def come_back(self) -> None:
        """The browser goes back to the quote."""
        with self.stopper.process():
            assert Client().get(f"/quotes/{self.opened.quote.reference}/return").status_code == 303

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
        taken = self.taken()
        assert sum(i["amount_received"] for i in taken) == 62500
        assert len([i for i in taken if i["status"] == "succeeded"]) == 1
        assert (self.opened.payment.state, self.opened.quote.state) == ("succeeded", "paid")
        stem = self.opened.payment.reference[:12].upper()
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


class SecureJourney(QuoteJourney):
    """The same with a card whose bank asks."""

    card = SECURE_CARD
