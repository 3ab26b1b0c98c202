"""A row that one worker at a time works on: taken until a moment, and given up only by the worker who holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from wisepay.outbox import Retry

LEASE = timedelta(seconds=125)  # longer than a worker may live on one task, shorter than the outbox waits for it


def acquire_lease(rows: QuerySet[Any], *, now: datetime, column: str = "lease_until") -> datetime | None:
    """Take the row for this worker alone; answer until when, None while another worker has it, or without a row.

    The lease of a worker that died runs out.
    """
    until, free = now + LEASE, Q(**{column: None}) | Q(**{f"{column}__lt": now})
    return until if rows.filter(free).update(**{column: until}) else None


def release_lease(rows: QuerySet[Any], until: datetime, *, column: str = "lease_until") -> None:
    """Give up the lease that lasts `until`. One that ran out may be another worker's by now, and ends later."""
    rows.filter(**{f"{column}__lte": until}).update(**{column: None})


@contextmanager
def hold_lease(rows: QuerySet[Any], *, now: datetime, busy: str, after: float) -> Iterator[None]:
    """Be the row's only worker for the length of the block. Raises Retry, with `busy`, while another one is."""
    until = acquire_lease(rows, now=now)
    if until is None:
        raise Retry(busy, after=after)
    try:
        yield
    finally:
        release_lease(rows, until)
