"""Download latest accounting platform data: the mirror reads at once, with progress for people to look at."""

import time
from datetime import datetime, timedelta

from django.db import models
from django_subatomic.db import transaction

from accounting.ledger_session import ledger_session
from accounting.ledgers.protocol import Ledger
from accounting.mirror.reader import MIRRORED_KINDS, TIME_SLICE, MirrorReader
from accounting.models import Download, LedgerContact, MirrorCursor
from connections.models import Connection, Tier
from connections.services import get_connection
from merchants.models import Merchant
from payers.models import fold_name
from wisepay import outbox
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.models import User
from wisepay.outbox import Retry

MIN_INTERVAL = timedelta(seconds=60)
MAX_WAIT = 120.0  # seconds that a person may be kept waiting for a limit before they are told
MAX_SUGGESTIONS = 8
COUNT_COLUMNS = {"contacts": "contacts", "invoices": "invoices", "credits": "credit_notes"}


def start_download(merchant: Merchant, *, by: User | None, now: datetime) -> Download:
    """The download that is running or has just finished, or else a new one that a worker begins."""
    with transaction():
        Merchant.objects.select_for_update(of=("self",), no_key=True).get(pk=merchant.pk)
        latest = get_latest_download(merchant)
        if latest is not None and latest.is_stale(now):
            latest.move_to("failed", now=now, by="books", error="It did not finish in time.")
        elif latest is not None and is_recent_enough(latest, now=now):
            return latest
        fresh = Download.objects.create(
            merchant=merchant, state="running", state_at=now, requested_by=by, created_at=now
        )
        outbox.enqueue(f"download:{fresh.pk}", "accounting.run_download", download_id=fresh.pk)
    return fresh


def is_recent_enough(latest: Download, *, now: datetime) -> bool:
    """Whether nobody needs another one yet; one that failed may be tried again at once."""
    return latest.state == "running" or (latest.state == "finished" and now - latest.state_at < MIN_INTERVAL)


def get_latest_download(merchant: Merchant) -> Download | None:
    """The newest one, whatever became of it."""
    return Download.objects.filter(merchant=merchant).order_by("-pk").first()


def sync_download(download: Download, *, now: datetime) -> None:
    """Let the mirror read what changed, before everybody else's work, from where it is.

    What goes wrong is written on the download in words; a short limit is waited out (Retry).
    """
    if download.state != "running":
        return
    try:
        connection = get_connection(download.merchant, tier=Tier.WISE_PAY)
        with ledger_session(connection, priority="interactive", now=now) as ledger:
            sync_download_kinds(download, connection, ledger, now=now)
    except Unavailable as error:
        if (error.retry_after or 0) > MAX_WAIT or download.is_stale(now):
            record_download_failure(download, f"{error}. Try again later.", now=now)
            return
        Download.objects.filter(pk=download.pk).update(error=str(error)[:300])
        raise Retry(str(error), after=error.retry_after) from error
    except Disconnected as error:
        record_download_failure(download, f"{error} Connect it again under Accounting Connections.", now=now)
    except Rejected as error:
        record_download_failure(download, f"The accounting package refused: {error.message}", now=now)


def sync_download_kinds(download: Download, connection: Connection, ledger: Ledger, *, now: datetime) -> None:
    """Kind after kind, with the progress of each page. Raises Retry when there is more than one delivery may read."""
    if download.organisation_id != connection.organisation_id:
        update_progress(download, organisation_id=connection.organisation_id, step="contacts", pages_done=0, pages=None)

    def on_page(cursor: MirrorCursor, changed: int) -> None:
        column = COUNT_COLUMNS[cursor.kind]
        done, pages = (cursor.page, cursor.pages) if cursor.page else (download.pages, download.pages)
        counted = {column: getattr(download, column) + changed}
        update_progress(download, step=cursor.kind, pages_done=done or 1, pages=pages or 1, error="", **counted)

    reader = MirrorReader(connection, ledger, now=now, deadline=time.monotonic() + TIME_SLICE, on_page=on_page)
    kinds = reader.share_watermark(list(MIRRORED_KINDS))
    for kind in kinds[kinds.index(download.step) :]:
        if download.step != kind:
            update_progress(download, step=kind, pages_done=0, pages=None)
        if not reader.read_kind(kind):
            raise Retry("there is more to read", after=0)
    with transaction():
        download.move_to("finished", now=now, by="books", error="")


def update_progress(download: Download, **columns: object) -> None:
    """What a person sees while it runs."""
    Download.objects.filter(pk=download.pk).update(**columns)
    for name, value in columns.items():
        setattr(download, name, value)


def record_download_failure(download: Download, reason: str, *, now: datetime) -> None:
    """It ends without everything; what was read stays."""
    with transaction():
        download.move_to("failed", now=now, by="books", reason=reason, error=reason[:300])


def find_contacts_by_text(merchant: Merchant, *, text: str) -> list[LedgerContact]:
    """Up to eight active contacts of the connected books whose name or mail contains `text`."""
    wanted = fold_name(text)
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if len(wanted) < 2 or connection is None:
        return []
    rows = LedgerContact.objects.filter(
        models.Q(folded_name__contains=wanted) | models.Q(email__icontains=wanted),
        merchant=merchant,
        organisation_id=connection.organisation_id,
        is_active=True,
    )
    return list(rows.order_by("folded_name", "pk")[:MAX_SUGGESTIONS])
