"""What people and other systems send: words, ids, months and JSON, each read in one way and refused in words."""

import json
import re
import unicodedata
from datetime import date, datetime
from typing import Any

MAX_JSON_DEPTH = 32  # levels; what vendors send has fewer than ten
MAX_SEARCH_LENGTH = 200
EARLIEST_YEAR, LAST_YEAR = 2000, 2100  # of a month that a page can show

# Characters that reverse or embed the text around them: a name must never change how its neighbours read.
BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LINE_SEPARATORS = frozenset("\u2028\u2029")
LINE_BREAKS = frozenset("\t\n\r")
# Characters that are drawn as nothing although Unicode calls them letters, marks or symbols.
BLANK_CHARACTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
INVISIBLE_CATEGORIES = ("Cc", "Cf", "Zs", "Zl", "Zp")
EDGES = " \t\n\r\u200b\u2060\ufeff\u00ad"

CONTROL_MESSAGE = "Remove the control characters and line breaks."
PARAGRAPH_CONTROL_MESSAGE = "Remove the control characters."
BIDI_MESSAGE = "Remove the characters that change the direction of text."
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]*")


class UnreadableText(ValueError):
    """The text holds characters that no words hold; the message tells a person what to do."""


class UnreadableBody(ValueError):
    """The body is not JSON that can be read; the message says why, without quoting it."""


def normalise_text(text: str, *, has_lines: bool = False) -> str:
    """The text in Unicode's composed form, without what is invisible at its ends; empty if all of it is invisible.

    `has_lines` allows line breaks and tabs. Raises UnreadableText for control characters, halves of characters, and
    characters that change the direction of the text around them.
    """
    stripped = text.strip().strip(EDGES).strip()
    check_characters(stripped, has_lines=has_lines)
    return "" if is_blank(stripped) else unicodedata.normalize("NFC", stripped)


def check_characters(text: str, *, has_lines: bool = False) -> None:
    """Raise UnreadableText for a character that no words hold."""
    if any(is_control(character, has_lines=has_lines) for character in text):
        raise UnreadableText(PARAGRAPH_CONTROL_MESSAGE if has_lines else CONTROL_MESSAGE)
    if not BIDI_CONTROLS.isdisjoint(text):
        raise UnreadableText(BIDI_MESSAGE)


def is_control(character: str, *, has_lines: bool) -> bool:
    """Whether the character is a control, half a character, or a line break where none belongs."""
    if character in LINE_BREAKS or character in LINE_SEPARATORS:
        return not has_lines
    return unicodedata.category(character) in ("Cc", "Cs")


def is_blank(text: str) -> bool:
    """Whether nothing of the text can be seen."""
    return all(is_invisible(character) for character in text)


def is_invisible(character: str) -> bool:
    """Whether the character is drawn as nothing: spaces, marks of direction, joiners, selectors, fillers."""
    return (
        unicodedata.category(character) in INVISIBLE_CATEGORIES
        or character in BLANK_CHARACTERS
        or "\ufe00" <= character <= "\ufe0f"
    )


def parse_search(text: str) -> str:
    """The words that somebody searches for: what no words hold is dropped, and what is too long is cut."""
    return unicodedata.normalize("NFC", " ".join(drop_unreadable(text[:MAX_SEARCH_LENGTH]).split()))


def drop_unreadable(text: str) -> str:
    """The text without the characters that `normalise_text` refuses, but with its lines; empty if none can be seen."""
    seen = "".join(c for c in text if not is_control(c, has_lines=True) and c not in BIDI_CONTROLS)
    return "" if is_blank(seen) else seen


def parse_month(text: str) -> date | None:
    """The first day of the month `YYYY-MM`, from 2000 to 2100; None for any other text."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}", text):
        return None
    try:
        found = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 (a month has no zone)
    except ValueError:
        return None
    return found if EARLIEST_YEAR <= found.year <= LAST_YEAR else None


def parse_reference(text: str) -> str:
    """The text if it can be a reference of one of our rows, else nothing, which is no row's."""
    return text if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) else ""


def is_id(text: str, *, longest: int) -> bool:
    """Whether another system's id is one that we can store and compare: ASCII letters, digits and `_.:-`."""
    return len(text) <= longest and ID_PATTERN.fullmatch(text) is not None


def read_json(body: bytes, *, max_depth: int = MAX_JSON_DEPTH) -> Any:
    """The JSON of a body. Raises UnreadableBody for what is no JSON, or nested more than `max_depth` levels."""
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise UnreadableBody("nested too deeply") from error
    except ValueError as error:
        raise UnreadableBody("not JSON") from error
    check_depth(found, max_depth=max_depth)
    return found


def check_depth(value: Any, *, max_depth: int) -> None:
    """Raise UnreadableBody if lists and objects are nested more than `max_depth` levels."""
    level = [value]
    for _ in range(max_depth + 1):
        level = [inner for outer in level for inner in list_inner_values(outer)]
        if not level:
            return
    raise UnreadableBody("nested too deeply")


def list_inner_values(value: Any) -> list[Any]:
    """The lists and objects directly inside a list or an object."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]


DOUBLE_STOP = re.compile(r"(?<!\.)\.\.(?!\.)")


def end_once(text: str) -> str:
    """The text with one full stop where a name that ends in one ended a sentence: Lakeshore Freight Inc."""
    return DOUBLE_STOP.sub(".", text)
