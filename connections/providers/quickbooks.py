"""OAuth 2 with Intuit for QuickBooks Online: authorization code, rotating refresh tokens, one company at a time.

Source: developer.intuit.com, "OAuth 2.0" and "Discovery document". The vendor's own OAuth library is not used: it
calls the network when it is built, has no time limits, and draws its state from a guessable source.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests
from django.conf import settings

from connections.providers import InvalidGrant, MissingScopes, OAuthApp, OAuthTokens, ProviderOrganisation
from connections.providers.oauth_http import parse_json, request_tokens, send_request
from connections.rate_limiter.limiter import BudgetAccount, Priority, acquire
from wisepay.errors import Unavailable

LABEL = "QuickBooks"
REQUIRED_SCOPE = "com.intuit.quickbooks.accounting"
MINOR_VERSION = "75"
MAX_WAIT = 1.2  # seconds: a page may wait until the calls of one second are over


class QuickBooksOAuthClient:
    """The provider "quickbooks", as one app."""

    def __init__(self, app: OAuthApp) -> None:
        self.app = app
        self.client_id = app.client_id

    def get_authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        # Intuit knows no PKCE; the code is good for our client secret only.
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "scope": REQUIRED_SCOPE,
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{settings.INTUIT_AUTHORIZE_URL}?{urlencode(query)}"

    def exchange_code(self, code: str, *, verifier: str, redirect_uri: str, company: str, now: datetime) -> OAuthTokens:
        body = self._tokens({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri})
        # An answer that does not say what was granted granted all.
        if REQUIRED_SCOPE not in str(body.get("scope", REQUIRED_SCOPE)).split():
            raise MissingScopes(REQUIRED_SCOPE)
        return parse_quickbooks_tokens(body, company=company if is_realm_id(company) else "", now=now)

    def refresh(self, refresh_token: str, *, now: datetime) -> OAuthTokens:
        body = self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})
        return parse_quickbooks_tokens(body, company="", now=now)

    def list_organisations(self, tokens: OAuthTokens) -> list[ProviderOrganisation]:
        realm = tokens.authorisation_id
        if not realm:
            return []
        answer = self._company_info(tokens.access, realm, priority="interactive")
        if answer.status_code in (401, 403):
            raise InvalidGrant("QuickBooks does not open this company for the new token")
        try:
            name = parse_json(LABEL, answer)["CompanyInfo"]["CompanyName"]
        except (KeyError, TypeError) as error:
            raise Unavailable("QuickBooks' company could not be read") from error
        # A grant is what one consent gave: no two connections share one.
        return [ProviderOrganisation(id=realm, name=str(name), remote_id="")]

    def has_access(self, access_token: str, *, organisation_id: str, priority: Priority) -> bool:
        answer = self._company_info(access_token, organisation_id, priority=priority)
        if answer.status_code == 401:
            raise InvalidGrant("QuickBooks does not accept the token")
        if answer.status_code == 403:
            return False
        parse_json(LABEL, answer)
        return True

    def disconnect(self, access_token: str, *, remote_id: str) -> None:
        auth = (self.app.client_id, self.app.secret)
        answer = send_request(LABEL, "POST", settings.INTUIT_REVOKE_URL, json={"token": access_token}, auth=auth)
        if answer.status_code not in (200, 204, 400, 401):
            raise Unavailable(f"QuickBooks answered {answer.status_code} to the disconnection")

    def _company_info(self, access_token: str, realm: str, *, priority: Priority) -> requests.Response:
        """Read the company's name with one call of its budget; with the priority `interactive` a page waits for it."""
        url = f"{settings.INTUIT_API_URL}/company/{realm}/companyinfo/{realm}"
        max_wait = MAX_WAIT if priority == "interactive" else 0.0
        with acquire(
            BudgetAccount("quickbooks", self.client_id, realm), priority=priority, max_wait=max_wait
        ) as permit:
            answer = send_request(LABEL, "GET", url, token=access_token, params={"minorversion": MINOR_VERSION})
            permit.record_response(answer.headers, status=answer.status_code)
        return answer

    def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        """Request tokens from the token endpoint. Raises InvalidGrant or Unavailable."""
        url = settings.INTUIT_TOKEN_URL
        return request_tokens(LABEL, url, form, client_id=self.app.client_id, secret=self.app.secret)


def parse_quickbooks_tokens(body: dict[str, Any], *, company: str, now: datetime) -> OAuthTokens:
    """Parse the pair in an answer of the token endpoint. Raises Unavailable when there is none."""
    try:
        return OAuthTokens(
            access=str(body["access_token"]),
            refresh=str(body["refresh_token"]),
            expires_at=now + timedelta(seconds=int(body["expires_in"])),
            authorisation_id=company,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise Unavailable("QuickBooks' tokens could not be read") from error


def is_realm_id(text: str) -> bool:
    """Whether the text can be a company's id: it comes from a browser and becomes part of addresses."""
    return text.isascii() and text.isdigit() and len(text) <= 30
