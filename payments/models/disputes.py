"""Disputes at the gateway."""

from django.db import models

from payments.models.operations import Attempt
from payments.states import DISPUTE_TRANSITIONS
from wisepay import clock
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint


class Dispute(Stateful):
    """A payer told their bank that they did not agree. Of a bank debit it is final the moment it is made."""

    TRANSITIONS = DISPUTE_TRANSITIONS

    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="disputes")
    stripe_dispute_id = models.CharField(max_length=255, unique=True)
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [build_state_constraint(DISPUTE_TRANSITIONS, name="dispute_state")]

    def __str__(self) -> str:
        return f"Dispute {self.stripe_dispute_id}"

    @property
    def money(self) -> Money:
        """What the bank took back."""
        return Money(self.amount, self.attempt.payment.currency)
