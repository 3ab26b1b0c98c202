"""`manage.py outbox`: list, deliver and retry messages."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from wisepay import clock, outbox
from wisepay.commands import OperatorCommand
from wisepay.models import OutboxMessage


class Command(OperatorCommand):
    """List, deliver and retry outbox messages."""

    help = "Outbox messages: list, dead, retry KEY (or --all-dead), deliver."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["list", "dead", "retry", "deliver"], nargs="?", default="list")
        parser.add_argument("key", nargs="?")
        parser.add_argument("--all-dead", action="store_true", help="retry every dead message")
        parser.add_argument("--limit", type=int, default=50)

    def is_acting(self, options: dict[str, Any]) -> bool:
        return options["action"] in ("retry", "deliver")

    def handle(self, *_: Any, **options: Any) -> None:
        action = options["action"]
        if action == "retry":
            self.retry(options["key"], all_dead=options["all_dead"])
        elif action == "deliver":
            keys = outbox.list_due_keys(now=clock.now(), limit=options["limit"])
            done = sum(outbox.deliver_message(key, now=clock.now()) for key in keys)
            self.stdout.write(f"{done} delivered")
        else:
            self.show("dead" if action == "dead" else "pending", limit=options["limit"])

    def show(self, state: str, *, limit: int) -> None:
        """Print the messages in `state`, the next to run first."""
        messages = OutboxMessage.objects.filter(state=state).order_by("run_after", "id")
        for m in messages[:limit]:
            self.stdout.write(f"{m.run_after:%Y-%m-%d %H:%M:%S}Z  tries {m.attempts:<3} {m.handler:<32} {m.key}")
            if m.last_error:
                self.stdout.write(f"    {m.last_error.splitlines()[0][:160]}")
        self.stdout.write(f"{messages.count()} {state}")

    def retry(self, key: str | None, *, all_dead: bool) -> None:
        """Make one message, or every dead one, due now."""
        messages = OutboxMessage.objects.filter(state="dead") if all_dead else OutboxMessage.objects.filter(key=key)
        if not all_dead and not messages:
            raise CommandError("Name a message: manage.py outbox retry KEY, or --all-dead.")
        if any(message.state == "done" for message in messages):
            raise CommandError(f"{key} is done: there is nothing to retry.")
        for message in messages:
            outbox.retry_message(message, now=clock.now())
        self.stdout.write(f"{len(messages)} due now")
