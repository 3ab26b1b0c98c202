"""`manage.py verify_audit`: whether the audit log is as the application wrote it."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.models import Q

from wisepay import clock
from wisepay.audit_log.models import OPERATORS_CHAIN
from wisepay.audit_log.verification import Finding, verify_audit_log, verify_copies, verify_protection
from wisepay.models import AuditSeal


class Command(BaseCommand):
    """Verify the audit log's chains, their heads, and copies of the head that were kept outside."""

    help = "Verify that nobody has changed, inserted, deleted or cut off entries of the audit log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--merchant", help="only the chain of this merchant: its reference, name or primary key; 0: the operators'"
        )
        parser.add_argument("--heads", action="append", default=[], help="a log or file with copies of the head")

    def handle(self, *_: Any, **options: Any) -> None:
        findings = 0
        with transaction.atomic():
            # One state of the database, though entries are written and sealed meanwhile.
            if len(connection.savepoint_ids) == 0:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            chain = find_chain(options["merchant"]) if options["merchant"] is not None else None
            for finding in self.list_findings(chain, options["heads"]):
                findings += 1
                place = f"merchant {finding.chain}" if finding.chain > OPERATORS_CHAIN else "operators"
                self.stdout.write(f"{place}, position {finding.position}: {finding.message}")
            count = AuditSeal.objects.exclude(entry_id=None).count()
        if findings:
            raise CommandError(f"{findings} finding{'s' if findings > 1 else ''}: see docs/runbook.md, The audit log.")
        self.stdout.write(f"The audit log is in order: {count} entries are sealed.")

    def list_findings(self, merchant: int | None, heads: list[str]) -> Iterator[Finding]:
        """Everything that is wrong, with the whole log or with one merchant's chain."""
        yield from verify_audit_log(now=clock.now(), chains=None if merchant is None else [merchant])
        yield from verify_protection()
        kept = Path(settings.AUDIT_HEADS_FILE) if settings.AUDIT_HEADS_FILE else None
        for path in [*map(Path, heads), *([kept] if kept and kept.exists() else [])]:
            yield from verify_copies(path.read_text(errors="replace"))


def find_chain(text: object) -> int:
    """The chain of a merchant, or the operators'. Raises CommandError."""
    wanted = str(text)
    merchants = apps.get_model("merchants", "Merchant")._default_manager  # a floor above this one
    found = list(merchants.filter(Q(reference=wanted) | Q(name__iexact=wanted)).values_list("pk", flat=True))
    if len(found) == 1:
        return int(found[0])
    if not found and wanted.isdecimal() and len(wanted) < 10:
        return int(wanted)
    raise CommandError(f"{'Several merchants are' if found else 'No merchant is'} called {wanted!r}.")
