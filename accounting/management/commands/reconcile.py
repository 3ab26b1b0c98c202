"""`manage.py reconcile MERCHANT --from DAY --to DAY`: compare Stripe, our ledger and the accounting package."""

from argparse import ArgumentParser
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import CommandError

from accounting.reconciliation.differences import Difference
from accounting.reconciliation.export import render_csv_lines
from accounting.reconciliation.ledger_payments import sync_ledger_payments
from accounting.reconciliation.periods import Period, get_month
from accounting.reconciliation.report import ReconciliationReport, reconcile
from merchants.commands import MERCHANT_HELP, find_merchant
from merchants.models import Merchant
from payments.balance.services import sync_balance
from payments.models import GatewayAccount
from wisepay import clock
from wisepay.commands import OperatorCommand
from wisepay.errors import Unavailable
from wisepay.outbox import Retry


class Command(OperatorCommand):
    """Exit code 0 when all agrees or every cent apart is accounted for, 1 when not, 2 when it could not be judged."""

    help = "Compares Stripe, our own ledger and the books for some days; exit code 1 while differences are open."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the options."""
        parser.add_argument("merchant", help=MERCHANT_HELP)
        parser.add_argument("--from", dest="first", type=date.fromisoformat, help="first day, by default this month's")
        parser.add_argument("--to", dest="last", type=date.fromisoformat, help="last day, by default this month's")
        parser.add_argument("--csv", action="store_true", help="every item and difference as CSV")
        parser.add_argument("--no-read", action="store_true", help="compare what was read before, without any call")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sync, compare and write the report."""
        merchant = find_merchant(options["merchant"])
        self.merchant_id = merchant.pk
        now = clock.now()
        if not options["no_read"]:
            self.read_all_kinds(merchant)
        month = get_month(now.astimezone(merchant.zone).date(), merchant.zone)
        try:
            period = Period(options["first"] or month.first, options["last"] or month.last, merchant.zone)
        except ValueError:
            raise CommandError("The last day is before the first.", returncode=2) from None
        report = reconcile(merchant, period, now=now)
        if not report.is_read:
            raise CommandError("Stripe was not read yet. Leave --no-read out.", returncode=2)
        self.write_report(report, as_csv=options["csv"])
        if report.incomplete_reason:
            raise CommandError(report.incomplete_reason, returncode=2)
        if report.verdict not in ("agrees", "apart"):
            raise SystemExit(1)

    def read_all_kinds(self, merchant: Merchant) -> None:
        """Sync Stripe and the payments of the accounting package."""
        try:
            for account in GatewayAccount.objects.filter(merchant=merchant):
                sync_balance(account, now=clock.now())
            sync_ledger_payments(merchant, now=clock.now())
        except (Unavailable, Retry) as error:
            raise CommandError(f"It could not be read to the end: {error}", returncode=2) from error

    def write_report(self, report: ReconciliationReport, *, as_csv: bool) -> None:
        """Write the report as text, or as CSV."""
        if as_csv:
            for line in render_csv_lines(report):
                self.stdout.write(line, ending="")
            return
        self.stdout.write(f"{report.merchant}, {report.period.first} to {report.period.last}")
        for total in report.totals:
            names = ("stripe", "ours", "books", "fees")
            amounts = (f"{name} {amount}" for name, amount in zip(names, total.amounts, strict=True))
            where = f" in the books of {total.name}" if total.name else ""
            why = f" ({total.why})" if total.why else ""
            self.stdout.write(f"  {total.count} items{where}: {', '.join(amounts)}{why}")
        for row in report.open_differences:
            self.stdout.write(f"  {format_difference(row)} {row.advice}")
        for row in report.known_differences:
            self.stdout.write(f"  Known: {format_difference(row)} {format_acknowledgement(row, report.period.zone)}")
        self.stdout.write(format_summary(report))


def format_difference(row: Difference) -> str:
    """Return a difference as one line."""
    return f"{row.day} {row.label}: {row.subject} {row.payer}. {row.description}"


def format_acknowledgement(row: Difference, zone: ZoneInfo) -> str:
    """Return who acknowledged it, when and why."""
    return f"{row.known.by}, {row.known.at.astimezone(zone):%Y-%m-%d}: {row.known.reason}" if row.known else ""


def format_summary(report: ReconciliationReport) -> str:
    """Return the result from the figures, how many differences are open, and how many acknowledged."""
    count = len(report.open_differences)
    apart = ", ".join(str(total.apart) for total in report.totals if total.apart)
    words = {
        "differs": f"{count} open difference{'s' * (count != 1)}",
        "agrees": "Everything agrees",
        "apart": "Nothing is open" + (f"; the figures are {apart} apart" if apart else ""),
    }
    summary = words.get(report.verdict, "Not read yet")
    return f"{summary}; {len(report.known_differences)} known" if report.known_differences else summary
