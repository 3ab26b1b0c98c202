"""Queries that pages are waited for: their SQL is built once a process, then run with another value each time.

Building the SQL of a joined query costs Django several times what PostgreSQL needs to answer it.
"""

import copy
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet
from django.db.models.query import ModelIterable
from django.db.models.sql.compiler import SQLCompiler


class _Built:
    """What Django's row reader asks of a queryset and of its query, answered with a compiler whose work is done."""

    db = DEFAULT_DB_ALIAS

    def __init__(self, queryset: QuerySet[Any], compiler: SQLCompiler) -> None:
        self.query = self
        self.compiler = compiler
        self.model = queryset.model
        self._fetch_mode = queryset._fetch_mode  # type: ignore[attr-defined]
        self._known_related_objects: dict[Any, Any] = {}

    def get_compiler(self, using: str) -> SQLCompiler:
        return self.compiler


class Statement[M: Model]:
    """`Statement(build, mark)(value)` answers the rows of `build(value)`.

    `mark` is a value of the right type that stands nowhere else in the query; `value` takes its place.
    """

    def __init__(self, build: Callable[[Any], QuerySet[M]], mark: str | int) -> None:
        self.build, self.mark = build, mark
        self.built: tuple[QuerySet[M], SQLCompiler, str, tuple[Any, ...]] | None = None

    def __call__(self, value: str | int) -> list[M]:
        if self.built is None:
            queryset = self.build(self.mark)
            compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
            sql, params = compiler.as_sql()
            self.built = queryset, compiler, sql, tuple(params)
        queryset, compiler, sql, params = self.built
        given = tuple(value if p == self.mark else p for p in params)
        mine: Any = copy.copy(compiler)
        mine.connection = connections[DEFAULT_DB_ALIAS]  # the one of this thread
        mine.as_sql = lambda *_, **__: (sql, given)
        rows: Any = _Built(queryset, mine)
        return list(ModelIterable(rows))
