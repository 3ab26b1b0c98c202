"""What the doctor asks about the books."""

from collections.abc import Iterator

from django.db.models import Count

from accounting.models import HandTask, Posting
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
