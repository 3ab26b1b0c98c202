"""Bodies that are written: JSON, RFC 6902 patches of whole fields, and what the vendor answers with a 500."""

from __future__ import annotations

import json
import re
from typing import Any

from sandbox.core.service import RefusedError

OLD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
CUSTOM_FIELD = re.compile(r"zCustom\w+")
VERBS = ("add", "replace", "remove", "test", "move", "copy")


def parse_body(raw: bytes) -> Any:
    """The JSON of a body, or None without one. Raises RefusedError."""
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        raise RefusedError(400, {"message": "The request is invalid."}) from error


def check_writable(version: dict[str, Any], body: Any) -> None:
    """Refuse what the vendor fails on: ids of the old kind, and `isLost` by itself. Raises RefusedError."""
    paths = {each.get("path") for each in body or [] if isinstance(each, dict)}
    if OLD_ID.fullmatch(version["id"]) or ("/isLost" in paths and not paths & {"/quoteStatus", "/wonOrLostDate"}):
        raise RefusedError(500, {"message": "An error has occurred."})


def apply_patch(record: dict[str, Any], body: Any) -> dict[str, Any]:
    """The record after a patch. Raises RefusedError."""
    after = dict(record)
    for each in body if isinstance(body, list) else [body]:
        change: dict[str, Any] = each if isinstance(each, dict) else {}
        name, verb = str(change.get("path", ""))[1:], change.get("op")
        is_known = name in record or CUSTOM_FIELD.fullmatch(name)
        if not is_known or name == "id" or verb not in VERBS:
            raise RefusedError(400, {"message": "The request is invalid."})
        if verb == "remove":
            after[name] = None
        elif verb in ("add", "replace"):
            after[name] = change.get("value")
    return after
