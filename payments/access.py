"""Fetch payments, attempts and setups for those who may see them."""

from django.db.models import Exists, OuterRef, Q
from django.shortcuts import get_object_or_404

from merchants.models import Merchant
from payments.models import Attempt, Payment, Setup


def get_payment_by_reference(reference: str) -> Payment:
    """Return the payment of a Pay Now link; whoever has the reference may see it. Raises Http404."""
    return get_object_or_404(
        Payment.objects.select_related("merchant__gateway_account", "company"), reference=reference
    )


def get_payment_attempt(payment: Payment, reference: str) -> Attempt:
    """Return an attempt of this payment and of no other. Raises Http404."""
    return get_object_or_404(payment.attempts.select_related("payment__merchant", "account"), reference=reference)


def get_payment_setup(payment: Payment, reference: str) -> Setup:
    """Return a setup of this payment and of no other. Raises Http404."""
    setups = payment.setups.select_related("payment__merchant", "company__merchant", "account")
    return get_object_or_404(setups, reference=reference)


def get_merchant_payment(merchant: Merchant, reference: str) -> Payment:
    """Return a payment of this merchant. Raises Http404."""
    payments = Payment.objects.select_related("merchant", "company", "saved_method")
    return get_object_or_404(payments, merchant=merchant, reference=reference)


def list_attempts(payment: Payment) -> list[Attempt]:
    """List every attempt, the newest first."""
    return list(payment.attempts.order_by("-pk"))


def build_abandoned_filter() -> Q:
    """Build the filter for payments of invoices that were chosen and never attempted; lists leave them out."""
    tried = Exists(Attempt.objects.filter(payment=OuterRef("pk")))
    return Q(origin=Payment.Origin.INVOICES, state="open") & ~Q(tried)
