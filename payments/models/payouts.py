"""Payouts of the gateway."""

from django.db import models

from payments.models.gateway_accounts import GatewayAccount
from wisepay import clock
from wisepay.money import Money


class Payout(models.Model):
    """Money on its way from the gateway to the merchant's bank. `amount` in minor units of `currency`.

    Which lines it takes along is known once `lines_at` is set; of one that a person ordered (`is_automatic` False)
    the gateway never says it.
    """

    class Status(models.TextChoices):
        ON_ITS_WAY = "on_its_way", "On its way"
        PAID = "paid", "Paid out"
        FAILED = "failed", "Failed"

    account = models.ForeignKey(GatewayAccount, on_delete=models.CASCADE, related_name="payouts")
    stripe_payout_id = models.CharField(max_length=255)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=12, choices=Status)
    is_automatic = models.BooleanField(default=True)
    arrives_on = models.DateField()
    created_at = models.DateTimeField(help_text="When the gateway made it.")
    transactions_read_at = models.DateTimeField(null=True, help_text="When its lines were read to the end.")
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "stripe_payout_id"], name="one_row_per_payout"),
            models.CheckConstraint(
                condition=models.Q(status__in=["on_its_way", "paid", "failed"]), name="payout_status"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-created_at"], name="payout_of_account"),
        ]

    def __str__(self) -> str:
        return self.stripe_payout_id

    @property
    def money(self) -> Money:
        """What reaches the bank."""
        return Money(self.amount, self.currency)
