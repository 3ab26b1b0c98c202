"""OAuth 2 with Intuit for QuickBooks Online: authorization code, refresh tokens that change, one company a walk.

Source: developer.intuit.com, "OAuth 2.0" and "Discovery document". The vendor's own OAuth library is not used: it
calls the network when it is built, has no time limits, and draws its state from a guessable source.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import requests
from django.conf import settings

from connections.budget import Account, Lane
from connections.governor import take_call
from connections.providers import App, MissingScopes, Organisation, RefusedGrant, Tokens
from connections.providers.calls import ask, ask_for_tokens, json_of
from wisepay.errors import Unavailable

LABEL = "QuickBooks"
NEEDED = "com.intuit.quickbooks.accounting"
MINOR_VERSION = "75"
PATIENCE = 1.2  # seconds: a page may wait until the calls of one second are over


class Door:
    """The provider "quickbooks", as one app."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.client_id = app.client_id

    def authorize_url(self, *, state: str, challenge: str, redirect_uri: str) -> str:
        # Intuit knows no PKCE; the code is good for our client secret only.
        query = {
            "client_id": self.client_id,
            "response_type": "code",
            "scope": NEEDED,
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{settings.INTUIT_AUTHORIZE_URL}?{urlencode(query)}"

    def exchange(self, code: str, *, verifier: str, redirect_uri: str, company: str, now: datetime) -> Tokens:
        body = self._tokens({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri})
        # An answer that does not say what was granted granted all.
        if NEEDED not in str(body.get("scope", NEEDED)).split():
            raise MissingScopes(NEEDED)
        return tokens_of(body, company=company if is_realm(company) else "", now=now)

    def refresh(self, refresh_token: str, *, now: datetime) -> Tokens:
        body = self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})
        return tokens_of(body, company="", now=now)

    def organisations(self, tokens: Tokens) -> list[Organisation]:
        realm = tokens.authorisation_id
        if not realm:
            return []
        answer = self._company_info(tokens.access, realm, lane="interactive")
        if answer.status_code in (401, 403):
            raise RefusedGrant("QuickBooks does not open this company for the new token")
        try:
            name = json_of(LABEL, answer)["CompanyInfo"]["CompanyName"]
        except (KeyError, TypeError) as error:
            raise Unavailable("QuickBooks' company could not be read") from error
        # A grant is what one consent gave: no two connections share one.
        return [Organisation(id=realm, name=str(name), remote_id="")]

    def allows(self, access_token: str, *, organisation_id: str, lane: Lane) -> bool:
        answer = self._company_info(access_token, organisation_id, lane=lane)
        if answer.status_code == 401:
            raise RefusedGrant("QuickBooks does not accept the token")
        if answer.status_code == 403:
            return False
        json_of(LABEL, answer)
        return True

    def disconnect(self, access_token: str, *, remote_id: str) -> None:
        held = (self.app.client_id, self.app.secret)
        answer = ask(LABEL, "POST", settings.INTUIT_REVOKE_URL, json={"token": access_token}, auth=held)
        if answer.status_code not in (200, 204, 400, 401):
            raise Unavailable(f"QuickBooks answered {answer.status_code} to the disconnection")

    def _company_info(self, access_token: str, realm: str, *, lane: Lane) -> requests.Response:
        """One call of the company's budget; in the lane `interactive` a page waits for it."""
        url = f"{settings.INTUIT_API_URL}/company/{realm}/companyinfo/{realm}"
        patience = PATIENCE if lane == "interactive" else 0.0
        with take_call(Account("quickbooks", self.client_id, realm), lane=lane, patience=patience) as slot:
            answer = ask(LABEL, "GET", url, token=access_token, params={"minorversion": MINOR_VERSION})
            slot.learn(answer.headers, status=answer.status_code)
        return answer

    def _tokens(self, form: dict[str, str]) -> dict[str, Any]:
        """One call of the token endpoint. Raises RefusedGrant."""
        url = settings.INTUIT_TOKEN_URL
        return ask_for_tokens(LABEL, url, form, client_id=self.app.client_id, secret=self.app.secret)


def tokens_of(body: dict[str, Any], *, company: str, now: datetime) -> Tokens:
    """The pair in an answer of the token endpoint. Raises Unavailable when there is none."""
    try:
        return Tokens(
            access=str(body["access_token"]),
            refresh=str(body["refresh_token"]),
            expires_at=now + timedelta(seconds=int(body["expires_in"])),
            authorisation_id=company,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("QuickBooks' tokens could not be read") from error


def is_realm(text: str) -> bool:
    """Whether it can be a company's id: it becomes part of addresses, and a browser brought it."""
    return text.isascii() and text.isdigit() and len(text) <= 30
