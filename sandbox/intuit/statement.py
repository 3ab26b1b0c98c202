"""Statements of the query language: one kind of object, comparisons joined by AND, an order, a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sandbox.intuit.entities import BY_NAME, Entity
from sandbox.intuit.errors import InvalidError
from sandbox.intuit.fields import QUERYABLE

MOST, USUAL = 1000, 100
SIGNS = ("=", "<", ">", "<=", ">=", "in", "like")
TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"
    r"|(?P<sign><=|>=|[=<>(),*])|(?P<word>[A-Za-z_][\w.]*))"
)


class Test(NamedTuple):
    """One comparison of a field with values."""

    path: str
    sign: str
    values: list[Any]


@dataclass
class Query:
    """What a statement asks for. `start` counts from 1."""

    entity: Entity
    counting: bool = False
    tests: list[Test] = field(default_factory=list)
    orders: list[tuple[str, bool]] = field(default_factory=list)
    start: int = 1
    most: int = USUAL


def unparsable(found: str) -> InvalidError:
    """A statement that is not of this language (4000)."""
    detail = f"QueryParserError: Encountered {found}"
    return InvalidError("4000", "Error parsing query", detail)


def invalid(detail: str) -> InvalidError:
    """A statement that asks for what is not there (4001)."""
    return InvalidError("4001", "Invalid query", f"QueryValidationError: {detail}")


class Parser:
    """Reads one statement, token by token; raises InvalidError."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place, text = 0, text.strip()
        while place < len(text):
            found = TOKEN.match(text, place)
            if not found or not found.lastgroup:
                raise unparsable(f'"{text[place : place + 10]}" at line 1, column {place + 1}')
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def take(self, *texts: str) -> str | None:
        """Use up the next token when it is one of these words or signs."""
        if self.tokens and self.tokens[0][0] in ("word", "sign") and self.tokens[0][1].lower() in texts:
            return self.tokens.pop(0)[1].lower()
        return None

    def expect(self, *texts: str) -> str:
        """Use up a token that must come."""
        found = self.take(*texts)
        if found is None:
            raise unparsable(f'"{self.tokens[0][1] if self.tokens else "<EOF>"}", was expecting {texts[0].upper()}')
        return found

    def next(self, *kinds: str) -> str:
        """Use up a token of one of these kinds."""
        if not self.tokens or self.tokens[0][0] not in kinds:
            raise unparsable(f'"{self.tokens[0][1] if self.tokens else "<EOF>"}"')
        return self.tokens.pop(0)[1]

    def parse(self) -> Query:
        """The whole statement."""
        self.expect("select")
        counting = self.selection()
        self.expect("from")
        query = Query(entity_named(self.next("word")), counting)
        if self.take("where"):
            query.tests = self.conditions(query.entity.name)
        if self.take("orderby") or (self.take("order") and self.expect("by")):
            query.orders = self.ordering(query.entity.name)
        if self.take("startposition"):
            query.start = max(1, int(self.next("number")))
        if self.take("maxresults"):
            query.most = int(self.next("number"))
        if self.tokens:
            raise unparsable(f'"{self.tokens[0][1]}"')
        if query.most > MOST:
            raise invalid(f"Max results {query.most} is greater than the maximum allowed {MOST}")
        return query

    def selection(self) -> bool:
        """What is selected: everything, named fields (which is everything as well), or only a count."""
        counting = False
        while True:
            if self.take("count"):
                counting = bool(self.expect("(") and self.expect("*") and self.expect(")"))
            elif not self.take("*"):
                self.next("word")
            if not self.take(","):
                return counting

    def conditions(self, entity: str) -> list[Test]:
        """The comparisons, all of which must hold."""
        found = [self.test(entity)]
        while self.take("and"):
            found.append(self.test(entity))
        return found

    def test(self, entity: str) -> Test:
        """One comparison."""
        path = queryable(entity, self.next("word"))
        sign = self.expect(*SIGNS)
        if sign != "in":
            return Test(path, sign, [self.value()])
        self.expect("(")
        values = [self.value()]
        while self.take(","):
            values.append(self.value())
        self.expect(")")
        return Test(path, sign, values)

    def value(self) -> Any:
        """A text in quotes, with backslashes before quotes and backslashes; a number; true or false."""
        if self.tokens and self.tokens[0][0] == "string":
            return re.sub(r"\\(.)", r"\1", self.tokens.pop(0)[1][1:-1])
        if self.tokens and self.tokens[0][0] == "number":
            return self.tokens.pop(0)[1]
        return self.expect("true", "false") == "true"

    def ordering(self, entity: str) -> list[tuple[str, bool]]:
        """Fields, each with whether it falls."""
        found = []
        while True:
            path = queryable(entity, self.next("word"))
            found.append((path, self.take("asc", "desc") == "desc"))
            if not self.take(","):
                return found


def entity_named(name: str) -> Entity:
    """The kind of object with this name, upper and lower case told apart; raises InvalidError."""
    if name not in BY_NAME:
        raise invalid(f"Entity {name} is not queryable or does not exist")
    return BY_NAME[name]


def queryable(entity: str, name: str) -> str:
    """The field's own spelling; raises InvalidError (4001) when queries cannot use it."""
    same = name.lower().removesuffix(".value")
    found = next((path for path in QUERYABLE[entity] if path.lower() == same), None)
    if found is None:
        raise invalid(f"property '{name}' is not queryable")
    return found
