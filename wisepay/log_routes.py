"""Paths in log lines: what a route says is secret, a token or the reference of a pay link, is never written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import SlugConverter, StringConverter
from django.urls.resolvers import RegexPattern, RoutePattern

REDACTED = "[redacted]"
# Arguments of routes that are not ours.
SECRET_ARGUMENTS = {"key", "token", "uidb36", "uidb64", "checkout_id"}
SLASH = "(?:/|%2F|%252F)"
SEGMENT = r"[^/\s?#&\"'<>]+"
OUR_FILES = r"(?![\w.-]+\.(?:html|py|txt|css|js)\b)"
ARGUMENT = re.compile(r"<(?:\w+:)?(?P<name>\w+)>")
GROUP = re.compile(r"\(\?P<(?P<name>\w+)>[^()]*\)")
SECRET_QUERIES = re.compile(
    r"(?P<name>(?:[?&]|%3F|%26)(?:[\w.-]*(?:secret|token|signature|api_?key)[\w.-]*|code|state|key|sig)(?:=|%3D))"
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
