"""OAuth 2 with Xero: authorization code with PKCE, rotating refresh tokens, the list of organisations.

Source: developer.xero.com, OAuth 2.0 "standard authorization code flow" and "token types".
"""

import base64
import binascii
import json
from datetime import datetime, timedelta
from typing import Any, NoReturn
from urllib.parse import urlencode

import requests
from django.conf import settings

from connections.providers import App, MissingScopes, Organisation, RefusedGrant, Tokens
from wisepay.errors import Unavailable

SCOPES = (
    "openid profile email offline_access accounting.invoices accounting.payments accounting.contacts "
    "accounting.settings.read"
)
NEEDED = [scope for scope in SCOPES.split() if scope.startswith(("accounting.", "offline_"))]


class Apps:
    """The apps of the settings."""

    @property
    def by_tier(self) -> dict[str, App]:
        first = App(settings.XERO_CLIENT_ID, settings.XERO_CLIENT_SECRET)
        company = App(settings.XERO_COMPANY_CLIENT_ID, settings.XERO_COMPANY_CLIENT_SECRET)
        service = App(settings.XERO_SERVICE_CLIENT_ID, settings.XERO_SERVICE_CLIENT_SECRET)
        return {
            "wise_pay": first,
            "company": company if company.client_id else first,
            "service": service if service.client_id else first,
        }

    @property
    def retired(self) -> list[App]:
        return [App(client_id, secret) for client_id, secret in settings.XERO_RETIRED_CLIENTS.items()]


class Door:
    """The provider "xero", as one app."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.client_id = app.client_id

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPES,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{settings.XERO_AUTHORIZE_URL}?{urlencode(query)}"

    def exchange(self, code: str, *, verifier: str, redirect_uri: str, now: datetime) -> Tokens:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        body = self._ask({**form, "code_verifier": verifier})
        # An answer that does not say what was granted granted all.
        granted = str(body.get("scope", SCOPES)).split()
        if missing := [scope for scope in NEEDED if scope not in granted]:
            raise MissingScopes(" ".join(missing))
        return tokens_of(body, now=now)

    def refresh(self, refresh_token: str, *, now: datetime) -> Tokens:
        return tokens_of(self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token}), now=now)

    def organisations(self, tokens: Tokens) -> list[Organisation]:
        query = {"authEventId": tokens.authorisation_id} if tokens.authorisation_id else {}
        answer = self._call("GET", settings.XERO_CONNECTIONS_URL, token=tokens.access, params=query)
        if answer.status_code == 401:
            raise RefusedGrant("Xero does not accept the new token")
        try:
            return [
                Organisation(id=str(r["tenantId"]), name=str(r["tenantName"]), remote_id=str(r["id"]))
                for r in _json(answer)
                if r.get("tenantType") == "ORGANISATION"
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise Unavailable("Xero's list of organisations could not be read") from error

    def disconnect(self, access_token: str, *, remote_id: str) -> None:
        answer = self._call("DELETE", f"{settings.XERO_CONNECTIONS_URL}/{remote_id}", token=access_token)
        if answer.status_code not in (204, 401, 403, 404):
            raise Unavailable(f"Xero answered {answer.status_code} to the disconnection")

    def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        """One call of the token endpoint. Raises RefusedGrant."""
        url = f"{settings.XERO_IDENTITY_URL}/connect/token"
        answer = self._call("POST", url, data=form, auth=(self.app.client_id, self.app.secret))
        if not answer.ok:
            refuse(_error_code(answer))
        body = _json(answer)
        if not isinstance(body, dict):
            raise Unavailable("Xero's tokens could not be read")
        return body

    def _call(self, method: str, url: str, *, token: str = "", **kwargs: Any) -> requests.Response:
        """One HTTP call, no retries. Raises Unavailable for weather."""
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = requests.request(method, url, headers=headers, timeout=settings.HTTP_TIMEOUT, **kwargs)
        except requests.RequestException as error:
            raise Unavailable(f"Xero does not answer ({type(error).__name__})") from error
        if answer.status_code == 429 or answer.status_code >= 500:
            pause = answer.headers.get("Retry-After", "")
            raise Unavailable(
                f"Xero answered {answer.status_code}",
                retry_after=float(pause) if pause.isdigit() else None,
                maybe_done=answer.status_code != 429,
            )
        return answer


def tokens_of(body: dict[str, Any], *, now: datetime) -> Tokens:
    """The pair in an answer of the token endpoint. Raises Unavailable when there is none."""
    try:
        return Tokens(
            access=str(body["access_token"]),
            refresh=str(body["refresh_token"]),
            expires_at=now + timedelta(seconds=int(body["expires_in"])),
            authorisation_id=str(_claims(str(body["access_token"])).get("authentication_event_id", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("Xero's tokens could not be read") from error


def _json(answer: requests.Response) -> Any:
    """The body, when it is what was promised."""
    try:
        if answer.ok:
            return answer.json()
    except ValueError:
        pass
    raise Unavailable(f"Xero answered {answer.status_code} with something that is not JSON")


def refuse(code: str) -> NoReturn:
    """Raise what a refusal means: only `invalid_grant` speaks of the merchant's grant.

    A wrong client secret or a proxy's page is our operator's trouble and ends by itself.
    """
    if code == "invalid_grant":
        raise RefusedGrant(code)
    raise Unavailable(f"Xero refused our app ({code})")


def _error_code(answer: requests.Response) -> str:
    try:
        return str(answer.json().get("error", "refused"))
    except (ValueError, AttributeError):
        return "refused"


def _claims(token: str) -> dict[str, Any]:
    """The claims of an access token, unverified: only an id is read, and it came over TLS from the issuer."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) or b"{}")
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
