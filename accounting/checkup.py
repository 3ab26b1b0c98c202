"""What the doctor asks about the books."""

from collections.abc import Iterator

from django.db.models import Count
from django.utils import timezone

from accounting.mirror_page import shelves
from accounting.models import HandTask, Posting
from merchants.models import Merchant
from wisepay.doctor import Finding, question


@question
def waiting() -> Iterator[Finding]:
    """Documents that are not in the books."""
    rows = Posting.objects.exclude(state__in=Posting.OVER).values_list("state").annotate(Count("pk"))
    counts = dict(rows)
    refused = counts.get("rejected", 0)
    yield Finding("postings refused", not refused, f"{refused} wait for a person")
    late = counts.get("pending", 0) + counts.get("sent", 0)
    yield Finding("postings waiting", None if late else True, f"{late} on their way")
    tasks = HandTask.objects.filter(state="open").count()
    yield Finding("tasks in the books", None if tasks else True, f"{tasks} wait for a person")


@question
def mirrored() -> Iterator[Finding]:
    """The books of every merchant are mirrored, and lately."""
    for merchant in Merchant.objects.filter(connections__state="connected").distinct().order_by("name"):
        rows = shelves(merchant, now=timezone.now())
        told = ", ".join(f"{row.count} {row.label.lower()}" for row in rows)
        problems = " ".join(dict.fromkeys(row.problem for row in rows if row.problem))
        yield Finding("mirror", None if problems else True, f"{merchant}: {told}. {problems}".strip())
