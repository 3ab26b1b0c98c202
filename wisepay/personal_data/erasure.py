"""Erasure: what law and the books need stays under a pseudonym, the rest about a person goes."""

from collections import Counter

import structlog
from django_subatomic.db import transaction, transaction_required

from wisepay.accounts.sessions import end_sessions
from wisepay.audit_log.erasure import erase_person as erase_audit_details
from wisepay.events import add_once
from wisepay.models import User
from wisepay.personal_data.registry import ERASURE_OBSTACLES, PERSONAL_DATA, ErasureObstacle, PersonalData, Subject

log = structlog.get_logger(__name__)


class ErasureRefused(Exception):
    """Something has to be ended first; `obstacles` says what, in sentences."""

    def __init__(self, obstacles: list[str]) -> None:
        super().__init__(" ".join(obstacles))
        self.obstacles = obstacles


def register_erasure_obstacle(function: ErasureObstacle) -> ErasureObstacle:
    """Register a function that says, in sentences, what a person has to end before they are erased."""
    return add_once(ERASURE_OBSTACLES, function)


def list_obstacles(subject: Subject) -> list[str]:
    """What has to be ended first."""
    return [text for find in ERASURE_OBSTACLES for text in find(subject)]


@transaction()
def erase_person(subject: Subject) -> Counter[str]:
    """Erase the subject in every table, and end their sessions; answer how many rows of each table changed.

    A second erasure finds nothing. Raises ErasureRefused while something has to be ended first.
    """
    if subject.user is not None:
        User.objects.select_for_update().get(pk=subject.user.pk)
    obstacles = list_obstacles(subject)
    if obstacles:
        raise ErasureRefused(obstacles)
    if subject.user is not None:
        end_sessions(subject.user)
    counts: Counter[str] = Counter()
    counts["wisepay.AuditDetails"] = erase_audit_details(subject.user.pk if subject.user else 0, texts=[subject.email])
    # The user's own row last: others are found by the address that it has until then.
    for entry in sorted(PERSONAL_DATA.values(), key=lambda one: one.model == "wisepay.User"):
        counts[entry.model] += erase_table(entry, subject)
    log.info("person.erased", user=subject.user.reference if subject.user else None, rows=counts.total())
    return counts


@transaction_required
def erase_table(entry: PersonalData, subject: Subject) -> int:
    """Erase the subject in one table; answer how many rows were deleted or changed."""
    if entry.erasure == "keep":
        return 0
    rows = list(entry.find_rows(subject).select_for_update(of=("self",)).order_by("pk"))
    if entry.erasure == "delete":
        for row in rows:
            row.delete()
        return len(rows)
    for row in rows:
        for name, change in entry.changes.items():
            setattr(row, name, change(getattr(row, name), subject))
        # Not `save`: what a class does when a person changes it is not meant here.
        values = {name: getattr(row, name) for name in entry.changes}
        type(row)._base_manager.filter(pk=row.pk).update(**values)
    return len(rows)
