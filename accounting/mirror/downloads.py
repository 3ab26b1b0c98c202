"""Download latest accounting platform data: a job that reads the mirror at once, with progress for people."""

import time
from datetime import datetime

from accounting.ledger_session import open_ledger_session
from accounting.ledgers.protocol import Ledger
from accounting.mirror.jobs import complete_job, record_job_errors, start_job, update_progress
from accounting.mirror.kinds import MIRRORED_KINDS
from accounting.mirror.reader import TIME_SLICE, MirrorReader
from accounting.models import Download, MirrorCursor
from connections.availability import get_connection
from connections.models import Connection, Tier
from merchants.models import Merchant
from wisepay.models import User
from wisepay.outbox import Retry


def start_download(merchant: Merchant, *, by: User | None, now: datetime) -> Download:
    """Start a download, unless one is running or has just finished; answers the one to watch."""
    return start_job(Download, merchant, by=by, now=now)


def sync_download(download: Download, *, now: datetime) -> None:
    """Read what changed since the last time, before all work in the background. Raises Retry or Unavailable."""
    if download.state != "running":
        return
    with record_job_errors(download, now=now):
        connection = get_connection(download.merchant, tier=Tier.WISE_PAY)
        with open_ledger_session(connection, priority="interactive", now=now) as ledger:
            sync_download_kinds(download, connection, ledger, now=now)
        complete_job(download, now=now)


def sync_download_kinds(download: Download, connection: Connection, ledger: Ledger, *, now: datetime) -> None:
    """Read kind after kind, with the progress of each page. Raises Retry when one delivery can't read all."""
    if download.organisation_id != connection.organisation_id:
        update_progress(download, organisation_id=connection.organisation_id, step="contacts", pages_done=0, pages=None)

    def record_page(cursor: MirrorCursor, changed: int) -> None:
        counter = MIRRORED_KINDS[cursor.kind].counter
        # Behind its last page the cursor counts none any more.
        done, pages = (cursor.page, cursor.pages) if cursor.page else (download.pages, download.pages)
        counted = {counter: getattr(download, counter) + changed}
        update_progress(download, step=cursor.kind, pages_done=done or 1, pages=pages or 1, error="", **counted)

    reader = MirrorReader(connection, ledger, now=now, deadline=time.monotonic() + TIME_SLICE, on_page=record_page)
    kinds = reader.share_watermark(list(MIRRORED_KINDS))
    for kind in kinds[kinds.index(download.step) :]:
        if download.step != kind:
            update_progress(download, step=kind, pages_done=0, pages=None)
        if not reader.read_kind(kind):
            raise Retry("there is more to read", after=0)
