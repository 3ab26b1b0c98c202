"""Who may do what: authorisation codes, access tokens, refresh tokens whose value changes once a day."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sandbox import identity
from sandbox.identity import OAuthError, Record, bearer_of
from sandbox.intuit.errors import forbidden, unauthenticated

ACCESS_LIFE = timedelta(hours=1)
REFRESH_LIFE = timedelta(days=100)
TURN = timedelta(hours=24)
HARD_END = timedelta(days=5 * 365)
ACCOUNTING = "com.intuit.quickbooks.accounting"


def after(iso: str, life: timedelta) -> datetime:
    """The instant so long after another one."""
    return datetime.fromisoformat(iso) + life


class Identity(identity.Identity):
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
        told, now = self.redeemed(client, form), self.world.now().isoformat()
        grant = {name: told[name] for name in ("client", "scopes", "email", "realm")}
        grant |= {"id": str(uuid.uuid4()), "since": now, "used": now, "previous": None, **self.new_value(now)}
        self.state["grants"][grant["id"]] = grant
        return self.tokens(grant)

    def new_value(self, now: str) -> Record:
        """A fresh refresh token."""
        return {"refresh": "RT1-" + secrets.token_urlsafe(32), "turned": now}

    def refresh(self, client: str, token: str) -> Record:
        """New tokens; the refresh token stays the same for a day, then it changes. Raises OAuthError."""
        grant = self.grant_of(client, token)
        now = self.world.now()
        if grant is None or now >= min(after(grant["used"], REFRESH_LIFE), after(grant["since"], HARD_END)):
            raise OAuthError("invalid_grant")
        if now >= after(grant["turned"], TURN):
            grant |= {"previous": grant["refresh"], **self.new_value(now.isoformat())}
        grant["used"] = now.isoformat()
        return self.tokens(grant)

    def grant_of(self, client: str, token: str) -> Record | None:
        """The grant that a refresh token belongs to, while that token is good."""
        for grant in self.state["grants"].values():
            fresh = self.world.now() < after(grant["turned"], TURN)
            if grant["client"] == client and (token == grant["refresh"] or (fresh and token == grant["previous"])):
                found: Record = grant
                return found
        return None

    def tokens(self, grant: Record) -> Record:
        """A set as the token endpoint answers it."""
        self.prune()
        now = self.world.now()
        access = "eyJ" + secrets.token_urlsafe(48)
        self.keep("access", access, ACCESS_LIFE, {"grant": grant["id"]})
        ends = min(now + REFRESH_LIFE, after(grant["since"], HARD_END))
        return {
            "token_type": "bearer",
            "access_token": access,
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "refresh_token": grant["refresh"],
            "x_refresh_token_expires_in": int((ends - now).total_seconds()),
        }

    def bearer(self, header: str) -> Record:
        """The grant behind an Authorization header; raises RefusedError (401)."""
        token = bearer_of(header)
        kept = self.state["access"].get(token)
        if kept is None:
            is_short = len(token) < 40
            raise unauthenticated("Malformed bearer token: too short or too long" if is_short else "Token revoked")
        if self.is_over(kept):
            raise unauthenticated(f"Token expired: {token[:12]}")
        found: Record | None = self.state["grants"].get(kept["grant"])
        if found is None:
            raise unauthenticated("Token revoked")
        return found

    def opens(self, header: str, realm: str) -> Record:
        """The grant, when it opens this company; raises RefusedError (401, 403)."""
        grant = self.bearer(header)
        if grant["realm"] != realm or ACCOUNTING not in grant["scopes"]:
            raise forbidden()
        return grant

    def revoke(self, client: str, token: str) -> None:
        """End the grant of a refresh or an access token; raises OAuthError for a token that is none."""
        access = self.state["access"].get(token)
        grant = self.state["grants"].get(access["grant"]) if access else self.grant_of(client, token)
        if grant is None or grant["client"] != client:
            raise OAuthError("invalid_request")
        self.forget(id=grant["id"])

    def is_connected(self, realm: str) -> bool:
        """Whether any app has access to the company."""
        return any(grant["realm"] == realm for grant in self.state["grants"].values())
