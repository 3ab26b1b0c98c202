"""Automatic payments: settings, billing terms, mappings, and what is scheduled."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from accounting.models.mirror import LedgerInvoice
from accounting.states import MAPPING_TRANSITIONS, SCHEDULED_TRANSITIONS
from merchants.models import Merchant
from payers.models import PayerCompany, TermsAcceptance
from payments.models import Payment, SavedMethod
from payments.recurring import RecurringPart
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint

AutoPayLimits = dict[str, tuple[int | None, int | None]]
LIVE_SCHEDULED = ("scheduled", "pending", "held")


class AutoPaySettings(models.Model):
    """A merchant's settings of automatic payments."""

    class FromQuotes(models.TextChoices):
        NEVER = "never", "Never"
        PROPOSE = "propose", "Propose it to me"
        MAKE = "make", "Make it at once"

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="autopay_settings")
    is_enabled = models.BooleanField(default=False)
    processing_delay_hours = models.PositiveSmallIntegerField(default=0, help_text="Before a real-time card charge.")
    notice_days = models.PositiveSmallIntegerField(
        default=3, help_text="How long before a payment its payer is told of it; 0 waits for nothing."
    )
    maximum_retries = models.PositiveSmallIntegerField(default=3)
    schedules_past_due = models.BooleanField(default=False)
    maximum_days_past_due = models.PositiveSmallIntegerField(default=30)
    from_quotes = models.CharField(max_length=10, choices=FromQuotes, default=FromQuotes.PROPOSE)
    planning_lease_until = models.DateTimeField(null=True, help_text="A worker plans this merchant until then.")

    class Meta:
        verbose_name_plural = "auto pay settings"

    def __str__(self) -> str:
        return f"Automatic payments of {self.merchant}"

    @classmethod
    def get_or_default(cls, merchant: Merchant) -> Self:
        """The merchant's settings; unsaved defaults, which are off, where none were saved."""
        return cls.objects.filter(merchant=merchant).first() or cls(merchant=merchant)


class AutoPayLimit(models.Model):
    """The minimum and the maximum that a merchant charges automatically in one currency, in its minor units."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="autopay_limits")
    currency = models.CharField(max_length=3)
    minimum = models.BigIntegerField(null=True)
    maximum = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "currency"], name="one_autopay_limit_per_currency"),
            models.CheckConstraint(
                condition=Q(minimum=None) | Q(maximum=None) | Q(minimum__lte=models.F("maximum")),
                name="autopay_minimum_below_maximum",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} of {self.merchant}"

    @classmethod
    def get_by_currency(cls, merchant: Merchant) -> AutoPayLimits:
        """The minimum and the maximum of each currency that has any, in its minor units."""
        rows = cls.objects.filter(merchant=merchant).order_by("currency")
        return {row.currency: (row.minimum, row.maximum) for row in rows}


class BillingTerm(models.Model):
    """When and with what an invoice under these terms is charged."""

    class Processing(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        REAL_TIME = "real_time", "Real time"

    class Mode(models.TextChoices):
        DUE_DATE = "due_date", "Invoice due date"
        DAYS_AFTER = "days_after", "Number of days after invoice date"
        DAY_OF_MONTH = "day_of_month", "Day of the month"

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="billing_terms")
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=200, blank=True)
    processing = models.CharField(max_length=10, choices=Processing, default=Processing.SCHEDULED)
    mode = models.CharField(max_length=12, choices=Mode, default=Mode.DUE_DATE)
    days = models.PositiveSmallIntegerField(default=0, help_text="Scheduling period in days, or the day of the month.")
    keyword = models.CharField(max_length=40, blank=True, help_text="A reference that says it is under this term.")
    takes_cards = models.BooleanField(default=True)
    takes_debits = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "name"], condition=Q(is_active=True), name="one_billing_term_per_name"
            ),
            models.UniqueConstraint(
                "merchant",
                Lower("keyword"),
                condition=Q(is_active=True) & ~Q(keyword=""),
                name="one_billing_term_per_keyword",
            ),
            models.CheckConstraint(
                condition=~Q(mode="day_of_month") | Q(days__gte=1, days__lte=31), name="day_of_month_is_a_day"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class LedgerTerm(models.Model):
    """A branding theme or a payment term of the ledger, and the billing term that covers it, if one does."""

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="ledger_terms")
    organisation_id = models.CharField(max_length=60)
    term_id = models.CharField(max_length=60)
    name = models.CharField(max_length=120)
    billing_term = models.ForeignKey(BillingTerm, on_delete=models.SET_NULL, null=True, related_name="ledger_terms")
    is_gone = models.BooleanField(default=False, help_text="A billing term covers it, and the ledger has it no more.")
    read_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merchant", "organisation_id", "term_id"], name="one_row_per_ledger_term")
        ]

    def __str__(self) -> str:
        return self.name


class AutoPayMapping(Stateful):
    """A company's invoices under a billing term (None: under all of them) are charged to a saved method.

    What a quote's payer agreed to at the checkout is less: `agreed_amount` minor units every interval, so many times,
    whatever the term. `proposed` waits for the merchant, or with `asks_payer` for somebody of the company; `active`
    charges, `ended` does not any more.
    """

    class Origin(models.TextChoices):
        MERCHANT = "merchant", "Merchant"
        PAYER = "payer", "Payer"
        QUOTE = "quote", "Quote"

    TRANSITIONS = MAPPING_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="autopay_mappings")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="autopay_mappings")
    term = models.ForeignKey(BillingTerm, on_delete=models.PROTECT, null=True, related_name="mappings")
    primary_method = models.ForeignKey(SavedMethod, on_delete=models.PROTECT, related_name="+")
    secondary_method = models.ForeignKey(SavedMethod, on_delete=models.PROTECT, null=True, related_name="+")
    acceptance = models.ForeignKey(TermsAcceptance, on_delete=models.PROTECT, null=True, related_name="+")
    origin = models.CharField(max_length=10, choices=Origin)
    quote_payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="autopay_mappings")
    asks_payer = models.BooleanField(default=False, help_text="A proposal that waits for the payer, not the merchant.")
    begins_on = models.DateField(null=True, help_text="Invoices of before are not charged; None is all of them.")
    agreed_amount = models.BigIntegerField(null=True, help_text="Only invoices of so much; None is of any amount.")
    agreed_currency = models.CharField(max_length=3, blank=True)
    agreed_interval = models.CharField(max_length=10, blank=True, help_text="One of them every week, month, …")
    agreed_periods = models.PositiveIntegerField(null=True, help_text="How many; None is until somebody ends it.")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(MAPPING_TRANSITIONS, name="autopay_mapping_state"),
            models.UniqueConstraint(
                fields=["company", "term"], condition=Q(state="active"), name="one_mapping_per_term"
            ),
            models.UniqueConstraint(
                fields=["company"],
                condition=Q(state="active", term=None, agreed_amount=None),
                name="one_mapping_for_all_terms",
            ),
            models.CheckConstraint(
                condition=Q(agreed_amount=None)
                | Q(agreed_amount__gt=0, term=None, begins_on__isnull=False, acceptance__isnull=False)
                & ~Q(agreed_currency="")
                & ~Q(agreed_interval=""),
                name="agreed_payments_are_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state="active", origin="quote") | Q(agreed_amount__isnull=False),
                name="a_quote_charges_what_was_agreed",
            ),
            models.CheckConstraint(
                condition=Q(secondary_method=None) | ~Q(secondary_method=models.F("primary_method")),
                name="secondary_method_is_another",
            ),
            models.CheckConstraint(
                condition=Q(asks_payer=False) | ~Q(state="active"), name="what_asks_the_payer_charges_nothing"
            ),
            models.UniqueConstraint(
                fields=["quote_payment"], condition=Q(quote_payment__isnull=False), name="one_mapping_per_quote"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.company}: {self.scope}"

    @property
    def agreed(self) -> RecurringPart | None:
        """What a quote's payer agreed to, where the mapping is for that only."""
        if self.agreed_amount is None:
            return None
        money = Money(self.agreed_amount, self.agreed_currency)
        return RecurringPart(money, self.agreed_interval, self.agreed_periods)

    @property
    def scope(self) -> str:
        """What it charges, in words."""
        if self.agreed is not None:
            return f"{self.agreed.money} {self.agreed.frequency}, as agreed with a quote"
        return str(self.term or "All Automatic Payment Terms")


class ScheduledPayment(Stateful):
    """One invoice that will be charged at `run_at`, or was.

    `held` waits for a person (a possible duplicate, a method that its term does not take); `pending` is at the
    gateway; `settled` was paid; `failed` was not, and stays on the lists until somebody resolves it.
    `amount` is minor units of the invoice's currency, as last planned.
    """

    TRANSITIONS = SCHEDULED_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="scheduled_payments")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="scheduled_payments")
    invoice = models.ForeignKey(LedgerInvoice, on_delete=models.PROTECT, related_name="scheduled_payments")
    mapping = models.ForeignKey(AutoPayMapping, on_delete=models.PROTECT, null=True, related_name="scheduled_payments")
    method = models.ForeignKey(SavedMethod, on_delete=models.PROTECT, null=True, related_name="+")
    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, null=True, related_name="scheduled_payment")
    amount = models.BigIntegerField()
    run_at = models.DateTimeField()
    tries = models.PositiveSmallIntegerField(default=0, help_text="Charges asked for with the present method.")
    presentations = models.PositiveSmallIntegerField(default=0, help_text="Times a bank was asked for this debit.")
    first_presented_at = models.DateTimeField(null=True, help_text="When a bank was first asked for this debit.")
    notices = models.PositiveSmallIntegerField(default=0, help_text="Notices that the payer was given of it.")
    notified_at = models.DateTimeField(null=True, help_text="When the last notice was written.")
    notified_amount = models.BigIntegerField(null=True, help_text="The amount that it names.")
    notified_run_at = models.DateTimeField(null=True, help_text="The instant that it names.")
    notice_sent_at = models.DateTimeField(null=True, help_text="When the mail server took it.")
    announced_at = models.DateTimeField(null=True, help_text="When the payer was told that it is scheduled.")
    withdrawn_at = models.DateTimeField(null=True, help_text="When the payer was told that it is cancelled.")
    reason = models.CharField(max_length=300, blank=True, help_text="Why it is held, failed or cancelled.")
    confirmed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="Charge it, whatever else may pay it."
    )
    resolved_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="Cancelled it, or settled the failure."
    )
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=300, blank=True, help_text="How the failure was settled.")
    agreed_number = models.PositiveIntegerField(
        null=True, help_text="Which payment it is of those that were agreed with a quote, counted from 1."
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(SCHEDULED_TRANSITIONS, name="scheduled_payment_state"),
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(state__in=LIVE_SCHEDULED), name="one_live_schedule_per_invoice"
            ),
            models.UniqueConstraint(
                fields=["mapping", "agreed_number"],
                condition=Q(state__in=LIVE_SCHEDULED, agreed_number__isnull=False),
                name="one_charge_per_agreed_payment",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="scheduled_amount_positive"),
            models.CheckConstraint(
                condition=~Q(state__in=["pending", "settled"]) | Q(payment__isnull=False), name="charged_has_payment"
            ),
            models.CheckConstraint(
                condition=Q(notified_at=None, notified_amount=None, notified_run_at=None, notice_sent_at=None)
                | Q(notified_at__isnull=False, notified_amount__gt=0, notified_run_at__isnull=False, notices__gt=0),
                name="notice_is_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["run_at"], condition=Q(state="scheduled"), name="scheduled_payment_due"),
            models.Index(fields=["merchant", "state", "-id"], name="scheduled_of_merchant"),
            models.Index(fields=["merchant", "run_at", "id"], name="scheduled_by_day"),
            models.Index(fields=["company", "run_at"], condition=Q(state__in=LIVE_SCHEDULED), name="scheduled_live"),
            models.Index(
                fields=["run_at"], condition=Q(state="scheduled", notified_at=None), name="scheduled_without_notice"
            ),
            models.Index(
                fields=["company"], condition=Q(state="scheduled", announced_at=None), name="scheduled_not_announced"
            ),
            models.Index(
                fields=["company"],
                condition=Q(state="cancelled", announced_at__isnull=False, withdrawn_at=None),
                name="cancelled_not_announced",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.money} for {self.invoice} on {self.run_at:%Y-%m-%d}"

    @property
    def money(self) -> Money:
        """What will be charged, or was."""
        return Money(self.amount, self.invoice.currency)

    def update_state(self, state: str, *, now: datetime, by: str, reason: str = "", **changes: object) -> bool:
        """Move a row that the caller holds locked, and write the reason to the row, where people read it."""
        moved = self.move_locked_to(state, now=now, by=by, reason=reason, **changes)
        if moved:
            self.reason = reason[:300]
            ScheduledPayment.objects.filter(pk=self.pk).update(reason=self.reason)
        return moved

    @classmethod
    def move_all_to(cls, reasons: Mapping[int, str], state: str, *, now: datetime, by: str) -> list[Self]:
        """The same as for any stateful rows, and write the reasons to the rows, where people read them."""
        moved = super().move_all_to(reasons, state, now=now, by=by)
        for row in moved:
            row.reason = reasons[row.pk][:300]
        cls.save_all(moved, ["reason"])
        return moved

    @classmethod
    def save_all(cls, rows: Sequence[Self], columns: Collection[str]) -> None:
        """Write these columns of rows that the caller holds locked, in one statement.

        `bulk_update` would have PostgreSQL compare every row with every other.
        """
        cls.objects.bulk_create(rows, update_conflicts=True, unique_fields=["id"], update_fields=columns)


class UnmatchedInvoice(models.Model):
    """An invoice under a billing term that is not scheduled, and why; written by planning only."""

    class Code(models.TextChoices):
        UNMATCHED = "unmatched", "No mapping"
        METHOD = "method", "No method can pay it"
        CURRENCY = "currency", "Currency"
        BELOW_MINIMUM = "below_minimum", "Below the minimum"
        ABOVE_MAXIMUM = "above_maximum", "Above the maximum"
        PAST_DUE = "past_due", "Past due"
        NO_DATE = "no_date", "No date"
        OLDER = "older", "Older than the mapping"

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="unmatched_invoices")
    invoice = models.OneToOneField(LedgerInvoice, on_delete=models.CASCADE, related_name="unmatched")
    code = models.CharField(max_length=20, choices=Code)
    reason = models.CharField(max_length=300)
    noted_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["merchant", "-noted_at"], name="unmatched_of_merchant")]

    def __str__(self) -> str:
        return f"{self.invoice}: {self.reason}"
