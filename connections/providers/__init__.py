"""What every accounting package's OAuth door offers; a provider is one file and one line here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.utils.module_loading import import_string

PROVIDERS = {"xero": "connections.providers.xero.Xero"}
LABELS = {"xero": "Xero"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens; `expires_at` is the access token's end."""

    access: str
    refresh: str
    expires_at: datetime
    authorisation_id: str = ""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A company in the accounting package that the person gave us access to."""

    id: str
    name: str
    remote_id: str


class RefusedGrant(Exception):
    """The code or the refresh token is no longer good; only a person can make a new one."""


class Provider(Protocol):
    """OAuth 2 with one accounting package. Every call may raise Unavailable."""

    client_id: str

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """Where the person's browser goes to consent."""
        ...

    def exchange(self, code: str, *, verifier: str, redirect_uri: str, now: datetime) -> Tokens:
        """Tokens for a code. Raises RefusedGrant."""
        ...

    def refresh(self, refresh_token: str, *, now: datetime) -> Tokens:
        """The next pair. Raises RefusedGrant."""
        ...

    def organisations(self, tokens: Tokens) -> list[Organisation]:
        """What this authorisation gave access to. Raises RefusedGrant."""
        ...

    def disconnect(self, access_token: str, *, remote_id: str) -> None:
        """Give the access back; already gone is fine."""
        ...


def open_provider(name: str) -> Provider:
    """The provider called `name`. Raises KeyError."""
    provider: Provider = import_string(PROVIDERS[name])()
    return provider
