"""Secrets at rest: AES-256-GCM, bound to their row, with the key's id beside them so that keys can be rotated."""

import base64
import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.query_utils import DeferredAttribute

NONCE_BYTES = 12
BOUND = "row"  # stands between the key's id and the ciphertext


class UndecipherableSecret(Exception):
    """The stored text was encrypted with a key that is not configured, for another purpose, or for another row."""


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


def list_configured_key_ids() -> list[str]:
    """The ids of all keys that secrets can be read with, the newest first."""
    return list(_keyring(settings.SECRET_KEYS))


def bind(purpose: str, row: tuple[str, ...] | None) -> bytes:
    """The data that a ciphertext is bound to; before rows it was the purpose alone."""
    return purpose.encode() if row is None else json.dumps([purpose, *row]).encode()


@dataclass(frozen=True, slots=True)
class Secret:
    """An encrypted text as it is stored; only `decrypt()` makes it readable.

    `row` is what names its row, by values that never change there; None where it is not known.
    """

    stored: str
    purpose: str
    row: tuple[str, ...] | None = None
    is_fresh: bool = False  # assigned, and not yet bound to the row that it is saved with

    @classmethod
    def encrypt(cls, plain: str, *, purpose: str, row: tuple[str, ...] | None = None) -> "Secret":
        """Encrypt `plain` with the current key, bound to `purpose`, and to its row if that is given."""
        key_id = current_key_id()
        nonce = os.urandom(NONCE_BYTES)
        ciphertext = _keyring(settings.SECRET_KEYS)[key_id].encrypt(nonce, plain.encode(), bind(purpose, row))
        mark = "" if row is None else f"{BOUND}:"
        return cls(f"{key_id}:{mark}{base64.b64encode(nonce + ciphertext).decode()}", purpose, row)

    @property
    def is_bound(self) -> bool:
        """Whether the text is bound to a row; those written before secrets were are not."""
        return self.stored.partition(":")[2].startswith(f"{BOUND}:")

    @property
    def key_id(self) -> str:
        """The id of the key that this text was encrypted with."""
        return self.stored.partition(":")[0]

    def decrypt(self) -> str:
        """Decrypt the text. Raises UndecipherableSecret."""
        key_id, encoded = self.key_id, self.stored.rpartition(":")[2]
        key = _keyring(settings.SECRET_KEYS).get(key_id)
        if key is None:
            raise UndecipherableSecret(f"no key with id {key_id!r}")
        raw = base64.b64decode(encoded)
        try:
            bound = bind(self.purpose, (self.row or ()) if self.is_bound else None)
            return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound).decode()
        except InvalidTag:
            raise UndecipherableSecret("this secret was not made for this purpose and row") from None

    def __str__(self) -> str:
        return "[secret]"

    def __repr__(self) -> str:
        return f"<Secret {self.key_id}>"

    def __bool__(self) -> bool:
        return bool(self.stored)


class SecretAttribute(DeferredAttribute):
    """Turns every plain text that is assigned into a `Secret`, so that the attribute is never plain text.

    What is read knows its row. What is assigned is bound to it when it is saved, since only then all of it is known.
    """

    def __get__(self, instance: models.Model | None, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if instance is None or not isinstance(value, Secret) or value.row is not None:
            return value
        return replace(value, row=cast("SecretField", self.field).get_row(instance))

    def __set__(self, instance: models.Model, value: "Secret | str | None") -> None:
        if isinstance(value, str):
            field = cast("SecretField", self.field)
            plain, value = value, Secret("", field.purpose)
            if plain:
                value = replace(Secret.encrypt(plain, purpose=field.purpose), is_fresh=True)
        instance.__dict__[self.field.attname] = value


if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField


class SecretField(TextField):
    """A text column that is assigned plain `str` and read as `Secret` (falsy while empty).

    `row` names columns that never change and together name the row: the merchant, and a kind or a reference where a
    merchant has several.
    """

    descriptor_class = SecretAttribute

    def __init__(self, *args: Any, row: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row

    def get_row(self, instance: models.Model) -> tuple[str, ...]:
        """What names the row, as texts."""
        values = (getattr(instance, name) for name in self.row)
        return tuple(v.astimezone(UTC).isoformat() if isinstance(v, datetime) else str(v) for v in values)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Bind what was assigned to the row that is saved; what was read from the row is left as it is."""
        value = model_instance.__dict__.get(self.attname)
        is_of_another = isinstance(value, Secret) and value.row not in (None, self.get_row(model_instance))
        if isinstance(value, Secret) and value and (value.is_fresh or is_of_another):
            model_instance.__dict__[self.attname] = self.encrypt_for(model_instance, value.decrypt())
        return super().pre_save(model_instance, add)

    def encrypt_for(self, instance: models.Model, plain: str) -> Secret:
        """Encrypt a text, bound to this column of the instance's row."""
        return Secret.encrypt(plain, purpose=self.purpose, row=self.get_row(instance))

    @property
    def purpose(self) -> str:
        """What the column's secrets are bound to."""
        return f"{self.model._meta.label_lower}.{self.name}"

    def from_db_value(self, value: str, *_: object) -> Secret:
        return Secret(value, self.purpose)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return value.stored
        if value and self.row:
            raise TypeError(f"{self.purpose} belongs to a row: assign it and save, or use encrypt_for")
        return Secret.encrypt(str(value), purpose=self.purpose).stored if value else ""
