"""Tables of the payments floor."""

from datetime import datetime

from django.db import models
from django.utils import timezone

from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay.money import Money
from wisepay.references import new_reference
from wisepay.secrets import SecretField
from wisepay.states import Stateful, known_state

PAYMENT_TRANSITIONS = {
    "open": frozenset({"succeeded", "cancelled"}),
    "succeeded": frozenset({"reversed"}),
    "cancelled": frozenset({"open"}),
}
ATTEMPT_TRANSITIONS = {
    "processing": frozenset({"requires_action", "succeeded", "failed", "cancelled"}),
    "requires_action": frozenset({"processing", "succeeded", "failed", "cancelled"}),
    "succeeded": frozenset({"reversed"}),
}
LIVE = ("processing", "requires_action")


class GatewayAccount(models.Model):
    """A merchant's account at the payment gateway."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="gateway_account")
    stripe_account_id = models.CharField(max_length=60)
    publishable_key = models.CharField(max_length=255)
    secret_key = SecretField()
    webhook_secret = SecretField()
    verified_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Stripe account of {self.merchant}"

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return "_live_" in self.publishable_key


class Payment(Stateful):
    """The promise: this payer pays this amount for this purpose, once.

    `amount` is what is due now; `full_amount`, where given, is what the payer may choose to pay instead.
    All amounts are minor units of `currency`.
    """

    TRANSITIONS = PAYMENT_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="payments")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="payments")
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    full_amount = models.BigIntegerField(null=True)
    paid_amount = models.BigIntegerField(null=True)
    paid_at = models.DateTimeField(null=True)
    purpose = models.CharField(max_length=120, help_text="What the payer sees as the thing that is paid.")
    details = models.JSONField(default=dict, help_text="Invoice Details as the payer sees them.")
    methods = models.JSONField(default=list, help_text="Method kinds that may be used: card, bank_debit.")
    needs_account = models.BooleanField(default=False, help_text="A method has to be saved, so no guests.")
    done_path = models.CharField(max_length=200, help_text="Where the payer goes when it is over.")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(PAYMENT_TRANSITIONS, name="payment_state"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="payment_amount_not_negative"),
            models.CheckConstraint(
                condition=models.Q(full_amount=None) | models.Q(full_amount__gt=models.F("amount")),
                name="full_amount_is_more",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["succeeded", "reversed"]) | models.Q(paid_amount__gt=0),
                name="succeeded_has_amount",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-created_at"], name="payment_of_merchant")]

    def __str__(self) -> str:
        return self.purpose

    @property
    def due(self) -> Money:
        """What is due now."""
        return Money(self.amount, self.currency)

    @property
    def full(self) -> Money | None:
        """What may be paid instead of what is due, if anything."""
        return Money(self.full_amount, self.currency) if self.full_amount is not None else None

    @property
    def paid(self) -> Money | None:
        """What was paid."""
        return Money(self.paid_amount, self.currency) if self.paid_amount is not None else None

    def is_over(self, now: datetime) -> bool:
        """Whether the deadline has passed."""
        return now >= self.expires_at


class Attempt(Stateful):
    """One conversation with the gateway about a payment. `processing` means that we do not know yet."""

    TRANSITIONS = ATTEMPT_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, related_name="attempts")
    amount = models.BigIntegerField()
    idempotency_key = models.CharField(max_length=80, unique=True)
    confirmation_token = models.CharField(max_length=255)
    stripe_payment_intent_id = models.CharField(max_length=255, blank=True)
    payer_name = models.CharField(max_length=120)
    payer_email = models.EmailField(max_length=254)
    payer_phone = models.CharField(max_length=40, blank=True)
    ip = models.GenericIPAddressField()
    user_agent = models.CharField(max_length=300, blank=True)
    method_kind = models.CharField(max_length=20, blank=True)
    brand = models.CharField(max_length=30, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(ATTEMPT_TRANSITIONS, name="attempt_state"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="attempt_amount_positive"),
            models.UniqueConstraint(
                fields=["payment"], condition=models.Q(state__in=LIVE), name="one_live_attempt_per_payment"
            ),
            models.UniqueConstraint(
                fields=["payment"],
                condition=models.Q(state="succeeded"),
                name="one_succeeded_attempt_per_payment",
            ),
            models.UniqueConstraint(
                fields=["account", "stripe_payment_intent_id"],
                condition=~models.Q(stripe_payment_intent_id=""),
                name="one_attempt_per_intent",
            ),
        ]
        indexes = [
            models.Index(fields=["ip", "created_at"], name="attempt_of_ip"),
            models.Index(fields=["state_at"], condition=models.Q(state__in=LIVE), name="attempt_live"),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.reference}"

    @property
    def money(self) -> Money:
        """What this attempt would take."""
        return Money(self.amount, self.payment.currency)

    @property
    def is_live(self) -> bool:
        """Whether it may still end either way."""
        return self.state in LIVE

    @property
    def method(self) -> str:
        """The method as a person knows it, for example "Visa ···· 4242"."""
        brand = self.brand.replace("_", " ").title() if self.brand else "Card"
        return f"{brand} ···· {self.last4}" if self.last4 else ""
