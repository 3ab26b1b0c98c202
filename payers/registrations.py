"""Registrations while paying: what an unproved address made, and whether its owner says that it was them."""

import hashlib
from datetime import datetime
from typing import Protocol

from django_subatomic.db import transaction, transaction_required

from merchants.models import Terms
from payers.invitations import close_invitations
from payers.models import PayerAccess, PayerCompany, Registration
from payers.terms import RequestSource, record_acceptance
from wisepay import outbox
from wisepay.audit import record_audit_entry
from wisepay.models import User


class AlreadyAnswered(Exception):
    """Somebody answered for this registration already."""


class ContentsChanged(Exception):
    """The registration holds something else than what was shown."""


class RegistrationContents(Protocol):
    """What a floor above keeps of registrations. Every method but `describe` is a step of an open transaction."""

    def describe(self, registration: Registration) -> list[str]:
        """What it made, a line each: "Paid A$625.00 for Quote 1042"."""

    def lock(self, registration: Registration) -> None:
        """Lock what it made, before the registration itself."""

    def join(self, registration: Registration, user: User, *, now: datetime) -> None:
        """Hand it to the account of its owner."""

    def discard(self, registration: Registration, *, by: str, now: datetime) -> None:
        """End what nobody stands for: the owner of the address says that it was not them."""


CONTENTS: list[RegistrationContents] = []


def register_contents(contents: RegistrationContents) -> None:
    """Register a floor's keeper of what registrations make. Raises ValueError for one of the same kind twice."""
    if any(type(one) is type(contents) for one in CONTENTS):
        raise ValueError(f"{type(contents).__name__} is registered already")
    CONTENTS.append(contents)


def start_registration(
    company: PayerCompany,
    *,
    email: str,
    name: str,
    phone: str,
    terms: Terms,
    source: RequestSource,
    next_path: str,
    now: datetime,
) -> Registration:
    """Record that somebody asks for an account while paying. Whose address it is, a worker looks up.

    So that the page, its work and its time are the same whether or not the address has an account.
    """
    address = email.strip().lower()
    with transaction():
        registration = Registration.objects.create(
            company=company,
            email=address,
            name=" ".join(name.split())[:120],
            phone=phone.strip()[:40],
            next_path=next_path[:200],
            state="open",
            state_at=now,
            created_at=now,
        )
        record_acceptance(company, terms=terms, user=None, email=address, source=source, now=now)
        outbox.enqueue(f"registration:{registration.pk}", "payers.open_registration", registration_id=registration.pk)
    return registration


def describe_registration(registration: Registration) -> list[str]:
    """What the registration made, a line each."""
    return [line for contents in CONTENTS for line in contents.describe(registration)]


def get_contents_digest(lines: list[str]) -> str:
    """A short text that changes with what the registration made, so that an answer is about what was shown."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def list_waiting_registrations(user: User) -> list[Registration]:
    """The registrations with the person's address that made something and that they have not answered for."""
    rows = Registration.objects.filter(user=user, state="waiting").select_related("company__merchant")
    return list(rows.order_by("pk"))


@transaction_required
def record_registration_use(registration_id: int, *, now: datetime) -> Registration:
    """Record that the registration made something, so that its owner is asked. One that was rejected stays so."""
    locked = Registration.objects.select_for_update(of=("self",)).get(pk=registration_id)
    if locked.state != "rejected":
        locked.move_locked_to("waiting", now=now, by="registration", reason="it made something")
    return locked


def confirm_registration(registration: Registration, *, shown: str, ip: str, now: datetime) -> None:
    """Hand what the registration made to the account of its address, as its owner says that it was them.

    Raises AlreadyAnswered, or ContentsChanged unless `shown` is the digest of what it holds.
    """
    with transaction():
        locked, user = _lock_waiting(registration, shown=shown)
        for contents in reversed(CONTENTS):
            contents.join(locked, user, now=now)
        locked.move_locked_to("confirmed", now=now, by=str(user), reason="its owner said that it was them")
        _record_answer(locked, user, "payer.registration_confirmed", ip=ip)


def reject_registration(registration: Registration, *, shown: str, ip: str, now: datetime) -> None:
    """End what the registration made, as the owner of its address says that it was not them.

    The access that it asked for is gone, unless somebody else gave it. Raises as `confirm_registration` does.
    """
    with transaction():
        locked, user = _lock_waiting(registration, shown=shown)
        for contents in reversed(CONTENTS):
            contents.discard(locked, by=str(user), now=now)
        locked.move_locked_to("rejected", now=now, by=str(user), reason="its owner said that it was not them")
        _delete_asked_access(locked, user, now=now)
        _record_answer(locked, user, "payer.registration_rejected", ip=ip)


@transaction_required
def _lock_waiting(registration: Registration, *, shown: str) -> tuple[Registration, User]:
    """Lock the registration and what it made, from the top floor down."""
    for contents in reversed(CONTENTS):
        contents.lock(registration)
    locked = registration.lock()
    if locked.state != "waiting" or locked.user is None:
        raise AlreadyAnswered
    if get_contents_digest(describe_registration(locked)) != shown:
        raise ContentsChanged
    return locked, locked.user


@transaction_required
def _delete_asked_access(registration: Registration, user: User, *, now: datetime) -> None:
    """Delete the access that nothing but this registration asked for and that nobody ever had."""
    rows = PayerAccess.objects.filter(user=user, company=registration.company_id)
    asked = rows.filter(state="pending", origin=PayerAccess.Origin.REGISTERED).first()
    others = Registration.objects.filter(user=user, company=registration.company_id).exclude(pk=registration.pk)
    if asked is None or others.exclude(state="rejected").exists():
        return
    close_invitations(asked, now=now)
    asked.delete()


@transaction_required
def _record_answer(registration: Registration, user: User, action: str, *, ip: str) -> None:
    record_audit_entry(
        action,
        merchant_id=registration.company.merchant_id,
        user=user,
        ip=ip,
        subject=str(registration.company),
        detail=registration.email,
    )
