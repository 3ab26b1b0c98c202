"""The OpenAPI document as rows for a page: operations, their fields with types and limits, their answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field; `path` is dotted, `type` and `limits` are words, `default` is "" where there is none."""

    path: str
    type: str
    is_required: bool
    limits: str = ""
    default: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One status an operation may answer; `fields` is empty for errors, which all share one shape."""

    status: str
    description: str
    fields: list[FieldRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    anchor: str
    summary: str
    description: str
    headers: list[FieldRow]
    body: list[FieldRow]
    answers: list[Answer]

    @property
    def successes(self) -> list[Answer]:
        """The answers of the 2xx kind; several statuses with the same fields share one table."""
        return [a for a in self.answers if a.fields]

    @property
    def refusals(self) -> list[Answer]:
        """The answers that are problems."""
        return [a for a in self.answers if not a.fields]


def read_operations(schema: Node) -> list[Operation]:
    """Every operation of an OpenAPI 3.1 document, in its order."""
    return [
        _operation(schema, method, path, found)
        for path, methods in schema["paths"].items()
        for method, found in methods.items()
    ]


def problem_fields(schema: Node) -> list[FieldRow]:
    """The fields of the one shape that every error has."""
    return list(_fields(schema, {"$ref": "#/components/schemas/Problem"}))


def _operation(schema: Node, method: str, path: str, found: Node) -> Operation:
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return Operation(
        method=method.upper(),
        path=path,
        anchor=found["operationId"].replace("_", "-"),
        summary=found.get("summary", ""),
        description=found.get("description", ""),
        headers=[_parameter(schema, p) for p in found.get("parameters", [])],
        body=list(_fields(schema, body)) if body else [],
        answers=_answers(schema, found["responses"]),
    )


def _answers(schema: Node, responses: Node) -> list[Answer]:
    """Statuses below 300 with the same shape become one answer, for example "200, 201"."""
    found: list[Answer] = []
    shapes: dict[str, list[str]] = {}
    for status, answer in responses.items():
        shape = answer.get("content", {}).get("application/json", {}).get("schema", {})
        if int(status) >= 300:
            found.append(Answer(str(status), answer["description"]))
        else:
            shapes.setdefault(shape.get("$ref", ""), []).append(str(status))
    good = [Answer(", ".join(s), "", list(_fields(schema, {"$ref": ref}))) for ref, s in shapes.items() if ref]
    return good + found


def _parameter(schema: Node, parameter: Node) -> FieldRow:
    name = parameter["name"]
    shown = name.replace("_", "-").title() if parameter["in"] == "header" else name
    return _row(schema, shown, parameter["schema"], is_required=parameter.get("required", False))


def _fields(schema: Node, node: Node, prefix: str = "") -> Iterator[FieldRow]:
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


def _row(schema: Node, path: str, raw: Node, *, is_required: bool) -> FieldRow:
    node, may_be_null = _without_null(raw)
    node = _resolve(schema, node)
    type_ = _type(schema, node) + (" or null" if may_be_null else "")
    default = "" if raw.get("default") in (None, "") else str(raw["default"]).lower()
    return FieldRow(path, type_, is_required, "; ".join(_limits(node)), default, raw.get("description", ""))


def _resolve(schema: Node, node: Node) -> Node:
    """What a `$ref` points at; the node itself where there is none."""
    while "$ref" in node:
        node = schema["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    return node


def _without_null(node: Node) -> tuple[Node, bool]:
    """The other half of "this or null", and whether there was a null."""
    choices = [c for c in node.get("anyOf", []) if c.get("type") != "null"]
    return (choices[0], True) if len(choices) == 1 else (node, False)


def _type(schema: Node, node: Node) -> str:
    if node.get("type") == "array":
        return f"list of {_type(schema, _resolve(schema, node['items']))}s"
    if node.get("format") == "date-time":
        return "time (RFC 3339)"
    return str(node.get("type", "any"))


def _limits(node: Node) -> Iterator[str]:
    """What a value must keep to, in words."""
    choices = node.get("enum") or node.get("items", {}).get("enum")
    if choices:
        yield "one of " + ", ".join(choices)
    low, high = node.get("minLength", 0), node.get("maxLength")
    if high is not None:
        yield f"exactly {high} characters" if low == high else f"at most {high} characters"
    if "minimum" in node:
        least = f"{node['minimum']:,}"
        yield f"from {least} to {node['maximum']:,}" if "maximum" in node else f"at least {least}"
    if "minItems" in node:
        yield f"{node['minItems']} to {node['maxItems']} items" if "maxItems" in node else "not empty"
    if "pattern" in node:
        yield f"matches {node['pattern']}"
