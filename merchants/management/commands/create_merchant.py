"""`manage.py create_merchant`: the operator's way to let a merchant in."""

import getpass
import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from merchants.services import create_merchant
from wisepay.commands import OperatorCommand


class Command(OperatorCommand):
    """Create a merchant and its first admin."""

    help = "Create a merchant with its first admin; asks for the admin's password (or --generate-password)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the merchant's name as payers see it")
        parser.add_argument("--email", required=True, help="the first admin's e-mail address")
        parser.add_argument("--admin-name", default="", help="the first admin's name")
        parser.add_argument("--time-zone", default="UTC", help="for example Australia/Sydney")
        parser.add_argument("--generate-password", action="store_true", help="print a random password instead")

    def handle(self, *_: Any, **options: Any) -> None:
        generated = options["generate_password"]
        password = secrets.token_urlsafe(15) if generated else getpass.getpass("Password for the admin: ")
        if len(password) < 12:
            raise CommandError("The password needs at least 12 characters.")
        try:
            merchant = create_merchant(
                name=options["name"],
                admin_email=options["email"],
                admin_name=options["admin_name"],
                password=password,
                time_zone=options["time_zone"],
            )
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        self.merchant_id = merchant.pk
        self.stdout.write(f"{merchant.name} ({merchant.reference}): {options['email']} can sign in")
        if generated:
            self.stdout.write(f"password: {password}")
