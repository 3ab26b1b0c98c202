"""Outbox handlers of agreements: read them."""

from contextlib import suppress
from datetime import datetime

from psa.agreements.reading import read_agreements
from psa.models import PsaConnection
from wisepay.errors import Disconnected
from wisepay.outbox import handler


@handler("psa.read_agreements")
def read(*, connection_id: int, now: datetime, **_: object) -> None:
    """Read what changed; without a connection it waits until a person connects again and asks for it."""
    with suppress(Disconnected):
        read_agreements(PsaConnection.objects.select_related("merchant").get(pk=connection_id), now=now)
