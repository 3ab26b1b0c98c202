"""`manage.py run_autopay`: charge what is due, or with --dry-run write what would be charged when, and what not."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounting.autopay.charging import charge_scheduled_payment, list_due_payments
from accounting.autopay.decision_context import is_paused
from accounting.autopay.planning import list_skipped_invoices
from accounting.autopay.selectors import list_live_payments
from accounting.models import AutoPaySettings, LedgerInvoice
from merchants.commands import MERCHANT_HELP, find_merchant
from merchants.models import Merchant
from wisepay import clock
from wisepay.commands import OperatorCommand
from wisepay.outbox import Retry


class Command(OperatorCommand):
    """Run the automatic payments that are due now, of all merchants or of one."""

    help = "Charge the automatic payments that are due; with --dry-run charge nothing and say what would be, and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Charge nothing.")
        parser.add_argument("--merchant", help=f"Only this merchant: {MERCHANT_HELP}.")

    def is_acting(self, options: dict[str, Any]) -> bool:
        return not options["dry_run"]

    def handle(self, *_: Any, **options: Any) -> None:
        merchants = Merchant.objects.filter(pk__in=AutoPaySettings.objects.values("merchant")).order_by("name")
        if options["merchant"]:
            self.merchant_id = find_merchant(options["merchant"]).pk
            merchants = merchants.filter(pk=self.merchant_id)
            if not merchants:
                raise CommandError("This merchant has never set automatic payments up.")
        for merchant in merchants:
            self.write_result(merchant) if options["dry_run"] else self.charge_due(merchant)

    def charge_due(self, merchant: Merchant) -> None:
        """Charge what is due."""
        now = clock.now()
        due = list(list_due_payments(now=now).filter(merchant=merchant).values_list("pk", flat=True))
        count = sum(self.charge(pk) for pk in due)
        self.stdout.write(f"{merchant}: {count} of {len(due)} due payments charged")

    def charge(self, scheduled_id: int) -> bool:
        """Charge one; answers False for what the workers have to try again in a moment."""
        try:
            return charge_scheduled_payment(scheduled_id, now=clock.now()) is not None
        except Retry:
            return False

    def write_result(self, merchant: Merchant) -> None:
        """Write what would be charged when, and why the others would not."""
        now = clock.now()
        state = " (paused)" if is_paused(merchant) else ""
        self.stdout.write(f"{merchant}{state}")
        for row in list_live_payments(merchant):
            at = row.run_at.astimezone(merchant.zone)
            note = f"  {row.state}: {row.reason}" if row.state != "scheduled" or row.reason else ""
            self.stdout.write(f"  {at:%Y-%m-%d %H:%M}  {row.money}  {row.invoice}  {row.company}  {row.method}{note}")
        gaps = dict(list_skipped_invoices(merchant, now=now))
        for invoice in LedgerInvoice.objects.filter(pk__in=gaps).select_related("company").order_by("pk"):
            self.stdout.write(
                f"  not charged  {invoice.due_money}  {invoice}  {invoice.company or '-'}: {gaps[invoice.pk]}"
            )
