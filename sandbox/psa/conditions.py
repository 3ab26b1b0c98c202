"""The language of conditions: parsed into a test of one record. What it cannot read is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
Test = Callable[[Record], bool]
TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|\[([^\]]*)\]|(<=|>=|!=|[<>=(),])|([A-Za-z_][\w/]*)|(-?\d+(?:\.\d+)?))')
KINDS = ("text", "date", "sign", "word", "number")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a is not None and a < b,
    "<=": lambda a, b: a is not None and a <= b,
    ">": lambda a, b: a is not None and a > b,
    ">=": lambda a, b: a is not None and a >= b,
}


class ConditionError(ValueError):
    """The text is no condition."""


def read_field(record: Record, path: str) -> Any:
    """A field by its path, in any case; None where it is missing."""
    value: Any = record
    if path.lower() == "lastupdated":
        path = "_info/lastUpdated"
    for part in path.split("/"):
        if isinstance(value, list):
            value = value[0] if value else None
        if not isinstance(value, dict):
            return None
        value = next((each for name, each in value.items() if name.lower() == part.lower()), None)
    return value


class Parser:
    """Reads one condition; `parse` answers the test of a record."""

    def __init__(self, text: str, *, at_least_works: bool) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.at_least_works = at_least_works
        at = 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if match is None or match.lastindex is None:
                raise ConditionError(f"unreadable from {text[at : at + 20]!r}")
            self.tokens.append((KINDS[match.lastindex - 1], match.group(match.lastindex)))
            at = match.end()

    def parse(self) -> Test:
        """The whole text. Raises ConditionError."""
        found = self.any_of()
        if self.tokens:
            raise ConditionError(f"unexpected {self.tokens[0][1]!r}")
        return found

    def take(self, *wanted: str) -> str | None:
        """Take the next word or sign if it is one of these."""
        if self.tokens and self.tokens[0][0] in ("sign", "word") and self.tokens[0][1].lower() in wanted:
            return self.tokens.pop(0)[1].lower()
        return None

    def any_of(self) -> Test:
        """Alternatives."""
        tests = [self.all_of()]
        while self.take("or"):
            tests.append(self.all_of())
        return lambda record: any(test(record) for test in tests)

    def all_of(self) -> Test:
        """Conditions that hold together."""
        tests = [self.term()]
        while self.take("and"):
            tests.append(self.term())
        return lambda record: all(test(record) for test in tests)

    def term(self) -> Test:
        """A comparison, or a condition in brackets."""
        if self.take("("):
            inner = self.any_of()
            if not self.take(")"):
                raise ConditionError("a bracket stays open")
            return inner
        kind, field = self.tokens.pop(0) if self.tokens else ("end", "the end")
        if kind != "word":
            raise ConditionError(f"a field was expected, not {field!r}")
        negated = bool(self.take("not"))
        operator = self.take("contains", "like", "in") or (None if negated else self.take(*COMPARE))
        if operator is None:
            raise ConditionError(f"no operator after {field!r}")
        test = self.in_list(field) if operator == "in" else self.comparison(field, operator)
        return (lambda record: not test(record)) if negated else test

    def in_list(self, field: str) -> Test:
        """One of several values."""
        if not self.take("("):
            raise ConditionError("a list stands in round brackets")
        values = [self.value()]
        while self.take(","):
            values.append(self.value())
        if not self.take(")"):
            raise ConditionError("a list stays open")
        return lambda record: read_field(record, field) in values

    def comparison(self, field: str, operator: str) -> Test:
        """One value."""
        is_date = bool(self.tokens) and self.tokens[0][0] == "date"
        value = self.value()
        if operator in ("contains", "like"):
            needle = str(value).replace("*", "").replace("%", "").lower()
            return lambda record: needle in str(read_field(record, field) or "").lower()
        if is_date and operator == ">=" and not self.at_least_works:
            return lambda record: False
        compare = COMPARE[operator]
        if is_date:
            return lambda record: compare(parse_time(read_field(record, field)), value)
        return lambda record: compare(fold(read_field(record, field)), fold(value))

    def value(self) -> Any:
        """A literal."""
        if not self.tokens or self.tokens[0][0] == "sign":
            raise ConditionError("a value is missing")
        kind, text = self.tokens.pop(0)
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "date":
            return parse_time(text, is_literal=True)
        if kind == "word":
            if text not in ("True", "False", "null"):
                raise ConditionError(f"{text!r} is no value")
            return {"True": True, "False": False, "null": None}[text]
        return text


def fold(value: Any) -> Any:
    """Texts compare without regard to case."""
    return value.lower() if isinstance(value, str) else value


def parse_time(text: Any, *, is_literal: bool = False) -> datetime | None:
    """An instant. Raises ConditionError for a literal that is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError as error:
        if is_literal:
            raise ConditionError(f"{text!r} is no date") from error
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def parse_conditions(text: str, *, at_least_works: bool = True) -> Test:
    """The test that a text of conditions stands for. Raises ConditionError."""
    return Parser(text, at_least_works=at_least_works).parse() if text.strip() else lambda record: True
