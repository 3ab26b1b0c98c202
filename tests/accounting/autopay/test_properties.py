"""Whatever happens to an invoice between plan and run, in any order and repeated: charged once at most, never above."""

import random

import pytest
from django.utils import timezone

from accounting.autopay.running import arm_due, run_scheduled
from accounting.mirror_events import mirror_changed
from accounting.models import LedgerInvoice, ScheduledPayment
from payments.models import Attempt
from tests.accounting.autopay.stage import Stage
from tests.people import drain_outbox

ROUNDS = 40
BOOKS = ("less", "more", "part_paid", "paid", "voided", "reopened")
OURS = ("plan", "webhook", "due", "run", "beat", "drain")
WEIGHTS = (*[1] * len(BOOKS), 4, 1, 5, 5, 1, 2)


class Life:
    """One invoice's life: what the books do to it, and what we do about it, in a random order."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.random = stage, random.Random(seed)
        self.invoice = stage.invoice(10_000, due_in=self.random.choice([0, 1, 7]))
        self.dues_at_charge: list[int] = []

    def row(self) -> LedgerInvoice:
        """The invoice as the mirror has it."""
        return LedgerInvoice.objects.get(pk=self.invoice.pk)

    def change(self, **columns: object) -> None:
        """The books changed it, and said so some times."""
        LedgerInvoice.objects.filter(pk=self.invoice.pk).update(**columns)
        for _ in range(self.random.randint(0, 3)):
            self.webhook()

    def webhook(self) -> None:
        """The mirror read it again."""
        mirror_changed(self.stage.house.merchant, invoice_ids=[self.invoice.pk], now=timezone.now())

    def happen(self, event: str) -> None:
        """One thing happens."""
        due = self.row().due
        changes: dict[str, dict[str, object]] = {
            "less": {"due": max(due // 2, 1)},
            "more": {"due": due + 5_000},
            "part_paid": {"due": max(due - 3_000, 0)},
            "paid": {"due": 0, "status": "paid"},
            "voided": {"due": 0, "status": "voided"},
            "reopened": {"due": max(due, 2_000), "status": "open"},
        }
        if event in changes:
            self.change(**changes[event])
        elif event == "plan":
            self.stage.plan()
        elif event == "webhook":
            self.webhook()
        elif event == "due":
            ScheduledPayment.objects.filter(invoice=self.invoice, state="scheduled").update(run_at=timezone.now())
        elif event == "beat":
            arm_due(now=timezone.now())
        elif event == "drain":
            drain_outbox()
        else:
            self.run()
        self.verify()

    def run(self) -> None:
        """A worker takes it, whether it is due or not."""
        for scheduled in ScheduledPayment.objects.filter(invoice=self.invoice):
            run_scheduled(scheduled.pk, now=timezone.now())

    def verify(self) -> None:
        """What must never be."""
        attempts = list(Attempt.objects.filter(payment__shares__invoice=self.invoice).order_by("pk"))
        if len(attempts) > len(self.dues_at_charge):
            self.dues_at_charge += [self.row().due] * (len(attempts) - len(self.dues_at_charge))
        for attempt, due in zip(attempts, self.dues_at_charge, strict=True):
            assert attempt.amount <= due, "more than was due"
        # Nothing is mirrored here, so all that was charged still counts against what the books ask for.
        assert len(attempts) <= 1 or sum(a.amount for a in attempts) <= max(self.dues_at_charge)
        live = ScheduledPayment.objects.filter(invoice=self.invoice, state__in=["scheduled", "held", "pending"])
        assert live.count() <= 1


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_it_is_charged_once_at_most_and_never_above_what_is_due(stage: Stage, seed: int) -> None:
    stage.set(schedules_past_due=True)
    stage.map(stage.card())
    dice = random.Random(seed)
    for number in range(ROUNDS // 6 + 1):
        life = Life(stage, seed * 100 + number)
        for event in dice.choices(BOOKS + OURS, WEIGHTS, k=20):
            life.happen(event)
    drain_outbox()
    by_payment: dict[int, int] = {}
    for attempt in Attempt.objects.filter(state="succeeded"):
        by_payment[attempt.payment_id] = by_payment.get(attempt.payment_id, 0) + 1
    assert set(by_payment.values()) <= {1}
    assert stage.house.charged() == sum(a.amount for a in Attempt.objects.filter(state="succeeded"))
    assert by_payment, "nothing was ever charged: the dice are loaded"
