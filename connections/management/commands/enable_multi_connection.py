"""`manage.py enable_multi_connection`: divide a merchant's accounting work between three connections."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Q

from connections.services import update_multi_connection
from merchants.models import Merchant
from wisepay import clock
from wisepay.commands import OperatorCommand


def find_merchant(text: str) -> Merchant:
    """The merchant with this reference, or the only one of this name. Raises CommandError."""
    found = list(Merchant.objects.filter(Q(reference=text) | Q(name__iexact=text)).order_by("pk"))
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"No merchant has the reference or the name {text!r}.")
    several = ", ".join(f"{m.reference} ({m.name})" for m in found)
    raise CommandError(f"Several merchants are called {text!r}: name one by its reference: {several}.")


class Command(OperatorCommand):
    """Switch a merchant's three connections on."""

    help = "Divide a merchant's accounting work between three connections: Wise-Pay, Company and Service."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="its reference, or its name")

    def handle(self, *_: Any, **options: Any) -> None:
        merchant = find_merchant(options["merchant"])
        self.merchant_id = merchant.pk
        changed = update_multi_connection(merchant, is_on=True, now=clock.now())
        self.stdout.write(f"{merchant.name}: {'three connections from now on' if changed else 'had three already'}.")
        self.stdout.write("An admin connects Company and Service under Configure > Accounting Connections.")
        self.stdout.write("Until then the work of those two waits.")
