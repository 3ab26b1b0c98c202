"""OAuth 2 with Xero: authorization code with PKCE, rotating refresh tokens, the list of organisations.

Source: developer.xero.com, OAuth 2.0 "standard authorization code flow" and "token types".
"""

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connections.providers import InvalidGrant, MissingScopes, OAuthApp, OAuthTokens, ProviderOrganisation
from connections.providers.oauth_http import parse_json, request_tokens, send_request
from connections.rate_limiter.limiter import Priority
from wisepay.errors import Unavailable

LABEL = "Xero"
IDENTITY_SCOPES = "openid profile email offline_access"
# Which an app has depends on when it was registered; the broad ones end in September 2027.
ACCOUNTING_SCOPES = {
    "granular": "accounting.invoices accounting.payments accounting.contacts accounting.settings.read",
    "broad": "accounting.transactions accounting.contacts accounting.settings.read",
}


def get_scopes() -> str:
    """Return the scopes that our app asks for. Raises ImproperlyConfigured for a kind that Xero does not have."""
    if settings.XERO_SCOPES not in ACCOUNTING_SCOPES:
        raise ImproperlyConfigured(f"XERO_SCOPES is one of {', '.join(ACCOUNTING_SCOPES)}")
    services = " paymentservices" if settings.XERO_PAYMENT_SERVICES else ""
    return f"{IDENTITY_SCOPES} {ACCOUNTING_SCOPES[settings.XERO_SCOPES]}{services}"


def list_required_scopes() -> list[str]:
    """List the scopes without which we cannot work."""
    return ["offline_access", *ACCOUNTING_SCOPES[settings.XERO_SCOPES].split()]


class XeroOAuthClient:
    """The provider "xero", as one app."""

    def __init__(self, app: OAuthApp) -> None:
        self.app = app
        self.client_id = app.client_id

    def get_authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": get_scopes(),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{settings.XERO_AUTHORIZE_URL}?{urlencode(query)}"

    def exchange_code(self, code: str, *, verifier: str, redirect_uri: str, company: str, now: datetime) -> OAuthTokens:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        body = self._tokens({**form, "code_verifier": verifier})
        # An answer that does not say what was granted granted all.
        granted = str(body.get("scope", get_scopes())).split()
        if missing := [scope for scope in list_required_scopes() if scope not in granted]:
            raise MissingScopes(" ".join(missing))
        return parse_xero_tokens(body, now=now)

    def refresh(self, refresh_token: str, *, now: datetime) -> OAuthTokens:
        return parse_xero_tokens(self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token}), now=now)

    def list_organisations(self, tokens: OAuthTokens) -> list[ProviderOrganisation]:
        query = {"authEventId": tokens.authorisation_id} if tokens.authorisation_id else {}
        answer = send_request(LABEL, "GET", settings.XERO_CONNECTIONS_URL, token=tokens.access, params=query)
        if answer.status_code == 401:
            raise InvalidGrant("Xero does not accept the new token")
        rows = parse_json(LABEL, answer)
        if not isinstance(rows, list):
            raise Unavailable("Xero's list of organisations could not be read")
        try:
            return [parse_organisation(row) for row in rows if is_organisation(row)]
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable("Xero's list of organisations could not be read") from error

    def has_access(self, access_token: str, *, organisation_id: str, priority: Priority) -> bool:
        found = self.list_organisations(
            OAuthTokens(access=access_token, refresh="", expires_at=datetime.max.replace(tzinfo=UTC))
        )
        return any(organisation.id == organisation_id for organisation in found)

    def disconnect(self, access_token: str, *, remote_id: str) -> None:
        answer = send_request(LABEL, "DELETE", f"{settings.XERO_CONNECTIONS_URL}/{remote_id}", token=access_token)
        if answer.status_code not in (204, 401, 403, 404):
            raise Unavailable(f"Xero answered {answer.status_code} to the disconnection")

    def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        """Request tokens from the token endpoint. Raises InvalidGrant or Unavailable."""
        url = f"{settings.XERO_IDENTITY_URL}/connect/token"
        return request_tokens(LABEL, url, form, client_id=self.app.client_id, secret=self.app.secret)


def is_organisation(row: Any) -> bool:
    """Whether a tenant is an organisation with books: an accountant's practice is a tenant too."""
    return isinstance(row, dict) and row.get("tenantType") == "ORGANISATION"


def parse_organisation(row: dict[str, Any]) -> ProviderOrganisation:
    """Parse an organisation; its name may be missing. Raises KeyError without its ids."""
    name = row.get("tenantName")
    return ProviderOrganisation(
        id=str(row["tenantId"]), name=name if isinstance(name, str) else "", remote_id=str(row["id"])
    )


def parse_xero_tokens(body: dict[str, Any], *, now: datetime) -> OAuthTokens:
    """Parse the pair in an answer of the token endpoint. Raises Unavailable when there is none."""
    try:
        return OAuthTokens(
            access=str(body["access_token"]),
            refresh=str(body["refresh_token"]),
            expires_at=now + timedelta(seconds=int(body["expires_in"])),
            authorisation_id=str(_parse_claims(str(body["access_token"])).get("authentication_event_id", "")),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise Unavailable("Xero's tokens could not be read") from error


def _parse_claims(token: str) -> dict[str, Any]:
    """The claims of an access token, unverified: only an id is read, and it came over TLS from the issuer."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) or b"{}")
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
