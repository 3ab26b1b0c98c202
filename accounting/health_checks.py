"""Health checks of the postings and the mirrored ledgers."""

from collections.abc import Iterator
from functools import partial

from django.db.models import Count

from accounting.mirror.status import list_mirror_statuses
from accounting.models import ManualTask, Posting
from merchants.models import Merchant
from wisepay import clock
from wisepay.health_checks import HealthCheckResult, examine, register_health_check


@register_health_check
def check_postings() -> Iterator[HealthCheckResult]:
    """Postings that are not in the ledger, and open manual tasks."""
    rows = Posting.objects.exclude(state__in=Posting.FINAL_STATES).values_list("state").annotate(Count("pk"))
    counts = dict(rows)
    refused = counts.get("rejected", 0)
    yield HealthCheckResult("postings refused", not refused, f"{refused} wait for a person")
    late = counts.get("pending", 0) + counts.get("sent", 0)
    yield HealthCheckResult("postings waiting", None if late else True, f"{late} on their way")
    tasks = ManualTask.objects.filter(state="open").count()
    yield HealthCheckResult("tasks in the books", None if tasks else True, f"{tasks} wait for a person")


@register_health_check
def check_mirrors() -> Iterator[HealthCheckResult]:
    """Every connected merchant's ledger is mirrored, and lately."""
    for merchant in Merchant.objects.filter(connections__state="connected").distinct().order_by("name"):
        yield from examine("mirror", partial(check_mirror, merchant), whose=str(merchant))


def check_mirror(merchant: Merchant) -> Iterator[HealthCheckResult]:
    """One merchant's ledger is mirrored, and lately."""
    rows = list_mirror_statuses(merchant, now=clock.now())
    counts = ", ".join(f"{row.count} {row.label.lower()}" for row in rows)
    problems = " ".join(dict.fromkeys(row.problem for row in rows if row.problem))
    yield HealthCheckResult("mirror", None if problems else True, f"{merchant}: {counts}. {problems}".strip())
