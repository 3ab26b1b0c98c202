"""Whose money an item of a reconciliation is: payer, purpose, numbers, and the payout that took it along."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import batched

from accounting.models import Posting
from accounting.reconciliation.differences import ReconciliationItem
from payments.models import Attempt, Payout

BATCH_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class ItemSubject:
    """What an item is about; empty where nothing of ours is."""

    payer: str = ""
    purpose: str = ""
    reference: str = ""
    number: str = ""
    payout: str = ""


def attach_subjects(items: Iterable[ReconciliationItem]) -> Iterator[tuple[ReconciliationItem, ItemSubject]]:
    """Each item with what it is about. Three statements for a thousand items."""
    for batch in batched(items, BATCH_SIZE):
        rows = Attempt.objects.filter(pk__in={item.attempt for item in batch if item.attempt})
        fields = ("payment__company__name", "payment__purpose", "payment__reference")
        found = {row[0]: row[1:] for row in rows.values_list("pk", *fields)}
        postings = Posting.objects.filter(attempt__in=found).exclude(state="cancelled").order_by("-pk")
        numbers = dict(postings.values_list("attempt", "number"))  # of several the first
        wanted = {item.payout for item in batch if item.payout}
        payouts = dict(Payout.objects.filter(pk__in=wanted).values_list("pk", "stripe_payout_id"))
        for item in batch:
            payer, purpose, reference = found.get(item.attempt or 0, ("", "", ""))
            number, payout = numbers.get(item.attempt or 0, ""), payouts.get(item.payout or 0, "")
            yield item, ItemSubject(payer, purpose, reference, number, payout)
