"""Postings, what they use, the credit notes that they create, and the manual tasks where the ledger refuses one."""

from django.db import models

from accounting.models.posting_kinds import OF_A_PAYMENT, OF_AN_ATTEMPT, Kind, list_kinds_about
from accounting.states import CREDIT_NOTE_TRANSITIONS, MANUAL_TASK_TRANSITIONS, POSTING_TRANSITIONS
from merchants.models import Merchant
from payers.models import PayerCompany
from payments.models import Attempt, Payment, Refund
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint


class CreditNote(Stateful):
    """The PF_CR credit that a quote payment leaves with the payer's company: one for every attempt that needs one.

    `remaining` is what of it is unused and `allocations` where the rest went, as last read from the ledger.
    Amounts are minor units of `currency`.
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
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(CREDIT_NOTE_TRANSITIONS, name="credit_note_state"),
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
        """What the credit was worth when it was created."""
        return Money(self.amount, self.currency)

    @property
    def remaining_money(self) -> Money | None:
        """What of it is unused, if that is known."""
        return Money(self.remaining, self.currency) if self.remaining is not None else None

    def can_move_to(self, state: str) -> bool:
        """Whether its state leads there."""
        return state in self.TRANSITIONS.get(self.state, frozenset())


class Posting(Stateful):
    """One thing to be created or undone in the ledger: done once, under a number that never changes.

    `sent` means that we do not know whether it arrived, until it is looked for by its number; `cancelled` that it
    became needless before it was sent. `amount` is in minor units of the payment's currency, `on` a date in the
    merchant's zone; both are those of the time when the posting was created.
    """

    Kind = Kind
    UNSENT_STATES = ("pending", "sent")
    UNFINISHED_STATES = ("pending", "sent", "rejected")
    NOT_IN_LEDGER_STATES = ("pending", "rejected")
    MAYBE_IN_LEDGER_STATES = ("sent", "posted")
    FINAL_STATES = ("posted", "cancelled")
    TRANSITIONS = POSTING_TRANSITIONS
    standing: str  # its state as a page shows it beside the others of its payment
    document_url: str  # its page in the books, where a page shows it

    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="postings")
    kind = models.CharField(max_length=30, choices=Kind)
    number = models.CharField(max_length=60)
    organisation_id = models.CharField(max_length=60, blank=True, help_text="For contacts: in which organisation.")
    currency = models.CharField(max_length=3, blank=True, help_text="For contacts: which they are to pay in.")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="postings")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="postings")
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, null=True, related_name="postings")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, related_name="postings")
    payment_allocation = models.ForeignKey(
        "accounting.PaymentAllocation", on_delete=models.PROTECT, null=True, related_name="postings"
    )
    match = models.ForeignKey("accounting.CreditMatch", on_delete=models.PROTECT, null=True, related_name="postings")
    amount = models.BigIntegerField(null=True)
    on = models.DateField(null=True)
    ledger_id = models.CharField(max_length=60, blank=True)
    sent_to = models.CharField(max_length=60, blank=True, help_text="The organisation that it last went to.")
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(POSTING_TRANSITIONS, name="posting_state"),
            models.CheckConstraint(condition=models.Q(kind__in=Kind.values), name="posting_kind"),
            models.CheckConstraint(
                condition=models.Q(kind="contact", payment=None, amount=None, on=None)
                | ~models.Q(kind="contact") & models.Q(amount__gt=0, on__isnull=False),
                name="documents_have_amount",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind__in=list_kinds_about(*OF_A_PAYMENT)) | models.Q(payment__isnull=False),
                name="documents_have_payment",
            ),
            models.CheckConstraint(
                condition=~models.Q(kind__in=list_kinds_about(*OF_AN_ATTEMPT)) | models.Q(attempt__isnull=False),
                name="documents_have_attempt",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=list_kinds_about("refund"), refund__isnull=False)
                | ~models.Q(kind__in=list_kinds_about("refund")) & models.Q(refund=None),
                name="refunds_have_refund",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=list_kinds_about("payment_allocation"), payment_allocation__isnull=False)
                | ~models.Q(kind__in=list_kinds_about("payment_allocation")) & models.Q(payment_allocation=None),
                name="invoice_payments_have_allocation",
            ),
            models.CheckConstraint(
                condition=models.Q(kind__in=list_kinds_about("match"), match__isnull=False)
                | ~models.Q(kind__in=list_kinds_about("match")) & models.Q(match=None),
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
            ),
            models.Index(fields=["merchant", "-id"], name="posting_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}"

    @property
    def money(self) -> Money:
        """The posting's amount. Raises ValueError for a kind without one."""
        if self.payment is None or self.amount is None:
            raise ValueError(f"{self} has no amount")
        return Money(self.amount, self.payment.currency)


class ManualTask(Stateful):
    """Something that only a person can do in the accounting package, described step by step.

    It is closed when its posting is carried out, or by a person who did the posting's work by hand and says in `note`
    what was done; `posting_before` is the posting's state and error then, for whoever takes that back. One about a
    company's contact has no posting, and is closed when the contact stands again or another one was chosen.
    """

    TRANSITIONS = MANUAL_TASK_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="manual_tasks")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="manual_tasks")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="manual_tasks")
    posting = models.ForeignKey(Posting, on_delete=models.PROTECT, null=True, related_name="manual_tasks")
    kind = models.CharField(max_length=30, choices=Posting.Kind, help_text="The posting that cannot go on.")
    title = models.CharField(max_length=160)
    steps = models.JSONField(default=list, help_text="Sentences, in order.")
    done_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="Nobody: it closed itself."
    )
    note = models.CharField(max_length=300, blank=True, help_text="What was done by hand.")
    posting_before = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(MANUAL_TASK_TRANSITIONS, name="manual_task_state"),
            models.CheckConstraint(
                condition=models.Q(done_by=None) | ~models.Q(note=""), name="manual_task_says_what_was_done"
            ),
            models.UniqueConstraint(
                fields=["posting"], condition=models.Q(state="open"), name="one_open_task_per_posting"
            ),
            models.UniqueConstraint(
                fields=["company"],
                condition=models.Q(state="open", posting=None),
                name="one_open_contact_task_per_company",
            ),
            models.CheckConstraint(
                condition=models.Q(posting__isnull=False) | models.Q(kind="contact", payment=None),
                name="task_has_a_posting",
            ),
        ]
        indexes = [models.Index(fields=["merchant", "id"], condition=models.Q(state="open"), name="manual_task_open")]

    def __str__(self) -> str:
        return self.title

    @property
    def can_reopen(self) -> bool:
        """Whether what was said to be done can be taken back."""
        return self.state == "done" and (self.posting is None or self.posting.state == "cancelled")

    def get_posting(self) -> Posting:
        """The posting that it is about. Raises ValueError for a task about a contact."""
        if self.posting is None:
            raise ValueError(f"“{self}” is about no posting")
        return self.posting


class AccountingSettings(models.Model):
    """Which accounts, tax code and item a merchant's postings use; codes as the accounting package has them."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="accounting_settings")
    clearing_account = models.CharField(max_length=20, blank=True)
    prepayments_account = models.CharField(max_length=20, blank=True)
    tax_code = models.CharField(max_length=60, blank=True)
    item = models.CharField(max_length=60, blank=True, help_text="What our lines sell, in books that need it.")
    organisation_id = models.CharField(max_length=60, blank=True, help_text="Whose accounts these are.")
    by_organisation = models.JSONField(
        default=dict, help_text="What was last chosen in each organisation, by its id, with its name."
    )
    lists_of = models.CharField(max_length=60, blank=True, help_text="Where the choices were last read.")
    warning = models.CharField(max_length=400, blank=True, help_text="What in the books' own settings has to change.")
    missing = models.JSONField(default=list, help_text="Sentences about chosen things that the books have no more.")
    currencies = models.JSONField(default=list, help_text="What the books can hold; empty while that is not known.")

    class Meta:
        verbose_name_plural = "accounting settings"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(clearing_account="") | ~models.Q(clearing_account=models.F("prepayments_account")),
                name="clearing_is_not_prepayments",
            )
        ]

    def __str__(self) -> str:
        return f"Accounts of {self.merchant}"

    @property
    def is_complete(self) -> bool:
        """Whether documents can be created."""
        return bool(self.clearing_account and self.prepayments_account and self.tax_code)

    def is_for(self, organisation_id: str) -> bool:
        """Whether documents can be created in that organisation; another organisation has other accounts."""
        return self.is_complete and self.organisation_id in ("", organisation_id)
