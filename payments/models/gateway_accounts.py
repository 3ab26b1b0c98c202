"""Gateway accounts of merchants and their customers there."""

from django.db import models

from merchants.models import Merchant
from payers.models import PayerCompany
from wisepay import clock
from wisepay.secrets import SecretField


class GatewayAccount(models.Model):
    """One mode (test or live) of a merchant's account at the payment gateway, whose ids mean nothing elsewhere.

    Account and mode of a row never change (a trigger holds that): other keys are another row, so that customers, saved
    methods, attempts, setups, refunds, disputes and cursors keep the account that knows them. `current_of` is set on
    the one that takes payments; one that was `replaced_at` is still asked about what is undecided there.
    """

    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="gateway_accounts")
    current_of = models.OneToOneField(Merchant, on_delete=models.CASCADE, null=True, related_name="gateway_account")
    stripe_account_id = models.CharField(max_length=60)
    is_live = models.BooleanField(default=False, help_text="Whether real money moves.")
    publishable_key = models.CharField(max_length=255)
    secret_key = SecretField(row=("merchant_id", "stripe_account_id", "is_live"))
    webhook_secret = SecretField(row=("merchant_id", "stripe_account_id", "is_live"))
    webhook_endpoint_id = models.CharField(
        max_length=255, blank=True, help_text="The endpoint that we made; empty for one that the merchant made."
    )
    takes_bank_debits = models.BooleanField(default=False, help_text="Whether payers may pay by bank debit.")
    verified_at = models.DateTimeField(null=True)
    webhook_received_at = models.DateTimeField(null=True, help_text="When an event with the right signature came last.")
    silence_reason = models.CharField(max_length=300, blank=True, help_text="Why events don't come; empty if they do.")
    replaced_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "stripe_account_id", "is_live"], name="one_row_per_account_and_mode"
            ),
            models.CheckConstraint(
                condition=models.Q(current_of=None) | models.Q(current_of=models.F("merchant"), replaced_at=None),
                name="current_account_is_its_merchants",
            ),
        ]

    def __str__(self) -> str:
        return f"Stripe account of {self.merchant}"

    @classmethod
    def find_current(cls, merchant: Merchant) -> "GatewayAccount | None":
        """Find the account that takes the merchant's payments; it may have others, which it left."""
        return cls.objects.filter(current_of=merchant).first()

    @property
    def is_current(self) -> bool:
        """Whether it takes the merchant's payments."""
        return self.current_of_id is not None

    @property
    def mode(self) -> str:
        """Which of its two halves this is: test or live."""
        return "live" if self.is_live else "test"

    @property
    def label(self) -> str:
        """Account and mode as people name them: `acct_123, test keys`."""
        return f"{self.stripe_account_id}, {self.mode} keys"


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
