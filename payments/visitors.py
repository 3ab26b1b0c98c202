"""Who stands in front of a Pay Now page: signed in, registering, or a guest."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from payers.access import access_to
from payers.models import PayerAccess
from payers.registration import enter_signed_in
from payments.models import Payment, SavedMethod
from wisepay.models import User

REGISTERING = "registering"  # the session's key: of a payment's reference, the access that waits for its mail
FROM_PORTAL = "paying_from_portal"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor with an account; `access` is None for a signed-in one who never paid for this company."""

    user: User
    access: PayerAccess | None
    is_signed_in: bool


def visitor_of(request: HttpRequest, payment: Payment) -> Visitor | None:
    """The visitor's account, or None for a guest."""
    if request.user.is_authenticated:
        user = request.user
        return Visitor(user, access_to(user, payment.company), is_signed_in=True)
    reference = request.session.get(REGISTERING, {}).get(payment.reference)
    rows = PayerAccess.objects.select_related("user").filter(company=payment.company).exclude(state="removed")
    access = rows.filter(reference=reference).first() if reference else None
    return Visitor(access.user, access, is_signed_in=False) if access else None


def begin_registering(request: HttpRequest, payment: Payment, access: PayerAccess) -> None:
    """This browser pays as the one who just registered; for this payment only."""
    request.session[REGISTERING] = {**request.session.get(REGISTERING, {}), payment.reference: access.reference}


def acting_access(visitor: Visitor, payment: Payment, *, now: datetime) -> PayerAccess:
    """The access that the visitor pays with, made for one who is signed in and pays for this company first."""
    return visitor.access or enter_signed_in(visitor.user, payment.company, now=now)


def kept_method(payment: Payment, reference: str) -> SavedMethod | None:
    """A kept method of the payment's company; whether this visitor may use it is for the service to say."""
    rows = SavedMethod.objects.select_related("acceptance")
    return rows.filter(company=payment.company, reference=reference).first() if reference else None


def next_page(request: HttpRequest, payment: Payment) -> str:
    """Where the payer goes when it is over: the portal they came from, or straight back to the quote."""
    return "/my/" if request.session.get(FROM_PORTAL) == payment.reference else payment.done_path
