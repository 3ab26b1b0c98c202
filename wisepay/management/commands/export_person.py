"""`manage.py export_person`: everything that is stored about one person, as JSON."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from wisepay import clock
from wisepay.audit import record_audit_entry
from wisepay.commands import get_origin
from wisepay.personal_data.export import export_person
from wisepay.personal_data.registry import find_subject


class Command(BaseCommand):
    """Print the person's data; also of somebody who paid without an account."""

    help = "Print everything that is stored about the person with this e-mail address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *_: Any, email: str, **__: Any) -> None:
        subject = find_subject(email)
        found = export_person(subject, now=clock.now())
        if not found["tables"]:
            raise CommandError("nothing is stored about this address")
        record_audit_entry(
            "person.exported", merchant_id=None, user=None, ip=None, about=subject.user, origin=get_origin()
        )
        self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
