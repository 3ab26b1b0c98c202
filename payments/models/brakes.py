"""Brakes: merchants where so many cards were declined that no new ones are taken for a while."""

from django.db import models

from merchants.models import Merchant
from wisepay.models import User


class AttemptBrake(models.Model):
    """The brake of a merchant, from its last storm of declines. It ends by itself, or somebody lifts it before."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="attempt_brake")
    tripped_at = models.DateTimeField(help_text="When the storm began that the merchant was told of.")
    ends_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("tripped_at")), name="brake_ends_later")
        ]

    def __str__(self) -> str:
        return f"Brake of {self.merchant}"
