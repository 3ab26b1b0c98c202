"""Who may do what: authorisation codes, access tokens, refresh tokens whose value changes once a day."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sandbox.core import identity
from sandbox.core.identity import OAuthError, Record, parse_bearer_token
from sandbox.intuit.errors import build_forbidden_error, build_unauthenticated_error

ACCESS_LIFETIME = timedelta(hours=1)
REFRESH_LIFETIME = timedelta(days=100)
ROTATION_INTERVAL = timedelta(hours=24)
MAX_CONSENT_AGE = timedelta(days=5 * 365)
ACCOUNTING = "com.intuit.quickbooks.accounting"


def add_lifetime(iso: str, life: timedelta) -> datetime:
    """The instant so long after another one."""
    return datetime.fromisoformat(iso) + life


class IntuitIdentity(identity.IdentityService):
    """Who connected which app to which company.

    A grant is what one consent gave to one app for one company. It has one refresh token at a time; the one
    before it is good for a day more.
    """

    name = "intuit"
    apps = {
        "sandbox-intuit": "sandbox-intuit-secret",
        "sandbox-intuit-2": "sandbox-intuit-secret-2",
        "sandbox-intuit-3": "sandbox-intuit-secret-3",
    }
    tables = ("codes", "access", "grants")
    code_prefix = "XAB"

    def exchange(self, client: str, form: Mapping[str, str]) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""
        authorisation, now = self.redeem_code(client, form), self.world.now().isoformat()
        grant = {name: authorisation[name] for name in ("client", "scopes", "email", "realm")}
        grant |= {
            "id": str(uuid.uuid4()),
            "since": now,
            "used": now,
            "previous": None,
            **self.create_refresh_token(now),
        }
        self.state["grants"][grant["id"]] = grant
        return self.create_tokens(grant)

    def create_refresh_token(self, now: str) -> Record:
        """A fresh refresh token."""
        return {"refresh": "RT1-" + secrets.token_urlsafe(32), "turned": now}

    def refresh(self, client: str, token: str) -> Record:
        """New tokens; the refresh token stays the same for a day, then it changes. Raises OAuthError."""
        grant = self.find_grant(client, token)
        now = self.world.now()
        if grant is None or now >= min(
            add_lifetime(grant["used"], REFRESH_LIFETIME), add_lifetime(grant["since"], MAX_CONSENT_AGE)
        ):
            raise OAuthError("invalid_grant")
        if now >= add_lifetime(grant["turned"], ROTATION_INTERVAL):
            grant |= {"previous": grant["refresh"], **self.create_refresh_token(now.isoformat())}
        grant["used"] = now.isoformat()
        return self.create_tokens(grant)

    def find_grant(self, client: str, token: str) -> Record | None:
        """The grant that a refresh token belongs to, while that token is good."""
        for grant in self.state["grants"].values():
            fresh = self.world.now() < add_lifetime(grant["turned"], ROTATION_INTERVAL)
            if grant["client"] == client and (token == grant["refresh"] or (fresh and token == grant["previous"])):
                found: Record = grant
                return found
        return None

    def create_tokens(self, grant: Record) -> Record:
        """A set as the token endpoint answers it."""
        self.prune()
        now = self.world.now()
        access = "eyJ" + secrets.token_urlsafe(48)
        self.save_row("access", access, ACCESS_LIFETIME, {"grant": grant["id"]})
        ends = min(now + REFRESH_LIFETIME, add_lifetime(grant["since"], MAX_CONSENT_AGE))
        return {
            "token_type": "bearer",
            "access_token": access,
            "expires_in": int(ACCESS_LIFETIME.total_seconds()),
            "refresh_token": grant["refresh"],
            "x_refresh_token_expires_in": int((ends - now).total_seconds()),
        }

    def get_grant(self, header: str) -> Record:
        """The grant behind an Authorization header; raises RefusedError (401)."""
        token = parse_bearer_token(header)
        token_row = self.state["access"].get(token)
        if token_row is None:
            is_short = len(token) < 40
            raise build_unauthenticated_error(
                "Malformed bearer token: too short or too long" if is_short else "Token revoked"
            )
        if self.is_expired(token_row):
            raise build_unauthenticated_error(f"Token expired: {token[:12]}")
        found: Record | None = self.state["grants"].get(token_row["grant"])
        if found is None:
            raise build_unauthenticated_error("Token revoked")
        return found

    def get_grant_for_company(self, header: str, realm: str) -> Record:
        """The grant, when it opens this company; raises RefusedError (401, 403)."""
        grant = self.get_grant(header)
        if grant["realm"] != realm or ACCOUNTING not in grant["scopes"]:
            raise build_forbidden_error()
        return grant

    def revoke(self, client: str, token: str) -> None:
        """End the grant of a refresh or an access token; raises OAuthError for a token that is none."""
        access = self.state["access"].get(token)
        grant = self.state["grants"].get(access["grant"]) if access else self.find_grant(client, token)
        if grant is None or grant["client"] != client:
            raise OAuthError("invalid_request")
        self.delete_matching(id=grant["id"])

    def is_connected(self, realm: str) -> bool:
        """Whether any app has access to the company."""
        return any(grant["realm"] == realm for grant in self.state["grants"].values())
