"""Tables of the connections floor."""

from datetime import datetime
from typing import ClassVar

from django.db import models

from merchants.models import Merchant
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.secrets import SecretField
from wisepay.states import Stateful, build_state_constraint


class Tier(models.TextChoices):
    """Which kind of work a connection carries."""

    WISE_PAY = "wise_pay", "Wise-Pay"
    COMPANY = "company", "Company"
    SERVICE = "service", "Service"


class DisconnectCause(models.TextChoices):
    """Why a connection is broken. An unavailable provider is not a cause: that ends without anybody."""

    REVOKED = "revoked", "Access was revoked"
    USER_REMOVED = "user_removed", "The person who connected has no access any more"
    DISCONNECTED = "disconnected", "Disconnected in the accounting package"
    EXPIRED = "expired", "The permission ran out"
    APP_GONE = "app_gone", "The app of this connection is gone"


CONNECTION_TRANSITIONS = {
    "never": frozenset({"connected"}),
    "connected": frozenset({"broken", "disconnected"}),
    "broken": frozenset({"connected", "disconnected"}),
    "disconnected": frozenset({"connected"}),
}


class Connection(Stateful):
    """A merchant's authorised access to one organisation of an accounting package, for one tier."""

    TRANSITIONS = CONNECTION_TRANSITIONS
    DESCRIPTIONS: ClassVar[dict[str, str]] = {
        "wise_pay": "What people cause: payments, and downloads of the latest accounting data.",
        "company": "Payment Sync, and what the accounting package tells us.",
        "service": "Background services such as the automatic payment scheduler.",
    }

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="connections")
    tier = models.CharField(max_length=10, choices=Tier)
    provider = models.CharField(max_length=20, blank=True)
    client_id = models.CharField(max_length=120, blank=True, help_text="The app that the tokens were made with.")
    organisation_id = models.CharField(max_length=60, blank=True)
    organisation_name = models.CharField(max_length=160, blank=True)
    remote_id = models.CharField(max_length=60, blank=True, help_text="The provider's id of this connection.")
    access_token = SecretField(row=("merchant_id", "tier"), blank=True, default="")
    refresh_token = SecretField(row=("merchant_id", "tier"), blank=True, default="")
    access_expires_at = models.DateTimeField(null=True)
    token_was_refused = models.BooleanField(default=False, help_text="A token was refused and none was accepted since.")
    refreshed_at = models.DateTimeField(null=True, help_text="When the refresh token was issued.")
    connected_at = models.DateTimeField(null=True)
    connected_by = models.CharField(max_length=254, blank=True, help_text="Who allowed access.")
    succeeded_at = models.DateTimeField(null=True, help_text="The provider last accepted our token.")
    checked_at = models.DateTimeField(null=True, help_text="A worker last began to look after it.")
    tested_at = models.DateTimeField(null=True)
    test_passed = models.BooleanField(null=True)
    blocked_until = models.DateTimeField(null=True, help_text="No call before this instant.")
    last_error = models.CharField(max_length=300, blank=True)
    cause = models.CharField(max_length=20, choices=DisconnectCause, blank=True, help_text="Why it is broken.")
    unavailable_since = models.DateTimeField(null=True, help_text="The provider does not answer since then.")
    failures = models.PositiveIntegerField(default=0, help_text="Calls without an answer since the last good one.")
    lease_until = models.DateTimeField(null=True, help_text="A worker is posting documents until then.")

    class Meta:
        constraints = [
            build_state_constraint(CONNECTION_TRANSITIONS, name="connection_state"),
            models.UniqueConstraint(fields=["merchant", "tier"], name="one_connection_per_tier"),
            models.CheckConstraint(condition=models.Q(tier__in=Tier.values), name="known_tier"),
            models.CheckConstraint(
                condition=models.Q(state="broken") | models.Q(cause=""), name="only_broken_has_a_cause"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="connected") | ~models.Q(refresh_token="") & ~models.Q(organisation_id=""),
                name="connected_has_tokens",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_tier_display()} connection of {self.merchant}"

    @property
    def description(self) -> str:
        """What the tier is for."""
        return self.DESCRIPTIONS[self.tier]

    def is_blocked(self, now: datetime) -> bool:
        """Whether the provider asked us to wait beyond `now`."""
        return self.blocked_until is not None and now < self.blocked_until


class ConnectionEvent(models.Model):
    """Something that happened to a connection and is no change of its state: a test, an outage, its end."""

    class Kind(models.TextChoices):
        TEST_PASSED = "test_passed", "Test passed"
        TEST_FAILED = "test_failed", "Test failed"
        UNAVAILABLE = "unavailable", "Accounting package unavailable"
        AVAILABLE = "available", "Accounting package answers again"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind)
    text = models.CharField(max_length=300, blank=True)
    by = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["connection", "at"], name="event_of_connection")]

    def __str__(self) -> str:
        return self.get_kind_display()


class LinkedOrganisation(models.Model):
    """Which merchant an organisation belongs to: one organisation a merchant, and one merchant an organisation."""

    provider = models.CharField(max_length=20)
    organisation_id = models.CharField(max_length=60)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "organisation_id"], name="one_merchant_per_organisation"),
            models.UniqueConstraint(fields=["merchant"], name="one_organisation_per_merchant"),
        ]

    def __str__(self) -> str:
        return self.organisation_id


class Authorisation(models.Model):
    """One OAuth authorisation: to the provider's consent page and back; its `state` parameter works once."""

    state_digest = models.CharField(max_length=64, unique=True)
    reference = models.CharField(max_length=20, unique=True, default=new_reference)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    tier = models.CharField(max_length=10, choices=Tier)
    provider = models.CharField(max_length=20)
    client_id = models.CharField(max_length=120, blank=True, help_text="The app that asks for access.")
    code_verifier = SecretField(row=("merchant_id", "reference"))
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    tokens = SecretField(
        row=("merchant_id", "reference"),
        blank=True,
        default="",
        help_text="Kept only while the organisation is chosen.",
    )
    organisations = models.JSONField(default=list)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return self.reference
