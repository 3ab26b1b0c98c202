"""`manage.py enable_multi_connection`: divide a merchant's accounting work between three connections."""

from argparse import ArgumentParser
from typing import Any

from connections.services import update_multi_connection
from merchants.commands import MERCHANT_HELP, find_merchant
from wisepay import clock
from wisepay.commands import OperatorCommand


class Command(OperatorCommand):
    """Switch a merchant's three connections on."""

    help = "Divide a merchant's accounting work between three connections: Wise-Pay, Company and Service."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help=MERCHANT_HELP)

    def handle(self, *_: Any, **options: Any) -> None:
        merchant = find_merchant(options["merchant"])
        self.merchant_id = merchant.pk
        changed = update_multi_connection(merchant, is_on=True, now=clock.now())
        self.stdout.write(f"{merchant.name}: {'three connections from now on' if changed else 'had three already'}.")
        self.stdout.write("An admin connects Company and Service under Configure > Accounting Connections.")
        self.stdout.write("Until then the work of those two waits.")
