"""Stateful rows: named transitions, each one locked, checked and recorded; and the list of advisory locks."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any, ClassVar, Self

from django.db import connection, models
from django_subatomic.db import transaction_required


class IllegalTransition(Exception):
    """The row's state does not lead to the state that was asked for."""


class StateChange(models.Model):
    """One step of one stateful row: what it was, what it became, when, who caused it and why."""

    subject = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    from_state = models.CharField(max_length=20)
    to_state = models.CharField(max_length=20)
    reason = models.CharField(max_length=300, blank=True)
    by = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField()

    class Meta:
        app_label = "wisepay"
        indexes = [models.Index(fields=["subject", "subject_id", "at"], name="statechange_subject")]


class Stateful(models.Model):
    """A row with a `state`, whose class lists in TRANSITIONS which states follow which."""

    TRANSITIONS: ClassVar[Mapping[str, frozenset[str]]]

    state = models.CharField(max_length=20)
    state_at = models.DateTimeField()

    class Meta:
        abstract = True

    @classmethod
    def list_states(cls) -> list[str]:
        """Every state of this class, in the order of its table."""
        found = dict.fromkeys(cls.TRANSITIONS)
        for targets in cls.TRANSITIONS.values():
            found.update(dict.fromkeys(sorted(targets)))
        return list(found)

    def move_to(self, state: str, *, now: datetime, by: str, reason: str = "", **changes: Any) -> bool:
        """Lock the row and move it to `state`, writing `changes` to its other columns with it.

        Answers False, and writes nothing, when the row is already there; raises IllegalTransition when its state
        does not lead to `state`. The caller's copy of the row is brought up to date.
        """
        locked = self.lock()
        moved = locked.move_locked_to(state, now=now, by=by, reason=reason, **changes)
        for name in ("state", "state_at", *changes) if moved else ():
            setattr(self, name, getattr(locked, name))
        if not moved:
            self.refresh_from_db()
        return moved

    def move_locked_to(self, state: str, *, now: datetime, by: str, reason: str = "", **changes: Any) -> bool:
        """Move a row that `lock` answered in the open transaction, as `move_to` does."""
        if self.state == state:
            return False
        if state not in self.TRANSITIONS.get(self.state, frozenset()):
            raise IllegalTransition(f"{self._meta.label_lower} {self.pk}: {self.state} does not lead to {state}")
        self._build_change(state, now=now, by=by, reason=reason).save(force_insert=True)
        for name, value in {"state": state, "state_at": now, **changes}.items():
            setattr(self, name, value)
        # As `save` would write them: a secret is bound to its row.
        written = {name: self._meta.get_field(name).pre_save(self, add=False) for name in changes}  # type: ignore[union-attr]
        type(self)._base_manager.filter(pk=self.pk).update(state=state, state_at=now, **written)
        return True

    @classmethod
    @transaction_required
    def move_all_to(cls, reasons: Mapping[int, str], state: str, *, now: datetime, by: str) -> list[Self]:
        """Lock the rows with these primary keys, and move those to `state` whose state leads there.

        `reasons` says of each key why. For many rows that were read without a lock: one that moved meanwhile is left
        as it is, where `move_to` would raise. Answers the rows that moved.
        """
        sources = [source for source, targets in cls.TRANSITIONS.items() if state in targets]
        found = cls._base_manager.select_for_update(of=("self",)).filter(pk__in=reasons, state__in=sources)
        rows = list(found.order_by("pk"))
        changes = (row._build_change(state, now=now, by=by, reason=reasons[row.pk]) for row in rows)
        StateChange.objects.bulk_create(changes)
        cls._base_manager.filter(pk__in=[row.pk for row in rows]).update(state=state, state_at=now)
        for row in rows:
            row.state, row.state_at = state, now
        return rows

    def _build_change(self, state: str, *, now: datetime, by: str, reason: str) -> StateChange:
        return StateChange(
            subject=self._meta.label_lower,
            subject_id=self.pk,
            from_state=self.state,
            to_state=state,
            reason=reason[:300],
            by=by[:120],
            at=now,
        )

    @transaction_required
    def lock(self) -> Self:
        """The row as the database has it, locked until the open transaction ends. Raises DoesNotExist."""
        return type(self)._base_manager.select_for_update(of=("self",)).get(pk=self.pk)

    def list_state_changes(self) -> "models.QuerySet[StateChange]":
        """The row's steps, oldest first."""
        return StateChange.objects.filter(subject=self._meta.label_lower, subject_id=self.pk).order_by("at", "pk")


def build_state_constraint(transitions: Mapping[str, frozenset[str]], *, name: str) -> models.CheckConstraint:
    """The CHECK constraint that lets only states of the table into the column."""
    known = set(transitions) | {s for targets in transitions.values() for s in targets}
    return models.CheckConstraint(condition=models.Q(state__in=sorted(known)), name=name)


class AdvisoryLock(IntEnum):
    """What is locked. A number is never reused: processes of two versions may run side by side."""

    ATTEMPT_LIMIT = 0x1B  # attempts to pay, by a hash of each network, person, company and merchant they count for
    COMPANY_MATCHING = 0xC4  # matching the credits of one payer company, by its primary key


@transaction_required
def lock_in_transaction(lock: AdvisoryLock, key: int) -> None:
    """Wait for the lock of that class and key, and keep it until the open transaction ends.

    Of `key` the lowest 32 bits count, so two far apart may have to wait for each other.
    """
    lock_all_in_transaction(lock, [key])


@transaction_required
def lock_all_in_transaction(lock: AdvisoryLock, keys: Iterable[int]) -> None:
    """Wait for the lock of every key, always in the same order, so that two who share several never wait in a ring."""
    signed = sorted({(key + 2**31) % 2**32 - 2**31 for key in keys})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, key) FROM unnest(%s::int[]) AS key", [int(lock), signed])
