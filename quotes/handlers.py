"""Outbox handlers of the quotes floor."""

from datetime import datetime

from quotes.callbacks import send_callback
from quotes.models import Callback, Quote
from quotes.services import sync_quote_state
from wisepay.outbox import handler


@handler("quotes.record_outcome")
def record_outcome(*, payment_id: int, now: datetime, **_: object) -> None:
    """Bring a quote's state in line with its payment's."""
    for quote in Quote.objects.filter(payment_id=payment_id):
        sync_quote_state(quote, now=now)


@handler("quotes.deliver_callback")
def deliver_callback(*, callback_id: int, now: datetime, **_: object) -> None:
    """Send a callback to CPQ."""
    send_callback(Callback.objects.select_related("quote__payment").get(pk=callback_id), now=now)
