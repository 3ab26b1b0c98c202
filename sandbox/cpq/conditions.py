"""The little language of `conditions`; a condition in a wrong form finds nothing, and nobody is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]
Test = Callable[[Record], bool]
Token = tuple[str, str]

TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(\[[^\]]*\])|(<=|>=|!=|[<>=(),])|([A-Za-z_][\w/]*)|(-?\d+(?:\.\d+)?))')
KINDS = ("string", "date", "sign", "word", "number")
DAY = re.compile(r"\[(\d{4}-\d\d-\d\d)\]")
TRUTH = {"True": True, "False": False}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: left is not None and bool(left < right),
    "<=": lambda left, right: left is not None and bool(left <= right),
    ">": lambda left, right: left is not None and bool(left > right),
    ">=": lambda left, right: left is not None and bool(left >= right),
    "contains": lambda left, right: str(right) in str(left or ""),
}


class WrongForm(ValueError):
    """The condition is not one."""


def filter_records(records: list[Record], text: str) -> list[Record]:
    """The records that fulfil the conditions; none for conditions in a wrong form."""
    if not text.strip():
        return records
    try:
        test = Reader(text, records[0] if records else {}).read()
        return [record for record in records if test(record)]
    except (WrongForm, TypeError, RecursionError):
        return []


class Reader:
    """Reads a condition from left to right; `sample` is a record, whose values say of which kind each field is."""

    def __init__(self, text: str, sample: Record) -> None:
        self.sample = sample
        self.tokens: list[Token] = []
        position = 0
        while text[position:].strip():
            match = TOKEN.match(text, position)
            if match is None or match.lastindex is None:
                raise WrongForm(text[position:])
            self.tokens.append((KINDS[match.lastindex - 1], match.group(match.lastindex)))
            position = match.end()

    def read(self) -> Test:
        """The whole condition as a test of one record."""
        test = self.read_either()
        if self.tokens:
            raise WrongForm(self.tokens[0][1])
        return test

    def read_either(self) -> Test:
        """`a and b or c`, from left to right."""
        test = self.read_one()
        while word := self.take("and", "or"):
            test = combine(word, test, self.read_one())
        return test

    def read_one(self) -> Test:
        """A comparison, or brackets."""
        if self.take("("):
            test = self.read_either()
            self.demand(")")
            return test
        kind, field = self.tokens.pop(0) if self.tokens else ("end", "")
        if kind != "word":
            raise WrongForm(field)
        is_negated = bool(self.take("not"))
        sign = self.take("contains", "in", *(() if is_negated else ("=", "!=", "<", "<=", ">", ">=")))
        if not sign:
            raise WrongForm(field)
        values = self.read_values(field) if sign == "in" else [self.read_value(field)]
        compare = COMPARISONS["=" if sign == "in" else sign]

        def compare_one(record: Record) -> bool:
            return any(compare(normalise(get_field(record, field)), value) for value in values) != is_negated

        return compare_one

    def read_values(self, field: str) -> list[Any]:
        """A list in brackets."""
        self.demand("(")
        values = [self.read_value(field)]
        while self.take(","):
            values.append(self.read_value(field))
        self.demand(")")
        return values

    def read_value(self, field: str) -> Any:
        """A value in the form that the field's kind asks for."""
        kind, text = self.tokens.pop(0) if self.tokens else ("end", "")
        if kind == "word" and text == "null":
            return None
        if kind != self.get_kind(field):
            raise WrongForm(text)
        if kind == "string":
            return text[1:-1].casefold()
        if kind == "number":
            return float(text)
        day = DAY.fullmatch(text)
        if kind == "date" and day:
            return day[1]
        if text in TRUTH:
            return TRUTH[text]
        raise WrongForm(text)

    def get_kind(self, field: str) -> str:
        """In which form the values of a field are written; raises WrongForm for a field that is none."""
        if field.rpartition("/")[2].endswith("Date"):
            return "date"
        value = get_field(self.sample, field)
        if isinstance(value, bool):
            return "word"
        return "number" if isinstance(value, int | float) else "string"

    def take(self, *wanted: str) -> str:
        """The next word or sign, if it is one of these."""
        if self.tokens and self.tokens[0][0] in ("sign", "word") and self.tokens[0][1].lower() in wanted:
            return self.tokens.pop(0)[1].lower()
        return ""

    def demand(self, sign: str) -> None:
        """Take a sign that has to be there."""
        if not self.take(sign):
            raise WrongForm(sign)


def combine(word: str, left: Test, right: Test) -> Test:
    """Two tests joined by `and` or `or`."""
    if word == "and":
        return lambda record: left(record) and right(record)
    return lambda record: left(record) or right(record)


def get_field(record: Record, path: str) -> Any:
    """The value at `a/b`; raises WrongForm where the vendor has no such field."""
    value: Any = record
    for name in path.split("/"):
        if not isinstance(value, dict) or name not in value:
            raise WrongForm(path)
        value = value[name]
    return value


def normalise(value: Any) -> Any:
    """A record's value as it is compared: text without case, times as days."""
    if isinstance(value, str):
        return value[:10] if re.match(r"\d{4}-\d\d-\d\dT", value) else value.casefold()
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
