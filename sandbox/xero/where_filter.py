"""The `where` language of list calls: comparisons, AND, OR, brackets, a few text methods."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sandbox.core.service import RefusedError
from sandbox.xero.errors import build_bad_request

FilterRow = dict[str, Any]
RowReader = Callable[[FilterRow], Any]

TOKEN = re.compile(
    r'\s*(?:(?P<string>"[^"\\]*")|(?P<number>-?\d+(?:\.\d+)?)'
    r"|(?P<sign>==|!=|<>|>=|<=|&&|\|\||[=<>!(),.])|(?P<word>[A-Za-z_]\w*))"
)
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
TEXT_METHODS: dict[str, Callable[..., Any]] = {
    "contains": lambda text, part: str(part).casefold() in str(text or "").casefold(),
    "startswith": lambda text, part: str(text or "").casefold().startswith(str(part).casefold()),
    "endswith": lambda text, part: str(text or "").casefold().endswith(str(part).casefold()),
    "tolower": lambda text: str(text or "").lower(),
    "toupper": lambda text: str(text or "").upper(),
}
CONSTANTS = {"true": True, "false": False, "null": None}


def build_filter_error(message: str) -> RefusedError:
    """The 400 of a filter that cannot be read."""
    return build_bad_request(16, "QueryParseException", message)


def normalise_value(value: Any) -> Any:
    """Values of both sides brought to one kind: text without case, days as instants."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value.casefold() if isinstance(value, str) else value


def compare_values(sign: str, left: Any, right: Any) -> bool:
    """One comparison; nothing is greater or less than null or than another kind."""
    left, right = normalise_value(left), normalise_value(right)
    if sign in ("==", "=", "!=", "<>"):
        return COMPARE[sign](left, right)
    if left is None or right is None or type(left) is not type(right):
        return False
    return COMPARE[sign](left, right)


def build_reader(path: list[str]) -> RowReader:
    """Follows names such as `Contact.ContactID` into a row."""

    def read(row: FilterRow) -> Any:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read


class WhereParser:
    """Recursive descent over the tokens; every rule returns a function of a row."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self.fields = fields
        self.tokens: list[tuple[str, str]] = []
        place = 0
        text = text.strip()
        while place < len(text):
            found = TOKEN.match(text, place)
            if not found or not found.lastgroup:
                raise build_filter_error(f"Syntax error at position {place}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def parse(self) -> RowReader:
        """The whole filter."""
        test = self.parse_or()
        if self.tokens:
            raise build_filter_error(f"Unexpected {self.tokens[0][1]!r}")
        return test

    def accept(self, *texts: str) -> str | None:
        """Use up the next token when it is one of `texts`."""
        if self.tokens and self.tokens[0][0] != "string" and self.tokens[0][1].lower() in texts:
            return self.tokens.pop(0)[1]
        return None

    def expect(self, text: str) -> None:
        """Use up a token that must come."""
        if not self.accept(text):
            raise build_filter_error(f"{text!r} expected")

    def parse_or(self) -> RowReader:
        """Tests joined by OR."""
        tests = [self.parse_and()]
        while self.accept("or", "||"):
            tests.append(self.parse_and())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def parse_and(self) -> RowReader:
        """Tests joined by AND."""
        tests = [self.parse_term()]
        while self.accept("and", "&&"):
            tests.append(self.parse_term())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def parse_term(self) -> RowReader:
        """A bracket, a negation, or a comparison."""
        if self.accept("!", "not"):
            inner = self.parse_term()
            return lambda row: not inner(row)
        if self.accept("("):
            inside = self.parse_or()
            self.expect(")")
            return inside
        left = self.parse_operand()
        sign = self.accept(*COMPARE)
        if sign is None:
            return left
        right = self.parse_operand()
        return lambda row: compare_values(sign, left(row), right(row))

    def parse_operand(self) -> RowReader:
        """A literal, or a field with the methods called on it."""
        if not self.tokens:
            raise build_filter_error("The filter ends too early")
        kind, text = self.tokens.pop(0)
        if kind == "string":
            literal = text[1:-1]
            return lambda row: literal
        if kind == "number":
            amount = Decimal(text)
            return lambda row: amount
        if kind != "word":
            raise build_filter_error(f"Unexpected {text!r}")
        return self.parse_word(text)

    def parse_word(self, word: str) -> RowReader:
        """What a word stands for: a constant, a constructor, or a field."""
        if word.lower() in CONSTANTS:
            constant = CONSTANTS[word.lower()]
            return lambda row: constant
        if word.lower() in ("datetime", "guid"):
            return self.parse_constructor(word.lower())
        if word not in self.fields:
            raise build_filter_error(f"No property or field '{word}' exists")
        return self.parse_field([word])

    def parse_field(self, path: list[str]) -> RowReader:
        """The rest of a dotted name, up to and with a method."""
        while self.accept("."):
            _, name = self.tokens.pop(0) if self.tokens else ("", "")
            method = TEXT_METHODS.get(name.lower())
            if method:
                base, given = build_reader(path), self.parse_arguments()
                return lambda row: method(base(row), *(each(row) for each in given))
            if name not in ("Value", "HasValue"):
                path.append(name)
        return build_reader(path)

    def parse_arguments(self) -> list[RowReader]:
        """A bracketed list of operands."""
        self.expect("(")
        found: list[RowReader] = []
        while not self.accept(")"):
            found.append(self.parse_operand())
            self.accept(",")
        return found

    def parse_constructor(self, word: str) -> RowReader:
        """`DateTime(2026, 1, 31)`, `DateTime.Parse("…")` or `Guid("…")`."""
        if self.accept("."):
            self.expect("parse")
        given = [each({}) for each in self.parse_arguments()]
        try:
            value = parse_datetime(given) if word == "datetime" else str(given[0]).lower()
        except (ValueError, TypeError, IndexError) as error:
            raise build_filter_error(f"{word} cannot be read") from error
        return lambda row: value


def parse_datetime(given: list[Any]) -> datetime:
    """The instant that the arguments of a DateTime name; raises ValueError."""
    if isinstance(given[0], str):
        moment = datetime.fromisoformat(given[0])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    year, month, day, hour, minute, second = [*(int(each) for each in given), 0, 0, 0, 0][:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def parse_where(text: str, fields: Collection[str]) -> Callable[[FilterRow], bool]:
    """The filter as a test of rows that have `fields`; raises RefusedError (400) when it makes no sense."""
    test = WhereParser(text, fields).parse()

    def meets(row: FilterRow) -> bool:
        try:
            return bool(test(row))
        except TypeError as error:
            raise build_filter_error("A method was called with the wrong arguments") from error

    return meets
