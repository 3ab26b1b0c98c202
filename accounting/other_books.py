"""What stands in the books of a company that was connected before: nobody does it in these books."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from accounting.desks import LEFT
from accounting.hand_tasks import explain_task
from accounting.models import Posting


def leave_behind(rows: Iterable[Posting], *, now: datetime) -> None:
    """Ask a person to do it there. It waits as it is, and goes on by itself once that company is connected again."""
    for row in rows:
        if row.error == LEFT:
            continue
        with transaction.atomic(durable=True):
            posting = row.lock()
            if posting.state in ("pending", "sent"):
                Posting.objects.filter(pk=posting.pk).update(error=LEFT)
                explain_task(posting, words_of(posting), now=now)


def words_of(posting: Posting) -> tuple[str, list[str]]:
    """What is to be done there, and how it ends here."""
    what = posting.get_kind_display()
    steps = [f"{LEFT} Nothing of it goes into the books that are connected now."]
    if posting.payment is not None:
        steps.append(f"It is about {posting.money} of {posting.company}.")
    if posting.state == "sent":
        steps.append("It was on its way when the company was changed: see in the former books whether it arrived.")
    steps += [
        "Do it by hand in the former books if it is still wanted, and press Done here.",
        "If you connect the former company again instead, it goes on by itself.",
    ]
    return f"See to “{what}” {posting.number} in the former books", steps
