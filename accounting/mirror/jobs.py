"""Ledger jobs: start one unless it runs already, record its progress, finish it, or let it fail with a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django_subatomic.db import transaction

from accounting.models import LedgerJob
from connections.models import Connection
from merchants.models import Merchant
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.events import announce
from wisepay.models import User

MAX_WAIT = 120.0  # seconds that a job waits for a limit before it fails
ACTOR = "books"


def start_job[J: LedgerJob](model: type[J], merchant: Merchant, *, by: User | None, now: datetime, **columns: Any) -> J:
    """Start a job, unless the latest one is fresh, and answer the one to watch. A stale one fails first."""
    with transaction():
        Merchant.objects.select_for_update(of=("self",), no_key=True).get(pk=merchant.pk)
        latest = get_latest_job(model, merchant)
        if latest is not None and latest.is_stale(now):
            latest.move_to("failed", now=now, by=ACTOR, error="It did not finish in time.")
        elif latest is not None and latest.is_fresh(now):
            return latest
        job = model._default_manager.create(
            merchant=merchant, requested_by=by, state="running", state_at=now, created_at=now, **columns
        )
        key, argument = f"{model.MESSAGE_PREFIX}:{job.pk}", {model.ID_ARGUMENT: job.pk}
        outbox.enqueue(key, model.JOB_HANDLER, **argument)
    return job


def get_latest_job[J: LedgerJob](model: type[J], merchant: Merchant) -> J | None:
    """The newest job of the merchant in any state, with who requested it."""
    return model._default_manager.filter(merchant=merchant).select_related("requested_by").order_by("-pk").first()


def get_current_job[J: LedgerJob](model: type[J], merchant: Merchant, *, as_of: datetime | None = None) -> J | None:
    """The newest job, unless it failed for what is over: the books were read, or connected again, since."""
    latest = get_latest_job(model, merchant)
    if latest is None or latest.state != "failed":
        return latest
    if as_of is not None and as_of > latest.state_at:
        return None
    is_over = Connection.objects.filter(merchant=merchant, state="connected", connected_at__gt=latest.state_at).exists()
    return None if is_over else latest


def update_progress(job: LedgerJob, **columns: Any) -> None:
    """Save the columns that a person watches while the job runs."""
    type(job)._default_manager.filter(pk=job.pk).update(**columns)
    for name, value in columns.items():
        setattr(job, name, value)


def complete_job(job: LedgerJob, *, now: datetime, event: str = "", **columns: Any) -> None:
    """Finish the job, with what it counted, and announce `event` of it if one is named."""
    with transaction():
        if job.move_to("finished", now=now, by=ACTOR, error="", **columns) and event:
            announce(event, **{job.ID_ARGUMENT: job.pk})


@contextmanager
def record_job_errors(job: LedgerJob, *, now: datetime) -> Iterator[None]:
    """Let the job fail with a sentence when the ledger does not let the block come to its end.

    A limit that ends soon is waited out: Unavailable is raised again. What was read until then stays.
    """
    try:
        yield
    except Unavailable as error:
        if (error.retry_after or 0) <= MAX_WAIT and not job.is_stale(now):
            update_progress(job, error=str(error)[:300])
            raise
        record_job_failure(job, f"{error}. Try again later.", now=now)
    except Disconnected as error:
        record_job_failure(job, f"{error} {job.DISCONNECTED_ADVICE}".rstrip(), now=now)
    except Rejected as error:
        record_job_failure(job, f"The accounting package refused: {error.message}", now=now)


def record_job_failure(job: LedgerJob, reason: str, *, now: datetime) -> None:
    """End the job without a result."""
    with transaction():
        job.move_to("failed", now=now, by=ACTOR, reason=reason, error=reason[:300])
