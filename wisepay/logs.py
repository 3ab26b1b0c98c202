"""Structured logs, with secrets, card numbers and the links that open something redacted."""

import logging
import logging.config
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import structlog
from django.apps import apps
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import SlugConverter, StringConverter
from django.urls.resolvers import RegexPattern, RoutePattern
from structlog.typing import EventDict, Processor, WrappedLogger

SECRET_NAMES = re.compile(r"secret|token|password|authorization|api_?key|cookie|signature|verifier", re.I)
SECRET_VALUES = re.compile(
    r"(?:sk|rk|whsec|pk)_[A-Za-z0-9_]{6,}|wpk_[A-Za-z0-9]{8,}|(?:Bearer|Basic) [\w.~+/=-]+"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*|(?:pi|seti)_\w+_secret_\w+|\b(?:\d[ -]?){13,19}\b"
)


# What Django logs with a traceback although it is the request that was wrong.
REFUSALS = (BadRequest, MultiPartParserError, PermissionDenied, SuspiciousOperation, UnreadablePostError)


def shorten_refusal(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Say in a word why a request was refused, without a traceback: anybody can cause it (a structlog processor)."""
    info = event.get("exc_info")
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, REFUSALS):
        del event["exc_info"]
        event["refused"] = type(error).__name__
    return event


def redact_text(text: str) -> str:
    """Replace everything in the text that looks like a key, a token or a card number, or that a route calls secret."""
    return SECRET_VALUES.sub("[redacted]", redact_routes(text))


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Redact an event's values by their names and by what they look like (a structlog processor)."""
    return {key: _redact_value(key, value) for key, value in event.items()}


def _redact_value(key: str, value: object) -> object:
    if isinstance(key, str) and SECRET_NAMES.search(key):
        return "[redacted]"
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {k: _redact_value(k, v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value("", v) for v in value]
    if value is None or isinstance(value, bool):
        return value
    # A renderer writes any other object by its repr, which may contain as much as a text.
    text = repr(value)
    clean = redact_text(text)
    return value if isinstance(value, int | float) and clean == text else clean


def configure_logs(*, as_json: bool, level: str) -> None:
    """Send every log line, ours and the libraries', through one redacting pipeline to stderr."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    # A line that cannot be rendered is lost: the standard library would print it raw.
    logging.raiseExceptions = False
    last: Processor = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            shorten_refusal,
            structlog.processors.format_exc_info,
            redact,
            last,
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # gunicorn writes with handlers of its own, and requests with their whole address, unless told here.
                "gunicorn.access": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
                "gunicorn.error": {"handlers": ["stderr"], "level": level, "propagate": False},
                "urllib3": {"level": "WARNING"},
                "stripe": {"level": "WARNING"},
                "xero_python": {"level": "WARNING"},
                "kombu": {"level": "WARNING"},
                "celery": {"level": "WARNING"},
                "fontTools": {"level": "WARNING"},
            },
        }
    )


REDACTED = "[redacted]"
# Arguments of routes that are not ours.
SECRET_ARGUMENTS = {"key", "token", "uidb36", "uidb64", "checkout_id"}
SLASH = "(?:/|%2F|%252F)"
SEGMENT = r"[^/\s?#&\"'<>]+"
OUR_FILES = r"(?![\w.-]+\.(?:html|py|txt|css|js)\b)"
ARGUMENT = re.compile(r"<(?:\w+:)?(?P<name>\w+)>")
GROUP = re.compile(r"\(\?P<(?P<name>\w+)>[^()]*\)")
SECRET_QUERIES = re.compile(
    r"(?P<name>(?:[?&]|%3F|%26)(?:[\w.-]*(?:secret|token|signature|api_?key)[\w.-]*|code|state|key|sig|k|conditions|passcode)(?:=|%3D))"
    r"[^&\s\"'#<>]+",
    re.I,
)


class SecretConverter(StringConverter):
    """A part of a path that opens what it names: `<secret:token>`."""


class SecretSlugConverter(SlugConverter):
    """The same, of letters and digits: `<secret_slug:reference>`."""


@dataclass(slots=True)
class RouteRules:
    """The patterns of all secret arguments, built with the first line after the routes are known."""

    patterns: list[re.Pattern[str]] = field(default_factory=list)
    is_building: bool = False

    def get(self) -> list[re.Pattern[str]]:
        """The patterns; none while the application, or its routes, are being loaded."""
        if not self.patterns and apps.ready and not self.is_building:
            self.is_building = True
            try:
                self.patterns = build_patterns()
            finally:
                self.is_building = False
        return self.patterns


rules = RouteRules()


def redact_routes(text: str) -> str:
    """Replace every secret argument of a route, wherever a path stands in the text, and secrets of a query."""
    if "/" not in text and "%2" not in text:
        return text
    for pattern in rules.get():
        text = pattern.sub(rf"\g<before>{REDACTED}", text)
    return SECRET_QUERIES.sub(rf"\g<name>{REDACTED}", text)


def build_patterns() -> list[re.Pattern[str]]:
    """A pattern for each secret argument: what stands before it in its route, and a segment that is no other route."""
    routes = [split_route(chain) for chain, _ in list_routes(get_resolver())]
    literals = {"".join(literal for literal, _, _ in parts) for parts in routes if len(parts) == 1}
    found: dict[str, re.Pattern[str]] = {}
    for parts in routes:
        before, plain = "", ""
        for literal, name, is_secret in parts:
            before += escape(literal)
            plain += literal
            if is_secret:
                others = {other[len(plain) :].strip("/") for other in literals if plain and other.startswith(plain)}
                no_other = "".join(rf"(?!{re.escape(other)}(?![\w-]))" for other in sorted(others - {""}))
                text = rf"(?P<before>(?:{SLASH}|(?<!\w)){before}){no_other}{OUR_FILES}{SEGMENT}"
                found.setdefault(before, re.compile(text, re.I))
            before += SEGMENT if name else ""
            plain += f"<{name}>" if name else ""
    return list(found.values())


def escape(literal: str) -> str:
    """The literal part of a route as a pattern; a slash may be percent-encoded in a query."""
    return re.escape(literal).replace("/", SLASH)


Pattern = RoutePattern | RegexPattern
Part = tuple[str, str, bool]  # literal text, the name of the argument after it, and whether that is secret


def list_routes(resolver: URLResolver, before: tuple[Pattern, ...] = ()) -> Iterator[tuple[tuple[Pattern, ...], str]]:
    """The patterns of every route from the root on, with the route's name."""
    for one in resolver.url_patterns:
        chain = (*before, cast(Pattern, one.pattern))
        if isinstance(one, URLResolver):
            yield from list_routes(one, chain)
        elif isinstance(one, URLPattern):
            yield chain, one.name or ""


def split_route(chain: tuple[Pattern, ...]) -> list[Part]:
    """A route as literal texts, each with the argument that follows it."""
    parts: list[Part] = []
    literal = ""
    for pattern in chain:
        is_route = isinstance(pattern, RoutePattern)
        text = str(pattern._route) if is_route else re.sub(r"\\Z|\\(?=\W)|[\^$]", "", str(pattern._regex))  # type: ignore[union-attr]
        position = 0
        for match in (ARGUMENT if is_route else GROUP).finditer(text):
            literal += text[position : match.start()]
            parts.append((literal, match["name"], is_secret_argument(pattern, match["name"])))
            literal, position = "", match.end()
        literal += text[position:]
    return [*parts, (literal, "", False)]


def is_secret_argument(pattern: Pattern, name: str) -> bool:
    """Whether an argument of a route is secret: by its converter, or by its name."""
    converter = pattern.converters.get(name) if isinstance(pattern, RoutePattern) else None
    return isinstance(converter, SecretConverter | SecretSlugConverter) or name in SECRET_ARGUMENTS
