"""Small rules of written English that sentences about people's own names need."""

import re

DOUBLE_STOP = re.compile(r"(?<!\.)\.\.(?!\.)")


def end_once(text: str) -> str:
    """The text with one full stop where a name that ends in one ended a sentence: Lakeshore Freight Inc."""
    return DOUBLE_STOP.sub(".", text)
