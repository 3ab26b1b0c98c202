"""Runs of Payment Sync."""

from datetime import datetime, timedelta

from django.db import models

from accounting.states import SYNC_TRANSITIONS
from merchants.models import Merchant
from wisepay import clock
from wisepay.models import User
from wisepay.states import Stateful, build_state_constraint


class PaymentSync(Stateful):
    """One look at what was paid or credited in the books since `since`; what it found is counted when it is over.

    `cancelled` counts scheduled payments that it ended. `error` is in words for a person.
    """

    TRANSITIONS = SYNC_TRANSITIONS
    STALE_AFTER = timedelta(minutes=15)

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="payment_syncs")
    organisation_id = models.CharField(max_length=60, blank=True)
    since = models.DateTimeField()
    payments = models.PositiveIntegerField(default=0)
    credits = models.PositiveIntegerField(default=0)
    invoices = models.PositiveIntegerField(default=0, help_text="Invoices that are paid in full by them.")
    cancelled = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(SYNC_TRANSITIONS, name="payment_sync_state"),
            models.UniqueConstraint(
                fields=["merchant"], condition=models.Q(state="running"), name="one_running_payment_sync"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="payment_sync_of_merchant")]

    def __str__(self) -> str:
        return f"Payment Sync for {self.merchant}"

    def is_stale(self, now: datetime) -> bool:
        """Whether it runs for so long that nobody is at it any more."""
        return self.state == "running" and now - self.state_at > self.STALE_AFTER
