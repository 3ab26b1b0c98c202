"""Tables of the audit log: entries, their personal details, and the seals that make a change visible."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import F


class AuditDetails(models.Model):
    """What an entry says of people: who acted and from where, and what it was done to.

    Of each of the two parts the entry has a salted digest, so that a part may be blanked, its salt with it, while
    the entry stays verifiable. A blanked part carries a signed mark of who may blank: the application.
    """

    entry_id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    name = models.CharField(max_length=120, blank=True)
    email = models.CharField(max_length=254, blank=True)
    ip = models.CharField(max_length=45, blank=True)
    agent = models.CharField(max_length=300, blank=True)
    person_salt = models.CharField(max_length=32, blank=True)
    person_erasure = models.CharField(max_length=120, blank=True)
    subject = models.CharField(max_length=120, blank=True)
    detail = models.TextField(blank=True)
    about_id = models.BigIntegerField(null=True, help_text="The user that the entry is about.")
    content_salt = models.CharField(max_length=32, blank=True)
    content_erasure = models.CharField(max_length=120, blank=True)
    is_sealed = models.BooleanField(default=False)

    class Meta:
        app_label = "wisepay"
        verbose_name_plural = "audit details"
        indexes = [
            models.Index(fields=["entry_id"], condition=models.Q(is_sealed=False), name="audit_unsealed"),
            models.Index(fields=["about_id"], condition=models.Q(about_id__isnull=False), name="audit_about"),
        ]

    def __str__(self) -> str:
        return self.subject


class AuditManager(models.Manager["AuditEntry"]):
    """Reads entries together with the readable part of their details."""

    def get_queryset(self) -> "models.QuerySet[AuditEntry]":
        """Entries with `subject`, `detail`, `name`, `email`, `ip` and `agent`, empty where they were erased."""
        names = ("subject", "detail", "name", "email", "ip", "agent")
        return super().get_queryset().annotate(**{name: F(f"details__{name}") for name in names})


class AuditEntry(models.Model):
    """Which user did what, when, at which merchant; a trigger lets nobody change it."""

    pk = models.CompositePrimaryKey("at", "details_id")
    at = models.DateTimeField()
    # No constraints: entries outlive users, and a month of them is to go without asking other tables.
    details = models.ForeignKey(
        AuditDetails, models.DO_NOTHING, db_column="id", db_constraint=False, related_name="entries"
    )
    merchant_id = models.BigIntegerField(null=True)
    user = models.ForeignKey("wisepay.User", models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    action = models.CharField(max_length=80)
    person_digest = models.CharField(max_length=64)
    content_digest = models.CharField(max_length=64)
    mac = models.CharField(max_length=120)

    # What the manager reads from the details.
    subject: str
    detail: str
    name: str
    email: str
    ip: str
    agent: str

    objects: ClassVar[Any] = AuditManager()  # its annotations are no fields that a type checker knows

    class Meta:
        app_label = "wisepay"
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["merchant_id", "-at"], name="audit_of_merchant")]

    def __str__(self) -> str:
        return self.action

    @property
    def chain(self) -> int:
        """The chain that seals the entry: its merchant's, or the operators'."""
        return self.merchant_id or OPERATORS_CHAIN


# Chains that are no merchant's: of entries without one, and the one whose links are the heads of all others.
OPERATORS_CHAIN, HEADS_CHAIN = 0, -1


class AuditSeal(models.Model):
    """The place of one entry in its chain. `link` is a hash over the link before it and the entry's digest."""

    pk = models.CompositePrimaryKey("chain", "position")
    chain = models.BigIntegerField()
    position = models.BigIntegerField()
    entry_at = models.DateTimeField()
    entry_id = models.BigIntegerField(null=True, unique=True)
    digest = models.CharField(max_length=64)
    link = models.CharField(max_length=64)
    mac = models.CharField(max_length=120)

    class Meta:
        app_label = "wisepay"

    def __str__(self) -> str:
        return f"{self.chain}:{self.position}"


class AuditHead(models.Model):
    """The last link of a chain, signed: whoever cuts links off cannot sign the head of what is left."""

    chain = models.BigIntegerField(primary_key=True)
    position = models.BigIntegerField(default=0)
    link = models.CharField(max_length=64, blank=True)
    mac = models.CharField(max_length=120, blank=True)
    sealed_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="A worker is sealing until then.")
    written_at = models.DateTimeField(null=True, help_text="When the head was last written to the log.")

    class Meta:
        app_label = "wisepay"

    def __str__(self) -> str:
        return f"{self.chain}:{self.position}"


class AuditCheckpoint(models.Model):
    """A signed statement that a chain was in order, made before its entries of past months were deleted."""

    chain = models.BigIntegerField()
    position = models.BigIntegerField(help_text="The last position whose seal is deleted.")
    link = models.CharField(max_length=64)
    removed_before = models.DateTimeField()
    made_at = models.DateTimeField()
    mac = models.CharField(max_length=120)

    class Meta:
        app_label = "wisepay"
        constraints = [models.UniqueConstraint(fields=["chain", "removed_before"], name="one_checkpoint_per_month")]

    def __str__(self) -> str:
        return f"{self.chain}:{self.position}"
