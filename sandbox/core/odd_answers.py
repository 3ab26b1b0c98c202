"""Odd answers: what vendors and what stands between them and a client really send, and answers changed on the way."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

JSON, HTML = "application/json", "text/html"
PAGE = b"<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
CUT = b'{"Type":"ValidationException","Message":"A validation exception occurred","Elements":[' + b'{"x":1},' * 130_000
DATE, PAST = "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 GMT"


class OddAnswer(NamedTuple):
    """A status, headers and a body."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


def build_throttled(retry_after: str | None) -> OddAnswer:
    """A 429 with this Retry-After."""
    return OddAnswer(429, {"content-type": JSON, **({"retry-after": retry_after} if retry_after else {})}, b"{}")


ODD_ANSWERS: dict[str, OddAnswer] = {
    "200 HTML": OddAnswer(200, {"content-type": HTML}, PAGE),
    "200 empty": OddAnswer(200, {"content-type": JSON}),
    "200 cut JSON": OddAnswer(200, {"content-type": JSON}, CUT),
    "200 a list": OddAnswer(200, {"content-type": JSON}, b"[]"),
    "200 null": OddAnswer(200, {"content-type": JSON}, b"null"),
    "200 an empty object": OddAnswer(200, {"content-type": JSON}, b"{}"),
    "200 garbage as gzip": OddAnswer(200, {"content-type": JSON, "content-encoding": "gzip"}, b"\x1f\x8bgarbage"),
    "200 no UTF-8": OddAnswer(200, {"content-type": JSON}, b'{"Name":"\xff\xfe"}'),
    "200 nested deeply": OddAnswer(200, {"content-type": JSON}, b"[" * 200_000),
    "204": OddAnswer(204, {}),
    "302": OddAnswer(302, {"location": "/nowhere"}),
    "307": OddAnswer(307, {"location": "/nowhere"}),
    "400 HTML": OddAnswer(400, {"content-type": HTML}, PAGE),
    "400 cut JSON": OddAnswer(400, {"content-type": JSON}, CUT),
    "400 a list": OddAnswer(400, {"content-type": JSON}, b"[1]"),
    "400 text": OddAnswer(400, {"content-type": JSON}, b'"no"'),
    "401": OddAnswer(401, {"content-type": HTML}, PAGE),
    "403": OddAnswer(403, {"content-type": HTML}, PAGE),
    "404 HTML": OddAnswer(404, {"content-type": HTML}, PAGE),
    "405": OddAnswer(405, {"content-type": JSON}, b"{}"),
    "408": OddAnswer(408, {}),
    "409": OddAnswer(409, {"content-type": JSON}, b"{}"),
    "412": OddAnswer(412, {"content-type": JSON}, b'{"Message":"Precondition Failed"}'),
    "413": OddAnswer(413, {"content-type": HTML}, PAGE),
    "429 in seconds": build_throttled("7"),
    "429 until a date": build_throttled(DATE),
    "429 until a date that passed": build_throttled(PAST),
    "429 negative": build_throttled("-5"),
    "429 nonsense": build_throttled("soon"),
    "429 for ever": build_throttled("9" * 400),
    "429 without": build_throttled(None),
    "429 HTML": OddAnswer(429, {"content-type": HTML, "retry-after": "soon"}, PAGE),
    "500 HTML": OddAnswer(500, {"content-type": HTML}, PAGE),
    "501": OddAnswer(501, {}),
    "502": OddAnswer(502, {"content-type": HTML}, PAGE),
    "503 until a date": OddAnswer(503, {"content-type": HTML, "retry-after": DATE}, PAGE),
    "504": OddAnswer(504, {}),
    "599": OddAnswer(599, {"content-type": JSON}, b"{}"),
}


def mutate_json(body: bytes, field: str, *, value: Any = None, drop: bool = False) -> bytes:
    """The JSON body with what the dotted `field` names changed to `value`, or dropped; `*` is every element or name."""
    try:
        found = json.loads(body)
    except ValueError:
        return body
    _mutate(found, field.split("."), value, drop=drop)
    return json.dumps(found).encode()


def _mutate(node: Any, path: list[str], value: Any, *, drop: bool) -> None:
    """Change what the path names below the node."""
    name, rest = path[0], path[1:]
    for place in reversed(list_places(node, name)):
        if rest:
            _mutate(node[place], rest, value, drop=drop)
        elif drop:
            del node[place]
        else:
            node[place] = value
    if not rest and not drop and isinstance(node, dict) and name != "*":
        node[name] = value


def list_places(node: Any, name: str) -> list[Any]:
    """The places of a list or an object that a name means."""
    if isinstance(node, list):
        found: list[Any] = list(range(len(node)))
        return found if name == "*" else [place for place in found if str(place) == name]
    if isinstance(node, dict):
        return [place for place in node if name in ("*", place)]
    return []
