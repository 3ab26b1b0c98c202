"""The merchant at the gateway, its payers there, and the methods that it keeps for them."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from merchants.models import Merchant
from payers.models import PayerCompany, TermsAcceptance
from payments.states import METHOD_TRANSITIONS
from wisepay.models import User
from wisepay.references import new_reference
from wisepay.secrets import SecretField
from wisepay.states import Stateful, known_state


class GatewayAccount(models.Model):
    """A merchant's account at the payment gateway."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="gateway_account")
    stripe_account_id = models.CharField(max_length=60)
    publishable_key = models.CharField(max_length=255)
    secret_key = SecretField()
    webhook_secret = SecretField()
    takes_bank_debits = models.BooleanField(default=False, help_text="Whether payers may pay by bank debit.")
    verified_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Stripe account of {self.merchant}"

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return "_live_" in self.publishable_key


class GatewayCustomer(models.Model):
    """A payer company as the gateway knows it; without an id while the gateway has not answered."""

    account = models.ForeignKey(GatewayAccount, on_delete=models.CASCADE, related_name="customers")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="gateway_customers")
    stripe_customer_id = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "company"], name="one_customer_per_company")]

    def __str__(self) -> str:
        return self.stripe_customer_id or f"{self.company} (not at the gateway yet)"


class SavedMethod(Stateful):
    """A card or bank account that the gateway keeps for a company. `invalid`: the gateway takes it no more.

    `owner` saved it; with `is_shared` everybody with access to the whole company may pay with it.
    """

    TRANSITIONS = METHOD_TRANSITIONS

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, related_name="saved_methods")
    company = models.ForeignKey(PayerCompany, on_delete=models.PROTECT, related_name="saved_methods")
    owner = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="saved_methods")
    is_shared = models.BooleanField(default=False)
    is_default = models.BooleanField(default=False)
    stripe_customer_id = models.CharField(max_length=255)
    stripe_payment_method_id = models.CharField(max_length=255)
    stripe_mandate_id = models.CharField(max_length=255, blank=True)
    acceptance = models.ForeignKey(TermsAcceptance, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=20, help_text="As the gateway calls it: card, us_bank_account, ...")
    brand = models.CharField(max_length=60, blank=True, help_text="The card's brand or the bank's name.")
    last4 = models.CharField(max_length=4, blank=True)
    expires_on = models.DateField(null=True, help_text="The last day of a card's month.")
    last_used_at = models.DateTimeField(null=True)
    last_failure = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            known_state(METHOD_TRANSITIONS, name="saved_method_state"),
            models.UniqueConstraint(fields=["account", "stripe_payment_method_id"], name="one_row_per_method"),
            models.UniqueConstraint(
                fields=["company"],
                condition=models.Q(is_default=True, state="active"),
                name="one_default_method_per_company",
            ),
        ]

    def __str__(self) -> str:
        return described_method(self.kind, self.brand, self.last4)

    @property
    def is_card(self) -> bool:
        """Whether it is a card; everything else is a bank debit."""
        return self.kind == "card"

    @property
    def is_expired(self) -> bool:
        """Whether a card's last day has passed everywhere."""
        return self.expires_on is not None and self.expires_on < timezone.now().date() - timedelta(days=1)


def described_method(kind: str, brand: str, last4: str) -> str:
    """A method as a person knows it: "Visa ···· 4242", "Stripe Test Bank ···· 6789"."""
    fallback = "Card" if kind in ("", "card") else "Bank account"
    name = (brand.replace("_", " ").title() if kind in ("", "card") else brand) or fallback
    return f"{name} ···· {last4}" if last4 else ""
