"""The documents that payments leave in the books, what they are made with, and what was read of contacts."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from accounting.states import CREDIT_NOTE_TRANSITIONS, DOWNLOAD_TRANSITIONS, POSTING_TRANSITIONS, TASK_TRANSITIONS
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import Attempt, Payment, Refund
from wisepay.models import User
from wisepay.money import Money
from wisepay.references import new_reference
from wisepay.states import Stateful, known_state


class AccountingSettings(models.Model):
    """Which accounts, tax code and item a merchant's postings use; codes as the accounting package has them."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="accounting_settings")
    clearing_account = models.CharField(max_length=20, blank=True)
    prepayments_account = models.CharField(max_length=20, blank=True)
    tax_code = models.CharField(max_length=60, blank=True)
    item = models.CharField(max_length=60, blank=True, help_text="What our lines sell, in books that need it.")
    organisation_id = models.CharField(max_length=60, blank=True, help_text="Whose accounts these are.")
    warning = models.CharField(max_length=400, blank=True, help_text="What in the books' own settings has to change.")

    def __str__(self) -> str:
        return f"Accounts of {self.merchant}"

    @property
    def is_complete(self) -> bool:
        """Whether documents can be made."""
        return bool(self.clearing_account and self.prepayments_account and self.tax_code)

    def is_for(self, organisation_id: str) -> bool:
        """Whether documents can be made in that organisation: another company's accounts are other accounts."""
        return self.is_complete and self.organisation_id in ("", organisation_id)


class LedgerAccount(models.Model):
    """An account of the merchant's chart of accounts, as last read."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_accounts")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=160)
    number = models.CharField(max_length=20, blank=True, help_text="What people know it by.")
    kind = models.CharField(max_length=40)
    takes_payments = models.BooleanField()
    holds_prepayments = models.BooleanField(default=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "code"], name="one_account_per_code")]

    def __str__(self) -> str:
        return f"{self.number} · {self.name}" if self.number else self.name


class LedgerItem(models.Model):
    """Something that the merchant sells, as last read; `account` is the code of its income account."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_items")
    code = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    account = models.CharField(max_length=20, blank=True)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "code"], name="one_item_per_code")]

    def __str__(self) -> str:
        return self.name


class LedgerTaxCode(models.Model):
    """A tax code of the accounting package, as last read; `rate` in percent."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_tax_codes")
    code = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    rate = models.DecimalField(max_digits=9, decimal_places=4)
    read_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "code"], name="one_tax_code_per_code")]

    def __str__(self) -> str:
        return f"{self.name} ({self.rate.normalize():f} %)"


class CreditNote(Stateful):
    """The PF_CR credit that a quote payment leaves with the payer's company: one for every attempt that needs one.

    `remaining` is what of it is unused and `allocations` where the rest went, as the books were last read;
    amounts are minor units of `currency`.
    """

    TRANSITIONS = CREDIT_NOTE_TRANSITIONS

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="credit_notes")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="credit_notes")
    attempt = models.OneToOneField(Attempt, on_delete=models.PROTECT, related_name="credit_note")
    number = models.CharField(max_length=60)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    remaining = models.BigIntegerField(null=True)
    allocations = models.JSONField(default=list, help_text="Each with invoice, amount and on.")
    ledger_id = models.CharField(max_length=60, blank=True)
    organisation_id = models.CharField(max_length=60, blank=True, help_text="In whose books it is, once it is.")
    read_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(CREDIT_NOTE_TRANSITIONS, name="credit_note_state"),
            models.UniqueConstraint(fields=["merchant", "number"], name="one_credit_note_per_number"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="credit_note_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(remaining=None) | models.Q(remaining__gte=0, remaining__lte=models.F("amount")),
                name="remaining_of_the_amount",
            ),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        """What the credit was worth when it was made."""
        return Money(self.amount, self.currency)

    @property
    def left(self) -> Money | None:
        """What of it is unused, if that is known."""
        return Money(self.remaining, self.currency) if self.remaining is not None else None

    def may_become(self, state: str) -> bool:
        """Whether its state leads there."""
        return state in self.TRANSITIONS.get(self.state, frozenset())


class Posting(Stateful):
    """One thing that the books have to hold or to undo: done once, under a number that never changes.

    `sent` means that we do not know whether it arrived; only a look by its number ends that. `cancelled` means
    that it became needless before anybody heard of it. Documents of money carry the amount and the day that
    they were promised with.
    """

    class Kind(models.TextChoices):
        CONTACT = "contact", "Contact"
        INVOICE = "invoice", "PF invoice"
        INVOICE_CHANGE = "invoice_change", "PF invoice, new amount"
        DRAFT_NOTE = "draft_note", "PF_CR credit note, draft"
        CREDIT_NOTE = "credit_note", "PF_CR credit note"
        APPROVAL = "approval", "PF_CR credit note, approval"
        REMOVAL = "removal", "PF_CR draft, removal"
        PAYMENT = "payment", "Payment to clearing"
        PAYMENT_REMOVAL = "payment_removal", "Payment to clearing, removal"
        REFUND = "refund", "Refund of the PF_CR credit"
        REFUND_REMOVAL = "refund_removal", "Refund of the PF_CR credit, removal"
        VOID = "void", "PF_CR credit note, void"
        INVOICE_PAYMENT = "invoice_payment", "Payment of an invoice"
        INVOICE_PAYMENT_REMOVAL = "invoice_payment_removal", "Payment of an invoice, removal"
        ALLOCATION = "allocation", "PF_CR credit, applied to an invoice"
        ALLOCATION_REMOVAL = "allocation_removal", "PF_CR credit, taken off an invoice"

    OVER = ("posted", "cancelled")
    TRANSITIONS = POSTING_TRANSITIONS

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=30, choices=Kind)
    number = models.CharField(max_length=60)
    organisation_id = models.CharField(max_length=60, blank=True, help_text="For contacts: in which organisation.")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="postings")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="postings")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="postings")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, related_name="postings")
    share = models.ForeignKey("accounting.Share", on_delete=models.PROTECT, null=True, related_name="postings")
    match = models.ForeignKey("accounting.CreditMatch", on_delete=models.PROTECT, null=True, related_name="postings")
    amount = models.BigIntegerField(null=True)
    on = models.DateField(null=True)
    ledger_id = models.CharField(max_length=60, blank=True)
    sent_to = models.CharField(max_length=60, blank=True, help_text="The organisation that it last went to.")
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(POSTING_TRANSITIONS, name="posting_state"),
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=[
                        "contact",
                        "invoice",
                        "invoice_change",
                        "draft_note",
                        "credit_note",
                        "approval",
                        "removal",
                        "payment",
                        "payment_removal",
                        "refund",
                        "refund_removal",
                        "void",
                        "invoice_payment",
                        "invoice_payment_removal",
                        "allocation",
                        "allocation_removal",
                    ]
                ),
                name="posting_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="contact", payment=None, amount=None, on=None)
                | ~models.Q(kind="contact") & models.Q(payment__isnull=False, amount__gt=0, on__isnull=False),
                name="documents_have_payment",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["contact", "invoice"]) | models.Q(attempt__isnull=False),
                name="documents_have_attempt",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["refund", "refund_removal"], refund__isnull=False)
                | ~models.Q(kind__in=["refund", "refund_removal"]) & models.Q(refund=None),
                name="refunds_have_refund",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["invoice_payment", "invoice_payment_removal"], share__isnull=False)
                | ~models.Q(kind__in=["invoice_payment", "invoice_payment_removal"]) & models.Q(share=None),
                name="invoice_payments_have_share",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=["allocation", "allocation_removal"], match__isnull=False)
                | ~models.Q(kind__in=["allocation", "allocation_removal"]) & models.Q(match=None),
                name="allocations_have_match",
            ),
            models.UniqueConstraint(
                fields=["merchant", "kind", "number", "organisation_id"], name="one_posting_per_number"
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant", "kind", "id"],
                condition=~models.Q(state__in=["posted", "cancelled"]),
                name="posting_not_over",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"

    @property
    def money(self) -> Money:
        """What the document is about. Raises ValueError for a contact."""
        if self.payment is None or self.amount is None:
            raise ValueError(f"{self} has no amount")
        return Money(self.amount, self.payment.currency)


class HandTask(Stateful):
    """Something in the books that only a person can do, said step by step.

    It closes itself when the posting behind it goes through; a person who did the posting's work closes it too.
    """

    TRANSITIONS = TASK_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="hand_tasks")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="hand_tasks")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="hand_tasks")
    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, related_name="hand_tasks")
    kind = models.CharField(max_length=30, choices=Posting.Kind, help_text="The posting that cannot go on.")
    title = models.CharField(max_length=160)
    steps = models.JSONField(default=list, help_text="Sentences, in order.")
    done_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="Nobody: it closed itself."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(TASK_TRANSITIONS, name="hand_task_state"),
            models.UniqueConstraint(
                fields=["posting"], condition=models.Q(state="open"), name="one_open_task_per_posting"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "id"], condition=models.Q(state="open"), name="hand_task_open")]

    def __str__(self) -> str:
        return self.title


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
    STALE = timedelta(minutes=15)

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
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(DOWNLOAD_TRANSITIONS, name="download_state"),
            models.UniqueConstraint(
                fields=["merchant"], condition=models.Q(state="running"), name="one_running_download"
            ),
        ]
        indexes = [models.Index(fields=["merchant", "-id"], name="download_of_merchant")]

    def __str__(self) -> str:
        return f"Download for {self.merchant}"

    def is_stale(self, now: datetime) -> bool:
        """Whether it runs for so long that nobody is at it any more."""
        return self.state == "running" and now - self.state_at > self.STALE
