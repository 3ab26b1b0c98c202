"""`manage.py doctor`: run every health check."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wisepay.health_checks import run_health_checks

STATUS_LABELS = {True: "ok  ", False: "BAD ", None: "note"}


class Command(BaseCommand):
    """Run the health checks of every floor, whatever becomes of one of them; exit 1 when something is broken."""

    help = "Check the configuration, the database, the broker, the vendors and every merchant."

    def handle(self, *_: Any, **__: Any) -> None:
        bad = 0
        for result in run_health_checks():
            bad += result.ok is False
            self.stdout.write(f"{STATUS_LABELS[result.ok]}  {result.subject:<28} {result.message}")
        if bad:
            raise CommandError(f"{bad} broken")
