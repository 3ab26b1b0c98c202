"""Checking that a redirect or a callback really comes from Wise-Pay: both are signed with the API key."""

import hashlib
import hmac
from collections.abc import Mapping

MAX_SIGNATURE_AGE = 300


def sign_message(key: str, message: bytes) -> str:
    """Lower-case hex HMAC-SHA256."""
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def is_valid_return(key: str, query: Mapping[str, str]) -> bool:
    """Whether `wisepay_signature` is right for the other `wisepay_*` parameters of this query."""
    signed = {name: value for name, value in query.items() if name.startswith("wisepay_")}
    given = signed.pop("wisepay_signature", "")
    message = "\n".join(f"{name}={signed[name]}" for name in sorted(signed))
    return bool(key) and hmac.compare_digest(sign_message(key, message.encode()).encode(), given.encode())


def is_valid_callback(key: str, header: str, body: bytes, *, now: int) -> bool:
    """Whether `t=…,v1=…` signs this raw body, within five minutes of `now` (unix seconds)."""
    fields = dict(part.strip().partition("=")[::2] for part in header.split(","))
    moment, given = fields.get("t", ""), fields.get("v1", "")
    if not key or not (moment.isascii() and moment.isdigit()) or abs(now - int(moment)) > MAX_SIGNATURE_AGE:
        return False
    expected = sign_message(key, moment.encode() + b"." + body)
    return hmac.compare_digest(expected.encode(), given.encode())
