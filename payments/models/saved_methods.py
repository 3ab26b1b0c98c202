"""Saved payment methods."""

from datetime import timedelta

from django.db import models

from payers.models import PayerCompany, TermsAcceptance
from payments.models.gateway_accounts import GatewayAccount
from payments.states import METHOD_TRANSITIONS
from wisepay import clock
from wisepay.addresses import new_reference
from wisepay.models import User
from wisepay.states import Stateful, build_state_constraint


class SavedMethod(Stateful):
    """A card or bank account that is saved at the gateway for a company. `invalid`: it can't be charged any more.

    `owner` saved it; with `is_shared` everybody with access to the whole company may pay with it.
    """

    TRANSITIONS = METHOD_TRANSITIONS
    EXPIRY_WARNING = timedelta(days=60)  # people are warned of a card that expires within this time

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
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            build_state_constraint(METHOD_TRANSITIONS, name="saved_method_state"),
            models.UniqueConstraint(fields=["account", "stripe_payment_method_id"], name="one_row_per_method"),
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
