"""Who may see which payment: the payer by its reference, the merchant's people by theirs."""

from django.db import models
from django.http import Http404

from merchants.models import Merchant
from payments.models import Attempt, Payment


def payment_by_reference(reference: str) -> Payment:
    """The payment of a Pay Now link; the reference is the key to it. Raises Http404."""
    return _one(Payment.objects.select_related("merchant__gateway_account", "company").filter(reference=reference))


def attempt_of(payment: Payment, reference: str) -> Attempt:
    """An attempt of this payment and of no other. Raises Http404."""
    found = payment.attempts.select_related("payment__merchant", "account").filter(reference=reference).first()
    if found is None:
        raise Http404
    return found


def payment_of(merchant: Merchant, reference: str) -> Payment:
    """A payment of this merchant. Raises Http404."""
    return _one(Payment.objects.select_related("merchant", "company").filter(merchant=merchant, reference=reference))


def _one(rows: models.QuerySet[Payment]) -> Payment:
    try:
        return rows.get()
    except Payment.DoesNotExist:
        raise Http404 from None
