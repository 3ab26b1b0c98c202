"""The mirror: contacts' invoices, credits and payments as the books last said that they are.

Nothing here is ours to decide: rows are written from what was read, and only the newest reading counts.
"""

from datetime import date, datetime, timedelta

from django.db import models

from accounting.states import DOWNLOAD_TRANSITIONS
from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import clock
from wisepay.models import User
from wisepay.money import Money
from wisepay.references import new_reference
from wisepay.states import Stateful, build_state_constraint


class MirroredDocument(models.Model):
    """What invoices and credits of the books have in common. Amounts are minor units of `currency`.

    `company` is the payer company whose accounting contact it names, while there is one.
    """

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="%(class)ss")
    organisation_id = models.CharField(max_length=60)
    ledger_id = models.CharField(max_length=60)
    number = models.CharField(max_length=255, blank=True)
    remark = models.CharField(max_length=255, blank=True, help_text="The document's reference, as the books have it.")
    contact_id = models.CharField(max_length=60)
    company = models.ForeignKey(PayerCompany, on_delete=models.SET_NULL, null=True, related_name="%(class)ss")
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField()
    issued_on = models.DateField(null=True)
    changed_at = models.DateTimeField(help_text="When it last changed, as the books say.")
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.number or self.ledger_id

    @property
    def money(self) -> Money:
        """What it is over."""
        return Money(self.total, self.currency)


class LedgerInvoice(MirroredDocument):
    """A sales invoice. `due` is what is still to be paid of it."""

    class InvoiceStatus(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Outstanding"
        PAID = "paid", "Paid"
        VOIDED = "voided", "Voided"
        DELETED = "deleted", "Deleted"

    status = models.CharField(max_length=10, choices=InvoiceStatus)
    due = models.BigIntegerField()
    due_on = models.DateField(null=True)
    term_id = models.CharField(max_length=60, blank=True, help_text="Branding theme or terms, as the books have it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "ledger_id"], name="one_row_per_ledger_invoice"
            ),
            models.CheckConstraint(condition=models.Q(due__gte=0), name="ledger_invoice_due_not_negative"),
            models.CheckConstraint(
                condition=models.Q(status__in=["draft", "open", "paid", "voided", "deleted"]),
                name="ledger_invoice_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["company", "due_on", "id"], condition=models.Q(status="open", due__gt=0), name="invoice_owed"
            ),
            models.Index(fields=["merchant", "organisation_id", "contact_id"], name="invoice_of_contact"),
            models.Index(fields=["merchant", "-changed_at"], name="invoice_changed"),
        ]

    @property
    def due_money(self) -> Money:
        """What is still to be paid."""
        return Money(self.due, self.currency)

    @property
    def is_payable(self) -> bool:
        """Whether money can be put to it."""
        return self.status == self.InvoiceStatus.OPEN and self.due > 0

    def days_past_due(self, today: date) -> int:
        """How many days its due date is over; 0 while it is not."""
        return max((today - self.due_on).days, 0) if self.due_on else 0


class LedgerCredit(MirroredDocument):
    """A credit note or credit memo, ours or the bookkeeper's. `remaining` is what of it is unused."""

    class CreditStatus(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Open"
        USED = "used", "Used up"
        VOIDED = "voided", "Voided"
        DELETED = "deleted", "Deleted"

    status = models.CharField(max_length=10, choices=CreditStatus)
    remaining = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "ledger_id"], name="one_row_per_ledger_credit"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=["draft", "open", "used", "voided", "deleted"]),
                name="ledger_credit_status",
            ),
        ]
        indexes = [
            models.Index(
                fields=["company", "id"], condition=models.Q(status="open", remaining__gt=0), name="credit_left"
            ),
            models.Index(fields=["merchant", "number"], name="credit_by_number"),
            models.Index(fields=["merchant", "organisation_id", "contact_id"], name="credit_of_contact"),
        ]

    @property
    def remaining_money(self) -> Money:
        """What of it is unused."""
        return Money(self.remaining, self.currency)


class LedgerApplication(models.Model):
    """Money or credit that the books put to an invoice: a payment, or an allocation of a credit.

    `source_id` is the payment's id there, or the credit's; `ledger_id` the payment's or the allocation's own id.
    """

    class ApplicationKind(models.TextChoices):
        PAYMENT = "payment", "Payment"
        CREDIT = "credit", "Credit"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    organisation_id = models.CharField(max_length=60)
    invoice = models.ForeignKey(LedgerInvoice, on_delete=models.CASCADE, related_name="applications")
    kind = models.CharField(max_length=10, choices=ApplicationKind)
    ledger_id = models.CharField(max_length=80)
    source_id = models.CharField(max_length=60)
    remark = models.CharField(max_length=255, blank=True)
    amount = models.BigIntegerField()
    on = models.DateField()
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["invoice", "kind", "ledger_id"], name="one_row_per_application")]
        indexes = [models.Index(fields=["merchant", "kind", "source_id"], name="application_of_source")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.ledger_id} to {self.invoice}"


class MirrorCursor(models.Model):
    """How far one kind of document of one organisation was read.

    `since` is the instant of the books' clock up to which everything is known (None before the first full reading).
    A reading under way keeps where it is in `page`, so that it goes on there after a crash, and the books' clock at
    its beginning in `asked_at`. `heard_at` is when the books last told us of a change by themselves; a change that
    they did not tell of empties it.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="mirror_cursors")
    organisation_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    since = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(null=True)
    page = models.PositiveIntegerField(default=0, help_text="Pages of the reading under way that are kept.")
    pages = models.PositiveIntegerField(null=True)
    changed = models.PositiveIntegerField(default=0, help_text="Documents that the reading under way found changed.")
    polled_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=clock.now, help_text="When it is looked at again without a reason.")
    empty_polls = models.PositiveIntegerField(default=0, help_text="Looks in a row that found nothing.")
    notified_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="A worker is reading it until then.")
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "organisation_id", "kind"], name="one_cursor_per_kind")
        ]
        indexes = [models.Index(fields=["due_at"], name="mirror_cursor_due")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.organisation_id}"


class PendingChange(models.Model):
    """A document that the books said changed: the newest event about it, and whether it was read again since.

    `event_at` is the books' time of that event; one that is not newer changes nothing, however often it comes.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    organisation_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    ledger_id = models.CharField(max_length=60)
    event_at = models.DateTimeField()
    notified_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "kind", "ledger_id"], name="one_row_per_pending_change"
            )
        ]
        indexes = [
            models.Index(
                fields=["merchant", "kind", "id"], condition=models.Q(read_at=None), name="pending_change_unread"
            ),
            models.Index(fields=["read_at"], name="pending_change_read"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ledger_id}"


class LedgerContact(models.Model):
    """A contact of the books as last read: what companies are chosen from, always by its id."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_contacts")
    organisation_id = models.CharField(max_length=60)
    contact_id = models.CharField(max_length=60)
    name = models.CharField(max_length=255)
    folded_name = models.CharField(max_length=255)
    email = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField()
    changed_at = models.DateTimeField(null=True, help_text="When it last changed, as the books say.")
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "contact_id"], name="one_row_per_ledger_contact"
            )
        ]
        indexes = [models.Index(fields=["merchant", "organisation_id", "folded_name"], name="ledger_contact_name")]

    def __str__(self) -> str:
        return self.name


class Download(Stateful):
    """A person's wish for the latest of the books, with its progress. `error` is in words for a person.

    The steps are the kinds of the mirror; the counts are of documents that were new or different.
    """

    class Step(models.TextChoices):
        CONTACTS = "contacts", "Contacts"
        INVOICES = "invoices", "Invoices"
        CREDITS = "credits", "Credit notes"

    TRANSITIONS = DOWNLOAD_TRANSITIONS
    STALE_AFTER = timedelta(minutes=15)

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="downloads")
    organisation_id = models.CharField(max_length=60, blank=True)
    step = models.CharField(max_length=20, choices=Step, default=Step.CONTACTS)
    pages_done = models.PositiveIntegerField(default=0, help_text="Of this step.")
    pages = models.PositiveIntegerField(null=True, help_text="Of this step, once the first page was read.")
    contacts = models.PositiveIntegerField(default=0)
    invoices = models.PositiveIntegerField(default=0)
    credit_notes = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(DOWNLOAD_TRANSITIONS, name="download_state"),
            models.UniqueConstraint(
                fields=["merchant"], condition=models.Q(state="running"), name="one_running_download"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="download_of_merchant")]

    def __str__(self) -> str:
        return f"Download for {self.merchant}"

    def is_stale(self, now: datetime) -> bool:
        """Whether it runs for so long that nobody is at it any more."""
        return self.state == "running" and now - self.state_at > self.STALE_AFTER
