"""`manage.py enable_multi_connection`: divide a merchant's accounting work between three connections."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from connections.management.arguments import find_merchant
from connections.services import update_multi_connection
from wisepay import clock


class Command(BaseCommand):
    """Switch a merchant's three connections on."""

    help = "Divide a merchant's accounting work between three connections: Wise-Pay, Company and Service."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="its reference, or its name")

    def handle(self, *_: Any, **options: Any) -> None:
        merchant = find_merchant(options["merchant"])
        changed = update_multi_connection(merchant, is_on=True, now=clock.now())
        self.stdout.write(f"{merchant.name}: {'three connections from now on' if changed else 'had three already'}.")
        self.stdout.write("An admin connects Company and Service under Configure > Accounting Connections.")
        self.stdout.write("Until then the work of those two waits.")
