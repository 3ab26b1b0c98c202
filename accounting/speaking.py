"""Speaking with the books: whatever is said, the connection learns how it went, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from accounting.ledgers import open_ledger
from accounting.ledgers.words import Ledger
from connections.budget import Lane
from connections.checks import heed_refusal
from connections.health import note_accepted, note_unavailable
from connections.models import Connection
from wisepay.errors import Disconnected, Unavailable
from wisepay.outbox import Retry


@contextmanager
def speaking(connection: Connection, *, lane: Lane, now: datetime) -> Iterator[Ledger]:
    """The connection's ledger; what goes wrong in the block is written on the connection.

    A block that found nothing to ask says nothing about the connection.
    Raises Unavailable, Rejected, Disconnected (for a person), or Retry after a token was refused before its time.
    """
    try:
        ledger = open_ledger(connection, lane=lane, now=now)
        yield ledger
    except Unavailable as error:
        note_unavailable(connection, error, now=now)
        raise
    except Disconnected as error:
        if heed_refusal(connection, now=now):
            raise Retry("the access token was refused before its time", after=1) from error
        raise
    if ledger.was_accepted:
        note_accepted(connection, now=now)
