"""Tables of the tenant: merchant, roles, members and invitations, PayNow Links, event notifications."""

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower

from merchants.rights import BUILT_IN_RIGHTS, Right, describe_rights
from wisepay import clock
from wisepay.accounts.sessions import end_sessions_without_access
from wisepay.addresses import build_public_url, new_reference
from wisepay.audit_log.policies import LONGEST_MONTHS, SHORTEST_MONTHS
from wisepay.models import User
from wisepay.secrets import SecretField


def validate_time_zone(value: str) -> None:
    """Raise ValidationError for an unknown time zone."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValidationError("Choose a time zone such as Australia/Sydney.") from None


def get_default_audit_months() -> int:
    """How many months a new merchant's audit log is stored."""
    return min(LONGEST_MONTHS, max(SHORTEST_MONTHS, int(settings.AUDIT_RETENTION_MONTHS)))


class Merchant(models.Model):
    """An IT service provider: the tenant that every other row belongs to."""

    class TwoFactorMode(models.TextChoices):
        REQUIRED = "required", "Required"
        OPTIONAL = "optional", "Optional"

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=60, default="UTC", validators=[validate_time_zone])
    contact_email = models.EmailField(blank=True, help_text="Payers are given this address when they need help.")
    contact_phone = models.CharField(max_length=40, blank=True)
    postal_address = models.CharField(max_length=300, blank=True, help_text="As it stands on receipts.")
    tax_number = models.CharField(
        max_length=40, blank=True, help_text="As it stands on receipts, for example ABN 51 824 753 556."
    )
    takes_payments = models.BooleanField(default=True, help_text="Account Merchant Payment Status")
    two_factor_mode = models.CharField(max_length=10, choices=TwoFactorMode, default=TwoFactorMode.REQUIRED)
    has_multi_connection = models.BooleanField(
        default=False, help_text="Work is divided between three accounting connections."
    )
    staff_idle_minutes = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(5), MaxValueValidator(720)]
    )
    payer_idle_days = models.PositiveSmallIntegerField(
        default=14, validators=[MinValueValidator(1), MaxValueValidator(14)]
    )
    keeps_unproved_days = models.PositiveSmallIntegerField(
        default=30, validators=[MinValueValidator(7), MaxValueValidator(365)]
    )
    keeps_device_months = models.PositiveSmallIntegerField(
        default=24, validators=[MinValueValidator(3), MaxValueValidator(84)]
    )
    keeps_audit_months = models.PositiveSmallIntegerField(
        default=get_default_audit_months,
        validators=[MinValueValidator(SHORTEST_MONTHS), MaxValueValidator(LONGEST_MONTHS)],
    )
    created_at = models.DateTimeField(default=clock.now)
    members = models.ManyToManyField(User, through="Membership", related_name="merchants")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(keeps_audit_months__gte=SHORTEST_MONTHS, keeps_audit_months__lte=LONGEST_MONTHS),
                name="audit_log_is_stored_long_enough",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The merchant's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def address_lines(self) -> list[str]:
        """The postal address, line by line."""
        return [line.strip() for line in self.postal_address.splitlines() if line.strip()]

    def build_public_url(self, path: str) -> str:
        """The whole address of a page for this merchant's payers; today one host serves every merchant."""
        return build_public_url(path)


class Role(models.Model):
    """What some of a merchant's people may do: built in, or made of rights by the merchant."""

    class Kind(models.TextChoices):
        ADMINISTRATOR = "administrator", "Administrator"
        BOOKKEEPER = "bookkeeper", "Bookkeeper"
        READER = "reader", "Read-only"
        OWN = "own", "Own role"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="roles")
    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.OWN)
    name = models.CharField(max_length=60)
    chosen_rights = models.JSONField(
        default=list, help_text="A list of names, of an own role; a built-in one has none."
    )
    refund_limit = models.BigIntegerField(
        null=True, help_text="The largest single refund, in minor units of the payment's currency; empty for no limit."
    )
    requires_second_factor = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "kind"], condition=~models.Q(kind="own"), name="one_role_of_each_built_in_kind"
            ),
            models.UniqueConstraint("merchant", Lower("name"), name="one_role_per_name"),
            # A row that another one names together with its merchant: nobody gets a role of somebody else's merchant.
            models.UniqueConstraint(fields=["id", "merchant"], name="role_and_its_merchant"),
            models.CheckConstraint(
                condition=models.Q(kind="own", chosen_rights__contains=["see"])
                | (~models.Q(kind="own") & models.Q(chosen_rights=[], refund_limit=None)),
                name="only_own_roles_choose_rights",
            ),
            models.CheckConstraint(
                condition=models.Q(chosen_rights__contained_by=Right.values), name="role_of_known_rights"
            ),
            models.CheckConstraint(
                condition=models.Q(refund_limit=None)
                | models.Q(refund_limit__gt=0, chosen_rights__contains=["refund"]),
                name="refund_limit_of_who_refunds",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rights(self) -> frozenset[str]:
        """The rights that the role is made of."""
        return BUILT_IN_RIGHTS.get(self.kind) or frozenset(self.chosen_rights)

    @property
    def is_own(self) -> bool:
        """Whether the merchant made the role."""
        return self.kind == self.Kind.OWN

    @property
    def rights_in_words(self) -> str:
        """The names of its rights."""
        return describe_rights(self.rights)


class Membership(models.Model):
    """A person's role at a merchant."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.ForeignKey(Role, on_delete=models.RESTRICT, related_name="memberships")
    saved_views = models.JSONField(default=dict, help_text="What stands in the address, by list and by name.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "user"], name="one_role_per_merchant")]

    def __str__(self) -> str:
        return f"{self.user} at {self.merchant}"

    def may(self, *rights: str) -> bool:
        """Whether the person has any of these rights."""
        return not self.role.rights.isdisjoint(rights)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Take the role away, and sign the person out at once if nothing else is left to them."""
        deleted = super().delete(*args, **kwargs)
        end_sessions_without_access(self.user)
        return deleted


class MemberInvitation(models.Model):
    """A mail that asks somebody to work for a merchant in a role; its link opens it once, for that address only.

    The same row is mailed again with another link, numbered by `serial`: the older link opens nothing then.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="member_invitations")
    role = models.ForeignKey(Role, on_delete=models.RESTRICT, related_name="invitations")
    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    email = models.EmailField(max_length=254, help_text="In lower case.")
    serial = models.PositiveIntegerField(default=1)
    token_digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "email"],
                condition=models.Q(accepted_at=None, withdrawn_at=None),
                name="one_open_invitation_per_address",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(withdrawn_at=None), name="invitation_ends_once"
            ),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="invited_address_in_lower_case"),
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"

    def get_obstacle(self, now: datetime) -> str:
        """Why the link opens nothing: "used", "withdrawn" or "expired"; empty while it is open."""
        if self.accepted_at:
            return "used"
        if self.withdrawn_at:
            return "withdrawn"
        return "expired" if self.expires_at <= now else ""


class PayNowLink(models.Model):
    """A PayNow Link of one kind: its key opens Pay Now for the merchant's invoices, or signs links that do.

    A replaced link stays as a row, so that whoever still has it can be told. `key_digest` finds the link of a key;
    `expires_days` is how long what it opens can be followed, None for ever.
    """

    class Kind(models.TextChoices):
        EVENT_NOTIFICATION = "event_notification", "Event Notification"
        XERO = "xero", "Xero"
        CONNECTWISE_INVOICE = "connectwise_invoice", "ConnectWise (invoice)"
        CONNECTWISE_PORTAL = "connectwise_portal", "ConnectWise Customer Portal"
        QUICK_LINK = "quick_link", "Quick Link"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="paynow_links")
    kind = models.CharField(max_length=20, choices=Kind)
    api_key = SecretField(row=("merchant_id", "kind", "created_at"))
    key_digest = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001 (those of before may have none)
    acts_as = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    is_active = models.BooleanField(default=True, help_text="Not replaced by a newer one.")
    is_enabled = models.BooleanField(default=True)
    expires_days = models.PositiveSmallIntegerField(null=True)
    takes_prepayments = models.BooleanField(default=False)
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "kind"],
                condition=models.Q(is_active=True),
                name="one_active_link_per_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(expires_days=None) | models.Q(expires_days__gte=1, expires_days__lte=3650),
                name="paynow_link_expires_in_days",
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def is_usable(self) -> bool:
        """Whether it opens anything: it is the newest, switched on, and acts as somebody who still works there."""
        return self.is_active and self.is_enabled and self.acts_as.is_active


class Terms(models.Model):
    """One version of a merchant's terms of one kind. Never changed: an edit is a new version."""

    class Kind(models.TextChoices):
        USER_ACCOUNT = "user_account", "User Account"
        SAVED_CARD = "saved_card", "Saved Card"
        SAVED_BANK_ACCOUNT = "saved_bank_account", "Saved Bank Account"
        PAYMENT = "payment", "Payment"
        DIRECT_DEBIT = "direct_debit", "Direct Debit Request"
        AUTOMATIC_PAYMENTS = "automatic_payments", "Automatic Payments"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="terms")
    kind = models.CharField(max_length=20, choices=Kind)
    version = models.PositiveIntegerField()
    text = models.TextField()
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "terms"
        constraints = [models.UniqueConstraint(fields=["merchant", "kind", "version"], name="one_text_per_version")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} terms v{self.version}"


class EventNotification(models.Model):
    """Whether a merchant is notified of an event."""

    class Event(models.TextChoices):
        PREPAYMENT_PROCESSED = "prepayment_processed", "Prepayment Processed Successfully"
        BANK_DEBIT_SUBMITTED = "bank_debit_submitted", "Bank Debit Submitted"
        BANK_DEBIT_REJECTED = "bank_debit_rejected", "Bank Debit Late Rejection"
        PAYMENT_DISPUTED = "payment_disputed", "Payment Disputed"
        PAYMENT_REFUNDED = "payment_refunded", "Payment Refunded"
        METHOD_SAVED = "method_saved", "Payment Method Saved"
        PAYER_REGISTERED = "payer_registered", "Payer Registered"
        AUTOPAY_FAILED = "autopay_failed", "Automatic Payment Failed"
        AUTOPAY_UNMATCHED = "autopay_unmatched", "Automatic Payment Unmatched"
        AUTOPAY_PROPOSED = "autopay_proposed", "Automatic Payments Proposed"
        BOOKS_TASK = "books_task", "Accounting Needs a Person"
        POSTING_REFUSED = "posting_refused", "Accounting Posting Refused"
        CONNECTION_BROKEN = "connection_broken", "Accounting Connection Broken"
        GATEWAY_REFUSED = "gateway_refused", "Payment Gateway Refused"
        CARD_TESTING = "card_testing", "Many Cards Declined"

    EXPLANATIONS: ClassVar[dict[str, str]] = {
        "prepayment_processed": "A quote was paid. Needed before quotes can be paid.",
        "bank_debit_submitted": "A bank debit for a quote is on its way. It takes days to settle.",
        "bank_debit_rejected": "A bank debit came back, days later or after it had settled.",
        "payment_disputed": "A payer disputed a payment at their bank.",
        "payment_refunded": "Money went back to a payer, from here or from Stripe.",
        "method_saved": "A payer saved a payment method with a quote that recurs.",
        "payer_registered": "A payer made an account, during a payment or from an invitation.",
        "autopay_failed": "An automatic payment failed for good, or waits for somebody to decide.",
        "autopay_unmatched": "An invoice under a billing term can't be charged automatically.",
        "autopay_proposed": "A quote that recurs was paid, and its method could be charged automatically.",
        "books_task": "Something in the accounting package has to be undone by hand, and we say what.",
        "posting_refused": "The accounting package refused a document and somebody has to look.",
        "connection_broken": "The accounting package no longer accepts our connection.",
        "gateway_refused": "The payment gateway refuses payments for a reason that only you can mend.",
        "card_testing": "So many cards were declined within an hour that new ones are not taken for a while.",
    }

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="event_notifications")
    event = models.CharField(max_length=40, choices=Event)
    is_enabled = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "event"], name="one_setting_per_event")]

    def __str__(self) -> str:
        return self.get_event_display()

    @property
    def explanation(self) -> str:
        """What the event means, in one sentence."""
        return self.EXPLANATIONS[self.event]


class Notification(models.Model):
    """One person's notification of one event, in the console and by e-mail."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="notifications")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notifications")
    key = models.CharField(max_length=120)
    event = models.CharField(max_length=40, choices=EventNotification.Event)
    title = models.CharField(max_length=160)
    body = models.CharField(max_length=500)
    path = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=clock.now)
    emailed_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="told_once")]
        indexes = [models.Index(fields=["user", "merchant", "-created_at"], name="notification_of_user")]

    def __str__(self) -> str:
        return self.title
