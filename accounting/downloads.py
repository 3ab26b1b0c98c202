"""Download latest accounting platform data: the mirror reads at once, with progress for people to look at."""

import time
from datetime import datetime, timedelta

from django.db import models, transaction

from accounting.ledgers.words import Ledger
from accounting.mirror import DESKS, SLICE, Reader
from accounting.models import Download, LedgerContact, MirrorCursor
from accounting.speaking import speaking
from connections.models import Connection, Tier
from connections.services import connection_for
from merchants.models import Merchant
from payers.models import folded
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import User
from wisepay.outbox import Retry

AGAIN_AFTER = timedelta(seconds=60)
LONGEST_WAIT = 120.0  # seconds that a person may be kept waiting for a limit before they are told
SUGGESTED = 8
COUNTED = {"contacts": "contacts", "invoices": "invoices", "credits": "credit_notes"}


def request_download(merchant: Merchant, *, by: User | None, now: datetime) -> Download:
    """The download that is running or has just finished, or else a new one that a worker begins."""
    with transaction.atomic(durable=True):
        Merchant.objects.select_for_update(of=("self",), no_key=True).get(pk=merchant.pk)
        latest = latest_download(merchant)
        if latest is not None and latest.is_stale(now):
            latest.move_to("failed", now=now, by="books", error="It did not finish in time.")
        elif latest is not None and is_enough(latest, now=now):
            return latest
        fresh = Download.objects.create(
            merchant=merchant, state="running", state_at=now, requested_by=by, created_at=now
        )
        outbox.put(f"download:{fresh.pk}", "accounting.run_download", download_id=fresh.pk)
    return fresh


def is_enough(latest: Download, *, now: datetime) -> bool:
    """Whether nobody needs another one yet; one that failed may be tried again at once."""
    return latest.state == "running" or (latest.state == "finished" and now - latest.state_at < AGAIN_AFTER)


def latest_download(merchant: Merchant) -> Download | None:
    """The newest one, whatever became of it."""
    return Download.objects.filter(merchant=merchant).order_by("-pk").first()


def run_download(download: Download, *, now: datetime) -> None:
    """Let the mirror read what changed, before everybody else's work, from where it is.

    What goes wrong is written on the download in words; a short limit is waited out (Retry).
    """
    if download.state != "running":
        return
    try:
        connection = connection_for(download.merchant, tier=Tier.WISE_PAY)
        with speaking(connection, lane="interactive", now=now) as ledger:
            read_steps(download, connection, ledger, now=now)
    except Unavailable as error:
        if (error.retry_after or 0) > LONGEST_WAIT or download.is_stale(now):
            fail(download, f"{error}. Try again later.", now=now)
            return
        Download.objects.filter(pk=download.pk).update(error=str(error)[:300])
        raise Retry(str(error), after=error.retry_after) from error
    except Disconnected as error:
        fail(download, f"{error} Connect it again under Accounting Connections.", now=now)
    except Rejected as error:
        fail(download, f"The accounting package refused: {error.message}", now=now)


def read_steps(download: Download, connection: Connection, ledger: Ledger, *, now: datetime) -> None:
    """Kind after kind, with the progress of each page. Raises Retry when there is more than one delivery may read."""
    if download.organisation_id != connection.organisation_id:
        show(download, organisation_id=connection.organisation_id, step="contacts", pages_done=0, pages=None)

    def on_page(cursor: MirrorCursor, changed: int) -> None:
        column = COUNTED[cursor.kind]
        done, pages = (cursor.page, cursor.pages) if cursor.page else (download.pages, download.pages)
        counted = {column: getattr(download, column) + changed}
        show(download, step=cursor.kind, pages_done=done or 1, pages=pages or 1, error="", **counted)

    reader = Reader(connection, ledger, now=now, deadline=time.monotonic() + SLICE, on_page=on_page)
    kinds = reader.together(list(DESKS))
    for kind in kinds[kinds.index(download.step) :]:
        if download.step != kind:
            show(download, step=kind, pages_done=0, pages=None)
        if not reader.read_kind(kind):
            raise Retry("there is more to read", after=0)
    with transaction.atomic(durable=True):
        download.move_to("finished", now=now, by="books", error="")


def show(download: Download, **columns: object) -> None:
    """What a person sees while it runs."""
    Download.objects.filter(pk=download.pk).update(**columns)
    for name, value in columns.items():
        setattr(download, name, value)


def fail(download: Download, reason: str, *, now: datetime) -> None:
    """It ends without everything; what was read stays."""
    with transaction.atomic(durable=True):
        download.move_to("failed", now=now, by="books", reason=reason, error=reason[:300])


def suggest_contacts(merchant: Merchant, *, text: str) -> list[LedgerContact]:
    """Up to eight active contacts of the connected books whose name or mail contains `text`."""
    wanted = folded(text)
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if len(wanted) < 2 or connection is None:
        return []
    rows = LedgerContact.objects.filter(
        models.Q(folded_name__contains=wanted) | models.Q(email__icontains=wanted),
        merchant=merchant,
        organisation_id=connection.organisation_id,
        is_active=True,
    )
    return list(rows.order_by("folded_name", "pk")[:SUGGESTED])
