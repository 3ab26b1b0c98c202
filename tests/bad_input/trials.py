"""One field after the other gets every bad value, and each answer is judged by the same rules."""

import html
import itertools
import json
import logging
import os
import random
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse

from connections.rate_limiter import limiter
from tests.bad_input.browsers import open_browser
from tests.bad_input.cases import Case, Fields
from tests.bad_input.scene import Scene
from tests.bad_input.values import RAW_BYTES, TEXTS
from tests.merchants.test_access import Page
from tests.tenant_snapshots import Rows
from wisepay.input import UnreadableText, check_characters, is_blank
from wisepay.logs import REFUSALS

THOROUGH_FACTOR = 8  # how many times as many requests THOROUGH=1 draws
SIGN_IN = ("/accounts/login/", "/accounts/reauthenticate/")  # whoever is sent there is asked to prove who they are
FORM_TYPE = "application/x-www-form-urlencoded"
# What any request may write: its session, its place in a window, and what is written of a refusal itself.
# The customer at the gateway is created before the choice of a method is checked under a lock, and is used again.
UNTOUCHED_BY_REFUSALS = (
    "django_session",
    "wisepay_ratewindow",
    "wisepay_auditentry",
    "wisepay_auditdetails",
    "usersessions_usersession",
    "payments_gatewaycustomer",
)
COUNTS_SQL = """
SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables
WHERE n_tup_ins + n_tup_upd + n_tup_del > 0 AND NOT relname = ANY(%s)
"""


@dataclass(frozen=True)
class Try:
    """One bad request: which field has which value, and how the request is sent."""

    label: str
    field: str = ""
    form: Any = None
    query: str = ""
    path: str = ""
    content_type: str = FORM_TYPE
    value: str | None = None


class TracebackHandler(logging.Handler):
    """Notes every log record that has a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __enter__(self) -> "TracebackHandler":
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        # A refusal is written without its traceback; tests/wisepay/test_logs.py reads such a line.
        if record.exc_info and record.exc_info[1] and not isinstance(record.exc_info[1], REFUSALS):
            self.found.append(repr(record.exc_info[1])[:300])


@dataclass
class PageTrial:
    """One page, asked for every bad thing, at one merchant."""

    page: Page
    case: Case
    scene: Scene
    foreign: Scene
    baseline: Rows

    def __post_init__(self) -> None:
        self.cookies = open_browser(self.scene, self.case.who).cookies.output(header="")

    @property
    def path(self) -> str:
        """The page's path."""
        return self.build_path({})

    def build_path(self, changes: dict[str, str]) -> str:
        """The page's path with some other parts."""
        values = self.scene.things | (self.case.path(self.scene) if self.case.path else {})
        marks = {name: f"part{number}" for number, name in enumerate(list_arguments(self.page))}
        safe = {"pk": "1", "invoice_id": "1", "day": "2026-11-01"}
        path = reverse(self.page.name, kwargs={n: safe.get(n, mark) for n, mark in marks.items()})
        for name, mark in marks.items():
            value = changes.get(name) or quote(str(values[name]), safe="")
            path = path.replace(f"/{safe.get(name, mark)}", f"/{value}", 1)
        return path

    def get_form(self) -> Fields:
        """The good form."""
        return self.case.form(self.scene) if self.case.form else {}

    def get_query(self) -> Fields:
        """The good query."""
        return self.case.query(self.scene) if self.case.query else {}

    def list_tries(self) -> Iterator[Try]:
        """Every bad request to this page."""
        if self.case.form is not None:
            form = self.get_form()
            yield from list_form_tries(form)
            yield from self.list_foreign_tries(form)
        query = self.get_query()
        for name, (label, value) in itertools.product(query, TEXTS.items()):
            yield Try(f"?{name}: {label}", name, query=urlencode(query | {name: value}), value=value)
        for name, (label, raw) in itertools.product(query, RAW_BYTES.items()):
            yield Try(f"?{name}: {label}", name, query=f"{urlencode(omit(query, name))}&{name}={raw}")
        for name in query:
            yield Try(f"?{name}: twice", name, query=urlencode([*query.items(), (name, "x")]))
            yield Try(f"?{name}: absent", name, query=urlencode(omit(query, name)))

    def list_foreign_tries(self, form: Fields) -> Iterator[Try]:
        """Requests that name another merchant's things."""
        other = self.case.form(self.foreign) if self.case.form else {}
        for name, value in other.items():
            if name in form and name not in self.case.free and form[name] != value:
                yield Try(f"{name}: another merchant's", name, form=form | {name: value})

    def send(self, attempt: Try) -> Any:
        """Send the request, from a browser in which nothing has happened but signing in."""
        client = Client(raise_request_exception=False)
        client.cookies.load(self.cookies)
        path = (attempt.path or self.path) + (f"?{attempt.query}" if attempt.query else "")
        if attempt.form is None:
            method = "post" if self.case.form is not None and attempt.path else "get"
            return getattr(client, method)(path, headers=self.case.headers)
        if self.case.query is not None and not attempt.query and self.case.form is not None:
            path = f"{path}?{urlencode(self.get_query())}"
        if attempt.content_type == "multipart":
            return client.post(path, attempt.form, headers=self.case.headers)
        body = attempt.form if isinstance(attempt.form, str | bytes) else urlencode(attempt.form, doseq=True)
        return client.post(path, body, content_type=attempt.content_type, headers=self.case.headers)

    def judge(self, attempt: Try) -> list[str]:
        """Send the request, say what is wrong with the answer, and undo what it did."""
        caches["default"].key_prefix = limiter.keyspace = uuid.uuid4().hex
        savepoint, before = transaction.savepoint_create(), count_writes()
        with TracebackHandler() as handler:
            try:
                answer = self.send(attempt)
                found = [*judge_answer(attempt, answer, self.list_changes(before), is_quiet=self.case.is_quiet)]
            except Exception as error:
                found = [f"raised {error!r}"[:300]]
        transaction.savepoint_rollback(savepoint)
        found += [f"logged {text}" for text in handler.found]
        return [f"{self.page.name} {attempt.label}: {text}" for text in found]

    def list_changes(self, before: dict[str, int]) -> Rows:
        """The rows that are not as they were, and those that are gone, of the tables that were written to since."""
        tables = [table for table, count in count_writes().items() if count != before.get(table, 0)]
        now = list_rows_of(tables) if tables else {}
        changed = {table: sorted(set(rows) ^ set(self.baseline[table])) for table, rows in now.items()}
        return {table: rows for table, rows in changed.items() if rows}


def draw[T](tries: list[T], *, seed: object, usual: int) -> list[T]:
    """Some of the tries, others with every seed: `usual` of them, with THOROUGH=1 more, with THOROUGH=all all."""
    asked = os.environ.get("THOROUGH")
    if asked == "all":
        return tries
    return random.Random(str(seed)).sample(tries, min(usual * (THOROUGH_FACTOR if asked else 1), len(tries)))


def list_rows_of(tables: list[str]) -> Rows:
    """Every row of some tables, as JSON."""
    found = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')  # noqa: S608
            found[table] = [row[0] for row in cursor.fetchall()]
    return found


def list_form_tries(form: Fields) -> Iterator[Try]:
    """Every bad form that differs from the good one in one field, or in how it is sent."""
    for name in form:
        for label, value in TEXTS.items():
            yield Try(f"{name}: {label}", name, form=form | {name: value}, value=value)
        for label, raw in RAW_BYTES.items():
            yield Try(f"{name}: {label}", name, form=f"{urlencode(omit(form, name), doseq=True)}&{name}={raw}")
        yield Try(f"{name}: absent", name, form=omit(form, name))
        yield Try(f"{name}: twice", name, form=form | {name: [form[name], "x"]})
        yield Try(f"{name}: as a list", name, form=omit(form, name) | {f"{name}[]": form[name]})
        file = SimpleUploadedFile("x.txt", b"a\0b", content_type="text/plain")
        yield Try(f"{name}: a file", name, form=omit(form, name) | {name: file}, content_type="multipart")
    yield Try("JSON instead of a form", form=json.dumps(form, default=str), content_type="application/json")
    yield Try("plain text instead of a form", form=urlencode(form, doseq=True), content_type="text/plain")
    yield Try("broken multipart", form="--x\r\nnonsense", content_type="multipart/form-data; boundary=x")
    yield Try("multipart without boundary", form="x", content_type="multipart/form-data")
    yield Try("another charset", form=urlencode(form, doseq=True), content_type=f"{FORM_TYPE}; charset=utf-16")
    yield Try("1,100 fields", form="&".join(f"a{n}=1" for n in range(1100)))
    yield Try("300 KiB", form="a=" + "x" * 300 * 1024)
    yield Try("nothing at all", form="")


def list_arguments(page: Page) -> list[str]:
    """The names of the parts of the page's path, those of outer patterns included."""
    return re.findall(r"<(?:\w+:)?(\w+)>", page.route)


def omit(fields: Fields, name: str) -> Fields:
    """The fields without one."""
    return {other: value for other, value in fields.items() if other != name}


def count_writes() -> dict[str, int]:
    """How many rows of which tables this test has written, where that matters."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS_SQL, [list(UNTOUCHED_BY_REFUSALS)])
        return dict(cursor.fetchall())


def judge_answer(attempt: Try, answer: Any, changes: Rows, *, is_quiet: bool) -> Iterator[str]:
    """What is wrong with an answer to a bad request."""
    status = answer.status_code
    if status >= 500 and status != 503:
        yield f"answered {status}"
        return
    yield from judge_stored_texts(changes)
    if attempt.label.endswith("another merchant's") and changes and status < 400:
        yield f"took another merchant's: {sorted(changes)}"
    if attempt.form is None or attempt.path:
        return
    if status >= 400 and changes:
        yield f"answered {status} and stored {sorted(changes)}"
    is_silent = not changes and not list_messages(answer) and not answer.get("Location", "").startswith(SIGN_IN)
    if status in (301, 302, 303) and attempt.field and is_silent and not is_quiet:
        yield f"answered {status} to {answer['Location']} without a word and changed nothing"
    if status >= 400 and not has_words(answer):
        yield f"answered {status} without a word"
    if status >= 400:
        yield from judge_form_errors(attempt, answer)


def judge_stored_texts(changes: Rows) -> Iterator[str]:
    """Texts in changed rows that no words hold."""
    for table, rows in changes.items():
        for column, text in itertools.chain.from_iterable(list_texts(json.loads(row)) for row in rows):
            try:
                check_characters(text, has_lines=True)
            except UnreadableText as error:
                yield f"stored {text[:40]!a} in {table}.{column}: {error}"
            if text and is_blank(text):
                yield f"stored a blank text in {table}.{column}"


def list_texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text inside a row, with the column that it is in."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from list_texts(inner, name or key)
    elif isinstance(value, list):
        for inner in value:
            yield from list_texts(inner, name)


def list_messages(answer: Any) -> list[str]:
    """The messages that the next page shows because of this request."""
    storage = getattr(answer.wsgi_request, "_messages", None)
    return [str(message) for message in getattr(storage, "_queued_messages", [])]


def has_words(answer: Any) -> bool:
    """Whether the body says something to a person, or is a problem for a program."""
    text = re.sub(r"<[^>]*>", " ", answer.getvalue().decode(errors="replace"))
    return bool(re.search(r"\w+ \w+", text))


def judge_form_errors(attempt: Try, answer: Any) -> Iterator[str]:
    """Errors of the page's forms that the page does not show; and that the field's own are tied to it."""
    text = answer.getvalue().decode(errors="replace")
    for form in list_forms(answer):
        for name, errors in form.errors.items():
            if not any(html.escape(str(error)) in text or str(error) in text for error in errors):
                yield f"does not show the error of {name}: {errors[0]}"


def list_forms(answer: Any) -> list[BaseForm]:
    """The bound forms that the answer was rendered with."""
    found: dict[int, BaseForm] = {}
    for context in answer.context or ():
        for layer in getattr(context, "dicts", [context]):
            for value in layer.values() if isinstance(layer, dict) else ():
                if isinstance(value, BaseForm) and value.is_bound:
                    found[id(value)] = value
    return list(found.values())
