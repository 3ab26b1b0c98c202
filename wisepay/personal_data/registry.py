"""The table of personal data: one entry for each model, written by the app that owns it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from django.apps import apps
from django.db import models
from django.db.models import Q

from wisepay.models import User

Erasure = Literal["delete", "change", "keep"]
Change = Callable[[Any, "Subject"], Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose data it is: a user, or somebody who has no account and is known by the address alone."""

    email: str
    user: User | None

    @property
    def pseudonym(self) -> str:
        """The address that takes the place of theirs; it leads nowhere."""
        return f"erased-{self.user.reference if self.user else 'guest'}@erased.invalid"


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What one model holds of people.

    `person` are lookups that lead to the user, `address` those that compare with the e-mail address. `fields` are
    personal. Erasure deletes the rows, keeps them, or changes them as `changes` says; `reason` says why and how long.
    `around` are columns of rows that are nobody's, without which a row says nothing: they are exported with it.
    """

    model: str
    reason: str
    erasure: Erasure
    fields: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    address: tuple[str, ...] = ()
    changes: dict[str, Change] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()  # secrets, which are given to nobody
    around: tuple[str, ...] = ()

    def find_rows(self, subject: Subject) -> "models.QuerySet[Any]":
        """The rows that are about the subject."""
        found = Q(pk__in=[])
        if subject.user is not None:
            for lookup in self.person:
                found |= Q(**{lookup: subject.user.pk})
        if subject.email:
            for lookup in self.address:
                found |= Q(**{lookup: subject.email})
        every = apps.get_model(self.model)._base_manager
        rows: models.QuerySet[Any] = every.filter(pk__in=every.filter(found).values("pk"))  # a join repeats rows
        return rows


PERSONAL_DATA: dict[str, PersonalData] = {}  # by the model's label
NOT_PERSONAL: dict[str, str] = {}  # why a model holds nothing of people, by its label
ErasureObstacle = Callable[[Subject], list[str]]
ERASURE_OBSTACLES: list[ErasureObstacle] = []


def declare_personal(*entries: PersonalData) -> None:
    """Add entries to the table. Raises ValueError for a model that has one."""
    for entry in entries:
        _refuse_second(entry.model)
        PERSONAL_DATA[entry.model] = entry


def declare_not_personal(reason: str, *labels: str) -> None:
    """Say that models hold nothing of people. Raises ValueError for a model that has an entry."""
    for label in labels:
        _refuse_second(label)
        NOT_PERSONAL[label] = reason


def _refuse_second(label: str) -> None:
    if label in PERSONAL_DATA or label in NOT_PERSONAL:
        raise ValueError(f"{label} has an entry already")


def find_subject(email: str) -> Subject:
    """Whoever has this address: a user, or somebody who only paid with it."""
    user = User.objects.filter(email__iexact=email.strip()).first()
    return Subject(user.email if user else email.strip().lower(), user)
