"""`manage.py erase_person`: erase one person; what law and the books need stays under a pseudonym."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from wisepay.audit import record_audit_entry
from wisepay.commands import get_origin
from wisepay.personal_data.erasure import ErasureRefused, erase_person
from wisepay.personal_data.registry import find_subject


class Command(BaseCommand):
    """Erase the person after the operator said so; without `--yes` only what would stand in the way is shown."""

    help = "Erase the person with this e-mail address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--yes", action="store_true", help="do it; it cannot be undone")

    def handle(self, *_: Any, email: str, yes: bool, **__: Any) -> None:
        subject = find_subject(email)
        if not yes:
            raise CommandError("this cannot be undone: export_person shows what is stored, --yes erases it")
        try:
            counts = erase_person(subject)
        except ErasureRefused as refused:
            raise CommandError(str(refused)) from None
        record_audit_entry(
            "person.erased", merchant_id=None, user=None, ip=None, about=subject.user, origin=get_origin()
        )
        for model, count in sorted(counts.items()):
            if count:
                self.stdout.write(f"{count:>6}  {model}")
