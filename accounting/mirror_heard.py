"""What the books said changed, or may have: what of it is still to be read, and what a reading answers."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from django.db.models import Q, QuerySet

from accounting.ledgers.words import Page
from accounting.mirror_keeping import Books
from accounting.models import HeardChange, LedgerContact, LedgerCredit, LedgerInvoice
from merchants.models import Merchant

PAYMENTS = "payments"  # not mirrored by themselves: one only says that some documents changed
DOUBT = datetime(2000, 1, 1, tzinfo=UTC)  # the time of an event that was none
CHUNK = 2_000
HELD: dict[str, tuple[type[Any], str, Q]] = {
    "contacts": (LedgerContact, "contact_id", Q(is_active=True)),
    "invoices": (LedgerInvoice, "ledger_id", ~Q(status="deleted")),
    "credits": (LedgerCredit, "ledger_id", ~Q(status="deleted")),
}


def unread_of(merchant: Merchant, organisation_id: str) -> QuerySet[HeardChange]:
    """What the books said changed and nobody read since."""
    return HeardChange.objects.filter(merchant=merchant, organisation_id=organisation_id, read_at=None)


def answer(books: Books, kind: str, page: Page[Any]) -> bool:
    """Call read what this page tells of, as of its events or later; whether there was any such event.

    A step of an open transaction. A page that does not say as of when it is answers nothing.
    """
    keys = [*(row.id for row in page.rows), *page.gone]
    if page.as_of is None or not keys:
        return False
    told = unread_of(books.merchant, books.organisation_id).filter(
        kind=kind, ledger_id__in=keys, event_at__lte=page.as_of
    )
    rows = dict(told.select_for_update(of=("self",)).order_by("kind", "ledger_id").values_list("pk", "event_at"))
    if rows:
        HeardChange.objects.filter(pk__in=rows).update(read_at=books.asked_at)
    return any(at > DOUBT for at in rows.values())


def settle(heard: Sequence[HeardChange], *, now: datetime) -> None:
    """Call these read, but for what was heard once more since. A step of an open transaction."""
    known = {row.pk: row.heard_at for row in heard}
    rows = HeardChange.objects.select_for_update(of=("self",)).filter(pk__in=known).order_by("kind", "ledger_id")
    answered = [row.pk for row in rows if row.heard_at == known[row.pk]]
    HeardChange.objects.filter(pk__in=answered).update(read_at=now)


def doubt_held(books: Books, kind: str) -> None:
    """Ask again, one by one, for everything that is held and that no page will tell of. A step of an open transaction.

    For books that rows can leave: whoever reads all of them meets what is there, but never hears of what is not.
    """
    for keys in batched(held_keys(books, kind), CHUNK):
        HeardChange.objects.bulk_create(
            [
                HeardChange(**books.mine, kind=kind, ledger_id=key, event_at=DOUBT, heard_at=books.asked_at)
                for key in keys
            ],
            update_conflicts=True,
            unique_fields=["merchant", "organisation_id", "kind", "ledger_id"],
            update_fields=["heard_at", "read_at"],
        )


def held_keys(books: Books, kind: str) -> Iterator[str]:
    """The ids of everything that is held as if it were in the books."""
    model, name, stands = HELD[kind]
    rows = model.objects.filter(stands, **books.mine)
    yield from rows.order_by(name).values_list(name, flat=True).iterator(CHUNK)
