"""Tables of the accounting floor."""

from django.db import models
from django.utils import timezone

from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import Payment
from wisepay.money import Money
from wisepay.states import Stateful, known_state

POSTING_TRANSITIONS = {
    "pending": frozenset({"sent"}),
    "sent": frozenset({"posted", "rejected", "pending"}),
    "rejected": frozenset({"pending"}),
}
CREDIT_NOTE_TRANSITIONS = {
    "pending": frozenset({"draft", "approved", "rejected", "removed"}),
    "draft": frozenset({"approved", "removed"}),
    "approved": frozenset({"applied"}),
    "rejected": frozenset({"pending"}),
}


class AccountingSettings(models.Model):
    """Which accounts and tax code a merchant's postings use; codes as the accounting package has them."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="accounting_settings")
    clearing_account = models.CharField(max_length=20, blank=True)
    prepayments_account = models.CharField(max_length=20, blank=True)
    tax_code = models.CharField(max_length=60, blank=True)

    def __str__(self) -> str:
        return f"Accounts of {self.merchant}"

    @property
    def is_complete(self) -> bool:
        """Whether documents can be made."""
        return bool(self.clearing_account and self.prepayments_account and self.tax_code)


class LedgerAccount(models.Model):
    """An account of the merchant's chart of accounts, as last read."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_accounts")
    code = models.CharField(max_length=20)
    name = models.CharField(max_length=160)
    kind = models.CharField(max_length=40)
    takes_payments = models.BooleanField()
    read_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["merchant", "code"], name="one_account_per_code")]

    def __str__(self) -> str:
        return f"{self.code} · {self.name}"


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
    """The PF_CR credit that a quote payment leaves with the payer's company."""

    TRANSITIONS = CREDIT_NOTE_TRANSITIONS

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="credit_notes")
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="credit_note")
    number = models.CharField(max_length=60)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    ledger_id = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(CREDIT_NOTE_TRANSITIONS, name="credit_note_state"),
            models.UniqueConstraint(fields=["merchant", "number"], name="one_credit_note_per_number"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="credit_note_amount_positive"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def money(self) -> Money:
        """What the credit is worth."""
        return Money(self.amount, self.currency)


class Posting(Stateful):
    """One document that the books have to hold: made once, under a number that never changes.

    `sent` means that we do not know whether it arrived; only a look by its number ends that.
    """

    class Kind(models.TextChoices):
        CONTACT = "contact", "Contact"
        INVOICE = "invoice", "PF invoice"
        CREDIT_NOTE = "credit_note", "PF_CR credit note"
        PAYMENT = "payment", "Payment to clearing"

    TRANSITIONS = POSTING_TRANSITIONS

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=12, choices=Kind)
    number = models.CharField(max_length=60)
    organisation_id = models.CharField(max_length=60, blank=True, help_text="For contacts: in which organisation.")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="postings")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="postings")
    ledger_id = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(POSTING_TRANSITIONS, name="posting_state"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["contact", "invoice", "credit_note", "payment"]),
                name="posting_kind",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="contact", payment=None)
                | ~models.Q(kind="contact") & models.Q(payment__isnull=False),
                name="documents_have_payment",
            ),
            models.UniqueConstraint(
                fields=["merchant", "kind", "number", "organisation_id"], name="one_posting_per_number"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "kind", "id"], condition=~models.Q(state="posted"), name="posting_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"
