"""The payments of the accounting package as they were last read, and acknowledged differences."""

from django.db import models

from accounting.models.posting import Posting
from merchants.models import Merchant
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.cursors import ReadCursor
from wisepay.models import User
from wisepay.money import Money


class LedgerPayment(models.Model):
    """A payment of the accounting package as it was last read: for an invoice, or out of a credit note.

    Only those are saved that went through the clearing account or have a number of ours. `amount` is above zero, in
    minor units of `currency`; `posting` is the one that created it, if one did.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_payments")
    organisation_id = models.CharField(max_length=60)
    ledger_id = models.CharField(max_length=60)
    is_received = models.BooleanField(help_text="Money that came in; else it went out of a credit note.")
    is_standing = models.BooleanField(help_text="Nobody took it back.")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    on = models.DateField()
    account = models.CharField(max_length=20, blank=True, help_text="The code of the account that it went through.")
    remark = models.CharField(max_length=255, blank=True, help_text="The payment's reference, as the books have it.")
    document_id = models.CharField(max_length=60, blank=True)
    document_number = models.CharField(max_length=255, blank=True)
    posting = models.OneToOneField(Posting, on_delete=models.SET_NULL, null=True, related_name="ledger_payment")
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "ledger_id"], name="one_row_per_ledger_payment"
            )
        ]
        indexes = [
            models.Index(fields=["merchant", "on"], name="ledger_payment_on"),
            models.Index(fields=["merchant", "document_id"], name="ledger_payment_of"),
        ]

    def __str__(self) -> str:
        return self.remark or self.ledger_id

    @property
    def money(self) -> Money:
        """Return what was paid."""
        return Money(self.amount, self.currency)


class LedgerPaymentCursor(ReadCursor):
    """How far one organisation's payments were read.

    A reading under way has saved `page` pages. Nothing before `begins_at` is read. `fully_read_at` is when every
    payment was last read, in ledgers that do not always tell which ones were removed.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_payment_cursors")
    organisation_id = models.CharField(max_length=60)
    begins_at = models.DateTimeField()
    page = models.PositiveIntegerField(default=0)
    fully_read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "organisation_id"], name="one_payment_cursor_per_org")
        ]

    def __str__(self) -> str:
        return f"Payments of {self.organisation_id}"


class Acknowledgement(models.Model):
    """A person's statement that a difference of reconciliation is known, and why.

    It counts for the difference exactly as it was shown, which `content_hash` identifies; `identity_hash` identifies
    the difference whatever its amount. It counts until it is retracted; `amount` was the gap, in minor units.
    """

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="acknowledgements")
    content_hash = models.CharField(max_length=64)
    identity_hash = models.CharField(max_length=64)
    kind = models.CharField(max_length=30)
    subject = models.CharField(max_length=255, blank=True)
    description = models.TextField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, blank=True)
    on = models.DateField(help_text="The day that the difference falls on.")
    reason = models.CharField(max_length=300)
    acknowledged_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    acknowledged_at = models.DateTimeField()
    retracted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    retracted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "content_hash"],
                condition=models.Q(retracted_at=None),
                name="one_acknowledgement_per_difference",
            ),
            models.CheckConstraint(condition=~models.Q(reason=""), name="acknowledged_for_a_reason"),
            models.CheckConstraint(
                condition=models.Q(retracted_at=None, retracted_by=None)
                | models.Q(retracted_at__isnull=False, retracted_by__isnull=False),
                name="retracted_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "identity_hash"],
                condition=models.Q(retracted_at=None),
                name="acknowledged_identity",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
