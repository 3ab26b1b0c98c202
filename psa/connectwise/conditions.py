"""The language of PSA's conditions, written in one place only: texts, numbers, instants, lists."""

from collections.abc import Iterable
from datetime import UTC, datetime


def write_text(text: str) -> str:
    """A text in double quotes, in which nothing is a wildcard or ends the quotes."""
    bare = text.replace("\\", "").replace('"', "").replace("*", "").replace("%", "")
    return '"' + bare.replace("[", "[[]") + '"'


def write_time(moment: datetime) -> str:
    """An instant to the second, in UTC."""
    return f"[{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}]"


def write_ids(ids: Iterable[int]) -> str:
    """A list of record ids."""
    return f"({', '.join(str(int(one)) for one in ids)})"
