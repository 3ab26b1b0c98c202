"""What every accounting package's OAuth door offers; a provider is one file and one line here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.utils.module_loading import import_string

PROVIDERS = {"xero": "connections.providers.xero"}
LABELS = {"xero": "Xero"}


@dataclass(frozen=True, slots=True)
class Life:
    """How long a refresh token lives unused, and how long consent lasts however much it is used (None: for ever)."""

    idle: timedelta
    total: timedelta | None = None


LIVES = {"xero": Life(timedelta(days=60)), "quickbooks": Life(timedelta(days=100), timedelta(days=5 * 365))}


@dataclass(frozen=True, slots=True)
class App:
    """What an operator registered with the provider."""

    client_id: str
    secret: str


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


class MissingScopes(Exception):
    """Access was given to less than the work needs; the message names what is missing."""


class AppGone(Exception):
    """The app that tokens were made with is no longer configured here, so nobody can use them."""


class Provider(Protocol):
    """OAuth 2 with one accounting package, as one app. Every call may raise Unavailable."""

    client_id: str

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """Where the person's browser goes to consent."""
        ...

    def exchange(self, code: str, *, verifier: str, redirect_uri: str, now: datetime) -> Tokens:
        """Tokens for a code. Raises RefusedGrant or MissingScopes."""
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


class Registered(Protocol):
    """The apps that an operator configured for one provider."""

    @property
    def by_tier(self) -> dict[str, App]:
        """The app with which each tier makes new connections; a client id of "" where none is set."""
        ...

    @property
    def retired(self) -> list[App]:
        """Apps that only serve the connections that they made."""
        ...


def registered(name: str) -> Registered:
    """The apps of the provider called `name`. Raises KeyError."""
    found: Callable[[], Registered] = import_string(f"{PROVIDERS[name]}.Apps")
    return found()


def open_provider(name: str, *, tier: str) -> Provider:
    """The provider called `name`, for a new connection of `tier`. Raises KeyError."""
    return provider_as(name, registered(name).by_tier[tier])


def reopen_provider(name: str, *, client_id: str) -> Provider:
    """The provider, as the app that a connection was made with, whatever is configured since. Raises AppGone."""
    found = registered(name) if name in PROVIDERS else None
    apps = [*found.by_tier.values(), *found.retired] if found else []
    app = next((a for a in apps if a.client_id == client_id and a.secret), None)
    if app is None:
        raise AppGone(f"The app {client_id} that this connection was made with is no longer set up on this server.")
    return provider_as(name, app)


def provider_as(name: str, app: App) -> Provider:
    """The provider, as that app."""
    make: Callable[[App], Provider] = import_string(f"{PROVIDERS[name]}.Door")
    return make(app)
