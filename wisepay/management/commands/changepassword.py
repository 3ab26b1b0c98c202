"""`manage.py changepassword`: Django's command, written into the audit log."""

from django.contrib.auth.management.commands.changepassword import Command as DjangoCommand

from wisepay.commands import OperatorCommand


class Command(OperatorCommand, DjangoCommand):
    """Do what Django's command does, and record who did it."""
