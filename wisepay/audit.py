"""The audit log: one entry for every action of a person that may have to be explained later."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django_subatomic.db import transaction_if_not_already

from wisepay import clock
from wisepay.audit_log.digests import hash_content, hash_person, list_entry_parts
from wisepay.audit_log.keys import sign
from wisepay.events import add_once
from wisepay.http import get_client_ip
from wisepay.input import drop_unreadable
from wisepay.models import AuditDetails, AuditEntry, User

LONGEST_DETAIL = 2_000
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Origin:
    """Who acted where nobody is signed in: what they called themselves, and the program that they used."""

    name: str = ""
    email: str = ""
    agent: str = ""


NOBODY = Origin()


def record_audit_entry(
    action: str,
    *,
    merchant_id: int | None,
    user: User | None,
    ip: str | None,
    subject: str = "",
    detail: str = "",
    about: User | None = None,
    origin: Origin = NOBODY,
) -> AuditEntry:
    """Write one entry, in the open transaction if there is one.

    `action` is a dotted name such as "merchant.details_saved", `subject` what it was done to, `about` the person
    that it concerns if it is not `user`. Names and addresses are copied: the entry says what they were then.
    """
    details = AuditDetails(
        at=clock.now(),
        name=clean(user.name if user else origin.name, 120),
        email=clean(user.email if user else origin.email, 254),
        ip=clean(ip or "", 45),
        agent=clean(origin.agent, 300),
        person_salt=secrets.token_hex(SALT_BYTES),
        subject=clean(subject, 120),
        detail=clean(detail, LONGEST_DETAIL),
        about_id=about.pk if about else None,
        content_salt=secrets.token_hex(SALT_BYTES),
    )
    entry = AuditEntry(at=details.at, merchant_id=merchant_id, user=user, action=action)
    entry.person_digest, entry.content_digest = hash_person(details), hash_content(details)
    with transaction_if_not_already():
        details.save(force_insert=True)
        entry.details = details
        # Signed by the process that acts, so that a row which somebody else inserts is never sealed.
        entry.mac = sign(*list_entry_parts(entry))
        entry.save(force_insert=True)
    return entry


def clean(text: str, longest: int) -> str:
    """The text as it can be stored and read: without control and broken characters, and not too long."""
    return drop_unreadable(text[:longest])


def record_request_audit(
    request: HttpRequest,
    action: str,
    *,
    merchant_id: int | None,
    subject: str = "",
    detail: str = "",
    about: User | None = None,
) -> AuditEntry:
    """Write one entry for the signed-in person of the request, with the address that it came from."""
    return record_audit_entry(
        action,
        merchant_id=merchant_id,
        user=request.user if isinstance(request.user, User) else None,
        ip=get_client_ip(request),
        subject=subject,
        detail=detail,
        about=about,
        origin=Origin(agent=request.headers.get("User-Agent", "")),
    )


MerchantLookup = Callable[[User], Iterable[int]]
EMPLOYER_LOOKUPS: list[MerchantLookup] = []
CUSTOMER_LOOKUPS: list[MerchantLookup] = []


def register_employers(lookup: MerchantLookup) -> MerchantLookup:
    """Register who knows the primary keys of the merchants that a user works for: their log has the user's sign-ins."""
    return add_once(EMPLOYER_LOOKUPS, lookup)


def register_customers(lookup: MerchantLookup) -> MerchantLookup:
    """Register who knows the merchants that a user pays: their log has what operators do to the user's account."""
    return add_once(CUSTOMER_LOOKUPS, lookup)


def list_merchants_of(person: User | None, *, is_payer_included: bool = False) -> list[int | None]:
    """The merchants whose log has what happens to the person's account; [None], the operators' log, without one."""
    lookups = EMPLOYER_LOOKUPS + (CUSTOMER_LOOKUPS if is_payer_included else [])
    found = {pk for lookup in lookups for pk in lookup(person)} if person and person.pk else set()
    return [*sorted(found)] if found else [None]


def record_account_audit(
    request: HttpRequest, action: str, *, person: User | None, email: str = "", detail: str = ""
) -> None:
    """Write what happened to a person's account into the log of each merchant they work for, else into ours.

    Without somebody signed in the acting person is whoever typed `email`: nobody has proved to be it.
    """
    signed_in = getattr(request, "user", None)
    actor = signed_in if isinstance(signed_in, User) else None
    origin = Origin(email=email, agent=request.headers.get("User-Agent", ""))
    for merchant_id in list_merchants_of(person):
        record_audit_entry(
            action,
            merchant_id=merchant_id,
            user=actor,
            ip=get_client_ip(request),
            subject=person.email if person else email,
            detail=detail,
            about=person,
            origin=origin,
        )
