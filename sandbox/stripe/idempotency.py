"""The saved answers of calls with an idempotency key."""

from __future__ import annotations

import hashlib
from typing import Any

from sandbox.stripe.accounts import StripeAccount
from sandbox.stripe.errors import StripeApiError

Obj = dict[str, Any]
KEY_LIFETIME = 24 * 3600
MAX_KEY_LENGTH = 255


def build_fingerprint(method: str, path: str, body: bytes) -> str:
    """What makes two calls the same call."""
    return hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()


def start_call(account: StripeAccount, key: str, mark: str) -> Obj | None:
    """The saved answer, or None: then the key is reserved until `record_answer` or `release_key`.

    Raises a 400 when the key was used for another call and a 409 while the same call is under way.
    """
    if len(key) > MAX_KEY_LENGTH:
        raise StripeApiError(
            f"An idempotency key holds at most {MAX_KEY_LENGTH} characters.", type_="idempotency_error"
        )
    keys: dict[str, Obj] = account.data["keys"]
    for old in [name for name, entry in keys.items() if entry["at"] <= account.now() - KEY_LIFETIME]:
        del keys[old]
    entry = keys.get(key)
    if entry is None:
        keys[key] = {"at": account.now(), "mark": mark, "status": None, "body": None}
        return None
    if entry["mark"] != mark:
        raise StripeApiError(
            "Keys for idempotent requests can only be used with the same parameters they were first used "
            f"with. Try using a key other than '{key}' if you meant to execute a different request.",
            type_="idempotency_error",
        )
    if entry["status"] is None:
        raise StripeApiError(
            f"There is currently another in-progress request using this Idempotency Key: {key}",
            status=409,
            type_="idempotency_error",
            code="idempotency_key_in_use",
        )
    return entry


def record_answer(account: StripeAccount, key: str, status: int, body: str, request_id: str) -> None:
    """Save the first answer, whatever it was."""
    if key in account.data["keys"]:
        account.data["keys"][key] |= {"status": status, "body": body, "request_id": request_id}


def release_key(account: StripeAccount, key: str) -> None:
    """Release the key of a call that never reached its operation."""
    account.data["keys"].pop(key, None)
