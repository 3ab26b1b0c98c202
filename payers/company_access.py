"""Who may see a payer company: register while paying, invite, open after a payment, change, remove."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django_subatomic.db import savepoint, transaction, transaction_required

from merchants.models import Membership, Merchant
from payers.company_emails import enqueue_company_emails
from payers.invitations import TooManyMails, close_invitations, send_invitation
from payers.models import Payer, PayerAccess, PayerCompany, Registration
from wisepay.accounts.sessions import end_sessions_without_access
from wisepay.audit import record_audit_entry
from wisepay.budgets import Budget, spend
from wisepay.models import User

AccessOrigin, AccessScope = PayerAccess.Origin, PayerAccess.Scope


class StaffMayNotPay(Exception):
    """Who works for a merchant can't be a payer of its clients: they could charge what those saved."""

    def __init__(self, merchant: Merchant) -> None:
        super().__init__(
            _("Somebody who works at %(merchant)s can't be a payer of its clients.") % {"merchant": merchant.name}
        )


def open_registration(registration: Registration, *, now: datetime) -> None:
    """Ask the owner of a registration's address, by mail, whether it was them; their access waits for the answer.

    An access that is active or was removed stays as it is, and nobody who works for the merchant gets one.
    The same again sends no second mail.
    """
    with transaction():
        locked = registration.lock()
        if locked.user_id is not None:
            return
        user = _get_or_create_user(locked.email)
        _get_or_create_payer(user, now=now)
        Registration.objects.filter(pk=locked.pk).update(user=user)
        if is_staff_of(user, locked.company.merchant_id):
            return
        access = _get_or_create_access(
            user,
            locked.company,
            scope=get_initial_scope(locked.email, locked.company),
            origin=AccessOrigin.REGISTERED,
            now=now,
            typed=TypedDetails(locked.name, locked.phone),
        )
        if access.state == "removed":
            return
        # How often an address was written to is told nobody; the links mailed before still work.
        with suppress(TooManyMails):
            send_invitation(access, now=now, next_path=locked.next_path)


def create_invited_access(
    merchant: Merchant, *, company: PayerCompany, email: str, name: str, by: User, now: datetime
) -> PayerAccess:
    """Invite a person to see a whole company, once they follow the mail.

    An existing access is widened to the whole company, and a removed one waits for the person again.
    Raises ValueError for another merchant's company, StaffMayNotPay for the address of somebody who works for the
    merchant, TooManyMails when the person was mailed too often; then nothing is stored.
    """
    if company.merchant_id != merchant.pk:
        raise ValueError("this company is another merchant's")
    wait = spend(Budget.INVITATIONS_OF_PERSON, by.pk, now=now)
    if wait:
        raise TooManyMails(wait, _("You have invited many people in the last hour. Please wait before you go on."))
    with transaction():
        user = _get_or_create_user(email)
        if is_staff_of(user, merchant.pk):
            raise StaffMayNotPay(merchant)
        _get_or_create_payer(user, now=now)
        access = _get_or_create_access(
            user,
            company,
            scope=AccessScope.COMPANY,
            origin=AccessOrigin.INVITED,
            now=now,
            typed=TypedDetails(name, ""),
            invited_by=by,
        )
        if access.state == "removed":
            access.move_locked_to("pending", now=now, by=str(by), origin=AccessOrigin.INVITED, invited_by=by)
        if access.state == "pending":
            typed_name = " ".join(name.split())[:120] or access.typed_name
            PayerAccess.objects.filter(pk=access.pk).update(typed_name=typed_name)
            access.typed_name = typed_name
        if access.scope != AccessScope.COMPANY:
            _widen(access, now=now)
        if access.state == "pending":
            send_invitation(access, now=now)
    return access


@transaction_required
def open_access_after_payment(user: User, company: PayerCompany, *, now: datetime) -> PayerAccess | None:
    """Give a signed-in person whose payment for this company succeeded access to it, without a mail.

    Their own payments only, unless the company's e-mail address is theirs. An existing access stays as it is; one
    that was removed stays removed, and who works for the merchant gets none: both None.
    """
    if is_staff_of(user, company.merchant_id):
        return None
    _get_or_create_payer(user, now=now)
    access = _get_or_create_access(
        user, company, scope=get_initial_scope(user.email, company), origin=AccessOrigin.SIGNED_IN, now=now
    )
    if access.state == "removed":
        return None
    if activate_access(access, by=str(user), reason="paid while signed in", now=now):
        close_invitations(access, now=now, used=True)
        record_audit_entry(
            "payer.access_opened",
            merchant_id=company.merchant_id,
            user=user,
            ip=None,
            subject=user.email,
            detail=f"{company}: {access.get_scope_display()}, paid while signed in",
        )
    return access


@transaction_required
def activate_access(access: PayerAccess, *, by: str, reason: str, now: datetime) -> bool:
    """Open an access that the caller holds locked, and tell the company's people. False when it was open."""
    moved = access.move_locked_to("active", now=now, by=by, reason=reason)
    if moved:
        enqueue_company_emails(
            access.company_id,
            "payers.email_new_person",
            key=f"access:{access.pk}:{now.timestamp():.0f}",
            but=access.user_id,
            access_id=access.pk,
        )
    return moved


def is_staff_of(user: User, merchant_id: int) -> bool:
    """Whether the person works for the merchant."""
    return Membership.objects.filter(user=user, merchant=merchant_id).exists()


@transaction_required
def remove_access(access: PayerAccess, *, by: User, now: datetime) -> bool:
    """Remove the access and close its invitations. False when it was removed before.

    The caller checks first, in the same transaction, whether something forbids it.
    """
    locked = access.lock()
    moved = locked.move_locked_to("removed", now=now, by=str(by))
    close_invitations(locked, now=now)
    end_sessions_without_access(locked.user)
    return moved


def update_access_scope(access: PayerAccess, *, scope: str, by: User, now: datetime) -> None:
    """Set whether the person sees the whole company or own payments only. Raises ValueError for an unknown scope."""
    if scope not in AccessScope.values:
        raise ValueError(f"no scope {scope!r}")
    with transaction():
        locked = access.lock()
        if scope == AccessScope.COMPANY != locked.scope:
            _widen(locked, now=now)
        PayerAccess.objects.filter(pk=locked.pk).update(scope=scope)
    access.scope = scope


@transaction_required
def _widen(access: PayerAccess, *, now: datetime) -> None:
    """Let the person see the whole company; its people are told, as of a new person."""
    PayerAccess.objects.filter(pk=access.pk).update(scope=AccessScope.COMPANY)
    access.scope = AccessScope.COMPANY
    if access.state == "active":
        enqueue_company_emails(
            access.company_id,
            "payers.email_new_person",
            key=f"access:{access.pk}:wide:{now.timestamp():.0f}",
            but=access.user_id,
            access_id=access.pk,
        )


def get_initial_scope(email: str, company: PayerCompany) -> str:
    """The whole company for the one whose address it gave; own payments for everybody else."""
    is_theirs = bool(company.email) and company.email.strip().lower() == email.strip().lower()
    return AccessScope.COMPANY if is_theirs else AccessScope.OWN


@dataclass(frozen=True, slots=True)
class TypedDetails:
    """What somebody typed about the person whose access they ask for."""

    name: str = ""
    phone: str = ""


def _get_or_create_user(email: str) -> User:
    """The user of that address, created without a password and without a name if needed."""
    address = email.strip().lower()
    by_email = User.objects.alias(folded=Lower("email"))
    found = by_email.filter(folded=address).first()
    if found is not None:
        return found
    try:
        with savepoint():
            return User.objects.create_user(address, None)
    except IntegrityError:
        return by_email.get(folded=address)


def _get_or_create_payer(user: User, *, now: datetime) -> Payer:
    """The payer of the user, created if needed."""
    fresh = {"state": "invited", "state_at": now, "created_at": now}
    return Payer.objects.get_or_create(user=user, defaults=fresh)[0]


@transaction_required
def _get_or_create_access(
    user: User,
    company: PayerCompany,
    *,
    scope: str,
    origin: str,
    now: datetime,
    typed: TypedDetails = TypedDetails(),
    invited_by: User | None = None,
) -> PayerAccess:
    """The access, locked: pending when it is new, else unchanged."""
    fresh = {
        "scope": scope,
        "origin": origin,
        "invited_by": invited_by,
        "created_at": now,
        "typed_name": " ".join(typed.name.split())[:120],
        "typed_phone": typed.phone[:40],
    }
    found, _is_new = PayerAccess.objects.get_or_create(
        user=user, company=company, defaults=fresh | {"state": "pending", "state_at": now}
    )
    locked = found.lock()
    locked.user, locked.company = user, company
    return locked
