"""What operators' commands have in common: each is written into the audit log."""

import getpass
import socket
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from wisepay.audit import Origin, record_audit_entry

# What says how a command runs and speaks, not what it does.
GENERAL = {
    *("verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color", "skip_checks"),
    *("stdout", "stderr"),
}


class OperatorCommand(BaseCommand):
    """A command that changes something: when it has, the audit log says who ran it, where and with what.

    `handle` may set `merchant_id`, so that the entry stands in that merchant's log.
    """

    merchant_id: int | None = None

    def is_acting(self, options: dict[str, Any]) -> bool:
        """Whether the command changes anything with these options."""
        return True

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            output: str | None = super().execute(*args, **options)
        except CommandError as error:
            self.record(options, f"failed: {error}")
            raise
        self.record(options)
        return output

    def record(self, options: dict[str, Any], *remarks: str) -> None:
        """Write that the command was run, with its options."""
        if not self.is_acting(options):
            return
        given = {n: v for n, v in options.items() if n not in GENERAL and v not in (None, False, [], "")}
        words = [f"{name.replace('_', ' ')}: {value}" for name, value in sorted(given.items())]
        record_audit_entry(
            "operator.command_run",
            merchant_id=self.merchant_id,
            user=None,
            ip=None,
            subject=self.__module__.rpartition(".")[2],
            detail="; ".join([*words, *remarks]),
            origin=get_origin(),
        )


def get_origin() -> Origin:
    """Who runs this command, and where."""
    return Origin(name=f"{get_operator()} on {socket.gethostname()}")


def get_operator() -> str:
    """The name of the account that the command runs under."""
    try:
        return getpass.getuser()
    except OSError:  # a container's user without a name
        return "an operator"
