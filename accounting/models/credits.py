"""Credit matches: which PF_CR credit note belongs to which invoice, and whether it is applied."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from accounting.models.mirror import LedgerInvoice
from accounting.models.posting import CreditNote
from accounting.states import MATCH_TRANSITIONS
from merchants.models import Merchant
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint

MIN_THRESHOLD, DEFAULT_THRESHOLD = 50, 80


class CreditSettings(models.Model):
    """The confidence from which on credits are applied automatically; None: a person always decides."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="credit_settings")
    threshold = models.PositiveSmallIntegerField(
        null=True, default=DEFAULT_THRESHOLD, validators=[MinValueValidator(MIN_THRESHOLD), MaxValueValidator(100)]
    )

    class Meta:
        verbose_name_plural = "credit settings"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(threshold=None) | models.Q(threshold__gte=MIN_THRESHOLD, threshold__lte=100),
                name="credit_threshold_range",
            )
        ]

    def __str__(self) -> str:
        return f"Credits of {self.merchant}"


class CreditMatch(Stateful):
    """A PF_CR credit note that belongs to an invoice, with a confidence and its reasons.

    `proposed` waits for a person; `wanted` is approved, by a person or by its confidence, and being posted; `applied`
    is allocated in the ledger; `undoing` waits for the removal of the allocation, and `undone` is removed; `dismissed`
    is never proposed again; `withdrawn` is not likely any more, but may be again. `synced_at` is when the mirror
    showed the allocation first.
    """

    TRANSITIONS = MATCH_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="credit_matches")
    note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="matches")
    invoice = models.ForeignKey(LedgerInvoice, on_delete=models.PROTECT, related_name="matches")
    amount = models.BigIntegerField()
    confidence = models.PositiveSmallIntegerField(help_text="0 to 100.")
    reasons = models.JSONField(default=list, help_text="Sentences.")
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="Empty: approved by its confidence."
    )
    synced_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        verbose_name_plural = "credit matches"
        constraints = [
            build_state_constraint(MATCH_TRANSITIONS, name="credit_match_state"),
            models.UniqueConstraint(fields=["note", "invoice"], name="one_match_per_note_and_invoice"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="match_amount_positive"),
            models.CheckConstraint(condition=models.Q(confidence__lte=100), name="match_confidence_in_percent"),
        ]
        indexes = [
            models.Index(fields=["merchant", "id"], condition=models.Q(state="proposed"), name="credit_match_proposed"),
            models.Index(fields=["merchant", "state", "-state_at"], name="credit_match_of_merchant"),
        ]

    def __str__(self) -> str:
        return f"{self.note} for {self.invoice}"

    @property
    def money(self) -> Money:
        """The part of the credit that is for the invoice."""
        return Money(self.amount, self.note.currency)

    def can_move_to(self, state: str) -> bool:
        """Whether the match may move to that state."""
        return state in self.TRANSITIONS.get(self.state, frozenset())
