"""Erasure: what the audit log says of a person is blanked, and the log stays verifiable."""

from django.db.models import Q, QuerySet
from django_subatomic.db import transaction_required

from wisepay.audit_log.digests import list_erasure_parts
from wisepay.audit_log.keys import current_key_id, is_signed, sign
from wisepay.audit_log.models import AuditDetails, AuditEntry

PERSON = {"name": "", "email": "", "ip": "", "agent": "", "person_salt": ""}
CONTENT = {"subject": "", "detail": "", "about_id": None, "content_salt": ""}


@transaction_required
def erase_person(user_id: int, *, texts: list[str]) -> int:
    """Blank who the person was in their own entries, and what other entries say of them; answer how many parts.

    Entries about them are those that name the user, and those with one of `texts` (addresses, names, without regard
    to case) in their subject or detail. What was done, when and at which merchant stays.
    """
    own = Q(entry_id__in=AuditEntry.objects.filter(user_id=user_id).values("details_id"))
    mentioned = Q(about_id=user_id)
    for text in filter(None, texts):
        own |= Q(email__iexact=text)
        mentioned |= Q(subject__icontains=text) | Q(detail__icontains=text)
    people = AuditDetails.objects.filter(own, person_erasure="")
    contents = AuditDetails.objects.filter(mentioned, content_erasure="")
    return erase_parts(people, "person") + erase_parts(contents, "content")


@transaction_required
def erase_parts(rows: QuerySet[AuditDetails], part: str) -> int:
    """Blank one part ("person" or "content") of these rows, with a signed mark; answer how many."""
    blank = PERSON if part == "person" else CONTENT
    found = list(rows.select_for_update().order_by("entry_id"))
    for details in found:
        for name, value in blank.items():
            setattr(details, name, value)
        setattr(details, f"{part}_erasure", sign(*list_erasure_parts(details, part)))
    AuditDetails.objects.bulk_update(found, [*blank, f"{part}_erasure"], batch_size=500)
    return len(found)


@transaction_required
def sign_old_marks() -> int:
    """Sign the marks of erased parts again with the newest key, before an older one is retired; answer how many."""
    count = 0
    for part in ("person", "content"):
        name = f"{part}_erasure"
        old = AuditDetails.objects.exclude(**{name: ""}).exclude(**{f"{name}__startswith": f"{current_key_id()}:"})
        for details in old.iterator():
            if is_signed(getattr(details, name), *list_erasure_parts(details, part)):
                mark = sign(*list_erasure_parts(details, part))
                count += AuditDetails.objects.filter(pk=details.pk).update(**{name: mark})
    return count
