"""`manage.py create_merchant`: the operator's way to let a merchant in."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from merchants.models import Merchant
from merchants.services import open_merchant
from wisepay import clock
from wisepay.commands import OperatorCommand


class Command(OperatorCommand):
    """Create a merchant, and invite its first administrator by mail."""

    help = "Create a merchant, and mail its first administrator an invitation. Asks before a second one of a name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the merchant's name as payers see it")
        parser.add_argument("--email", required=True, help="the first administrator's e-mail address")
        parser.add_argument("--time-zone", default="UTC", help="for example Australia/Sydney")
        parser.add_argument("--same-name", action="store_true", help="make it though another one has this name")

    def handle(self, *_: Any, **options: Any) -> None:
        name = " ".join(options["name"].split())
        if not options["same_name"]:
            self.ask_before_twin(name)
        try:
            merchant = open_merchant(
                name=name, admin_email=options["email"], time_zone=options["time_zone"], now=clock.now()
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.merchant_id = merchant.pk
        self.stdout.write(f"{merchant.name} ({merchant.reference}): an invitation is mailed to {options['email']}")

    def ask_before_twin(self, name: str) -> None:
        """Ask whoever sits there whether a second merchant of a name is meant. Raises CommandError for no."""
        twins = list(Merchant.objects.filter(name__iexact=name).order_by("pk"))
        if not twins:
            return
        named = ", ".join(f"{twin.name} ({twin.reference})" for twin in twins)
        if sys.stdin.isatty() and input(f"There is {named} already. Make another one? [y/N] ").lower() in ("y", "yes"):
            return
        raise CommandError(f"There is {named} already. Say --same-name to make another one.", returncode=2)
