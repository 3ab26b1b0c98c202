"""The OpenAPI document as rows for a page: operations, their fields with types and limits, their answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from quotes.schemas import PATTERN_WORDS

MAX_LISTED_CHOICES = 12  # more of them are described instead
JsonNode = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldDoc:
    """One field; `path` is dotted, `type` and `limits` are words, `default` is "" where there is none."""

    path: str
    type: str
    is_required: bool
    limits: str = ""
    default: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ResponseDoc:
    """One status an operation may answer; `fields` is empty for errors, which all share one shape."""

    status: str
    description: str
    fields: list[FieldDoc] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OperationDoc:
    """One method of one path."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    headers: list[FieldDoc]
    body: list[FieldDoc]
    responses: list[ResponseDoc]

    @property
    def successes(self) -> list[ResponseDoc]:
        """The answers of the 2xx kind; several statuses with the same fields share one table."""
        return [a for a in self.responses if a.fields]

    @property
    def error_responses(self) -> list[ResponseDoc]:
        """The answers that are problems."""
        return [a for a in self.responses if not a.fields]


def parse_operations(schema: JsonNode) -> list[OperationDoc]:
    """Every operation of an OpenAPI 3.1 document, in its order."""
    return [
        _operation(schema, method, path, found)
        for path, methods in schema["paths"].items()
        for method, found in methods.items()
    ]


def list_problem_fields(schema: JsonNode) -> list[FieldDoc]:
    """The fields of the one shape that every error has."""
    return list(_fields(schema, {"$ref": "#/components/schemas/Problem"}))


def _operation(schema: JsonNode, method: str, path: str, found: JsonNode) -> OperationDoc:
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return OperationDoc(
        method=method.upper(),
        path=path,
        anchor=found["operationId"].replace("_", "-"),
        summary=found.get("summary", ""),
        description=found.get("description", ""),
        headers=[_parameter(schema, p) for p in found.get("parameters", [])],
        body=list(_fields(schema, body)) if body else [],
        responses=_answers(schema, found["responses"]),
    )


def _answers(schema: JsonNode, responses: JsonNode) -> list[ResponseDoc]:
    """Statuses below 300 with the same shape become one answer, for example "200, 201"."""
    found: list[ResponseDoc] = []
    shapes: dict[str, list[str]] = {}
    for status, answer in responses.items():
        shape = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if int(status) >= 300:
            found.append(ResponseDoc(str(status), answer["description"]))
        else:
            shapes.setdefault(shape.get("$ref", ""), []).append(str(status))
    good = [ResponseDoc(", ".join(s), "", list(_fields(schema, {"$ref": ref}))) for ref, s in shapes.items() if ref]
    return good + found


def _parameter(schema: JsonNode, parameter: JsonNode) -> FieldDoc:
    name = parameter["name"]
    shown = name.replace("_", "-").title() if parameter["in"] == "header" else name
    return _row(schema, shown, parameter["schema"], is_required=parameter.get("required", False))


def _fields(schema: JsonNode, node: JsonNode, prefix: str = "") -> Iterator[FieldDoc]:
    """The fields of an object, each followed by the fields inside it."""
    node = _resolve(schema, node)
    required = node.get("required", [])
    for name, raw in node.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield _row(schema, path, raw, is_required=name in required)
        inner, _ = _without_null(_resolve(schema, raw))
        inner = _resolve(schema, inner)
        if inner.get("type") == "array":
            yield from _fields(schema, inner["items"], f"{path}[].")
        else:
            yield from _fields(schema, inner, f"{path}.")


def _row(schema: JsonNode, path: str, raw: JsonNode, *, is_required: bool) -> FieldDoc:
    node, may_be_null = _without_null(raw)
    node = _resolve(schema, node)
    type_ = _type(schema, node) + (" or null" if may_be_null else "")
    default = "" if raw.get("default") in (None, "") else str(raw["default"]).lower()
    return FieldDoc(path, type_, is_required, "; ".join(_limits(node)), default, raw.get("description", ""))


def _resolve(schema: JsonNode, node: JsonNode) -> JsonNode:
    """What a `$ref` points at; the node itself where there is none."""
    while "$ref" in node:
        node = schema["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    return node


def _without_null(node: JsonNode) -> tuple[JsonNode, bool]:
    """The other half of "this or null", and whether there was a null."""
    choices = [c for c in node.get("anyOf", []) if c.get("type") != "null"]
    return (choices[0], True) if len(choices) == 1 else (node, False)


def _type(schema: JsonNode, node: JsonNode) -> str:
    if node.get("type") == "array":
        return f"list of {_type(schema, _resolve(schema, node['items']))}s"
    if node.get("format") == "date-time":
        return "time (RFC 3339)"
    if node.get("format") == "date":
        return "day (YYYY-MM-DD)"
    kinds = node.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _limits(node: JsonNode) -> Iterator[str]:
    """What a value must keep to, in words."""
    choices = node.get("enum") or node.get("items", {}).get("enum")
    if choices and len(choices) <= MAX_LISTED_CHOICES:
        yield "one of " + ", ".join(choices)
    low, high = node.get("minLength", 0), node.get("maxLength")
    if high is not None:
        yield f"exactly {high} characters" if low == high else f"at most {high} characters"
    if "minimum" in node:
        least = f"{node['minimum']:,}"
        yield f"from {least} to {node['maximum']:,}" if "maximum" in node else f"at least {least}"
    if "minItems" in node:
        yield f"{node['minItems']} to {node['maxItems']} items" if "maxItems" in node else "not empty"
    elif "maxItems" in node:
        yield f"at most {node['maxItems']} items"
    if node.get("pattern") in PATTERN_WORDS:
        yield PATTERN_WORDS[node["pattern"]]
    elif "pattern" in node:
        yield f"matches {node['pattern']}"
