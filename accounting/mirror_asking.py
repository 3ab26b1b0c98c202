"""Asking the books how some invoices stand now, before money is moved because of them."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounting.mirror import DESKS, cursor_of
from accounting.mirror_keeping import Books
from accounting.models import LedgerInvoice, MirrorCursor
from accounting.speaking import speaking
from connections.models import Tier
from connections.services import connection_for
from merchants.models import Merchant


def ask_again(merchant: Merchant, invoices: Sequence[LedgerInvoice], *, now: datetime) -> set[int]:
    """Read these invoices anew by id for work in the background, as many as go in one call.

    Answers the keys of those that the books told of, if only that they are gone.
    Only they count as read at `now`. Raises Unavailable, Disconnected, Rejected or Retry.
    """
    connection = connection_for(merchant, tier=Tier.SERVICE)
    mine = {row.ledger_id: row.pk for row in invoices if row.organisation_id == connection.organisation_id}
    if not mine:
        return set()
    with speaking(connection, lane="service", now=now) as ledger:
        found = ledger.read_invoices(list(mine)[: ledger.batch_size])
    books = Books(merchant, connection.organisation_id, now)
    cursor = cursor_of(merchant, connection.organisation_id, "invoices")
    told = [*(row.id for row in found.rows), *found.gone]
    keys = {mine[key] for key in told if key in mine}
    with transaction.atomic(durable=True):
        MirrorCursor.objects.select_for_update(of=("self",)).get(pk=cursor.pk)
        DESKS["invoices"].write(books, found)
        LedgerInvoice.objects.filter(pk__in=keys, read_at__lt=now).update(read_at=now)
    return keys
