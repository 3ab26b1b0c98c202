"""What the payers' tables hold of people."""

from contextlib import suppress
from datetime import datetime, timedelta

from django.db.models import DurationField, ExpressionWrapper, F, ProtectedError, Value
from django_subatomic.db import transaction

from payers.models import PayerAccess, Registration
from wisepay.models import User
from wisepay.personal_data.changes import blank, empty, forget_host, pseudonymise
from wisepay.personal_data.erasure import ErasureRefused, erase_person
from wisepay.personal_data.registry import PersonalData, Subject, declare_not_personal, declare_personal

declare_personal(
    PersonalData(
        "payers.PayerCompany",
        "A client of the merchant's: the merchant's record, of which the person who was its contact goes.",
        "change",
        fields=("name", "email", "phone", "contacts"),
        address=("email__iexact",),
        changes={"email": blank, "phone": blank},
    ),
    PersonalData(
        "payers.ContactChange",
        "Who of the merchant's people said which accounting contact a company is: a record of the books.",
        "keep",
        fields=("user",),
        person=("user",),
    ),
    PersonalData(
        "payers.Payer",
        "What a person told about themselves, as long as they have an account.",
        "change",
        fields=("phone", "job_title", "address"),
        person=("user",),
        changes={"phone": blank, "job_title": blank, "address": empty},
    ),
    PersonalData(
        "payers.PayerAccess",
        "Which company a person may see, as long as they may.",
        "delete",
        fields=("scope", "origin", "invited_by", "typed_name", "typed_phone"),
        person=("user",),
    ),
    PersonalData(
        "payers.Registration",
        "Somebody who asked for an account while paying; what they paid stays, under a pseudonym.",
        "change",
        fields=("email", "name", "phone", "next_path"),
        person=("user",),
        address=("email__iexact",),
        changes={"email": pseudonymise, "name": blank, "phone": blank, "next_path": blank},
        hidden=("reference", "next_path"),
    ),
    PersonalData(
        "payers.Invitation",
        "Welcome mails and where they lead; goes with the access.",
        "delete",
        fields=("next_path",),
        person=("access__user",),
        hidden=("reference",),
    ),
    PersonalData(
        "payers.TermsAcceptance",
        "Proof of what was agreed: the text, when, and from which network. Law and the networks' rules need it.",
        "change",
        fields=("email", "ip", "user_agent"),
        person=("user",),
        address=("email__iexact",),
        changes={"email": pseudonymise, "ip": forget_host, "user_agent": blank},
        around=("terms__kind", "terms__version", "terms__text", "company__name", "company__merchant__name"),
    ),
    PersonalData(
        "payers.PayerNotification",
        "Which mails a person wants.",
        "delete",
        fields=("event", "is_enabled"),
        person=("user",),
    ),
)
declare_not_personal("Which accounting contacts a company is.", "payers.CompanyContact")
declare_not_personal("Which records of other systems a company is.", "payers.CompanyId")
declare_personal(
    PersonalData(
        "payers.CompanyMismatch",
        "Who of the merchant's people said which company an id means: a record of the merchant's.",
        "keep",
        fields=("settled_by",),
        person=("settled_by",),
    )
)


BATCH = 200
STORED = ExpressionWrapper(F("company__merchant__keeps_unproved_days") * Value(timedelta(days=1)), DurationField())


def delete_unproved_people(*, now: datetime) -> int:
    """Delete accesses that waited for longer than their merchant stores them, and people who have nothing else.

    What they paid meanwhile stays under a pseudonym. Answer how many accesses were deleted.
    """
    delete_open_registrations(now=now)
    waiting = PayerAccess.objects.annotate(stored=STORED).filter(state="pending", state_at__lt=now - F("stored"))
    found = list(waiting.select_related("user").order_by("pk")[:BATCH])
    return sum(delete_unproved_access(access) for access in found)


def delete_unproved_access(access: PayerAccess) -> bool:
    """Delete one access if it still waits, and its person if that was all. False when something is in the way."""
    with transaction():
        locked = PayerAccess.objects.select_for_update().filter(pk=access.pk, state="pending").first()
        if locked is None:
            return False
        locked.delete()
    if not is_alone(access.user):
        return True
    # While a payment of theirs is on its way the account stays, without access to anything.
    with suppress(ErasureRefused):
        erase_person(Subject(access.user.email, access.user))
    return True


def is_alone(user: User) -> bool:
    """Whether nothing holds the account: it never signed in, works nowhere, and sees no company."""
    others = PayerAccess.objects.filter(user=user).exists() or user.memberships.exists()
    return not (others or user.is_staff or user.last_login)


def delete_open_registrations(*, now: datetime) -> int:
    """Delete registrations with which nothing was made and that nobody answered; answer how many."""
    old = Registration.objects.annotate(stored=STORED).filter(state="open", created_at__lt=now - F("stored"))
    count = 0
    for registration in old.order_by("pk")[:BATCH]:
        # A payment that begins at this moment protects it; the next run looks again.
        with suppress(ProtectedError):
            registration.delete()
            count += 1
    return count
