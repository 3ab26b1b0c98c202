"""`manage.py write_states`: generate docs/states.md from the transition tables."""

from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from wisepay.states import Stateful

PATH = settings.BASE_DIR / "docs" / "states.md"
HEAD = """# States

Made by `manage.py write_states` from the transition tables in the code; CI fails when it is stale.
Every step is locked, checked and written to the table of state changes.
"""


class Command(BaseCommand):
    """Write or check docs/states.md."""

    help = "Write docs/states.md from the code; with --check only say whether it is up to date."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true")

    def handle(self, *_: Any, **options: Any) -> None:
        models = sorted((m for m in apps.get_models() if issubclass(m, Stateful)), key=lambda m: m._meta.label)
        text = "\n".join([HEAD, *[render_section(m) for m in models]])
        if not options["check"]:
            PATH.write_text(text)
        elif not PATH.exists() or PATH.read_text() != text:
            raise CommandError("docs/states.md is stale: run manage.py write_states")


def render_section(model: type[Stateful]) -> str:
    """One model's section: its name, what it is, and its state diagram."""
    lines = [f"## {str(model._meta.verbose_name).capitalize()}", "", (model.__doc__ or "").split("\n")[0], ""]
    lines += ["```mermaid", "stateDiagram-v2"]
    for state, targets in model.TRANSITIONS.items():
        lines += [f"    {state} --> {target}" for target in sorted(targets)]
    finals = [s for s in model.list_states() if not model.TRANSITIONS.get(s)]
    lines += [f"    {state} --> [*]" for state in finals]
    return "\n".join([*lines, "```", ""])
