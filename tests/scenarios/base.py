"""The base of all scenarios, and what they read from the ledger."""

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

from accounting.mirror.services import schedule_mirror_syncs
from accounting.models import MirrorCursor, Posting
from connections.models import Connection
from tests.accounting.ledgers import quickbooks_as_xero
from tests.sandbox.webhook_receiver import WebhookReceiver
from tests.scenarios.interruptions import ProcessStopped, ProcessStopper
from tests.tenants import WEBHOOK_SECRET, Tenant, deliver_outbox
from wisepay.models import OutboxMessage, RateWindow

CARD, SECURE_CARD = "4242424242424242", "4000002760003184"
WEBHOOK_EVENTS = ("payment_intent.", "setup_intent.", "charge.dispute.", "refund.", "charge.refunded")
numbers = itertools.count(50_000)


def list_documents(tenant: Tenant, kind: str, key: str, value: str) -> list[tuple[str, float | None]]:
    """(status, total) of the sandbox organisation's documents with that number."""
    rows = list_ledger_rows(tenant, kind, where=f'{key}=="{value}"')
    return [(r.get("Status") or r["ContactStatus"], r.get("Total", r.get("Amount"))) for r in rows]


def list_credit_notes(tenant: Tenant, stem: str) -> list[tuple[str, float]]:
    """(status, total) of every credit note of a payment, the first one first."""
    rows = list_ledger_rows(tenant, "CreditNotes", where=f'CreditNoteNumber.StartsWith("PF_CR-{stem}")')
    return [(r["Status"], r["Total"]) for r in sorted(rows, key=lambda r: str(r["CreditNoteNumber"]))]


def list_remaining_credits(tenant: Tenant, stem: str) -> list[tuple[str, float]]:
    """(status, remaining credit) of the same."""
    rows = list_ledger_rows(tenant, "CreditNotes", where=f'CreditNoteNumber.StartsWith("PF_CR-{stem}")')
    return [(r["Status"], r["RemainingCredit"]) for r in rows]


def list_payments(tenant: Tenant, stem: str) -> list[tuple[str, float]]:
    """(status, amount) of every payment towards a PF invoice that was not deleted."""
    rows = list_ledger_rows(tenant, "Payments", where=f'Reference.StartsWith("PF-{stem}")')
    return [(r["Status"], r["Amount"]) for r in rows if r["Status"] != "DELETED"]


def list_ledger_rows(tenant: Tenant, kind: str, *, where: str) -> list[dict[str, Any]]:
    """The sandbox organisation's rows, in Xero's form."""
    if tenant.connection.provider == "quickbooks":
        return quickbooks_as_xero.list_quickbooks_rows(tenant, kind, where=where)
    headers = {
        "Authorization": f"Bearer {tenant.connection.access_token.decrypt()}",
        "Xero-Tenant-Id": tenant.connection.organisation_id,
        "Accept": "application/json",
    }
    url = f"{tenant.world.url}/xero/api.xro/2.0/{kind}"
    rows: list[dict[str, Any]] = requests.get(url, params={"where": where}, headers=headers, timeout=10).json()[kind]
    return rows


class Scenario:
    """One flow through several processes of the product, and the people and vendors around them.

    `set_up` is what exists before, `steps` are the flow, `act_after_stop` is what people do after an interruption,
    and `verify` checks the end.
    """

    card = CARD
    # Before the first step and from the second one on, another scenario is interrupted everywhere already.
    interrupt_from: ClassVar[str] = ""
    interrupt_until: ClassVar[str] = ""
    parts: ClassVar[int] = 1  # tests that share its interruption points
    # The page sizes of the vendors' lists, small enough to make several pages of a short list.
    page_sizes: ClassVar[dict[str, int]] = {}
    # What runs periodically besides the outbox.
    periodic_tasks: ClassVar[tuple[Callable[..., object], ...]] = ()

    def __init__(self, tenant: Tenant, cpq: WebhookReceiver, stopper: ProcessStopper) -> None:
        self.tenant, self.cpq, self.stopper = tenant, cpq, stopper
        self.number = next(numbers)
        self.length = 0
        self.started_steps: dict[str, int] = {}
        self.before = {i["id"] for i in tenant.intents()}
        self.sent_before = {e["id"] for e in self.list_stripe_events()}
        RateWindow.objects.all().delete()
        # An hour has passed since the scenario before: its token has expired, and none of its workers is alive.
        Connection.objects.update(access_expires_at=timezone.now(), lease_until=None)
        self.set_up()

    def set_up(self) -> None:
        """Create what exists before. Nothing of it is interrupted."""

    @property
    def steps(self) -> list[Callable[[], None]]:
        """The flow, in order."""
        raise AssertionError("each kind has its own")

    def list_new_intents(self) -> list[dict[str, Any]]:
        """The payment intents of this scenario."""
        return [i for i in self.tenant.intents() if i["id"] not in self.before]

    def authenticate(self) -> None:
        """The payer answers their bank, if it asks. Nothing of ours runs."""
        for intent in self.list_new_intents():
            if intent["status"] == "requires_action":
                url = intent["next_action"]["use_stripe_sdk"]["stripe_js"]
                requests.post(url, data={"outcome": "complete"}, timeout=10)

    def settle(self, outcome: str = "settle", **details: Any) -> None:
        """Days pass, and the bank settles or returns the debits that are in flight. Nothing of ours runs."""
        for intent in self.list_new_intents():
            if intent["status"] == "processing":
                self.tenant.act_at_stripe(outcome, intent["id"], **details)

    def send_webhooks(self) -> None:
        """Stripe sends its events, and sends them again when they were not answered."""
        for event in self.list_stripe_events():
            if event["id"] in self.sent_before or not event["type"].startswith(WEBHOOK_EVENTS):
                continue
            body, stamp = json.dumps(event), int(time.time())
            signed = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
            with self.stopper.process():
                Client().post(
                    f"/webhooks/stripe/{self.tenant.merchant.reference}",
                    body,
                    content_type="application/json",
                    headers={"Stripe-Signature": f"t={stamp},v1={signed}"},
                )

    def list_stripe_events(self) -> list[dict[str, Any]]:
        """Stripe's events, newest first."""
        auth = {"Authorization": f"Bearer {self.tenant.stripe_key}"}
        url = f"{self.tenant.world.url}/stripe/v1/events?limit=40"
        found: list[dict[str, Any]] = requests.get(url, headers=auth, timeout=10).json()["data"]
        return found

    def run_worker(self, *, after: float = 3.0) -> None:
        """A worker delivers what is due in `after` seconds: more than delivering takes, less than a retry's pause."""
        at = timezone.now() + timedelta(seconds=after)
        with self.stopper.process():
            for run_task in self.periodic_tasks:
                run_task(now=at)
            deliver_outbox(at=at)

    def run(self) -> bool:
        """Run the steps until the end or the interruption; True when it was interrupted."""
        try:
            for step in self.steps:
                self.started_steps.setdefault(step.__name__, len(self.stopper.points))
                step()
        except ProcessStopped:
            return True
        self.length = len(self.stopper.points)
        return False

    def recover(self) -> None:
        """Run the sweeps that follow an interruption, and do what people do then."""
        for after in (30, 400):
            self.run_worker(after=after)
        self.act_after_stop()
        self.send_webhooks()
        for after in (500, 900, 1500, 4000, 8000):
            self.run_worker(after=after)

    def act_after_stop(self) -> None:
        """Do what people do when they see the state after the interruption."""

    def verify(self) -> None:
        """Check the end: in every scenario, nothing is dead and nothing waits."""
        waiting = OutboxMessage.objects.exclude(state="done")
        assert not waiting.exists(), list(waiting.values_list("key", "state", "last_error"))
        assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists()

    def sync_mirror(self, *, after: float = 3.0) -> None:
        """The mirror is due, reads the ledger, and what follows is delivered."""
        at = timezone.now() + timedelta(seconds=after)
        MirrorCursor.objects.update(due_at=at)
        with self.stopper.process():
            schedule_mirror_syncs(now=at)
            deliver_outbox(at=at)
