"""Secrets at rest: AES-256-GCM, with the key's id beside the ciphertext so that keys can be rotated."""

import base64
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.query_utils import DeferredAttribute

NONCE_BYTES = 12


class UndecipherableSecret(Exception):
    """The stored text was encrypted with a key that is not configured, or for another purpose."""


@lru_cache(maxsize=4)
def _keyring(text: str) -> dict[str, AESGCM]:
    """Parse `id:base64,id:base64`; the first key encrypts, every key decrypts."""
    ring: dict[str, AESGCM] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key_id, _, encoded = part.partition(":")
        try:
            ring[key_id] = AESGCM(base64.b64decode(encoded, validate=True))
        except ValueError:
            raise ImproperlyConfigured("WISEPAY_SECRET_KEYS: each key is <id>:<base64 of 32 bytes>") from None
    if not ring:
        raise ImproperlyConfigured("WISEPAY_SECRET_KEYS holds no key")
    return ring


def current_key_id() -> str:
    """The id of the key that new secrets are encrypted with."""
    return next(iter(_keyring(settings.SECRET_KEYS)))


@dataclass(frozen=True, slots=True)
class Secret:
    """An encrypted text as it is stored; only `decrypt()` makes it readable."""

    stored: str
    purpose: str

    @classmethod
    def encrypt(cls, plain: str, *, purpose: str) -> "Secret":
        """Encrypt `plain` with the current key, bound to `purpose`."""
        key_id = current_key_id()
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = _keyring(settings.SECRET_KEYS)[key_id].encrypt(nonce, plain.encode(), purpose.encode())
        return cls(f"{key_id}:{base64.b64encode(nonce + ciphertext).decode()}", purpose)

    @property
    def key_id(self) -> str:
        """The id of the key that this text was encrypted with."""
        return self.stored.partition(":")[0]

    def decrypt(self) -> str:
        """Decrypt the text. Raises UndecipherableSecret."""
        key_id, _, encoded = self.stored.partition(":")
        key = _keyring(settings.SECRET_KEYS).get(key_id)
        if key is None:
            raise UndecipherableSecret(f"no key with id {key_id!r}")
        raw = base64.b64decode(encoded)
        try:
            return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], self.purpose.encode()).decode()
        except InvalidTag:
            raise UndecipherableSecret("this secret was not made for this purpose") from None

    def __str__(self) -> str:
        return "[secret]"

    def __repr__(self) -> str:
        return f"<Secret {self.key_id}>"

    def __bool__(self) -> bool:
        return bool(self.stored)


class SecretAttribute(DeferredAttribute):
    """Turns every plain text that is assigned into a `Secret`, so that the attribute is never plain text."""

    def __set__(self, instance: models.Model, value: "Secret | str | None") -> None:
        if isinstance(value, str):
            field = cast("SecretField", self.field)
            value = Secret.encrypt(value, purpose=field.purpose) if value else Secret("", field.purpose)
        instance.__dict__[self.field.attname] = value


if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField


class SecretField(TextField):
    """A text column that is assigned plain `str` and read as `Secret` (falsy while empty)."""

    descriptor_class = SecretAttribute

    @property
    def purpose(self) -> str:
        """What the column's secrets are bound to."""
        return f"{self.model._meta.label_lower}.{self.name}"

    def from_db_value(self, value: str, *_: object) -> Secret:
        return Secret(value, self.purpose)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return value.stored
        return Secret.encrypt(str(value), purpose=self.purpose).stored if value else ""
