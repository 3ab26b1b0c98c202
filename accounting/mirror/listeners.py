"""Mirror listeners: functions that are called, in the transaction of a page, when mirrored documents change."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from django_subatomic.db import transaction_required

from merchants.models import Merchant
from wisepay.events import add_once


class MirrorListener(Protocol):
    """Enqueues or schedules outbox messages and does nothing else: the page's transaction has to stay short."""

    def __call__(
        self, merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int], now: datetime
    ) -> None: ...


LISTENERS: list[MirrorListener] = []


def mirror_listener[F: Callable[..., None]](function: F) -> F:
    """Register a function that is called once a page with the primary keys of new or different documents."""
    return add_once(LISTENERS, function)


@transaction_required
def notify_mirror_listeners(
    merchant: Merchant, *, invoice_ids: Sequence[int] = (), credit_ids: Sequence[int] = (), now: datetime
) -> None:
    """Call every listener, unless nothing changed."""
    if invoice_ids or credit_ids:
        for listener in LISTENERS:
            listener(merchant, invoice_ids=invoice_ids, credit_ids=credit_ids, now=now)
