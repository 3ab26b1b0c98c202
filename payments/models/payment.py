"""Payments, the amounts due for one purpose each, and the saved methods that can pay them."""

import json
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _

from merchants.models import Merchant
from payers.models import PayerCompany, Registration, TermsAcceptance
from payments.models.gateway_accounts import GatewayAccount
from payments.recurring import INTERVALS, RecurringPart
from payments.states import METHOD_TRANSITIONS, PAYMENT_TRANSITIONS
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.money import Money
from wisepay.states import Stateful, build_state_constraint


class SavedMethod(Stateful):
    """A card or bank account that is saved at the gateway for a company. `invalid`: it can't be charged any more.

    `owner` saved it; with `is_shared` everybody with access to the whole company may pay with it. One that a
    `registration` saved has no owner, and nobody may pay with it, until the owner of the address confirmed it.
    """

    TRANSITIONS = METHOD_TRANSITIONS
    EXPIRY_WARNING = timedelta(days=60)  # people are warned of a card that expires within this time

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, related_name="saved_methods")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="saved_methods")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="saved_methods")
    registration = models.ForeignKey(Registration, on_delete=models.PROTECT, null=True, related_name="saved_methods")
    is_shared = models.BooleanField(default=False)
    is_default = models.BooleanField(default=False)
    stripe_customer_id = models.CharField(max_length=255)
    stripe_payment_method_id = models.CharField(max_length=255)
    stripe_mandate_id = models.CharField(max_length=255, blank=True)
    acceptance = models.ForeignKey(TermsAcceptance, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=20, help_text="As the gateway calls it: card, us_bank_account, ...")
    brand = models.CharField(max_length=60, blank=True, help_text="The card's brand or the bank's name.")
    last4 = models.CharField(max_length=4, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True, help_text="The same for the same card or bank account.")
    former_ids = models.JSONField(default=list, help_text="What it was saved as before, at the gateway.")
    expires_on = models.DateField(null=True, help_text="The last day of a card's month.")
    last_used_at = models.DateTimeField(null=True)
    last_failure = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(METHOD_TRANSITIONS, name="saved_method_state"),
            models.CheckConstraint(
                condition=models.Q(owner__isnull=False)
                | models.Q(registration__isnull=True)
                | models.Q(is_shared=False, is_default=False),
                name="unproved_method_is_nobodys",
            ),
            models.UniqueConstraint(fields=["account", "stripe_payment_method_id"], name="one_row_per_method"),
            models.UniqueConstraint(
                fields=["account", "company", "owner", "kind", "fingerprint"],
                condition=~models.Q(fingerprint="") & ~models.Q(state="removed"),
                name="one_row_per_fingerprint",
            ),
            models.UniqueConstraint(
                fields=["company"],
                condition=models.Q(is_default=True, state="active"),
                name="one_default_method_per_company",
            ),
        ]

    def __str__(self) -> str:
        return describe_method(self.kind, self.brand, self.last4)

    @property
    def is_card(self) -> bool:
        """Whether it is a card; everything else is a bank debit."""
        return self.kind == "card"

    @property
    def is_expired(self) -> bool:
        """Whether a card's last day has passed everywhere."""
        return self.expires_on is not None and self.expires_on < clock.now().date() - timedelta(days=1)


def describe_method(kind: str, brand: str, last4: str) -> str:
    """A method as a person knows it: "Visa ···· 4242", "Stripe Test Bank ···· 6789"."""
    fallback = "Card" if kind in ("", "card") else "Bank account"
    name = (brand.replace("_", " ").title() if kind in ("", "card") else brand) or fallback
    return f"{name} ···· {last4}" if last4 else ""


class Payment(Stateful):
    """This payer pays this amount for this purpose, once.

    `amount` is what is due now; `full_amount`, where given, is what the payer may choose to pay instead.
    All amounts are minor units of `currency`.
    """

    class Origin(models.TextChoices):
        QUOTE = "quote", "Quote"
        INVOICES = "invoices", "Invoices"
        AUTOMATIC = "automatic", "Automatic payment"
        PREPAYMENT = "prepayment", "Prepayment"

    TRANSITIONS = PAYMENT_TRANSITIONS
    standing: str  # how it stands for its merchant; payments.standings gives it to those that a page shows

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="payments")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="payments")
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    full_amount = models.BigIntegerField(null=True)
    paid_amount = models.BigIntegerField(null=True)
    paid_at = models.DateTimeField(null=True)
    refunded_amount = models.BigIntegerField(default=0, help_text="Given back, or on its way back.")
    saved_method = models.ForeignKey(
        SavedMethod, on_delete=models.PROTECT, null=True, related_name="payments", help_text="Saved along with it."
    )
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.QUOTE)
    purpose = models.CharField(max_length=120, help_text="What the payer sees as the thing that is paid.")
    details = models.JSONField(default=dict, help_text="Invoice Details as the payer sees them.")
    methods = models.JSONField(default=list, help_text="Method kinds that may be used: card, bank_debit.")
    needs_account = models.BooleanField(default=False, help_text="A method has to be saved, so no guests.")
    recurring_amount = models.BigIntegerField(null=True, help_text="What the quote costs every interval.")
    recurring_interval = models.CharField(max_length=10, blank=True)
    recurring_periods = models.PositiveIntegerField(null=True, help_text="How often; None is until somebody ends it.")
    recurring_starts_on = models.DateField(null=True, help_text="The day of the first; None is when it is agreed to.")
    recurring_agreement = models.CharField(max_length=100, blank=True, help_text="What the merchant calls it.")
    done_path = models.CharField(max_length=200, help_text="Where the payer goes when it is over.")
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(PAYMENT_TRANSITIONS, name="payment_state"),
            models.CheckConstraint(
                condition=models.Q(origin__in=["quote", "invoices", "automatic", "prepayment"]), name="payment_origin"
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="payment_amount_not_negative"),
            models.CheckConstraint(
                condition=models.Q(full_amount=None) | models.Q(full_amount__gt=models.F("amount")),
                name="full_amount_is_more",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=["succeeded", "reversed"]) | models.Q(paid_amount__gt=0),
                name="succeeded_has_amount",
            ),
            models.CheckConstraint(
                condition=models.Q(refunded_amount=0)
                | models.Q(refunded_amount__gt=0, refunded_amount__lte=models.F("paid_amount")),
                name="refunded_at_most_what_was_paid",
            ),
            models.CheckConstraint(
                condition=models.Q(recurring_amount=None, recurring_interval="", recurring_periods=None)
                | models.Q(recurring_amount__gt=0, recurring_interval__in=INTERVALS),
                name="recurring_part_is_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(recurring_amount__isnull=False)
                | models.Q(recurring_starts_on=None, recurring_agreement=""),
                name="only_what_recurs_starts",
            ),
        ]
        indexes = [
            models.Index(fields=["merchant", "-created_at"], name="payment_of_merchant"),
            models.Index(fields=["company", "-created_at"], name="payment_of_company"),
            models.Index(
                F("company"), Coalesce("paid_at", "created_at").desc(), F("id").desc(), name="payment_by_date"
            ),
            models.Index(
                F("company"), Coalesce("paid_amount", "amount").desc(), F("id").desc(), name="payment_by_amount"
            ),
            models.Index(
                fields=["company", "expires_at"],
                condition=models.Q(state__in=["open", "reversed"]),
                name="payment_owed",
            ),
            # The merchant's list, in each of its orders.
            models.Index(fields=["merchant", "-id"], name="payment_newest"),
            models.Index(fields=["merchant", "state", "-id"], name="payment_of_state"),
            models.Index(fields=["merchant", "currency", "-id"], name="payment_of_currency"),
            models.Index(
                fields=["merchant", "-id"], condition=models.Q(refunded_amount__gt=0), name="payment_given_back"
            ),
            models.Index(
                fields=["merchant", "expires_at"], condition=models.Q(state="open"), name="payment_open_until"
            ),
            models.Index(F("merchant"), Coalesce("paid_at", "created_at").desc(), F("id").desc(), name="payment_dated"),
            models.Index(F("merchant"), Coalesce("paid_amount", "amount").desc(), F("id").desc(), name="payment_sized"),
        ]

    def __str__(self) -> str:
        return self.purpose

    @property
    def due(self) -> Money:
        """What is due now."""
        return Money(self.amount, self.currency)

    @property
    def full(self) -> Money | None:
        """What may be paid instead of what is due, if anything."""
        return Money(self.full_amount, self.currency) if self.full_amount is not None else None

    @property
    def paid(self) -> Money | None:
        """What was paid."""
        return Money(self.paid_amount, self.currency) if self.paid_amount is not None else None

    @property
    def refunded(self) -> Money:
        """What was given back, or is on its way back."""
        return Money(self.refunded_amount, self.currency)

    @property
    def recurring(self) -> RecurringPart | None:
        """What recurs, if anything does."""
        if self.recurring_amount is None:
            return None
        return RecurringPart(
            Money(self.recurring_amount, self.currency),
            self.recurring_interval,
            self.recurring_periods,
            self.recurring_starts_on,
            self.recurring_agreement,
        )

    @property
    def line_items(self) -> list[dict[str, str]]:
        """The lines of what is paid, for pages that show them; nothing is asked where there are none."""
        if not self.details.get("line_count"):
            return []
        return list(PaymentLines.objects.filter(payment=self).values_list("rows", flat=True).first() or [])

    @property
    def is_quote(self) -> bool:
        """Whether it is for a quote."""
        return self.origin == self.Origin.QUOTE

    @property
    def is_credited(self) -> bool:
        """Whether the books get it as a credit, of a quote or a prepayment; everything else pays invoices there."""
        return self.origin in (self.Origin.QUOTE, self.Origin.PREPAYMENT)

    @property
    def pay_url(self) -> str:
        """The public address of its Pay Now page."""
        return self.merchant.build_public_url(reverse("payments:pay", args=[self.reference]))

    @property
    def subject(self) -> str:
        """What is paid, in a word for a sentence: quote, prepayment, invoice, or batch of invoices."""
        if self.is_credited:
            return str(self.origin)
        return "batch of invoices" if self.details.get("count", 1) > 1 else "invoice"

    @property
    def replacement_hint(self) -> str:
        """What the payer does when it can no longer be paid, as the end of a sentence."""
        return ". Please ask for a new one" if self.is_quote else " with this link. Please choose it again"

    @property
    def back_label(self) -> str:
        """What the link to `done_path` says."""
        if self.is_from_link:
            return str(_("Back")) if self.is_credited else str(_("Back to the invoice"))
        return "Back to the quote" if self.is_quote else "Back to your payments"

    @property
    def is_from_link(self) -> bool:
        """Whether it began with a PayNow Link, so that its payer need not be anybody whom the portal knows."""
        return bool(self.details.get("paynow_link"))

    @property
    def billing(self) -> dict[str, str]:
        """What Payer Information begins with: whom the quote was sent to, and else the company's own contact."""
        sent = self.details.get("billing") or {}
        known = {"email": self.company.email, "phone": self.company.phone} if "email" not in sent else {}
        return {name: str(known.get(name) or sent.get(name) or "") for name in ("name", "email", "phone")}

    def render_billing(self, own: dict[str, str]) -> str:
        """What the gateway's form begins with, as JSON: the payer's `own` address, else the one of the quote."""
        address = own or (self.details.get("billing") or {}).get("address")
        return json.dumps({"address": address} if address else {})

    @property
    def shown_mark(self) -> str:
        """What changes with whatever a page shows of it, where amounts alone do not tell; empty where they do."""
        return str(self.details.get("mark") or "")

    @property
    def restart_path(self) -> str:
        """Where the payer chooses anew when it cannot be paid as it is."""
        return str(self.details.get("restart_path") or self.done_path)

    def is_expired(self, now: datetime) -> bool:
        """Whether the deadline has passed."""
        return now >= self.expires_at


class PaymentLines(models.Model):
    """The lines of what a payment is for, in words, as its payer reads them: apart, since lists hold many payments."""

    payment = models.OneToOneField(Payment, on_delete=models.CASCADE, related_name="lines")
    rows = models.JSONField(help_text="description, quantity, unit_price, amount, tax, recurs")

    def __str__(self) -> str:
        return f"Lines of {self.payment}"
