"""Fetch payments, attempts and setups for those who may see them."""

from django.db.models import Exists, OuterRef, Q
from django.http import Http404

from merchants.models import Merchant
from payments.models import Attempt, Payment, Setup
from wisepay.statements import Statement

BY_REFERENCE = Statement(
    lambda mark: Payment.objects.select_related("merchant__gateway_account", "company").filter(reference=mark),
    mark="the-reference",
)
ATTEMPTS = Statement(lambda mark: Attempt.objects.filter(payment_id=mark).order_by("-pk"), mark=-404)


def get_payment_by_reference(reference: str) -> Payment:
    """Return the payment of a Pay Now link; whoever has the reference may see it. Raises Http404."""
    return _only(BY_REFERENCE(reference))


def get_payment_attempt(payment: Payment, reference: str) -> Attempt:
    """Return an attempt of this payment and of no other. Raises Http404."""
    found = payment.attempts.select_related("payment__merchant", "account").filter(reference=reference).first()
    if found is None:
        raise Http404
    return found


def get_payment_setup(payment: Payment, reference: str) -> Setup:
    """Return a setup of this payment and of no other. Raises Http404."""
    found = payment.setups.select_related("payment__merchant", "company__merchant", "account")
    setup = found.filter(reference=reference).first()
    if setup is None:
        raise Http404
    return setup


def get_merchant_payment(merchant: Merchant, reference: str) -> Payment:
    """Return a payment of this merchant. Raises Http404."""
    rows = Payment.objects.select_related("merchant", "company", "saved_method")
    return _only(list(rows.filter(merchant=merchant, reference=reference)))


def list_attempts(payment: Payment) -> list[Attempt]:
    """List every attempt, the newest first."""
    attempts = ATTEMPTS(payment.pk)
    for attempt in attempts:
        attempt.payment = payment
    return attempts


def _only(rows: list[Payment]) -> Payment:
    if not rows:
        raise Http404
    return rows[0]


def build_abandoned_filter() -> Q:
    """Build the filter for payments of invoices that were chosen and never attempted; lists leave them out."""
    tried = Exists(Attempt.objects.filter(payment=OuterRef("pk")))
    return Q(origin=Payment.Origin.INVOICES, state="open") & ~Q(tried)
