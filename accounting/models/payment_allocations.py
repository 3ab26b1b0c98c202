"""Which invoices a payment is for."""

from django.db import models

from accounting.models.mirror import LedgerInvoice
from payments.models import Payment
from wisepay import clock
from wisepay.models import User
from wisepay.money import Money


class PaymentAllocation(models.Model):
    """The part of a payment that is for one invoice. Amounts are minor units of the payment's currency.

    `confirmed_by` agreed to pay it although something else may pay it too (an open credit, a processing debit, a
    scheduled payment), as `warning` says. `outcome` is set where a person decided what becomes of it because the
    invoice did not take its payment.
    """

    class Outcome(models.TextChoices):
        INVOICE = "", "Put to the invoice"
        CREDIT = "credit", "Left as credit"
        BY_HAND = "by_hand", "Booked by hand"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(LedgerInvoice, on_delete=models.PROTECT, related_name="allocations")
    amount = models.BigIntegerField()
    warning = models.CharField(max_length=300, blank=True)
    confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.INVOICE, blank=True)
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["payment", "invoice"], name="one_allocation_per_invoice"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="allocation_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(outcome__in=["", "credit", "by_hand"]), name="allocation_outcome"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.money} for {self.invoice}"

    @property
    def money(self) -> Money:
        """How much of the payment it is."""
        return Money(self.amount, self.payment.currency)
