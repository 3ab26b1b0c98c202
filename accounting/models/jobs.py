"""Ledger jobs: readings of the ledger that a person starts, with their progress."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from accounting.states import JOB_TRANSITIONS
from merchants.models import Merchant
from wisepay import clock
from wisepay.models import User
from wisepay.states import Stateful, build_state_constraint


class LedgerJob(Stateful):
    """One run of a reading that a person started. `error` is a sentence for a person.

    A subclass names the outbox handler that runs it, `JOB_HANDLER`, with the argument that takes its primary key.
    """

    TRANSITIONS = JOB_TRANSITIONS
    STALE_AFTER = timedelta(minutes=15)
    FRESH_FOR: timedelta | None = None  # how long after one has finished no other is started, if at all
    MESSAGE_PREFIX: ClassVar[str]
    JOB_HANDLER: ClassVar[str]
    ID_ARGUMENT: ClassVar[str]
    DISCONNECTED_ADVICE = ""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="%(class)ss")
    organisation_id = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=300, blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} for {self.merchant}"

    def is_stale(self, now: datetime) -> bool:
        """Whether it has run for so long that no worker can be at it any more."""
        return self.state == "running" and now - self.state_at > self.STALE_AFTER

    def is_fresh(self, now: datetime) -> bool:
        """Whether it runs, or has finished so lately that nobody needs another one. One that failed never is."""
        if self.state != "finished":
            return self.state == "running"
        return self.FRESH_FOR is not None and now - self.state_at < self.FRESH_FOR


class Download(LedgerJob):
    """A reading of the mirror that a person started, with its progress.

    The steps are the kinds of the mirror; the counts are of documents that were new or different.
    """

    FRESH_FOR = timedelta(seconds=60)
    MESSAGE_PREFIX, JOB_HANDLER, ID_ARGUMENT = "download", "accounting.run_download", "download_id"
    DISCONNECTED_ADVICE = "Connect it again under Accounting Connections."

    class Step(models.TextChoices):
        CONTACTS = "contacts", "Contacts"
        INVOICES = "invoices", "Invoices"
        CREDITS = "credits", "Credit notes"

    step = models.CharField(max_length=20, choices=Step, default=Step.CONTACTS)
    pages_done = models.PositiveIntegerField(default=0, help_text="Of this step.")
    pages = models.PositiveIntegerField(null=True, help_text="Of this step, once the first page was read.")
    contacts = models.PositiveIntegerField(default=0)
    invoices = models.PositiveIntegerField(default=0)
    credit_notes = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            build_state_constraint(JOB_TRANSITIONS, name="download_state"),
            models.UniqueConstraint(
                fields=["merchant"], condition=models.Q(state="running"), name="one_running_download"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="download_of_merchant")]


class PaymentSync(LedgerJob):
    """A reading of what was paid or credited in the ledger since `since`; the counts are of what it found.

    `cancelled` counts scheduled payments that it ended.
    """

    MESSAGE_PREFIX, JOB_HANDLER, ID_ARGUMENT = "payment_sync", "accounting.run_payment_sync", "sync_id"

    since = models.DateTimeField()
    payments = models.PositiveIntegerField(default=0)
    credits = models.PositiveIntegerField(default=0)
    invoices = models.PositiveIntegerField(default=0, help_text="Invoices that are paid in full by them.")
    cancelled = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            build_state_constraint(JOB_TRANSITIONS, name="payment_sync_state"),
            models.UniqueConstraint(
                fields=["merchant"], condition=models.Q(state="running"), name="one_running_payment_sync"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="payment_sync_of_merchant")]
