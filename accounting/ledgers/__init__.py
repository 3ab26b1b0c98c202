"""The door to the books. A ledger is one file and one line here; its SDK loads when it is first opened."""

from datetime import datetime

from django.utils.module_loading import import_string

from accounting.ledgers.words import Ledger
from connections.budget import Account, Lane
from connections.models import Connection
from connections.tokens import fresh_access_token

LEDGERS = {"xero": "accounting.ledgers.xero.XeroLedger"}


def open_ledger(connection: Connection, *, lane: Lane, now: datetime) -> Ledger:
    """The ledger behind `connection`, whose calls go in `lane`. Raises Disconnected or Unavailable."""
    token = fresh_access_token(connection, now=now)
    account = Account(connection.provider, connection.client_id, connection.organisation_id)
    ledger: Ledger = import_string(LEDGERS[connection.provider])(token, account, lane=lane)
    return ledger
