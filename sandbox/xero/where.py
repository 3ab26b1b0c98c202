"""The `where` language of list calls: comparisons, AND, OR, brackets, a few text methods."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sandbox.service import RefusedError
from sandbox.xero.errors import exception

Row = dict[str, Any]
Read = Callable[[Row], Any]

TOKEN = re.compile(
    r'\s*(?:(?P<string>"(?:[^"\\]|\\.|"")*")|(?P<number>-?\d+(?:\.\d+)?)'
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
METHODS: dict[str, Callable[..., Any]] = {
    "contains": lambda text, part: str(part).casefold() in str(text or "").casefold(),
    "startswith": lambda text, part: str(text or "").casefold().startswith(str(part).casefold()),
    "endswith": lambda text, part: str(text or "").casefold().endswith(str(part).casefold()),
    "tolower": lambda text: str(text or "").lower(),
    "toupper": lambda text: str(text or "").upper(),
}
CONSTANTS = {"true": True, "false": False, "null": None}


def problem(message: str) -> RefusedError:
    """The 400 of a filter that cannot be read."""
    return exception(16, "QueryParseException", message)


def comparable(value: Any) -> Any:
    """Values of both sides brought to one kind: text without case, days as instants."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return value.casefold() if isinstance(value, str) else value


def compared(sign: str, left: Any, right: Any) -> bool:
    """One comparison; nothing is greater or less than null or than another kind."""
    left, right = comparable(left), comparable(right)
    if sign in ("==", "=", "!=", "<>"):
        return COMPARE[sign](left, right)
    if left is None or right is None or type(left) is not type(right):
        return False
    return COMPARE[sign](left, right)


def reader(path: list[str]) -> Read:
    """Follows names such as `Contact.ContactID` into a row."""

    def read(row: Row) -> Any:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read


class Parser:
    """Recursive descent over the tokens; every rule returns a function of a row."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self.fields = fields
        self.tokens: list[tuple[str, str]] = []
        place = 0
        text = text.strip()
        while place < len(text):
            found = TOKEN.match(text, place)
            if not found or not found.lastgroup:
                raise problem(f"Syntax error at position {place}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def parse(self) -> Read:
        """The whole filter."""
        test = self.either()
        if self.tokens:
            raise problem(f"Unexpected {self.tokens[0][1]!r}")
        return test

    def take(self, *texts: str) -> str | None:
        """Use up the next token when it is one of `texts`."""
        if self.tokens and self.tokens[0][0] != "string" and self.tokens[0][1].lower() in texts:
            return self.tokens.pop(0)[1]
        return None

    def expect(self, text: str) -> None:
        """Use up a token that must come."""
        if not self.take(text):
            raise problem(f"{text!r} expected")

    def either(self) -> Read:
        """Tests joined by OR."""
        tests = [self.both()]
        while self.take("or", "||"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def both(self) -> Read:
        """Tests joined by AND."""
        tests = [self.single()]
        while self.take("and", "&&"):
            tests.append(self.single())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def single(self) -> Read:
        """A bracket, a negation, or a comparison."""
        if self.take("!", "not"):
            inner = self.single()
            return lambda row: not inner(row)
        if self.take("("):
            inside = self.either()
            self.expect(")")
            return inside
        left = self.operand()
        sign = self.take(*COMPARE)
        if sign is None:
            return left
        right = self.operand()
        return lambda row: compared(sign, left(row), right(row))

    def operand(self) -> Read:
        """A literal, or a field with the methods called on it."""
        if not self.tokens:
            raise problem("The filter ends too early")
        kind, text = self.tokens.pop(0)
        if kind == "string":
            literal = re.sub(r'\\(.)|"(")', lambda found: found[1] or found[2], text[1:-1])
            return lambda row: literal
        if kind == "number":
            amount = Decimal(text)
            return lambda row: amount
        if kind != "word":
            raise problem(f"Unexpected {text!r}")
        return self.named(text)

    def named(self, word: str) -> Read:
        """What a word stands for: a constant, a constructor, or a field."""
        if word.lower() in CONSTANTS:
            constant = CONSTANTS[word.lower()]
            return lambda row: constant
        if word.lower() in ("datetime", "guid"):
            return self.constructed(word.lower())
        if word not in self.fields:
            raise problem(f"No property or field '{word}' exists")
        return self.field([word])

    def field(self, path: list[str]) -> Read:
        """The rest of a dotted name, up to and with a method."""
        while self.take("."):
            _, name = self.tokens.pop(0) if self.tokens else ("", "")
            method = METHODS.get(name.lower())
            if method:
                base, given = reader(path), self.arguments()
                return lambda row: method(base(row), *(each(row) for each in given))
            if name not in ("Value", "HasValue"):
                path.append(name)
        return reader(path)

    def arguments(self) -> list[Read]:
        """A bracketed list of operands."""
        self.expect("(")
        found: list[Read] = []
        while not self.take(")"):
            found.append(self.operand())
            self.take(",")
        return found

    def constructed(self, word: str) -> Read:
        """`DateTime(2026, 1, 31)`, `DateTime.Parse("…")` or `Guid("…")`."""
        if self.take("."):
            self.expect("parse")
        given = [each({}) for each in self.arguments()]
        try:
            value = instant(given) if word == "datetime" else str(given[0]).lower()
        except (ValueError, TypeError, IndexError) as error:
            raise problem(f"{word} cannot be read") from error
        return lambda row: value


def instant(given: list[Any]) -> datetime:
    """The instant that the arguments of a DateTime name; raises ValueError."""
    if isinstance(given[0], str):
        moment = datetime.fromisoformat(given[0])
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    year, month, day, hour, minute, second = [*(int(each) for each in given), 0, 0, 0, 0][:6]
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def condition(text: str, fields: Collection[str]) -> Callable[[Row], bool]:
    """The filter as a test of rows that know `fields`; raises RefusedError (400) when it makes no sense."""
    test = Parser(text, fields).parse()

    def meets(row: Row) -> bool:
        try:
            return bool(test(row))
        except TypeError as error:
            raise problem("A method was called with the wrong arguments") from error

    return meets
