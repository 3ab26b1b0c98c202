"""`manage.py sync_books MERCHANT [--full]`: read a merchant's books into the mirror, here and now."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from accounting.mirror import DESKS, Reader, begin_anew
from accounting.mirror_page import shelves
from accounting.models import MirrorCursor
from accounting.speaking import speaking
from connections.models import Connection, Tier
from connections.services import connection_for
from merchants.models import Merchant
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry


class Command(BaseCommand):
    """Read everything that changed, page by page, and say what is held afterwards."""

    help = "Read a merchant's contacts, invoices and credit notes from the accounting package."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="its reference or its name")
        parser.add_argument("--full", action="store_true", help="from the first page, not only what changed")

    def handle(self, *_: Any, **options: Any) -> None:
        named = Q(reference=options["merchant"]) | Q(name__iexact=options["merchant"])
        merchant = Merchant.objects.filter(named).first()
        if merchant is None:
            raise CommandError("There is no merchant of that name or reference.")
        try:
            connection = connection_for(merchant, tier=Tier.SERVICE)
            if options["full"]:
                begin_anew(merchant, connection.organisation_id, now=timezone.now())
            self.read(connection)
        except (Unavailable, Retry, Rejected, Disconnected) as error:
            text = str(error).rstrip(".")
            raise CommandError(f"{text}. What was read is kept; the next run goes on from there.") from error
        for row in shelves(merchant, now=timezone.now()):
            self.stdout.write(f"{row.count:>9} {row.label.lower()} {row.problem}".rstrip())

    def read(self, connection: Connection) -> None:
        """Kind after kind, however long it takes; a limit that ends soon is waited out."""
        for kind in DESKS:
            while not self.is_read(connection, kind):
                continue

    def is_read(self, connection: Connection, kind: str) -> bool:
        """One go; False after waiting for a limit, or when there is more."""
        now = timezone.now()
        try:
            with speaking(connection, lane="service", now=now) as ledger:
                reader = Reader(connection, ledger, now=now, deadline=time.monotonic() + 600, on_page=self.say)
                return kind not in ledger.mirror_kinds or reader.read_kind(kind)
        except Unavailable as error:
            if error.retry_after is None or error.retry_after > 70 or error.maybe_done:
                raise
            self.stdout.write(f"{error}: waiting {error.retry_after:.0f} s")
            time.sleep(error.retry_after)
            return False

    def say(self, cursor: MirrorCursor, changed: int) -> None:
        """One page was kept."""
        where = f"page {cursor.page} of {cursor.pages}" if cursor.page else "done"
        self.stdout.write(f"{cursor.kind}: {where}, {changed} new or different")
