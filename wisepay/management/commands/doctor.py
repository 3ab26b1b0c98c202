"""`manage.py doctor`: what is configured, reachable, missing."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wisepay.health_checks import HEALTH_CHECKS

MARKS = {True: "ok  ", False: "BAD ", None: "note"}


class Command(BaseCommand):
    """Ask every floor how it is; exit 1 when something is broken."""

    help = "Check the configuration, the database, the broker, the vendors and every merchant."

    def handle(self, *_: Any, **__: Any) -> None:
        bad = 0
        for question in HEALTH_CHECKS:
            for finding in question():
                bad += finding.ok is False
                self.stdout.write(f"{MARKS[finding.ok]}  {finding.subject:<28} {finding.message}")
        if bad:
            raise CommandError(f"{bad} broken")
