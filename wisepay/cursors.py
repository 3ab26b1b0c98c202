"""Long lists: how far one of another system was read, and by which worker; and our own tables, read in batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import models

from wisepay import clock
from wisepay.leases import LEASE, acquire_lease, release_lease
from wisepay.outbox import Retry


class ReadCursor(models.Model):
    """How far a list of another system was read.

    `known_until` is the instant, on the other system's clock, up to which everything is known; None before the first
    full reading. A reading under way has begun at `read_started_at`, and a column of the subclass says where it
    continues after a crash. `error` is a sentence for people.
    """

    known_until = models.DateTimeField(null=True)
    read_started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True, help_text="A worker is reading until then.")
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        abstract = True

    @property
    def _row(self) -> models.QuerySet[Any]:
        return type(self)._base_manager.filter(pk=self.pk)

    def acquire_lease(self, *, now: datetime) -> bool:
        """Become the only reader; False while another one has the lease. A dead worker's lease runs out."""
        until = acquire_lease(self._row, now=now)
        self.lease_until = until or self.lease_until
        return until is not None

    def release_lease(self) -> None:
        """Let other workers read, unless one does already since this one's lease ran out."""
        if self.lease_until is not None:
            release_lease(self._row, self.lease_until)

    @contextmanager
    def hold_lease(self, *, now: datetime) -> Iterator[None]:
        """Be the only reader for the length of the block, with the row as it is then.

        Raises Retry while another worker reads.
        """
        if not self.acquire_lease(now=now):
            raise Retry("another worker is reading these", after=2)
        try:
            self.refresh_from_db()
            yield
        finally:
            self.release_lease()

    def save_progress(self, **columns: object) -> None:
        """Save where the reading continues, and renew the lease for the next page.

        Raises Retry, and saves nothing, for a worker whose lease ran out and is another one's by now.
        """
        before, self.lease_until = self.lease_until, clock.now() + LEASE
        if not self._row.filter(lease_until=before).update(lease_until=self.lease_until, **columns):
            self.lease_until = before
            raise Retry("another worker is reading these", after=2)
        for name, value in columns.items():
            setattr(self, name, value)


def read_in_batches[M: models.Model](rows: models.QuerySet[M], *, size: int) -> Iterator[list[M]]:
    """Read the rows in the order of their keys, `size` with each statement.

    `.iterator()` keeps a cursor open from one statement to the next, which PgBouncer bears only within a transaction.
    """
    rows = rows.order_by("pk")
    batch = list(rows[:size])
    while batch:
        yield batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:size]) if len(batch) == size else []
