"""The providers of connections and the protocol of their OAuth clients; a provider is one module and one entry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from connections.rate_limiter.limiter import Priority


@dataclass(frozen=True, slots=True)
class RefreshTokenLifetime:
    """How long an unused refresh token lives, and how long consent lasts in all (None: without limit)."""

    idle: timedelta
    total: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A provider: the path of its OAuth client, its name, the prefix of its settings, its identity server's setting.

    Its consent page redirects over `consent_hosts`. A connection is verified `verify_after` its last success; where
    that costs a call of the organisation's budget, any call that succeeds counts as well.
    """

    client_path: str
    label: str
    settings_prefix: str
    identity_setting: str
    lifetime: RefreshTokenLifetime
    consent_hosts: str
    # With 15 s between two tasks and 10 s between two polls of the page, a disconnect shows within a minute.
    verify_after: timedelta = timedelta(seconds=20)
    verification_costs_call: bool = False


PROVIDERS = {
    "xero": ProviderInfo(
        "connections.providers.xero.XeroOAuthClient",
        "Xero",
        "XERO",
        "XERO_IDENTITY_URL",
        RefreshTokenLifetime(timedelta(days=60)),
        "https://*.xero.com",
    ),
    "quickbooks": ProviderInfo(
        "connections.providers.quickbooks.QuickBooksOAuthClient",
        "QuickBooks",
        "INTUIT",
        "INTUIT_TOKEN_URL",
        RefreshTokenLifetime(timedelta(days=100), timedelta(days=5 * 365)),
        "https://*.intuit.com",
        verify_after=timedelta(minutes=5),
        verification_costs_call=True,
    ),
}
PROVIDER_LABELS = {name: about.label for name, about in PROVIDERS.items()}


@dataclass(frozen=True, slots=True)
class OAuthApp:
    """An app that an operator registered with the provider."""

    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class OAuthTokens:
    """A pair of tokens; `expires_at` is the access token's end."""

    access: str
    refresh: str
    expires_at: datetime
    authorisation_id: str = ""


@dataclass(frozen=True, slots=True)
class ProviderOrganisation:
    """A company in the accounting package that the person gave us access to."""

    id: str
    name: str
    remote_id: str


class InvalidGrant(Exception):
    """The code or the refresh token is no longer valid; a person has to authorise again."""


class MissingScopes(Exception):
    """Fewer scopes were granted than we need; the message names those missing."""


class AppNotConfigured(Exception):
    """The app that the tokens were issued to is no longer configured, so they can't be used."""


class OAuthClient(Protocol):
    """OAuth 2 with one accounting package, as one app. Every call may raise Unavailable."""

    client_id: str

    def get_authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        """The address of the consent page."""
        ...

    def exchange_code(self, code: str, *, verifier: str, redirect_uri: str, company: str, now: datetime) -> OAuthTokens:
        """Exchange a code for tokens. Raises InvalidGrant or MissingScopes.

        `company` is the organisation in the callback's address, for providers that name it there.
        """
        ...

    def refresh(self, refresh_token: str, *, now: datetime) -> OAuthTokens:
        """Refresh the tokens. Raises InvalidGrant."""
        ...

    def list_organisations(self, tokens: OAuthTokens) -> list[ProviderOrganisation]:
        """List the organisations that the authorisation gives access to. Raises InvalidGrant."""
        ...

    def has_access(self, access_token: str, *, organisation_id: str, priority: Priority) -> bool:
        """Whether we still have access to the organisation. Raises InvalidGrant when the token itself is refused."""
        ...

    def disconnect(self, access_token: str, *, remote_id: str) -> None:
        """Revoke the access; it may be revoked already."""
        ...


class RegisteredApps:
    """The apps that an operator configured for one provider, under the `prefix` of its settings."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    @property
    def by_tier(self) -> dict[str, OAuthApp]:
        """The app with which each tier makes new connections; a client id of "" where none is set."""
        first, company, service = (self._app(kind) for kind in ("", "COMPANY_", "SERVICE_"))
        return {
            "wise_pay": first,
            "company": company if company.client_id else first,
            "service": service if service.client_id else first,
        }

    @property
    def retired(self) -> list[OAuthApp]:
        """Apps that only serve the connections that they made."""
        found: dict[str, str] = getattr(settings, f"{self.prefix}_RETIRED_CLIENTS")
        return [OAuthApp(client_id, secret) for client_id, secret in found.items()]

    def _app(self, kind: str) -> OAuthApp:
        names = (f"{self.prefix}_{kind}CLIENT_ID", f"{self.prefix}_{kind}CLIENT_SECRET")
        return OAuthApp(*(getattr(settings, name) for name in names))


def get_registered_apps(name: str) -> RegisteredApps:
    """Get the configured apps of the provider. Raises KeyError for an unknown one."""
    return RegisteredApps(PROVIDERS[name].settings_prefix)


def open_oauth_client(name: str, *, tier: str) -> OAuthClient:
    """Open the provider's OAuth client for a new connection of `tier`. Raises KeyError for an unknown provider."""
    return build_oauth_client(name, get_registered_apps(name).by_tier[tier])


def open_oauth_client_of_app(name: str, *, client_id: str) -> OAuthClient:
    """Open the provider's OAuth client as the app that a connection was made with. Raises AppNotConfigured."""
    found = get_registered_apps(name) if name in PROVIDERS else None
    apps = [*found.by_tier.values(), *found.retired] if found else []
    app = next((a for a in apps if a.client_id == client_id and a.secret), None)
    if app is None:
        raise AppNotConfigured(
            f"The app {client_id} that this connection was made with is no longer set up on this server."
        )
    return build_oauth_client(name, app)


def build_oauth_client(name: str, app: OAuthApp) -> OAuthClient:
    """Build the provider's OAuth client as that app."""
    client_class: Callable[[OAuthApp], OAuthClient] = import_string(PROVIDERS[name].client_path)
    return client_class(app)
