"""Tables of the ground: users, the outbox, the audit log, state changes, rate limits."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.audit_log.models import AuditCheckpoint, AuditDetails, AuditEntry, AuditHead, AuditSeal
from wisepay.states import StateChange

__all__ = [
    "AuditCheckpoint",
    "AuditDetails",
    "AuditEntry",
    "AuditHead",
    "AuditSeal",
    "Heartbeat",
    "OutboxMessage",
    "RateWindow",
    "StateChange",
    "User",
]


class UserManager(BaseUserManager["User"]):
    """Creates users; e-mail addresses are compared without regard to case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who signs in with `email`; without a password they cannot sign in yet."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create an operator with every permission in the admin."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail address, whichever merchants and payer companies they belong to."""

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_email")]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name


class OutboxMessage(models.Model):
    """A call of `handler(**kwargs)` that is made at least once, stored in the transaction of its cause."""

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        DEAD = "dead"

    key = models.CharField(max_length=200, unique=True)
    handler = models.CharField(max_length=80)
    kwargs = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    run_after = models.DateTimeField()
    claim = models.UUIDField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=["pending", "done", "dead"]), name="outbox_state")
        ]
        indexes = [
            models.Index(fields=["run_after", "id"], condition=models.Q(state="pending"), name="outbox_due"),
            models.Index(fields=["finished_at"], condition=models.Q(state="done"), name="outbox_done"),
            models.Index(fields=["id"], condition=models.Q(state="dead"), name="outbox_dead"),
        ]

    def __str__(self) -> str:
        return self.key


class Heartbeat(models.Model):
    """When a process in the background last showed that it lives; one that ended in order has none."""

    name = models.CharField(max_length=160, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class RateWindow(models.Model):
    """How often `key` was used in the window that began at `started_at`."""

    key = models.CharField(max_length=120, primary_key=True)
    started_at = models.DateTimeField()
    count = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.key


class PageFinding(models.Model):
    """Something on our pages that is not as it should be, and how often it was seen; holds no address of a person."""

    class Source(models.TextChoices):
        BROWSER = "browser", "Reported by a browser"
        CHECK = "check", "Found by our own check"

    key = models.CharField(max_length=40, unique=True)
    source = models.CharField(max_length=10, choices=Source)
    rule = models.CharField(max_length=60)
    subject = models.CharField(max_length=200, blank=True)
    page = models.CharField(max_length=120, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}"


class RefusedEmailAddress(models.Model):
    """An address to which the mail server refused a mail for good; it is deleted once a mail is taken again."""

    address = models.EmailField(max_length=254, unique=True, help_text="In lower case.")
    reply = models.CharField(max_length=250, help_text="What the mail server said.")
    refused_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"Mails to {self.address} are refused"
