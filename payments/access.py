"""Fetch payments, attempts and setups for those who may see them, and say who stands at a checkout."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from merchants.models import Merchant
from payers.models import PayerAccess, Registration
from payments.errors import VisitorChanged
from payments.models import Attempt, Payment, SavedMethod, Setup
from payments.saved_methods.choices import Person
from payments.states import LIVE_STATES
from wisepay.models import User

REGISTERING_KEY = "registering"  # the session's key: of a payment's reference, the registration that began there


VISITOR_SALT = "payments.access.visitor"
FROM_PORTAL_KEY = "paying_from_portal"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor who signed in (`user`, with their active `access` to the company, if any), or who is registering.

    Of somebody who is registering nothing is known but what they typed.
    """

    user: User | None = None
    access: PayerAccess | None = None
    registration: Registration | None = None
    is_removed: bool = False

    @property
    def is_signed_in(self) -> bool:
        """Whether they proved who they are."""
        return self.user is not None

    @property
    def has_account(self) -> bool:
        """Whether they may do what guests may not."""
        return self.build_person(ip="", user_agent="").has_account

    @property
    def name(self) -> str:
        """Their name, or else their address."""
        return str(self.user) if self.user else self.registration.name if self.registration else ""

    @property
    def email(self) -> str:
        """Their address, proved or typed."""
        return self.user.email if self.user else self.registration.email if self.registration else ""

    @property
    def phone(self) -> str:
        """Their phone, as they gave it."""
        if self.user is None:
            return self.registration.phone if self.registration else ""
        payer = getattr(self.user, "payer", None)
        return payer.phone if payer else ""

    @property
    def address(self) -> dict[str, str]:
        """The address of their own account; empty for somebody who only typed whose it is."""
        payer = getattr(self.user, "payer", None) if self.user else None
        return {name: value for name, value in (payer.address if payer else {}).items() if value}

    def build_person(self, *, ip: str, user_agent: str) -> Person:
        """Who pays, by what they are proved to be or typed when they registered, not by what a form says."""
        return Person(
            self.name,
            self.email,
            self.phone,
            ip=ip,
            user_agent=user_agent,
            access=self.access,
            user=self.user,
            registration=self.registration,
            is_removed=self.is_removed,
        )


def get_visitor(request: HttpRequest, payment: Payment) -> Visitor | None:
    """The visitor who signed in or is registering, or None for a guest."""
    if request.user.is_authenticated:
        user = request.user
        access = PayerAccess.objects.filter(user=user, company=payment.company).first()
        is_removed = access is not None and access.state == "removed"
        return Visitor(user, access if access and access.state == "active" else None, is_removed=is_removed)
    reference = request.session.get(REGISTERING_KEY, {}).get(payment.reference)
    rows = Registration.objects.filter(company=payment.company_id).exclude(state="rejected")
    registration = rows.filter(reference=reference).first() if reference else None
    return Visitor(registration=registration) if registration else None


def keep_registration_in_session(request: HttpRequest, payment: Payment, registration: Registration) -> None:
    """Let this browser pay as the one who just registered, for this payment only."""
    known = request.session.get(REGISTERING_KEY, {})
    request.session[REGISTERING_KEY] = {**known, payment.reference: registration.reference}


def get_visitor_mark(visitor: Visitor | None) -> str:
    """A mark of the visitor for a page's form, which tells one account from another and nothing about it.

    Everybody who registers has the same one, as their pages may tell nothing of what address they typed.
    """
    if visitor is None or visitor.user is None:
        return "registering" if visitor else "guest"
    return salted_hmac(VISITOR_SALT, str(visitor.user.pk), algorithm="sha256").hexdigest()


def check_visitor(visitor: Visitor | None, mark: str) -> None:
    """Check that the visitor is the one that the page was made for. Raises VisitorChanged. No mark is no page."""
    if not mark or constant_time_compare(mark, get_visitor_mark(visitor)):
        return
    if visitor is None:
        message = _("You are no longer signed in, so nothing was charged. Sign in again to go on paying.")
    else:
        message = _("Somebody signed in or out since this page was opened, so nothing was charged. Open it again.")
    raise VisitorChanged(message, is_signed_out=visitor is None)


def find_saved_method(payment: Payment, reference: str) -> SavedMethod | None:
    """A saved method of the payment's company; the service checks whether this visitor may use it."""
    rows = SavedMethod.objects.select_related("acceptance")
    return rows.filter(company=payment.company, reference=reference).first() if reference else None


def is_from_portal(request: HttpRequest, payment: Payment) -> bool:
    """Whether the payer came from the portal, which they go back to: for invoices always."""
    return not payment.is_quote or request.session.get(FROM_PORTAL_KEY) == payment.reference


def get_next_page(request: HttpRequest, payment: Payment) -> str:
    """Where the payer goes once it is paid: the portal's page that says so, or back to the quote.

    Whoever came by a PayNow Link stays on the payment's own page, where the receipt is.
    """
    if payment.is_from_link:
        return reverse("payments:pay", args=[payment.reference])
    if is_from_portal(request, payment) and request.user.is_authenticated:
        return reverse("payments:paid", args=[payment.reference])
    return payment.done_path


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
    """Build the filter for what was chosen to be paid and never attempted; lists leave it out."""
    tried = Exists(Attempt.objects.filter(payment=OuterRef("pk")))
    return Q(origin__in=[Payment.Origin.INVOICES, Payment.Origin.PREPAYMENT], state="open") & ~Q(tried)


def has_live_setup(payment: Payment) -> bool:
    """Whether a setup of this payment has not ended."""
    return payment.setups.filter(state__in=LIVE_STATES).exists()


def find_live_setup(payment: Payment) -> Setup | None:
    """Find the setup of this payment that has not ended."""
    return payment.setups.filter(state__in=LIVE_STATES).select_related("account", "payment__merchant").first()
