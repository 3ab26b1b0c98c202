"""Who wants to know when the mirror changes: listeners are called inside the transaction of the page."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from django_subatomic.db import transaction_required

from merchants.models import Merchant
from wisepay.registries import add_once


class MirrorListener(Protocol):
    """Only puts or arms outbox messages: it is called within the page's transaction, which has to stay short."""

    def __call__(
        self, merchant: Merchant, *, invoice_ids: Sequence[int], credit_ids: Sequence[int], now: datetime
    ) -> None: ...


LISTENERS: list[MirrorListener] = []


def mirror_listener[F: Callable[..., None]](function: F) -> F:
    """Register a function that hears which rows, by primary key, are new or different. Told once a page."""
    return add_once(LISTENERS, function)


@transaction_required
def notify_mirror_listeners(
    merchant: Merchant, *, invoice_ids: Sequence[int] = (), credit_ids: Sequence[int] = (), now: datetime
) -> None:
    """Tell everybody."""
    if invoice_ids or credit_ids:
        for listener in LISTENERS:
            listener(merchant, invoice_ids=invoice_ids, credit_ids=credit_ids, now=now)
