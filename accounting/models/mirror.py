"""The mirror: contacts, invoices, credit notes and what was applied to invoices, as last read from the ledger.

Rows are only written from what was read, and only the newest reading counts.
"""

from datetime import date

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce, Upper

from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.cursors import ReadCursor
from wisepay.money import Money

NO_DUE_DAY = date(9999, 1, 1)  # where invoices without a day stand in an order of days


class MirroredDocument(models.Model):
    """What invoices and credit notes of the ledger have in common. Amounts are minor units of `currency`.

    `company` is the payer company whose accounting contact the document names, if there is one.
    """

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="%(class)ss")
    organisation_id = models.CharField(max_length=60)
    ledger_id = models.CharField(max_length=60)
    number = models.CharField(max_length=255, blank=True)
    remark = models.CharField(max_length=255, blank=True, help_text="The document's reference in the ledger.")
    contact_id = models.CharField(max_length=60)
    company = models.ForeignKey(PayerCompany, on_delete=models.SET_NULL, null=True, related_name="%(class)ss")
    currency = models.CharField(max_length=3)
    total = models.BigIntegerField()
    issued_on = models.DateField(null=True)
    changed_at = models.DateTimeField(help_text="When the ledger changed it last.")
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.number or self.ledger_id

    @property
    def money(self) -> Money:
        """The total."""
        return Money(self.total, self.currency)


class LedgerInvoice(MirroredDocument):
    """A sales invoice. `due` is the part of it that is not paid yet.

    `former_totals` is what it was for before the ledger changed that, written by the database itself.
    """

    class InvoiceStatus(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Outstanding"
        PAID = "paid", "Paid"
        VOIDED = "voided", "Voided"
        DELETED = "deleted", "Deleted"

    status = models.CharField(max_length=10, choices=InvoiceStatus)
    due = models.BigIntegerField()
    due_on = models.DateField(null=True)
    term_id = models.CharField(max_length=60, blank=True, help_text="Branding theme or terms in the ledger.")
    former_totals = models.JSONField(default=list, editable=False)

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
            # In the database it has text_pattern_ops, which finds beginnings too.
            models.Index(F("merchant"), Upper("number"), name="invoice_by_number"),
            # The merchant's list, in each of its orders.
            models.Index(fields=["merchant", "-id"], name="invoice_newest"),
            models.Index(fields=["merchant", "status", "-id"], name="invoice_of_status"),
            models.Index(fields=["merchant", "total", "id"], name="invoice_sized"),
            models.Index(
                F("merchant"),
                Coalesce("due_on", models.Value(NO_DUE_DAY, models.DateField())),
                F("id"),
                name="invoice_due",
            ),
        ]

    @property
    def due_money(self) -> Money:
        """The part that is not paid yet."""
        return Money(self.due, self.currency)

    @property
    def is_payable(self) -> bool:
        """Whether a payment can be allocated to it."""
        return self.status == self.InvoiceStatus.OPEN and self.due > 0

    def days_past_due(self, today: date) -> int:
        """How many days ago it was due; 0 before that."""
        return max((today - self.due_on).days, 0) if self.due_on else 0


class LedgerCredit(MirroredDocument):
    """A credit note or credit memo, ours or the bookkeeper's. `remaining` is its unused part."""

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
        """The unused part."""
        return Money(self.remaining, self.currency)


class LedgerApplication(models.Model):
    """What reduces an invoice in the ledger: a payment, or an allocation of a credit note.

    `source_id` is the id of the payment or the credit note; `ledger_id` is that of the payment or the allocation.
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


class MirrorCursor(ReadCursor):
    """How far one kind of document of one organisation was read.

    A reading under way has saved `page` of `pages`. `notified_at` is when a webhook told of a change last; a change
    that no webhook told of clears it.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="mirror_cursors")
    organisation_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    page = models.PositiveIntegerField(default=0, help_text="Pages of the reading under way that are saved.")
    pages = models.PositiveIntegerField(null=True)
    changed = models.PositiveIntegerField(default=0, help_text="Documents that the reading under way found changed.")
    polled_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(default=clock.now, help_text="When it is polled again.")
    empty_polls = models.PositiveIntegerField(default=0, help_text="Polls in a row that found nothing.")
    notified_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "organisation_id", "kind"], name="one_cursor_per_kind")
        ]
        indexes = [models.Index(fields=["due_at"], name="mirror_cursor_due")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.organisation_id}"


class PendingChange(models.Model):
    """A document that the ledger has changed: the newest event about it, and whether it was read again since.

    `event_at` is the event's time on the ledger's clock; an event that is not newer changes nothing.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="+")
    organisation_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    ledger_id = models.CharField(max_length=60)
    merged_into = models.CharField(max_length=60, blank=True, help_text="Which contact an event said took its place.")
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


class UnreadableRecord(models.Model):
    """Something in the ledger that we could not understand or keep when it was last read; everything else went on.

    `kind` is one of the mirror's, "payments", or a list of the settings. Without a `ledger_id` it had no id to tell.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="unreadable_records")
    organisation_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    ledger_id = models.CharField(max_length=60, blank=True)
    name = models.CharField(max_length=160, blank=True)
    reason = models.CharField(max_length=300)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "kind", "ledger_id"], name="one_row_per_unreadable_record"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.ledger_id or "one without a name"


class LedgerContact(models.Model):
    """A contact of the ledger as last read. Payer companies are linked to one by its id.

    `currency` is the only one that it can have documents in, empty where contacts take every currency. `merged_into`
    is the contact that took its place, where the ledger said so.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_contacts")
    organisation_id = models.CharField(max_length=60)
    contact_id = models.CharField(max_length=60)
    name = models.CharField(max_length=255)
    folded_name = models.CharField(max_length=255)
    email = models.CharField(max_length=255, blank=True)
    number = models.CharField(max_length=60, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    merged_into = models.CharField(max_length=60, blank=True)
    is_active = models.BooleanField()
    changed_at = models.DateTimeField(null=True, help_text="When the ledger changed it last.")
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
