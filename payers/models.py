"""Tables of the payers floor."""

from django.db import models
from django.utils import timezone

from merchants.models import Merchant
from wisepay.references import new_reference


class PayerCompany(models.Model):
    """A client company of a merchant. `contact_id` in `organisation_id` is its accounting contact, once known."""

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    merchant = models.ForeignKey(Merchant, on_delete=models.CASCADE, related_name="payer_companies")
    name = models.CharField(max_length=200)
    folded_name = models.CharField(max_length=200, editable=False)
    email = models.EmailField(max_length=254, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    organisation_id = models.CharField(max_length=60, blank=True)
    contact_id = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "payer companies"
        constraints = [
            models.UniqueConstraint(fields=["merchant", "folded_name"], name="one_company_per_name"),
            models.UniqueConstraint(
                fields=["merchant", "organisation_id", "contact_id"],
                condition=~models.Q(contact_id=""),
                name="one_company_per_contact",
            ),
        ]

    def __str__(self) -> str:
        return self.name


def folded(name: str) -> str:
    """`name` as the accounting packages compare it: without regard to case and spacing."""
    return " ".join(name.split()).casefold()[:200]
