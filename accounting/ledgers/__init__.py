"""The door to the books. A ledger is one file and one line here; its SDK loads when it is first opened."""

from datetime import datetime

from django.utils.module_loading import import_string

from accounting.ledgers.words import Ledger
from connections.models import Connection
from connections.tokens import fresh_access_token

LEDGERS = {"xero": "accounting.ledgers.xero.XeroLedger"}


def open_ledger(connection: Connection, *, now: datetime) -> Ledger:
    """The ledger behind `connection`. Raises Disconnected or Unavailable."""
    token = fresh_access_token(connection, now=now)
    ledger: Ledger = import_string(LEDGERS[connection.provider])(token, connection.organisation_id)
    return ledger
