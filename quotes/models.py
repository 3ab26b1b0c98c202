"""Tables of the quotes floor."""

import hashlib
from datetime import timedelta
from functools import partial

from django.db import models

from merchants.models import Merchant
from payments.models import Payment
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.secrets import SecretField
from wisepay.states import Stateful, build_state_constraint

QUOTE_TRANSITIONS = {
    "open": frozenset({"paid", "saved", "expired", "withdrawn"}),
    "paid": frozenset({"open"}),
    "expired": frozenset({"open", "paid", "saved", "withdrawn"}),
}
IDEMPOTENCY_KEY_LIFETIME = timedelta(hours=24)  # how long an Idempotency-Key is honoured
DEFAULT_HOSTS = ["*.orderporter.com"]


def hash_api_key(api_key: str) -> str:
    """The SHA-256 by which a key is found, so that neither the index nor the comparison leaks the key."""
    return hashlib.sha256(api_key.encode()).hexdigest()


class CpqIntegration(models.Model):
    """A merchant's integration 'ConnectWise Sell': the API key and the hosts that quotes live on."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="cpq_integration")
    is_enabled = models.BooleanField(default=False)
    api_key = SecretField(row=("merchant_id",), blank=True, default="")
    api_key_digest = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 (no key is not a key)
    key_created_at = models.DateTimeField(null=True)
    hosts = models.JSONField(default=partial(list, DEFAULT_HOSTS))

    def __str__(self) -> str:
        return f"ConnectWise Sell of {self.merchant}"


class Quote(Stateful):
    """One version of a quote that CPQ opened a checkout for."""

    TRANSITIONS = QUOTE_TRANSITIONS

    reference = models.CharField(max_length=24, unique=True, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="quotes")
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="quote")
    cpq_id = models.CharField(max_length=64)
    number = models.BigIntegerField()
    version = models.IntegerField()
    name = models.CharField(max_length=200)
    opportunity_id = models.CharField(max_length=64, blank=True)
    purchase_order_number = models.CharField(max_length=64, blank=True)
    customer = models.JSONField(default=dict)
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField()
    tax = models.BigIntegerField(default=0)
    recurring = models.JSONField(null=True)
    return_url = models.URLField(max_length=2000)
    callback_url = models.URLField(max_length=2000, blank=True)
    notified_status = models.CharField(max_length=20, blank=True, help_text="The status last given to the callback.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(QUOTE_TRANSITIONS, name="quote_state"),
            models.UniqueConstraint(fields=["merchant", "cpq_id", "version"], name="one_checkout_per_version"),
        ]
        indexes = [models.Index(fields=["merchant", "number", "version"], name="quote_of_merchant")]

    def __str__(self) -> str:
        return f"Quote {self.number} v{self.version}"

    @property
    def standing(self) -> str:
        """How it stands for the merchant, as its payment does; what ended a quote that nobody paid goes before."""
        return self.state if self.state in ("withdrawn", "saved") else self.payment.standing


def create_checkout_reference() -> str:
    """A new public id of a checkout."""
    return f"chk_{new_reference()}"


class Callback(models.Model):
    """One change of a checkout's status, on its way to CPQ's callback address."""

    quote = models.ForeignKey(Quote, on_delete=models.CASCADE, related_name="callbacks")
    delivery = models.UUIDField(unique=True)
    event = models.CharField(max_length=30)
    body = models.TextField()
    created_at = models.DateTimeField()
    delivered_at = models.DateTimeField(null=True)
    gave_up_at = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.event} of {self.quote}"


class IdempotentAnswer(models.Model):
    """What was answered to an Idempotency-Key, for a day."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return self.key
