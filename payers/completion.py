"""How an invited person completes their registration: a password, their details, the terms."""

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django_subatomic.db import transaction, transaction_if_not_already, transaction_required

from merchants.models import EventNotification, Merchant, Terms
from merchants.services import notify_merchant
from merchants.terms.services import get_current_terms
from payers.company_access import activate_access, is_staff_of
from payers.invitations import close_invitations
from payers.models import Invitation, Payer, PayerAccess
from payers.terms import RequestSource, record_acceptance
from wisepay import outbox
from wisepay.accounts.services import sync_email_address
from wisepay.models import User


class PasswordAlreadySet(Exception):
    """This person has a password already; they sign in with it."""


class NothingToComplete(Exception):
    """The invitation was used, replaced or removed meanwhile."""


class TermsChanged(Exception):
    """The merchant published other terms than the ones that were shown."""


@dataclass(frozen=True, slots=True)
class PayerDetails:
    """What a payer says of themselves; `address` holds line1, line2, city, state, postal_code, country."""

    name: str
    phone: str
    job_title: str
    address: dict[str, str]


def create_password(invitation: Invitation, *, password: str, now: datetime) -> None:
    """The invited person's first password. Raises PasswordAlreadySet, NothingToComplete."""
    with transaction():
        user = User.objects.select_for_update().get(pk=invitation.access.user_id)
        if not Invitation.objects.get(pk=invitation.pk).is_open(now):
            raise NothingToComplete
        if user.has_usable_password():
            raise PasswordAlreadySet
        user.set_password(password)
        user.save(update_fields=["password"])


def list_accesses_to_confirm(user: User, invitation: Invitation | None) -> list[PayerAccess]:
    """The accesses that the person is about to confirm: the invitation's, or without one every pending one.

    For a payer who is not registered also what is active already, because its terms were not accepted yet.
    """
    rows = PayerAccess.objects.filter(user=user).select_related("company__merchant")
    is_invited = Payer.objects.filter(user=user, state="invited").exists()
    pending = rows.filter(state="pending")
    if invitation is not None:
        pending = pending.filter(pk=invitation.access_id)
    active = rows.filter(state="active") if is_invited else rows.none()
    return sorted({*pending, *active}, key=lambda access: access.pk)


def list_user_account_terms(accesses: list[PayerAccess]) -> list[Terms]:
    """The User Account terms of each merchant among the accesses, the newest of each."""
    merchants = {access.company.merchant_id: access.company.merchant for access in accesses}
    return [get_current_terms(merchant, Terms.Kind.USER_ACCOUNT) for merchant in merchants.values()]


def complete_registration(
    user: User,
    *,
    accesses: list[PayerAccess],
    seen_terms: set[int],
    details: PayerDetails | None,
    source: RequestSource,
    now: datetime,
) -> list[PayerAccess]:
    """Register the payer, activate the accesses, and record the acceptance of their terms. Idempotent.

    Answers the accesses that became active; `details` None leaves those on record.
    Raises TermsChanged unless `seen_terms` (ids) are the ones that stand.
    """
    with transaction():
        terms = list_user_account_terms(accesses)
        if {one.pk for one in terms} != seen_terms:
            raise TermsChanged
        payer = Payer.objects.get(user=user).lock()
        if details is not None:
            save_details(payer, user, details)
        payer.move_locked_to("registered", now=now, by=str(user))
        sync_email_address(user, verified=True)
        by_merchant = {one.merchant_id: one for one in terms}
        return [
            access
            for access in accesses
            if _complete_access(access, user, by_merchant[access.company.merchant_id], source, now=now)
        ]


@transaction_required
def _complete_access(access: PayerAccess, user: User, terms: Terms, source: RequestSource, *, now: datetime) -> bool:
    """Activate one access and record the acceptance of its terms; True when it became active now."""
    locked = access.lock()
    if locked.state == "removed" or is_staff_of(user, access.company.merchant_id):
        return False
    record_acceptance(access.company, terms=terms, user=user, email=user.email, source=source, now=now)
    close_invitations(locked, now=now, used=True)
    locked.company, locked.user = access.company, user
    moved = activate_access(locked, by=str(user), reason="confirmed by mail", now=now)
    if moved:
        outbox.enqueue(f"access:{access.pk}:{now.timestamp():.0f}", "payers.email_access", access_id=access.pk)
        notify_registration(access.company.merchant, access, user, now=now)
    access.state = locked.state
    return moved


@transaction_required
def notify_registration(merchant: Merchant, access: PayerAccess, user: User, *, now: datetime) -> None:
    """Notify the merchant that the payer registered, once per access."""
    notify_merchant(
        merchant,
        event=EventNotification.Event.PAYER_REGISTERED,
        key=f"payer:{access.pk}:registered",
        title="Payer Registered",
        body=f"{user} ({user.email}) registered for {access.company}.",
        path=reverse("payer_admin:payer", args=[merchant.reference, user.reference]),
        now=now,
    )


def save_details(payer: Payer, user: User, details: PayerDetails) -> None:
    """Save the details of a payer."""
    with transaction_if_not_already():
        User.objects.filter(pk=user.pk).update(name=details.name)
        Payer.objects.filter(pk=payer.pk).update(
            phone=details.phone, job_title=details.job_title, address=details.address
        )
    user.name = details.name
    payer.phone, payer.job_title, payer.address = details.phone, details.job_title, details.address
