"""`manage.py sync_books MERCHANT [--full]`: read a merchant's ledger into the mirror, in this process."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounting.ledger_session import open_ledger_session
from accounting.mirror.kinds import MIRRORED_KINDS
from accounting.mirror.reader import MirrorReader, schedule_full_sync
from accounting.mirror.status import list_mirror_statuses
from accounting.models import MirrorCursor
from connections.availability import get_connection
from connections.models import Connection, Tier
from merchants.commands import MERCHANT_HELP, find_merchant
from wisepay import clock
from wisepay.commands import OperatorCommand
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry


class Command(OperatorCommand):
    """Read everything that changed, page by page, and write what the mirror has afterwards."""

    help = "Read a merchant's contacts, invoices and credit notes from the accounting package."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help=MERCHANT_HELP)
        parser.add_argument("--full", action="store_true", help="from the first page, not only what changed")

    def handle(self, *_: Any, **options: Any) -> None:
        merchant = find_merchant(options["merchant"])
        self.merchant_id = merchant.pk
        try:
            connection = get_connection(merchant, tier=Tier.SERVICE)
            if options["full"]:
                schedule_full_sync(merchant, connection.organisation_id, now=clock.now())
            self.read_all_kinds(connection)
        except (Unavailable, Retry, Rejected, Disconnected) as error:
            text = str(error).rstrip(".")
            raise CommandError(f"{text}. What was read is kept; the next run goes on from there.") from error
        for row in list_mirror_statuses(merchant, now=clock.now()):
            self.stdout.write(f"{row.count:>9} {row.label.lower()} {row.problem}".rstrip())

    def read_all_kinds(self, connection: Connection) -> None:
        """Read kind after kind, however long it takes; a limit that ends soon is waited out."""
        for kind in MIRRORED_KINDS:
            while not self.read_kind(connection, kind):
                continue

    def read_kind(self, connection: Connection, kind: str) -> bool:
        """Read once; answers False after waiting for a limit, or when there is more."""
        now = clock.now()
        try:
            with open_ledger_session(connection, priority="service", now=now) as ledger:
                reader = MirrorReader(
                    connection, ledger, now=now, deadline=time.monotonic() + 600, on_page=self.write_report
                )
                return kind not in ledger.mirrored_kinds or reader.read_kind(kind)
        except Unavailable as error:
            if error.retry_after is None or error.retry_after > 70 or error.maybe_done:
                raise
            self.stdout.write(f"{error}: waiting {error.retry_after:.0f} s")
            time.sleep(error.retry_after)
            return False

    def write_report(self, cursor: MirrorCursor, changed: int) -> None:
        """Write that one page was saved."""
        where = f"page {cursor.page} of {cursor.pages}" if cursor.page else "done"
        self.stdout.write(f"{cursor.kind}: {where}, {changed} new or different")
