"""Fetch payments, attempts and setups for those who may see them, and say who stands at a checkout."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from merchants.models import Merchant
from payers.access import find_access
from payers.models import PayerAccess
from payers.registration import create_signed_in_access
from payments.models import Attempt, Payment, SavedMethod, Setup
from payments.states import LIVE_STATES
from wisepay.models import User

REGISTERING_KEY = "registering"  # the session's key: of a payment's reference, the access that waits for its mail
FROM_PORTAL_KEY = "paying_from_portal"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor with an account; `access` is None for a signed-in one who never paid for this company."""

    user: User
    access: PayerAccess | None
    is_signed_in: bool


def get_visitor(request: HttpRequest, payment: Payment) -> Visitor | None:
    """The visitor's account, or None for a guest."""
    if request.user.is_authenticated:
        user = request.user
        return Visitor(user, find_access(user, payment.company), is_signed_in=True)
    reference = request.session.get(REGISTERING_KEY, {}).get(payment.reference)
    rows = PayerAccess.objects.select_related("user").filter(company=payment.company).exclude(state="removed")
    access = rows.filter(reference=reference).first() if reference else None
    return Visitor(access.user, access, is_signed_in=False) if access else None


def start_registration(request: HttpRequest, payment: Payment, access: PayerAccess) -> None:
    """Let this browser pay as the person who just registered, for this payment only."""
    request.session[REGISTERING_KEY] = {**request.session.get(REGISTERING_KEY, {}), payment.reference: access.reference}


def get_or_create_access(visitor: Visitor, payment: Payment, *, now: datetime) -> PayerAccess:
    """The access that the visitor pays with; created when a signed-in one first pays for this company."""
    return visitor.access or create_signed_in_access(visitor.user, payment.company, now=now)


def find_saved_method(payment: Payment, reference: str) -> SavedMethod | None:
    """A saved method of the payment's company; the service checks whether this visitor may use it."""
    rows = SavedMethod.objects.select_related("acceptance")
    return rows.filter(company=payment.company, reference=reference).first() if reference else None


def get_next_page(request: HttpRequest, payment: Payment) -> str:
    """Where the payer goes once it is paid: the portal they came from, or back to the quote."""
    return "/my/" if request.session.get(FROM_PORTAL_KEY) == payment.reference else payment.done_path


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


def build_abandoned_filter() -> Q:
    """Build the filter for payments of invoices that were chosen and never attempted; lists leave them out."""
    tried = Exists(Attempt.objects.filter(payment=OuterRef("pk")))
    return Q(origin=Payment.Origin.INVOICES, state="open") & ~Q(tried)


def find_live_setup(payment: Payment) -> Setup | None:
    """Find the setup of this payment that has not ended."""
    return payment.setups.filter(state__in=LIVE_STATES).select_related("account", "payment__merchant").first()
