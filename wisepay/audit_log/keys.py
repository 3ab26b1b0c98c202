"""The keys that the audit log is signed with; the database never has them."""

import base64
import hmac
import json
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
INFO = b"wisepay audit log"


@lru_cache(maxsize=8)
def parse_keys(given: str, secret_keys: str) -> dict[str, bytes]:
    """The keys by id, the newest first: those of AUDIT_KEY, else one derived from each of WISEPAY_SECRET_KEYS.

    Raises ImproperlyConfigured.
    """
    ring: dict[str, bytes] = {}
    for part in filter(None, (p.strip() for p in (given or secret_keys).split(","))):
        key_id, _, encoded = part.partition(":")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError:
            raw = b""
        if len(raw) < KEY_BYTES / 2 or (given and len(raw) < KEY_BYTES):
            raise ImproperlyConfigured("AUDIT_KEY: each key is <id>:<base64 of 32 bytes>")
        ring[key_id] = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=INFO).derive(raw)
    if not ring:
        raise ImproperlyConfigured("AUDIT_KEY holds no key")
    return ring


def get_keys() -> dict[str, bytes]:
    """The keys of this process by id, the newest first."""
    return parse_keys(settings.AUDIT_KEY, settings.SECRET_KEYS)


def current_key_id() -> str:
    """The id of the key that signs."""
    return next(iter(get_keys()))


def sign(*parts: object) -> str:
    """Sign the parts with the newest key: "<key id>:<hex>"."""
    key_id = current_key_id()
    return f"{key_id}:{_compute_mac(get_keys()[key_id], parts)}"


def is_signed(mac: str, *parts: object) -> bool | None:
    """Whether `mac` is a signature of the parts; None when its key is not configured any more."""
    key_id, _, found = mac.rpartition(":")
    key = get_keys().get(key_id)
    return None if key is None else hmac.compare_digest(found, _compute_mac(key, parts))


def _compute_mac(key: bytes, parts: tuple[object, ...]) -> str:
    return hmac.digest(key, encode(*parts), "sha256").hex()


def encode(*parts: object) -> bytes:
    """The parts as bytes, so that different parts never give the same bytes."""
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=True).encode()
