"""Secrets of authenticator apps and recovery codes at rest: encrypted, and each bound to the person whose it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from allauth.core import context
from allauth.mfa.models import Authenticator
from django.db.models.signals import pre_save
from django.dispatch import receiver

from wisepay.models import User
from wisepay.secrets import Secret, current_key_id

PURPOSE = "mfa_authenticator.data"
NAMES = ("secret", "seed", "migrated_codes")  # what allauth stores in an authenticator's data through our adapter
HASHED = "scrypt$"  # begins a recovery code that is a hash already
_owner: ContextVar[int | None] = ContextVar("owner_of_factors", default=None)


@contextmanager
def secrets_of(user_id: int) -> Iterator[None]:
    """Let the block read the secrets of this person, and of nobody else."""
    token = _owner.set(user_id)
    try:
        yield
    finally:
        _owner.reset(token)


def open_secret(stored: str) -> str:
    """Decrypt a secret of the person named by `secrets_of`, else of who is signed in.

    Raises UndecipherableSecret, also for somebody else's that was moved to this person's row.
    """
    return Secret(stored, PURPOSE, row=(str(_find_owner()),)).decrypt()


def _find_owner() -> int | None:
    user = getattr(context.request, "user", None)
    signed_in = user.pk if isinstance(user, User) else None
    named = _owner.get()
    return signed_in if named is None else named


def bind_secrets(data: dict[str, Any], *, user_id: int) -> dict[str, Any]:
    """The data of an authenticator with every secret bound to its person that is not bound to anybody yet."""
    return {name: _bind(name, value, user_id, renews=False) for name, value in data.items()}


def renew_secrets(data: dict[str, Any], *, user_id: int) -> dict[str, Any]:
    """The data with every secret under the newest key and bound to its person. Raises UndecipherableSecret."""
    return {name: _bind(name, value, user_id, renews=True) for name, value in data.items()}


def _bind(name: str, value: Any, user_id: int, *, renews: bool) -> Any:
    if name not in NAMES or str(value).startswith(HASHED):
        return value
    if isinstance(value, list):
        return [_bind(name, each, user_id, renews=renews) for each in value]
    secret = Secret(str(value), PURPOSE, row=(str(user_id),))
    if secret.is_bound and (secret.key_id == current_key_id() or not renews):
        return value
    return Secret.encrypt(secret.decrypt(), purpose=PURPOSE, row=secret.row).stored


@receiver(pre_save, sender=Authenticator)
def bind_authenticator(instance: Authenticator, **_: object) -> None:
    """The library hands its adapter a text and not the person whose it is: that is known when the row is saved."""
    if instance.type != Authenticator.Type.WEBAUTHN:
        instance.data = bind_secrets(instance.data, user_id=instance.user_id)
