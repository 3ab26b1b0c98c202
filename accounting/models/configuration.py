"""The ledger's accounts, items and tax codes to choose from."""

from django.db import models

from merchants.models import Merchant


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
