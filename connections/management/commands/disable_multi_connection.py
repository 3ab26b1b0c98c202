"""`manage.py disable_multi_connection`: let a merchant's Wise-Pay connection do all the work again."""

from argparse import ArgumentParser
from typing import Any

from connections.services import update_multi_connection
from merchants.commands import MERCHANT_HELP, find_merchant
from wisepay import clock
from wisepay.commands import OperatorCommand


class Command(OperatorCommand):
    """Switch a merchant's three connections off."""

    help = "Let a merchant's Wise-Pay connection do all the work; Company and Service are disconnected."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help=MERCHANT_HELP)

    def handle(self, *_: Any, **options: Any) -> None:
        merchant = find_merchant(options["merchant"])
        self.merchant_id = merchant.pk
        changed = update_multi_connection(merchant, is_on=False, now=clock.now())
        self.stdout.write(f"{merchant.name}: {'one connection from now on' if changed else 'had one already'}.")
