"""Stopped before and after every commit and every call to the books: each document done once, each undone once."""

import random
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounting.models import CreditNote, Posting
from accounting.tasks import sweep_postings
from connections import governor
from connections.models import Connection
from payments.models import Attempt
from payments.outcomes import reverse_attempt
from sandbox.launch import Running
from tests.accounting.debits import BANK, Attempted, at_xero, say_refund, try_to_pay
from tests.bench.workload import open_quote
from tests.interruptions import STRIDE, Stopped, Stopper
from tests.people import House, build_house, drain_outbox
from wisepay import outbox
from wisepay.models import OutboxMessage

pytestmark = pytest.mark.django_db(transaction=True)

# What the gateway says, word after word; after how many words it gets dangerous; and what stands in the books at the
# end: the note with its rest, payments and refunds, what is due of the invoice.
WAYS: dict[str, tuple[list[str], int, tuple[Any, ...]]] = {
    "settled": (["submit", "settle"], 0, (("AUTHORISED", 625.0), [625.0], 0.0)),
    "failed": (["submit", "fail"], 1, (None, [], None)),
    "reversed": (["submit", "settle", "reverse"], 2, (None, [], 625.0)),
    "refund failed": (["submit", "settle", "refund", "undo"], 2, (("AUTHORISED", 625.0), [625.0], 0.0)),
}


class Sparing(Stopper):
    """Leaves out points after which the world is as it was before the next one."""

    def point(self, name: str) -> None:
        if self.is_dead or ("outboxmessage" not in name and not name.startswith(("after COMMIT", "after UPDATE"))):
            super().point(name)


class Way:
    """One bank debit on its way; only what the workers of the books do is stopped."""

    def __init__(self, house: House, stopper: Stopper, words: list[str], quiet: int) -> None:
        self.house, self.stopper, self.words, self.quiet = house, stopper, words, quiet
        Connection.objects.update(draining_until=None, blocked_until=None, failures=0)
        governor.keyspace = uuid.uuid4().hex  # where answers do not say what is left, our own count would stop hundreds
        self.debit = try_to_pay(house, open_quote(house).payment, BANK)
        self.refund: Any = None
        self.points = 0

    def say(self, word: str) -> None:
        """The gateway's next word."""
        if word == "submit":
            self.debit.say("processing")
        elif word == "reverse":
            attempt = Attempt.objects.select_related("payment__merchant").get(pk=self.debit.attempt.pk)
            with transaction.atomic():
                reverse_attempt(attempt, reason="dispute", now=timezone.now())
        elif word == "refund":
            self.refund = self.debit.refund(10000)
        elif word == "undo":
            say_refund(self.refund, "failed")
        else:
            getattr(self.debit, word)()

    def work(self, *, after: float = 3.0) -> None:
        """A worker delivers what is due for the books."""
        at = timezone.now() + timedelta(seconds=after)
        OutboxMessage.objects.exclude(handler__startswith="accounting.").exclude(
            handler="payments.follow_success"
        ).update(state="done")
        while keys := outbox.due_keys(now=at):
            for key in keys:
                outbox.deliver(key, now=at)

    def run(self) -> bool:
        """Everything; True when it was stopped, after which the rest happens undisturbed."""
        was_stopped = False
        for count, word in enumerate(self.words):
            self.say(word)
            if count < self.quiet:
                self.work()
                continue
            try:
                with self.stopper.process():
                    self.work()
            except Stopped:
                was_stopped = True
                self.stopper.stop_at = None
        self.points = len(self.stopper.points)
        for after in (160, 400):
            sweep_postings()
            self.work(after=after)
        return was_stopped


def books(house: House, debit: Attempted) -> tuple[Any, ...]:
    """What stands of the debit's documents in the books."""
    stem = debit.payment.reference[:12].upper()
    return BOOKS[house.connection.provider](house, stem)


def in_quickbooks(house: House, stem: str) -> tuple[Any, ...]:
    """The same there, where what is undone is gone."""
    held = house.world.state()["sections"]["intuit"]["companies"][house.connection.organisation_id]
    notes = [row for row in held["CreditMemo"].values() if row["DocNumber"] == f"PF_CR-{stem}"]
    invoices = [row for row in held["Invoice"].values() if row["DocNumber"] == f"PF-{stem}"]
    assert max(len(notes), len(invoices)) <= 1
    ours = {row["Id"] for row in (*notes, *invoices)}
    money = [row for row in held["Payment"].values() if {line["LinkedTxn"][0]["TxnId"] for line in row["Line"]} & ours]
    out = [row for row in held["Purchase"].values() if f"PF_CR-{stem}" in row["PrivateNote"]]
    return (
        ("AUTHORISED", float(notes[0]["RemainingCredit"])) if notes else None,
        [float(row["TotalAmt"]) for row in (*money, *out)],
        float(invoices[0]["Balance"]) if invoices else None,
    )


def in_xero(house: House, stem: str) -> tuple[Any, ...]:
    """The same in Xero."""
    notes = at_xero(house, "GET", f'CreditNotes?where=CreditNoteNumber=="PF_CR-{stem}"')["CreditNotes"]
    standing = [n for n in notes if n["Status"] not in ("DELETED", "VOIDED")]
    assert len(notes) <= 1
    invoices = at_xero(house, "GET", f"Invoices?InvoiceNumbers=PF-{stem}")["Invoices"]
    money = [*(p for n in notes for p in n["Payments"]), *(p for i in invoices for p in i["Payments"])]
    return (
        (standing[0]["Status"], standing[0]["RemainingCredit"]) if standing else None,
        [p["Amount"] for p in money],
        invoices[0]["AmountDue"] if invoices else None,
    )


BOOKS = {"xero": in_xero, "quickbooks": in_quickbooks}


@pytest.fixture(params=BOOKS)
def busy_house(request: pytest.FixtureRequest, db: None, world: Running) -> House:
    """A merchant whose practice world has no limits on calls, with the payer's contact known."""
    none = {"minute": 10**6, "day": 10**7, "appminute": 10**6, "concurrent": 50, "second": 10**6, "batch": 10**6}
    world.config(xero_limits=none, intuit_limits=none)
    house = build_house(world, provider=request.param)
    Way(house, Sparing(), ["submit", "settle"], 2).run()
    drain_outbox(at=timezone.now())
    return house


@pytest.mark.parametrize("way", WAYS)
def test_stopped_anywhere_the_books_end_the_same(busy_house: House, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    words, quiet, expected = WAYS[way]
    points, first = 0, random.randrange(STRIDE)
    for stop_at in [None, *range(first, 300, STRIDE)]:
        if stop_at is not None and stop_at >= points:
            continue
        stopper = Sparing(stop_at)
        with monkeypatch.context() as scope:
            stopper.install(scope)
            journey = Way(busy_house, stopper, words, quiet)
            assert journey.run() == (stop_at is not None), f"point {stop_at} was skipped"
        where = stopper.points[stop_at] if stop_at is not None else "nowhere"
        points = points or journey.points
        assert books(busy_house, journey.debit) == expected, f"stopped at {stop_at}, {where}"
        assert not Posting.objects.exclude(state__in=Posting.OVER).exists(), f"stopped at {stop_at}, {where}"
        notes = list(CreditNote.objects.filter(attempt=journey.debit.attempt))
        assert all(note.read_at for note in notes)
        # Where there are no drafts, a debit that failed left no trace.
        assert notes or (way == "failed" and busy_house.connection.provider == "quickbooks")
    assert (5 < points < 300) or (way == "failed" and busy_house.connection.provider == "quickbooks")
