"""`manage.py invite_administrator`: an invitation for a merchant whose administrators cannot invite one themselves."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_email

from merchants.commands import MERCHANT_HELP, find_merchant
from merchants.member_invitations import InvitationRefused, invite_member, resend_invitation
from merchants.models import Role
from wisepay import clock
from wisepay.commands import OperatorCommand


class Command(OperatorCommand):
    """Mail an invitation as Administrator, or mail the one that waits again."""

    help = "Mail somebody an invitation as a merchant's administrator; one that waits is mailed again with a new link."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help=MERCHANT_HELP)
        parser.add_argument("--email", required=True, help="whom to invite")

    def handle(self, *_: Any, **options: Any) -> None:
        merchant, email = find_merchant(options["merchant"]), options["email"].strip().lower()
        self.merchant_id = merchant.pk
        role = merchant.roles.get(kind=Role.Kind.ADMINISTRATOR)
        waiting = merchant.member_invitations.filter(email=email, role=role, accepted_at=None, withdrawn_at=None)
        try:
            validate_email(email)
            if invitation := waiting.first():
                resend_invitation(invitation, now=clock.now())
            else:
                invite_member(merchant, email=email, role=role, by=None, now=clock.now())
        except (InvitationRefused, ValidationError) as error:
            raise CommandError("; ".join(getattr(error, "messages", [str(error)])), returncode=2) from error
        self.stdout.write(f"{merchant.name} ({merchant.reference}): an invitation is mailed to {email}")
