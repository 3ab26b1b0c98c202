"""Look for quotes that were accepted in CPQ, and open their checkouts without anybody's click."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db.models import Q

from quotes.cpq_connections import get_merchant_words, open_client, record_unknown_word
from quotes.links import find_known_quote, receive_pulled, record_link_refusal
from quotes.models import CpqConnection, PayLinkMail, PolledVersion, Quote
from quotes.pay_link_mails import plan_pay_link_mail, record_earlier_versions
from quotes.providers.cpq import CpqClient, CpqQuote
from quotes.pulling import pull_quote
from quotes.refusals import QuoteRefused
from wisepay.errors import Disconnected, Rejected, Unavailable

log = structlog.get_logger(__name__)
# CPQ compares days, in a zone that it does not tell: what changed since the day before yesterday is more than a day.
OVERLAP = timedelta(days=2)
SEEN_FOR = timedelta(days=14)  # longer than any change is listed


def poll_connections(*, now: datetime) -> int:
    """Poll every connection that is due, one call for each where nothing is new; answers how many were polled.

    On trial nothing is looked for: no amount has been confirmed.
    """
    due = Q(polled_at=None) | Q(polled_at__lte=now - timedelta(minutes=settings.CPQ_POLL_MINUTES))
    rows = CpqConnection.objects.select_related("merchant").filter(due, is_enabled=True, is_polled=True)
    count = 0
    for connection in rows.exclude(confirmed_at=None).order_by("polled_at", "pk"):
        # Of several workers the one that writes first has it.
        same = CpqConnection.objects.filter(pk=connection.pk, polled_at=connection.polled_at)
        if same.update(polled_at=now):
            poll_connection(connection, now=now)
            count += 1
    return count


def poll_connection(connection: CpqConnection, *, now: datetime) -> None:
    """Open the checkouts of what was accepted lately; what could not be read is read by a later poll."""
    client = open_client(connection, priority="service")
    try:
        approved = client.list_approved(since=(now - OVERLAP).date())
        record_earlier_versions(connection, approved, now=now)
        for quote in list_unseen(connection, approved):
            receive_polled(connection, client, quote, now=now)
            key = {"cpq_id": quote.id, "modified": quote.modified}
            PolledVersion.objects.get_or_create(merchant=connection.merchant, **key, defaults={"seen_at": now})
    except Disconnected as error:
        CpqConnection.objects.filter(pk=connection.pk).update(last_error=str(error)[:200])
    except (Rejected, Unavailable) as error:
        log.warning("cpq.poll_failed", merchant=connection.merchant.reference, error=str(error))


def list_unseen(connection: CpqConnection, quotes: Iterable[CpqQuote]) -> list[CpqQuote]:
    """Those that no poll has dealt with as they are now."""
    found = list(quotes)
    rows = PolledVersion.objects.filter(merchant=connection.merchant, cpq_id__in=[quote.id for quote in found])
    seen = set(rows.values_list("cpq_id", "modified"))
    return [quote for quote in found if (quote.id, quote.modified) not in seen]


def receive_polled(connection: CpqConnection, client: CpqClient, quote: CpqQuote, *, now: datetime) -> None:
    """Open the checkout of one quote, or bring it up to date: two calls, one when nothing recurs.

    A refusal is told to the merchant. Raises as the client.
    """
    merchant = connection.merchant
    if find_known_quote(connection, quote, source=Quote.Source.CONTRACT):
        return
    try:
        pulled = pull_quote(client, quote, words=get_merchant_words(merchant), zone=merchant.zone, now=now)
        plan = partial(plan_pay_link_mail, connection, found=quote, now=now)
        receive_pulled(connection, pulled, when_new=plan, now=now)
    except QuoteRefused as refusal:
        record_unknown_word(merchant, refusal, now=now)
        record_link_refusal(connection, refusal, ip=None, now=now)


def delete_old_polled_versions(*, now: datetime) -> int:
    """Delete what was dealt with so long ago that no poll lists it; answers how many."""
    PayLinkMail.objects.filter(state=PayLinkMail.State.EARLIER, state_at__lte=now - SEEN_FOR).delete()
    return PolledVersion.objects.filter(seen_at__lte=now - SEEN_FOR).delete()[0]
