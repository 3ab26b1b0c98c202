"""Random events between plan and run: an invoice is charged once at most, and never above the amount due."""

import random

import pytest
from django.utils import timezone
from django_subatomic.db import transaction

from accounting.autopay.charging import charge_scheduled_payment, schedule_due_payments
from accounting.mirror.store import notify_mirror_listeners
from accounting.models import LedgerInvoice, ScheduledPayment
from payments.models import Attempt
from tests.accounting.autopay.builders import AutoPayBuilder
from tests.tenants import deliver_outbox

ROUNDS = 40
LEDGER_EVENTS = ("less", "more", "part_paid", "paid", "voided", "reopened")
OUR_EVENTS = ("plan", "webhook", "due", "run", "beat", "deliver")
WEIGHTS = (*[1] * len(LEDGER_EVENTS), 4, 1, 5, 5, 1, 2)


class RandomSequence:
    """Changes of one invoice in the ledger, and what the product does, in a random order."""

    def __init__(self, autopay: AutoPayBuilder, seed: int) -> None:
        self.autopay, self.random = autopay, random.Random(seed)
        self.invoice = autopay.create_invoice(10_000, due_in=self.random.choice([0, 1, 7]))
        self.dues_at_charge: list[int] = []

    def get_invoice(self) -> LedgerInvoice:
        """The invoice as the mirror has it."""
        return LedgerInvoice.objects.get(pk=self.invoice.pk)

    def change(self, **columns: object) -> None:
        """Change the invoice in the mirror, which notifies planning never, once or several times."""
        LedgerInvoice.objects.filter(pk=self.invoice.pk).update(**columns)
        for _ in range(self.random.randint(0, 3)):
            self.webhook()

    def webhook(self) -> None:
        """Notify planning that the mirror read the invoice again."""
        with transaction():
            notify_mirror_listeners(self.autopay.tenant.merchant, invoice_ids=[self.invoice.pk], now=timezone.now())

    def apply_event(self, event: str) -> None:
        """Apply one event, and check what must always hold."""
        due = self.get_invoice().due
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
            self.autopay.plan()
        elif event == "webhook":
            self.webhook()
        elif event == "due":
            ScheduledPayment.objects.filter(invoice=self.invoice, state="scheduled").update(run_at=timezone.now())
        elif event == "beat":
            schedule_due_payments(now=timezone.now())
        elif event == "deliver":
            deliver_outbox()
        else:
            self.run()
        self.verify()

    def run(self) -> None:
        """Let a worker charge it, whether it is due or not."""
        for scheduled in ScheduledPayment.objects.filter(invoice=self.invoice):
            charge_scheduled_payment(scheduled.pk, now=timezone.now())

    def verify(self) -> None:
        """Check what must always hold."""
        attempts = list(Attempt.objects.filter(payment__allocations__invoice=self.invoice).order_by("pk"))
        if len(attempts) > len(self.dues_at_charge):
            self.dues_at_charge += [self.get_invoice().due] * (len(attempts) - len(self.dues_at_charge))
        for attempt, due in zip(attempts, self.dues_at_charge, strict=True):
            assert attempt.amount <= due, "more than was due"
        # Nothing is mirrored here, so all that was charged still counts against the amount due.
        assert len(attempts) <= 1 or sum(a.amount for a in attempts) <= max(self.dues_at_charge)
        live = ScheduledPayment.objects.filter(invoice=self.invoice, state__in=["scheduled", "held", "pending"])
        assert live.count() <= 1


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_it_is_charged_once_at_most_and_never_above_what_is_due(
    autopay: AutoPayBuilder, seed: int
) -> None:
    autopay.update_settings(schedules_past_due=True)
    autopay.create_mapping(autopay.save_card())
    choices = random.Random(seed)
    for number in range(ROUNDS // 6 + 1):
        sequence = RandomSequence(autopay, seed * 100 + number)
        for event in choices.choices(LEDGER_EVENTS + OUR_EVENTS, WEIGHTS, k=20):
            sequence.apply_event(event)
    deliver_outbox()
    by_payment: dict[int, int] = {}
    for attempt in Attempt.objects.filter(state="succeeded"):
        by_payment[attempt.payment_id] = by_payment.get(attempt.payment_id, 0) + 1
    assert set(by_payment.values()) <= {1}
    assert autopay.tenant.total_charged() == sum(a.amount for a in Attempt.objects.filter(state="succeeded"))
    assert by_payment, "nothing was ever charged"
