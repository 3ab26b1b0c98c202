"""Who may see a payer company: register while paying, invite, add a signed-in payer, change, remove."""

from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.db.models.functions import Lower
from django_subatomic.db import savepoint, transaction, transaction_required

from merchants.models import Merchant, Terms
from payers.invitations import TooManyMails, close_invitations, send_invitation
from payers.models import Payer, PayerAccess, PayerCompany
from payers.terms import RequestSource, record_acceptance
from wisepay.models import User

AccessOrigin, AccessScope = PayerAccess.Origin, PayerAccess.Scope


@dataclass(frozen=True, slots=True)
class CheckoutAcceptance:
    """A tick at "I agree to the terms" in the checkout: of which text, and from where."""

    terms: Terms
    source: RequestSource


def create_checkout_access(
    company: PayerCompany,
    *,
    email: str,
    name: str,
    phone: str = "",
    acceptance: CheckoutAcceptance,
    next_path: str,
    now: datetime,
) -> PayerAccess:
    """Create the access of somebody who asks for an account while paying; a mail to `email` asks whether it was them.

    The access waits for that answer, or is the existing one. An address that has an account is treated alike,
    so tell the browser the same whatever comes back. The same again within minutes sends no second mail.
    """
    with transaction():
        user = _get_or_create_user(email, name=name)
        _get_or_create_payer(user, phone=phone, now=now)
        access = _get_or_create_access(
            user,
            company,
            scope=get_initial_scope(email, company),
            origin=AccessOrigin.REGISTERED,
            now=now,
            by="checkout",
        )
        record_acceptance(
            company, terms=acceptance.terms, user=None, email=user.email, source=acceptance.source, now=now
        )
        try:
            send_invitation(access, now=now, next_path=next_path)
        except TooManyMails:
            # The page must not tell how often this address was written to; the links mailed before still work.
            return access
    return access


def create_invited_access(
    merchant: Merchant, *, company: PayerCompany, email: str, name: str, by: User, now: datetime
) -> PayerAccess:
    """Invite a person to see a whole company, once they follow the mail.

    An existing access is widened to the whole company. Raises ValueError for another merchant's company,
    TooManyMails when the person was mailed too often; then nothing is stored.
    """
    if company.merchant_id != merchant.pk:
        raise ValueError("this company is another merchant's")
    with transaction():
        user = _get_or_create_user(email, name=name)
        _get_or_create_payer(user, phone="", now=now)
        access = _get_or_create_access(
            user, company, scope=AccessScope.COMPANY, origin=AccessOrigin.INVITED, now=now, by=str(by), invited_by=by
        )
        if access.scope != AccessScope.COMPANY:
            PayerAccess.objects.filter(pk=access.pk).update(scope=AccessScope.COMPANY)
            access.scope = AccessScope.COMPANY
        if access.state == "pending":
            send_invitation(access, now=now)
    return access


def create_signed_in_access(user: User, company: PayerCompany, *, now: datetime) -> PayerAccess:
    """Give a signed-in person who pays for this company access to it, without a mail.

    Their own payments only, unless the company's e-mail address is theirs. An existing access stays as it is.
    """
    with transaction():
        _get_or_create_payer(user, phone="", now=now)
        access = _get_or_create_access(
            user,
            company,
            scope=get_initial_scope(user.email, company),
            origin=AccessOrigin.SIGNED_IN,
            now=now,
            by=str(user),
        )
        if access.move_locked_to("active", now=now, by=str(user), reason="paid while signed in"):
            close_invitations(access, now=now, used=True)
    return access


@transaction_required
def remove_access(access: PayerAccess, *, by: User, now: datetime) -> bool:
    """Remove the access and close its invitations. False when it was removed before.

    The caller checks first, in the same transaction, whether something forbids it.
    """
    locked = access.lock()
    moved = locked.move_locked_to("removed", now=now, by=str(by))
    close_invitations(locked, now=now)
    return moved


def update_access_scope(access: PayerAccess, *, scope: str, by: User, now: datetime) -> None:
    """Set whether the person sees the whole company or own payments only. Raises ValueError for an unknown scope."""
    if scope not in AccessScope.values:
        raise ValueError(f"no scope {scope!r}")
    with transaction():
        PayerAccess.objects.filter(pk=access.lock().pk).update(scope=scope)
    access.scope = scope


def get_initial_scope(email: str, company: PayerCompany) -> str:
    """The whole company for the one whose address it gave; own payments for everybody else."""
    is_theirs = bool(company.email) and company.email.strip().lower() == email.strip().lower()
    return AccessScope.COMPANY if is_theirs else AccessScope.OWN


def _get_or_create_user(email: str, *, name: str) -> User:
    """The user of that address, created without a password if needed."""
    address = email.strip().lower()
    by_email = User.objects.alias(folded=Lower("email"))
    found = by_email.filter(folded=address).first()
    if found is not None:
        return found
    try:
        with savepoint():
            return User.objects.create_user(address, None, name=" ".join(name.split())[:120])
    except IntegrityError:
        return by_email.get(folded=address)


def _get_or_create_payer(user: User, *, phone: str, now: datetime) -> Payer:
    """The payer of the user, created if needed."""
    fresh = {"state": "invited", "state_at": now, "created_at": now, "phone": phone[:40]}
    return Payer.objects.get_or_create(user=user, defaults=fresh)[0]


@transaction_required
def _get_or_create_access(
    user: User,
    company: PayerCompany,
    *,
    scope: str,
    origin: str,
    now: datetime,
    by: str,
    invited_by: User | None = None,
) -> PayerAccess:
    """The access, locked: pending when it is new or was removed before, else unchanged."""
    fresh = {"scope": scope, "origin": origin, "invited_by": invited_by, "created_at": now}
    found, is_new = PayerAccess.objects.get_or_create(
        user=user, company=company, defaults=fresh | {"state": "pending", "state_at": now}
    )
    locked = found.lock()
    if not is_new and locked.state == "removed":
        locked.move_locked_to("pending", now=now, by=by, scope=scope, origin=origin, invited_by=invited_by)
    locked.user, locked.company = user, company
    return locked
