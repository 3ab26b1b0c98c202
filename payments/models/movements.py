"""What the gateway says that it moved: the lines of its balance, and the payouts that take them to the bank."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from payments.models.methods import GatewayAccount
from payments.models.returns import Dispute, Refund
from payments.models.talks import Attempt
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
    made_at = models.DateTimeField(help_text="When the gateway made it.")
    lines_at = models.DateTimeField(null=True, help_text="When its lines were read to the end.")
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "stripe_payout_id"], name="one_row_per_payout"),
            models.CheckConstraint(
                condition=models.Q(status__in=["on_its_way", "paid", "failed"]), name="payout_status"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "-made_at"], name="payout_of_account"),
        ]

    def __str__(self) -> str:
        return self.stripe_payout_id

    @property
    def money(self) -> Money:
        """What reaches the bank."""
        return Money(self.amount, self.currency)


class Movement(models.Model):
    """One line of the balance. `amount` less `fee` is what the balance changed by, in minor units of `currency`.

    `paid_amount` of `paid_currency` is the same as the payer sees it: another currency where the gateway exchanged.
    Both are below zero when money leaves. Linked to what of ours it is about, once that is known.
    """

    class Kind(models.TextChoices):
        CHARGE = "charge", "Payment"
        REFUND = "refund", "Refund"
        REFUND_FAILURE = "refund_failure", "Refund that came back"
        FAILURE = "failure", "Payment that came back"
        DISPUTE = "dispute", "Dispute"
        DISPUTE_REVERSAL = "dispute_reversal", "Dispute won"
        FEE = "fee", "Fee"
        ADJUSTMENT = "adjustment", "Adjustment"
        PAYOUT = "payout", "Payout"

    account = models.ForeignKey(GatewayAccount, on_delete=models.CASCADE, related_name="movements")
    stripe_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=20, choices=Kind)
    amount = models.BigIntegerField()
    fee = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    paid_amount = models.BigIntegerField()
    paid_currency = models.CharField(max_length=3)
    source_id = models.CharField(max_length=255, blank=True)
    intent_id = models.CharField(max_length=255, blank=True)
    reference = models.CharField(max_length=60, blank=True, help_text="Ours, as the gateway gave it back.")
    method_kind = models.CharField(max_length=20, blank=True)
    description = models.CharField(max_length=255, blank=True)
    happened_at = models.DateTimeField()
    available_at = models.DateTimeField()
    payout = models.ForeignKey(Payout, on_delete=models.SET_NULL, null=True, related_name="lines")
    attempt = models.ForeignKey(Attempt, on_delete=models.SET_NULL, null=True, related_name="movements")
    refund = models.ForeignKey(Refund, on_delete=models.SET_NULL, null=True, related_name="movements")
    dispute = models.ForeignKey(Dispute, on_delete=models.SET_NULL, null=True, related_name="movements")
    read_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "stripe_id"], name="one_row_per_movement"),
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=[
                        "charge",
                        "refund",
                        "refund_failure",
                        "failure",
                        "dispute",
                        "dispute_reversal",
                        "fee",
                        "adjustment",
                        "payout",
                    ]
                ),
                name="movement_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "happened_at"], name="movement_of_account"),
            models.Index(
                fields=["account", "intent_id"],
                condition=models.Q(attempt=None) & ~models.Q(kind__in=["fee", "adjustment", "payout"]),
                name="movement_unlinked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.stripe_id}"

    @property
    def money(self) -> Money:
        """What it is about, before the fee."""
        return Money(self.amount, self.currency)

    @property
    def kept(self) -> Money:
        """What the gateway kept of it."""
        return Money(self.fee, self.currency)


class MovementCursor(models.Model):
    """How far an account's lines and payouts were read.

    `known_until` is the instant up to which nothing is missing (None before the first reading). A reading under way
    keeps when it began in `asked_at` and the last line that it wrote down in `after`, so that it goes on there.
    """

    account = models.OneToOneField(GatewayAccount, on_delete=models.CASCADE, related_name="movement_cursor")
    stripe_account_id = models.CharField(max_length=60, blank=True, help_text="Whose lines these are.")
    begins_at = models.DateTimeField(null=True, help_text="Nothing is known of before: the account was another one.")
    known_until = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    after = models.CharField(max_length=255, blank=True)
    error = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"Movements of {self.account}"

    def knows(self, instant: datetime) -> bool:
        """Whether that instant is one of which everything was read."""
        begins = self.begins_at is None or instant >= self.begins_at
        return begins and self.known_until is not None and instant <= self.known_until
