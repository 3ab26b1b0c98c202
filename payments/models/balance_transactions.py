"""What the gateway says that it moved: the lines of its balance, and the payouts that take them to the bank."""

from datetime import datetime

from django.db import models

from payments.models.gateway_accounts import GatewayAccount
from payments.models.operations import Attempt, Dispute, Refund
from payments.models.payouts import Payout
from wisepay import clock
from wisepay.cursors import ReadCursor
from wisepay.money import Money


class BalanceTransaction(models.Model):
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

    account = models.ForeignKey(GatewayAccount, on_delete=models.CASCADE, related_name="balance_transactions")
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
    payout = models.ForeignKey(Payout, on_delete=models.SET_NULL, null=True, related_name="balance_transactions")
    attempt = models.ForeignKey(Attempt, on_delete=models.SET_NULL, null=True, related_name="balance_transactions")
    refund = models.ForeignKey(Refund, on_delete=models.SET_NULL, null=True, related_name="balance_transactions")
    dispute = models.ForeignKey(Dispute, on_delete=models.SET_NULL, null=True, related_name="balance_transactions")
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "stripe_id"], name="one_row_per_balance_transaction"),
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
                name="balance_transaction_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "happened_at"], name="balance_tx_of_account"),
            models.Index(fields=["account", "source_id"], name="balance_tx_of_source"),
            models.Index(
                fields=["account", "intent_id"],
                condition=models.Q(attempt=None) & ~models.Q(kind__in=["fee", "adjustment", "payout"]),
                name="balance_tx_unlinked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.stripe_id}"

    @property
    def money(self) -> Money:
        """What it is about, before the fee."""
        return Money(self.amount, self.currency)

    @property
    def fee_money(self) -> Money:
        """What the gateway kept of it."""
        return Money(self.fee, self.currency)


class BalanceTransactionCursor(ReadCursor):
    """How far an account's balance transactions and payouts were read.

    A reading under way has saved everything up to the transaction `after`.
    """

    account = models.OneToOneField(GatewayAccount, on_delete=models.CASCADE, related_name="balance_transaction_cursor")
    begins_at = models.DateTimeField(null=True, help_text="Nothing is known of before: the account was another one.")
    after = models.CharField(max_length=255, blank=True)

    def __str__(self) -> str:
        return f"Movements of {self.account}"

    def covers(self, instant: datetime) -> bool:
        """Whether that instant is one of which everything was read."""
        begins = self.begins_at is None or instant >= self.begins_at
        return begins and self.known_until is not None and instant <= self.known_until
