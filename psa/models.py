"""Tables of the PSA floor: the connection, its history, and the payments that belong on PSA's invoices."""

from datetime import datetime

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from accounting.models import LedgerInvoice, PaymentAllocation
from merchants.models import Merchant
from payments.models import Attempt, Payment
from psa.agreements import models as agreement_models  # noqa: F401
from psa.invoice_sync import models as invoice_sync_models  # noqa: F401
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.secrets import SecretField
from wisepay.states import Stateful, build_state_constraint

CONNECTION_TRANSITIONS = {
    "never": frozenset({"connected"}),
    "connected": frozenset({"broken", "disconnected"}),
    "broken": frozenset({"connected", "disconnected"}),
    "disconnected": frozenset({"connected"}),
}
# What a payment of ours is at PSA. From `sending` and `removing` only PSA's own word leads on.
LOOKED_FOR = frozenset({"waiting", "undecided", "unconfirmed", "sending", "written", "present", "refused", "cancelled"})
PAYMENT_TRANSITIONS = {
    "planned": LOOKED_FOR | {"settled"},
    "waiting": LOOKED_FOR - {"waiting"} | {"planned", "settled"},
    "undecided": frozenset({"planned", "settled", "cancelled"}),
    "unconfirmed": frozenset({"planned", "settled", "cancelled"}),
    "present": frozenset({"stuck", "settled", "cancelled"}),
    "refused": frozenset({"planned", "settled", "cancelled"}),
    "sending": frozenset({"planned", "written", "unclear", "refused", "cancelled"}),
    "unclear": frozenset({"written", "planned", "settled", "cancelled"}),
    "written": frozenset({"removing", "stuck"}),
    "removing": frozenset({"removed", "stuck"}),
    "stuck": frozenset({"removing", "written", "present", "settled"}),
    "removed": frozenset({"planned"}),
    "cancelled": frozenset({"planned"}),
}
# While one payment is in these, nobody else writes on its invoice.
BUSY_STATES = ("sending", "unclear", "removing")
# What only a person can take further.
MATCHES = ("none", "joined", "confirmed", "ambiguous", "different")  # of an invoice of PSA with the books
TASK_STATES = ("undecided", "unconfirmed", "refused", "unclear", "stuck")


class Writer(models.TextChoices):
    """Who writes payments to PSA: two writers would write one payment twice."""

    NOBODY = "nobody", "Nobody"
    US = "us", "Wise-Pay"
    OTHER = "other", "Another tool"


class DebitTiming(models.TextChoices):
    """When a bank debit is written."""

    SETTLED = "settled", "When it has settled"
    SUBMITTED = "submitted", "When the payer's bank has it"


class PsaConnection(Stateful):
    """A merchant's access to its ConnectWise PSA, by the keys of an API member."""

    TRANSITIONS = CONNECTION_TRANSITIONS

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="psa_connection")
    site = models.CharField(max_length=120, blank=True, help_text="The host name that people sign in at.")
    login_company = models.CharField(max_length=60, blank=True)
    public_key = SecretField(row=("merchant_id",), blank=True, default="")
    private_key = SecretField(row=("merchant_id",), blank=True, default="")
    codebase = models.CharField(max_length=40, blank=True, help_text="The part of the address that answered last.")
    version = models.CharField(max_length=40, blank=True)
    name = models.CharField(max_length=120, blank=True, help_text="The company's name at PSA.")
    rights = models.JSONField(default=list, help_text="What was tried, and whether it is allowed.")
    written_by = models.CharField(max_length=10, choices=Writer, default=Writer.NOBODY)
    writes_since = models.DateTimeField(null=True, help_text="What was paid before is not ours to write.")
    writes_debits = models.CharField(max_length=10, choices=DebitTiming, default=DebitTiming.SETTLED)
    confirmed_at = models.DateTimeField(null=True, help_text="A person saw the first payment's whole answer.")
    connected_at = models.DateTimeField(null=True)
    connected_by = models.CharField(max_length=254, blank=True)
    succeeded_at = models.DateTimeField(null=True, help_text="PSA last accepted our keys.")
    tested_at = models.DateTimeField(null=True)
    test_passed = models.BooleanField(null=True)
    polled_at = models.DateTimeField(null=True, help_text="When changed invoices were asked for last.")
    read_until = models.DateTimeField(null=True, help_text="By PSA's clock: when the last reading of invoices began.")
    invoices_read_at = models.DateTimeField(null=True, help_text="When every open invoice was read last.")
    shows_documents = models.BooleanField(default=False, help_text="Payers see the PDF of PSA.")
    syncs_payments = models.BooleanField(default=False, help_text="Payment Sync writes what was paid in the books.")
    uses_terms = models.BooleanField(default=False, help_text="People said what its billing terms mean here.")
    unavailable_since = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    callback_secret = SecretField(row=("merchant_id",), blank=True, default="")
    callback_digest = models.CharField(max_length=64, blank=True, help_text="Of the secret in the callbacks' address.")
    callback_id = models.BigIntegerField(null=True, help_text="PSA's id of our callback about invoices.")
    signing_key = SecretField(row=("merchant_id",), blank=True, default="")
    signing_key_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            build_state_constraint(CONNECTION_TRANSITIONS, name="psa_connection_state"),
            models.CheckConstraint(condition=models.Q(written_by__in=Writer.values), name="psa_known_writer"),
            models.UniqueConstraint(
                fields=["site", "login_company"],
                condition=models.Q(state__in=["connected", "broken"]),
                name="one_merchant_per_psa",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="connected") | ~models.Q(private_key="") & ~models.Q(site=""),
                name="connected_psa_has_keys",
            ),
        ]

    def __str__(self) -> str:
        return f"ConnectWise PSA of {self.merchant}"

    @property
    def provider(self) -> str:
        """Whose limits its calls are counted against."""
        return "psa"

    @property
    def organisation_id(self) -> str:
        """Which company its calls are counted for."""
        return f"{self.site}/{self.login_company.lower()}"

    @property
    def client_id(self) -> str:
        """The integration that its calls are made as."""
        return str(settings.PSA_CLIENT_ID)

    @property
    def writes_payments(self) -> bool:
        """Whether payments of this merchant are ours to write."""
        return self.written_by == Writer.US

    def writes_what_was_paid(self, paid_at: datetime) -> bool:
        """Whether a payment of that moment is ours to write: what is older somebody else has seen to."""
        return self.writes_payments and (self.writes_since is None or paid_at >= self.writes_since)

    @property
    def uses_invoices(self) -> bool:
        """Whether anything here needs to know PSA's invoices."""
        return self.writes_payments or self.shows_documents or self.uses_terms


class PsaConnectionEvent(models.Model):
    """Something that happened to a connection and is no change of its state."""

    class Kind(models.TextChoices):
        TEST_PASSED = "test_passed", "Test passed"
        TEST_FAILED = "test_failed", "Test failed"
        UNAVAILABLE = "unavailable", "ConnectWise PSA unavailable"
        AVAILABLE = "available", "ConnectWise PSA answers again"
        CALLBACKS_OFF = "callbacks_off", "Callbacks were switched off"

    connection = models.ForeignKey(PsaConnection, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind)
    text = models.CharField(max_length=300, blank=True)
    by = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["connection", "at"], name="psa_event_of_connection")]

    def __str__(self) -> str:
        return self.get_kind_display()


class PsaPayment(Stateful):
    """Money on an invoice of PSA: a quote's attempt, the part of an attempt for one invoice, or a payment of the books.

    `ledger_invoice` is the invoice of the books that was paid; None for a quote, whose down-payment invoice is found by
    its opportunity. `books_payment_id` is the ledger's id of a payment that was not made here.
    `amount` minor units are what is written. `payments_before` are the ids that stood on the invoice when it was sent:
    by them a lost answer is told from a payment that was there.
    """

    TRANSITIONS = PAYMENT_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    connection = models.ForeignKey(PsaConnection, on_delete=models.PROTECT, related_name="payments")
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="psa_payments")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="psa_payments")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="psa_payments")
    allocation = models.ForeignKey(PaymentAllocation, on_delete=models.PROTECT, null=True, related_name="psa_payments")
    ledger_invoice = models.ForeignKey(LedgerInvoice, on_delete=models.PROTECT, null=True, related_name="psa_payments")
    books_payment_id = models.CharField(max_length=80, blank=True, help_text="The ledger's id of what was paid there.")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    paid_on = models.DateField(help_text="The merchant's day, as it is sent.")
    opportunity_id = models.BigIntegerField(null=True)
    psa_company = models.CharField(max_length=120, blank=True, help_text="Whose invoice it is, at PSA.")
    organisation_id = models.CharField(max_length=190, blank=True, help_text="The PSA whose ids these are.")
    invoice_id = models.BigIntegerField(null=True)
    invoice_number = models.CharField(max_length=40, blank=True)
    is_chosen = models.BooleanField(default=False, help_text="A person chose the invoice.")
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    psa_payment_id = models.BigIntegerField(null=True)
    payments_before = models.JSONField(default=list)
    sent_at = models.DateTimeField(null=True)
    missed_at = models.DateTimeField(null=True, help_text="A read after a lost answer first found nothing.")
    times_sent = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, help_text="A worker has it until then.")
    explanation = models.CharField(max_length=300, blank=True, help_text="Why it is where it is, for people.")
    candidates = models.JSONField(default=list, help_text="What a person may choose from.")
    answer = models.JSONField(
        default=dict, encoder=DjangoJSONEncoder, help_text="What PSA answered to the payment, whole."
    )
    note = models.CharField(max_length=300, blank=True, help_text="What was done by hand.")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(PAYMENT_TRANSITIONS, name="psa_payment_state"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="psa_amount_positive"),
            models.CheckConstraint(
                condition=~models.Q(state__in=["sending", "written", "removing"]) | models.Q(invoice_id__isnull=False),
                name="psa_written_has_an_invoice",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["written", "removing"]) | models.Q(psa_payment_id__isnull=False),
                name="psa_written_has_an_id",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="settled") | ~models.Q(note=""), name="psa_settled_says_how"
            ),
            models.UniqueConstraint(
                fields=["connection", "organisation_id", "invoice_id"],
                condition=models.Q(state__in=BUSY_STATES),
                name="one_writer_per_psa_invoice",
            ),
            models.UniqueConstraint(
                fields=["attempt"], condition=models.Q(ledger_invoice=None), name="one_psa_payment_per_quote"
            ),
            models.UniqueConstraint(
                fields=["attempt", "allocation", "ledger_invoice"],
                condition=models.Q(allocation__isnull=False),
                name="one_psa_payment_per_part",
            ),
            models.UniqueConstraint(
                fields=["connection", "ledger_invoice", "books_payment_id"],
                condition=~models.Q(books_payment_id=""),
                name="one_psa_payment_per_books_payment",
            ),
            models.CheckConstraint(
                condition=models.Q(books_payment_id="", attempt__isnull=False, payment__isnull=False)
                | ~models.Q(books_payment_id="") & models.Q(attempt=None, ledger_invoice__isnull=False),
                name="psa_payment_has_one_source",
            ),
            models.UniqueConstraint(
                fields=["connection", "organisation_id", "psa_payment_id"],
                condition=models.Q(state__in=["written", "removing"]),
                name="one_row_per_psa_payment",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "state"], name="psa_payment_of_merchant")]

    def __str__(self) -> str:
        return f"Payment of {self.money} for {self.purpose}"

    @property
    def purpose(self) -> str:
        """What was paid, in words."""
        if self.ledger_invoice is not None:
            return f"Invoice {self.ledger_invoice}"
        return self.payment.purpose if self.payment else ""

    @property
    def payer_name(self) -> str:
        """The company that paid, as it is called here; else as PSA calls it."""
        if self.payment is not None:
            return str(self.payment.company)
        company = self.ledger_invoice.company if self.ledger_invoice else None
        return str(company) if company else self.psa_company or "somebody"

    @property
    def money(self) -> Money:
        """What is written."""
        return Money(self.amount, self.currency)

    def get_invoice_id(self) -> int:
        """The invoice that it is written on. Raises ValueError before one was found."""
        if self.invoice_id is None:
            raise ValueError(f"{self} has no invoice")
        return self.invoice_id

    @property
    def is_in_other_psa(self) -> bool:
        """Whether its ids are of a PSA that the merchant was connected to before, where we no longer come."""
        return bool(self.organisation_id) and self.organisation_id != self.connection.organisation_id

    @property
    def needs_person(self) -> bool:
        """Whether only a person can take it further."""
        return self.state in TASK_STATES

    def is_leased(self, now: datetime) -> bool:
        """Whether a worker has it."""
        return self.lease_until is not None and now < self.lease_until


class PsaInvoice(models.Model):
    """An invoice of PSA as last read. Amounts are minor units of `currency`, None where they can't be read.

    `balance` and `paid` are of one reading: together with what stands on the invoice later they tell what is owed then.
    `ledger_invoice` is the same invoice in the books, once `match` says so; until then nothing is written on it.
    """

    class Match(models.TextChoices):
        NONE = "none", "Not in the books"
        JOINED = "joined", "In the books"
        CONFIRMED = "confirmed", "In the books, as a person said"
        AMBIGUOUS = "ambiguous", "Several of this number"
        DIFFERENT = "different", "Same number, but differs"

    connection = models.ForeignKey(PsaConnection, on_delete=models.CASCADE, related_name="invoices")
    invoice_id = models.BigIntegerField()
    number = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=40, blank=True)
    company_id = models.BigIntegerField(default=0)
    company_identifier = models.CharField(max_length=60, blank=True)
    company_name = models.CharField(max_length=120, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    total = models.BigIntegerField(null=True)
    balance = models.BigIntegerField(null=True)
    paid = models.BigIntegerField(null=True)
    is_closed = models.BooleanField(default=False)
    is_gone = models.BooleanField(default=False, help_text="PSA has it no more.")
    issued_on = models.DateField(null=True)
    due_on = models.DateField(null=True)
    term_id = models.BigIntegerField(default=0, help_text="PSA's billing term.")
    changed_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField()
    match = models.CharField(max_length=10, choices=Match, default=Match.NONE)
    ledger_invoice = models.ForeignKey(LedgerInvoice, on_delete=models.SET_NULL, null=True, related_name="psa_invoices")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["connection", "invoice_id"], name="one_row_per_psa_invoice"),
            models.UniqueConstraint(
                fields=["connection", "ledger_invoice"],
                condition=models.Q(ledger_invoice__isnull=False),
                name="one_psa_invoice_per_ledger_invoice",
            ),
            models.CheckConstraint(condition=models.Q(match__in=MATCHES), name="psa_invoice_match"),
            models.CheckConstraint(
                condition=models.Q(ledger_invoice=None) | models.Q(match__in=["joined", "confirmed"]),
                name="psa_joined_says_so",
            ),
        ]
        indexes = [
            models.Index(fields=["connection", "number"], name="psa_invoice_number"),
            models.Index(fields=["connection", "match", "-invoice_id"], name="psa_invoice_by_match"),
        ]

    def __str__(self) -> str:
        return self.number or str(self.invoice_id)

    @property
    def total_money(self) -> Money | None:
        """The total."""
        return Money(self.total, self.currency) if self.total is not None and self.currency else None

    @property
    def balance_money(self) -> Money | None:
        """What was owed when it was read."""
        return Money(self.balance, self.currency) if self.balance is not None and self.currency else None
