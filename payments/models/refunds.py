"""Money that goes back: refunds and disputes."""

from django.db import models

from payments.models.operations import Attempt
from payments.models.payment import Payment
from payments.states import REFUND_TRANSITIONS
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint


class Refund(Stateful):
    """Money given back, ordered here or at the gateway. `processing`: the gateway has not said how it ended."""

    class Origin(models.TextChoices):
        CONSOLE = "console", "Wise-Pay"
        GATEWAY = "gateway", "Stripe"

    TRANSITIONS = REFUND_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=200, blank=True)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.CONSOLE)
    ordered_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    idempotency_key = models.CharField(max_length=80, unique=True)
    stripe_refund_id = models.CharField(max_length=255, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(REFUND_TRANSITIONS, name="refund_state"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="refund_amount_positive"),
            models.UniqueConstraint(
                fields=["attempt", "stripe_refund_id"],
                condition=~models.Q(stripe_refund_id=""),
                name="one_row_per_refund",
            ),
        ]

    def __str__(self) -> str:
        return f"Refund {self.reference}"

    @property
    def money(self) -> Money:
        """What goes back."""
        return Money(self.amount, self.payment.currency)
