"""Gateway accounts of merchants and their customers there."""

from django.db import models

from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import clock
from wisepay.secrets import SecretField


class GatewayAccount(models.Model):
    """A merchant's account at the payment gateway."""

    merchant = models.OneToOneField(Merchant, on_delete=models.CASCADE, related_name="gateway_account")
    stripe_account_id = models.CharField(max_length=60)
    publishable_key = models.CharField(max_length=255)
    secret_key = SecretField(row=("merchant_id",))
    webhook_secret = SecretField(row=("merchant_id",))
    takes_bank_debits = models.BooleanField(default=False, help_text="Whether payers may pay by bank debit.")
    verified_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return f"Stripe account of {self.merchant}"

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return "_live_" in self.publishable_key


class GatewayCustomer(models.Model):
    """A payer company as the gateway knows it; without an id while the gateway has not answered.

    What the request says is kept with its number, so that sending it again after a lost answer is the same request
    even when the company has another name or e-mail by then.
    """

    account = models.ForeignKey(GatewayAccount, on_delete=models.CASCADE, related_name="customers")
    company = models.ForeignKey(PayerCompany, on_delete=models.CASCADE, related_name="gateway_customers")
    stripe_customer_id = models.CharField(max_length=255, blank=True)
    number = models.PositiveSmallIntegerField(default=0, help_text="Which request; one more when a new one is needed.")
    requested_name = models.CharField(max_length=200, blank=True)
    requested_email = models.CharField(max_length=254, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "company"], name="one_customer_per_company")]

    def __str__(self) -> str:
        return self.stripe_customer_id or f"{self.company} (not at the gateway yet)"

    @property
    def idempotency_key(self) -> str:
        """The key of the request that creates it."""
        return f"customer-{self.account_id}-{self.company.reference}" + (f"-{self.number}" if self.number else "")
