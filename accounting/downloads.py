"""Download latest accounting platform data: contacts and credit notes, page by page, with progress to look at."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import models, transaction

from accounting.facts import record_facts, record_gone, take_up
from accounting.ledgers import open_ledger
from accounting.ledgers.words import ContactFacts, Ledger, NoteFacts
from accounting.models import Download, LedgerContact
from connections.checks import heed_refusal
from connections.health import note_accepted, note_unavailable
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
OVERLAP = timedelta(minutes=5)  # the books' clock is not ours
SUGGESTED = 8


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


def last_finished(merchant: Merchant, *, organisation_id: str = "") -> Download | None:
    """The newest one that read everything, of one organisation if that is given."""
    rows = Download.objects.filter(merchant=merchant, state="finished")
    rows = rows.filter(organisation_id=organisation_id) if organisation_id else rows
    return rows.order_by("-pk").first()


def run_download(download: Download, *, now: datetime) -> None:
    """Read what changed since the last finished download, from the page where this one stopped.

    What goes wrong is written on the download in words; a short limit is waited out (Retry).
    """
    if download.state != "running":
        return
    connection = None
    try:
        connection = connection_for(download.merchant, tier=Tier.WISE_PAY)
        Reader(download, connection, open_ledger(connection, lane="interactive", now=now), now=now).run()
        note_accepted(connection, now=now)
    except Unavailable as error:
        if connection is not None:
            note_unavailable(connection, error, now=now)
        if (error.retry_after or 0) > LONGEST_WAIT or download.is_stale(now):
            fail(download, f"{error}. Try again later.", now=now)
            return
        Download.objects.filter(pk=download.pk).update(error=str(error)[:300])
        raise Retry(str(error), after=error.retry_after) from error
    except Disconnected as error:
        if connection is not None and heed_refusal(connection, now=now):
            raise Retry("the access token was refused before its time", after=1) from error
        fail(download, f"{error} Connect it again under Accounting Connections.", now=now)
    except Rejected as error:
        fail(download, f"The accounting package refused: {error.message}", now=now)


def fail(download: Download, reason: str, *, now: datetime) -> None:
    """It ends without everything; what was read stays."""
    with transaction.atomic(durable=True):
        download.move_to("failed", now=now, by="books", reason=reason, error=reason[:300])


class Reader:
    """One worker's reading of one download."""

    def __init__(self, download: Download, connection: Connection, ledger: Ledger, *, now: datetime) -> None:
        self.download, self.ledger, self.now = download, ledger, now
        self.organisation_id = connection.organisation_id
        before = last_finished(download.merchant, organisation_id=self.organisation_id)
        self.since = before.created_at - OVERLAP if before else None

    def run(self) -> None:
        """Contacts, then credit notes."""
        if self.download.organisation_id != self.organisation_id:
            self.progress(organisation_id=self.organisation_id, step="contacts", pages_done=0, pages=None)
        if self.download.step == Download.Step.CONTACTS:
            self.read_pages(self.read_contacts)
            self.progress(step=Download.Step.CREDIT_NOTES, pages_done=0, pages=None)
        self.read_pages(self.read_notes)
        with transaction.atomic(durable=True):
            self.download.move_to("finished", now=self.now, by="books", error="")

    def read_pages(self, read: Callable[[int], int]) -> None:
        """Page by page, each committed with the progress."""
        while self.download.pages is None or self.download.pages_done < self.download.pages:
            pages = read(self.download.pages_done + 1)
            self.progress(pages=pages, pages_done=self.download.pages_done + 1, error="")

    def read_contacts(self, page: int) -> int:
        """One page of contacts; answers how many pages there are."""
        found = self.ledger.read_contact_page(page, since=self.since)
        keep_contacts(self.download.merchant, self.organisation_id, found.rows, now=self.now)
        self.progress(contacts=self.download.contacts + len(found.rows))
        return found.pages

    def read_notes(self, page: int) -> int:
        """One page of credit notes; answers how many pages there are."""
        found = self.ledger.read_note_page(page, since=self.since)
        keep_notes(self.download.merchant, found.rows, gone=found.gone, now=self.now)
        self.progress(credit_notes=self.download.credit_notes + len(found.rows))
        return found.pages

    def progress(self, **columns: object) -> None:
        """What a person sees while it runs."""
        Download.objects.filter(pk=self.download.pk).update(**columns)
        for name, value in columns.items():
            setattr(self.download, name, value)


def keep_contacts(merchant: Merchant, organisation_id: str, rows: Sequence[ContactFacts], *, now: datetime) -> None:
    """Write contacts down, each once by its id."""
    fresh = [
        LedgerContact(
            merchant=merchant,
            organisation_id=organisation_id,
            contact_id=row.id,
            name=row.name[:255],
            folded_name=folded(row.name),
            email=row.email[:255],
            is_active=row.is_active,
            read_at=now,
        )
        for row in rows
    ]
    LedgerContact.objects.bulk_create(
        fresh,
        update_conflicts=True,
        unique_fields=["merchant", "organisation_id", "contact_id"],
        update_fields=["name", "folded_name", "email", "is_active", "read_at"],
    )


def keep_notes(merchant: Merchant, rows: Sequence[NoteFacts], *, now: datetime, gone: Sequence[str] = ()) -> None:
    """Write credit notes down, those `gone` from the books too, and go on with tasks that were done there."""
    with transaction.atomic(durable=True):
        record_facts(merchant, rows, asked_at=now, now=now)
        record_gone(merchant, gone, now=now)
        take_up(merchant, {row.number: row for row in rows}, now=now)


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
