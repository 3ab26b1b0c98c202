"""Statements of the query language: one kind of object, comparisons joined by AND, an order, a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sandbox.intuit.entities import BY_NAME, EntityType
from sandbox.intuit.errors import IntuitValidationError
from sandbox.intuit.fields import QUERYABLE

MAX_RESULTS, DEFAULT_RESULTS = 1000, 100
SIGNS = ("=", "<", ">", "<=", ">=", "in", "like")
TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"
    r"|(?P<sign><=|>=|[=<>(),*])|(?P<word>[A-Za-z_][\w.]*))"
)


class QueryTest(NamedTuple):
    """One comparison of a field with values."""

    path: str
    sign: str
    values: list[Any]


@dataclass
class ParsedQuery:
    """What a statement asks for. `start` counts from 1."""

    entity: EntityType
    is_count: bool = False
    tests: list[QueryTest] = field(default_factory=list)
    orders: list[tuple[str, bool]] = field(default_factory=list)
    start: int = 1
    max_results: int = DEFAULT_RESULTS


def build_parse_error(found: str) -> IntuitValidationError:
    """A statement that is not of this language (4000)."""
    detail = f"QueryParserError: Encountered {found}"
    return IntuitValidationError("4000", "Error parsing query", detail)


def build_query_error(detail: str) -> IntuitValidationError:
    """A statement that asks for what is not there (4001)."""
    return IntuitValidationError("4001", "Invalid query", f"QueryValidationError: {detail}")


class QueryParser:
    """Reads one statement, token by token; raises IntuitValidationError."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        place, text = 0, text.strip()
        while place < len(text):
            found = TOKEN.match(text, place)
            if not found or not found.lastgroup:
                raise build_parse_error(f'"{text[place : place + 10]}" at line 1, column {place + 1}')
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            place = found.end()

    def accept(self, *texts: str) -> str | None:
        """Use up the next token when it is one of these words or signs."""
        if self.tokens and self.tokens[0][0] in ("word", "sign") and self.tokens[0][1].lower() in texts:
            return self.tokens.pop(0)[1].lower()
        return None

    def expect(self, *texts: str) -> str:
        """Use up a token that must come."""
        found = self.accept(*texts)
        if found is None:
            raise build_parse_error(
                f'"{self.tokens[0][1] if self.tokens else "<EOF>"}", was expecting {texts[0].upper()}'
            )
        return found

    def expect_kind(self, *kinds: str) -> str:
        """Use up a token of one of these kinds."""
        if not self.tokens or self.tokens[0][0] not in kinds:
            raise build_parse_error(f'"{self.tokens[0][1] if self.tokens else "<EOF>"}"')
        return self.tokens.pop(0)[1]

    def parse(self) -> ParsedQuery:
        """The whole statement."""
        self.expect("select")
        counting = self.parse_selection()
        self.expect("from")
        query = ParsedQuery(get_entity_type(self.expect_kind("word")), counting)
        if self.accept("where"):
            query.tests = self.parse_conditions(query.entity.name)
        if self.accept("orderby") or (self.accept("order") and self.expect("by")):
            query.orders = self.parse_ordering(query.entity.name)
        if self.accept("startposition"):
            query.start = max(1, int(self.expect_kind("number")))
        if self.accept("maxresults"):
            query.max_results = int(self.expect_kind("number"))
        if self.tokens:
            raise build_parse_error(f'"{self.tokens[0][1]}"')
        if query.max_results > MAX_RESULTS:
            raise build_query_error(
                f"Max results {query.max_results} is greater than the maximum allowed {MAX_RESULTS}"
            )
        return query

    def parse_selection(self) -> bool:
        """What is selected: everything, named fields (which is everything as well), or only a count."""
        counting = False
        while True:
            if self.accept("count"):
                counting = bool(self.expect("(") and self.expect("*") and self.expect(")"))
            elif not self.accept("*"):
                self.expect_kind("word")
            if not self.accept(","):
                return counting

    def parse_conditions(self, entity: str) -> list[QueryTest]:
        """The comparisons, all of which must hold."""
        found = [self.parse_test(entity)]
        while self.accept("and"):
            found.append(self.parse_test(entity))
        return found

    def parse_test(self, entity: str) -> QueryTest:
        """One comparison."""
        path = get_queryable_field(entity, self.expect_kind("word"))
        sign = self.expect(*SIGNS)
        if sign != "in":
            return QueryTest(path, sign, [self.parse_value()])
        self.expect("(")
        values = [self.parse_value()]
        while self.accept(","):
            values.append(self.parse_value())
        self.expect(")")
        return QueryTest(path, sign, values)

    def parse_value(self) -> Any:
        """A text in quotes, with backslashes before quotes and backslashes; a number; true or false."""
        if self.tokens and self.tokens[0][0] == "string":
            return re.sub(r"\\(.)", r"\1", self.tokens.pop(0)[1][1:-1])
        if self.tokens and self.tokens[0][0] == "number":
            return self.tokens.pop(0)[1]
        return self.expect("true", "false") == "true"

    def parse_ordering(self, entity: str) -> list[tuple[str, bool]]:
        """Fields, each with whether it falls."""
        found = []
        while True:
            path = get_queryable_field(entity, self.expect_kind("word"))
            found.append((path, self.accept("asc", "desc") == "desc"))
            if not self.accept(","):
                return found


def get_entity_type(name: str) -> EntityType:
    """The kind of object with this name, case-sensitive; raises IntuitValidationError."""
    if name not in BY_NAME:
        raise build_query_error(f"Entity {name} is not queryable or does not exist")
    return BY_NAME[name]


def get_queryable_field(entity: str, name: str) -> str:
    """The field's own spelling; raises IntuitValidationError (4001) when queries cannot use it."""
    same = name.lower().removesuffix(".value")
    found = next((path for path in QUERYABLE[entity] if path.lower() == same), None)
    if found is None:
        raise build_query_error(f"property '{name}' is not queryable")
    return found
