"""Who visits a Pay Now page: somebody signed in, somebody registering, or a guest."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from payers.access import find_access
from payers.models import PayerAccess
from payers.registration import create_signed_in_access
from payments.models import Payment, SavedMethod
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
