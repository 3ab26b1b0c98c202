"""`manage.py sync_payments MERCHANT --since DATE`: run a Payment Sync in this process."""

import time
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import CommandError

from accounting.models import PaymentSync
from accounting.payment_sync.services import build_sync_lines, list_applications, start_payment_sync, sync_payments
from accounting.payment_sync.views import get_since
from merchants.commands import MERCHANT_HELP, find_merchant
from wisepay import clock
from wisepay.commands import OperatorCommand
from wisepay.errors import Unavailable
from wisepay.outbox import Retry

MAX_WAIT = 70.0  # seconds that a limit is waited for


class Command(OperatorCommand):
    """Sync the payments of one merchant and write what that changed."""

    help = "Read what was paid or credited in a merchant's accounting package, and say what that changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help=MERCHANT_HELP)
        parser.add_argument("--since", help="a day such as 2026-01-31; else since the last sync", default="")

    def handle(self, *_: Any, **options: Any) -> None:
        merchant = find_merchant(options["merchant"])
        self.merchant_id = merchant.pk
        try:
            day = date.fromisoformat(options["since"]) if options["since"] else None
        except ValueError as error:
            raise CommandError("Say the day as 2026-01-31.") from error
        now = clock.now()
        sync = start_payment_sync(merchant, since=get_since(merchant, day, now=now), by=None, now=now)
        self.run_until_finished(sync)
        sync.refresh_from_db()
        if sync.state == "failed":
            raise CommandError(sync.error)
        self.write_result(sync)

    def run_until_finished(self, sync: PaymentSync) -> None:
        """Run the sync until it is over; a limit that ends soon is waited out. Raises CommandError."""
        while True:
            try:
                sync_payments(sync, now=clock.now())
                return
            except (Retry, Unavailable) as error:
                pause = error.after if isinstance(error, Retry) else error.retry_after
                if pause is None or pause > MAX_WAIT:
                    raise CommandError(f"{error}. Try again later.") from error
                time.sleep(pause)

    def write_result(self, sync: PaymentSync) -> None:
        """Write the lines and the sums."""
        for line in build_sync_lines(sync, list_applications(sync)):
            effects = " ".join(line.effects)
            self.stdout.write(f"{line.application.on} {line.invoice} {line.amount} {effects}")
        self.stdout.write(
            f"{sync.payments} payments, {sync.credits} credits, {sync.invoices} invoices paid in full, "
            f"{sync.cancelled} scheduled payments cancelled"
        )
