"""`manage.py sync_payments MERCHANT --since DATE`: Payment Sync at once, with its lines."""

import time
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from accounting.models import PaymentSync
from accounting.payment_sync import applications, lines_of, request_sync, run_sync
from accounting.payment_sync_views import since_of
from merchants.models import Merchant
from wisepay.errors import Unavailable
from wisepay.outbox import Retry

PATIENCE = 70.0  # seconds that a limit is waited for


class Command(BaseCommand):
    """Sync the payments of one merchant and say what that did."""

    help = "Read what was paid or credited in a merchant's accounting package, and say what that changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="its reference or its name")
        parser.add_argument("--since", help="a day such as 2026-01-31; else since the last sync", default="")

    def handle(self, *_: Any, **options: Any) -> None:
        named = Q(reference=options["merchant"]) | Q(name__iexact=options["merchant"])
        merchant = Merchant.objects.filter(named).first()
        if merchant is None:
            raise CommandError("There is no merchant of that name or reference.")
        try:
            day = date.fromisoformat(options["since"]) if options["since"] else None
        except ValueError as error:
            raise CommandError("Say the day as 2026-01-31.") from error
        now = timezone.now()
        sync = request_sync(merchant, since=since_of(merchant, day, now=now), by=None, now=now)
        self.run_through(sync)
        sync.refresh_from_db()
        if sync.state == "failed":
            raise CommandError(sync.error)
        self.tell(sync)

    def run_through(self, sync: PaymentSync) -> None:
        """Until it is over; a limit that ends soon is waited out."""
        while True:
            try:
                run_sync(sync, now=timezone.now())
                return
            except (Retry, Unavailable) as error:
                pause = error.after if isinstance(error, Retry) else error.retry_after
                if pause is None or pause > PATIENCE:
                    raise CommandError(f"{error}. Try again later.") from error
                time.sleep(pause)

    def tell(self, sync: PaymentSync) -> None:
        """The lines and the sums."""
        for line in lines_of(sync, applications(sync)):
            words = " ".join(line.done)
            self.stdout.write(f"{line.application.on} {line.invoice} {line.amount} {words}")
        self.stdout.write(
            f"{sync.payments} payments, {sync.credits} credits, {sync.invoices} invoices paid in full, "
            f"{sync.cancelled} scheduled payments cancelled"
        )
