"""Stopped before and after every commit and every call to the ledger: each document created once, undone once."""

import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounting.models import CreditNote, Posting
from accounting.tasks import sweep_postings
from connections.models import Connection
from connections.rate_limiter import limiter
from payments.attempts.services import reverse_attempt
from payments.models import Attempt
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.posting.debits import (
    BANK,
    AttemptScenario,
    call_xero,
    create_processing_attempt,
    receive_refund_outcome,
)
from tests.bench.quote_data import create_open_quote
from tests.scenarios.interruptions import STRIDE, ProcessStopped, ProcessStopper
from tests.tenants import Tenant, create_tenant, deliver_outbox
from wisepay import outbox
from wisepay.models import OutboxMessage

pytestmark = pytest.mark.django_db(transaction=True)

# What the gateway says, word after word; after how many words it gets dangerous; and what stands in the books at the
# end: the note with its rest, payments and refunds, what is due of the invoice.
SCENARIOS: dict[str, tuple[list[str], int, tuple[Any, ...]]] = {
    "settled": (["submit", "settle"], 0, (("AUTHORISED", 625.0), [625.0], 0.0)),
    "failed": (["submit", "fail"], 1, (None, [], None)),
    "reversed": (["submit", "settle", "reverse"], 2, (None, [], 625.0)),
    "refund failed": (["submit", "settle", "refund", "undo"], 2, (("AUTHORISED", 625.0), [625.0], 0.0)),
}


class SparseStopper(ProcessStopper):
    """Leaves out points after which the world is as it was before the next one."""

    def pass_point(self, name: str) -> None:
        if self.is_dead or ("outboxmessage" not in name and not name.startswith(("after COMMIT", "after UPDATE"))):
            super().pass_point(name)


class DebitScenario:
    """A processing bank debit; only what the accounting workers do is stopped."""

    def __init__(self, tenant: Tenant, stopper: ProcessStopper, words: list[str], quiet: int) -> None:
        self.tenant, self.stopper, self.words, self.quiet = tenant, stopper, words, quiet
        Connection.objects.update(lease_until=None, blocked_until=None, failures=0)
        limiter.keyspace = uuid.uuid4().hex  # where answers do not say what is left, our own count would stop hundreds
        self.debit = create_processing_attempt(tenant, create_open_quote(tenant).payment, BANK)
        self.refund: Any = None
        self.points = 0

    def receive_event(self, word: str) -> None:
        """The gateway's next word."""
        if word == "submit":
            self.debit.receive_outcome("processing")
        elif word == "reverse":
            attempt = Attempt.objects.select_related("payment__merchant").get(pk=self.debit.attempt.pk)
            with transaction.atomic():
                reverse_attempt(attempt, reason="dispute", now=timezone.now())
        elif word == "refund":
            self.refund = self.debit.refund(10000)
        elif word == "undo":
            receive_refund_outcome(self.refund, "failed")
        else:
            getattr(self.debit, word)()

    def deliver_due(self, *, after: float = 3.0) -> None:
        """A worker delivers what is due for the ledger."""
        at = timezone.now() + timedelta(seconds=after)
        OutboxMessage.objects.exclude(handler__startswith="accounting.").exclude(
            handler="payments.follow_success"
        ).update(state="done")
        while keys := outbox.list_due_keys(now=at):
            for key in keys:
                outbox.deliver_message(key, now=at)

    def run(self) -> bool:
        """Everything; True when it was stopped, after which the rest happens undisturbed."""
        was_stopped = False
        for count, word in enumerate(self.words):
            self.receive_event(word)
            if count < self.quiet:
                self.deliver_due()
                continue
            try:
                with self.stopper.process():
                    self.deliver_due()
            except ProcessStopped:
                was_stopped = True
                self.stopper.stop_at = None
        self.points = len(self.stopper.points)
        for after in (160, 400):
            sweep_postings()
            self.deliver_due(after=after)
        return was_stopped


def read_ledger(tenant: Tenant, debit: AttemptScenario) -> tuple[Any, ...]:
    """The debit's documents as the ledger has them."""
    stem = debit.payment.reference[:12].upper()
    return LEDGER_READERS[tenant.connection.provider](tenant, stem)


def read_quickbooks(tenant: Tenant, stem: str) -> tuple[Any, ...]:
    """The same there, where what is undone is gone."""
    company = tenant.world.state()["sections"]["intuit"]["companies"][tenant.connection.organisation_id]
    notes = [row for row in company["CreditMemo"].values() if row["DocNumber"] == f"PF_CR-{stem}"]
    invoices = [row for row in company["Invoice"].values() if row["DocNumber"] == f"PF-{stem}"]
    assert max(len(notes), len(invoices)) <= 1
    ours = {row["Id"] for row in (*notes, *invoices)}
    money = [
        row for row in company["Payment"].values() if {line["LinkedTxn"][0]["TxnId"] for line in row["Line"]} & ours
    ]
    out = [row for row in company["Purchase"].values() if f"PF_CR-{stem}" in row["PrivateNote"]]
    return (
        ("AUTHORISED", float(notes[0]["RemainingCredit"])) if notes else None,
        [float(row["TotalAmt"]) for row in (*money, *out)],
        float(invoices[0]["Balance"]) if invoices else None,
    )


def read_xero(tenant: Tenant, stem: str) -> tuple[Any, ...]:
    """The same in Xero."""
    notes = call_xero(tenant, "GET", f'CreditNotes?where=CreditNoteNumber=="PF_CR-{stem}"')["CreditNotes"]
    standing = [n for n in notes if n["Status"] not in ("DELETED", "VOIDED")]
    assert len(notes) <= 1
    invoices = call_xero(tenant, "GET", f"Invoices?InvoiceNumbers=PF-{stem}")["Invoices"]
    money = [*(p for n in notes for p in n["Payments"]), *(p for i in invoices for p in i["Payments"])]
    return (
        (standing[0]["Status"], standing[0]["RemainingCredit"]) if standing else None,
        [p["Amount"] for p in money],
        invoices[0]["AmountDue"] if invoices else None,
    )


LEDGER_READERS = {"xero": read_xero, "quickbooks": read_quickbooks}


@pytest.fixture(params=LEDGER_READERS)
def busy_tenant(request: pytest.FixtureRequest, db: None, world: SandboxProcess) -> Tenant:
    """A merchant whose practice world has no limits on calls, with the payer's contact known."""
    none = {"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50, "second": 10**6, "batch": 10**6}
    world.config(xero_limits=none, intuit_limits=none)
    tenant = create_tenant(world, provider=request.param)
    DebitScenario(tenant, SparseStopper(), ["submit", "settle"], 2).run()
    deliver_outbox(at=timezone.now())
    return tenant


@pytest.mark.parametrize("way", SCENARIOS)
def test_stopped_anywhere_the_books_end_the_same(
    busy_tenant: Tenant, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    words, quiet, expected = SCENARIOS[way]
    points, first = 0, random.randrange(STRIDE)
    for stop_at in [None, *range(first, 300, STRIDE)]:
        if stop_at is not None and stop_at >= points:
            continue
        stopper = SparseStopper(stop_at)
        with monkeypatch.context() as scope:
            stopper.install(scope)
            scenario = DebitScenario(busy_tenant, stopper, words, quiet)
            assert scenario.run() == (stop_at is not None), f"point {stop_at} was skipped"
        where = stopper.points[stop_at] if stop_at is not None else "nowhere"
        points = points or scenario.points
        assert read_ledger(busy_tenant, scenario.debit) == expected, f"stopped at {stop_at}, {where}"
        assert not Posting.objects.exclude(state__in=Posting.FINAL_STATES).exists(), f"stopped at {stop_at}, {where}"
        notes = list(CreditNote.objects.filter(attempt=scenario.debit.attempt))
        assert all(note.read_at for note in notes)
        # Where there are no drafts, a debit that failed left no trace.
        assert notes or (way == "failed" and busy_tenant.connection.provider == "quickbooks")
    assert (5 < points < 300) or (way == "failed" and busy_tenant.connection.provider == "quickbooks")
