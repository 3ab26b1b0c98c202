"""Who may do what: authorisation codes, access tokens, refresh tokens whose value changes once a day."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from sandbox.intuit.errors import forbidden, unauthenticated
from sandbox.world import World

Record = dict[str, Any]
SECTION = "intuit_identity"
CODE_LIFE = timedelta(minutes=5)
ACCESS_LIFE = timedelta(hours=1)
REFRESH_LIFE = timedelta(days=100)
TURN = timedelta(hours=24)
HARD_END = timedelta(days=5 * 365)
ACCOUNTING = "com.intuit.quickbooks.accounting"
CLIENTS = {
    "sandbox-intuit": "sandbox-intuit-secret",
    "sandbox-intuit-2": "sandbox-intuit-secret-2",
    "sandbox-intuit-3": "sandbox-intuit-secret-3",
}


class OAuthError(Exception):
    """The token endpoint's refusal: `code` in the words of OAuth, `status` of the answer."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def empty() -> Record:
    """The section of a new world."""
    return {"codes": {}, "access": {}, "grants": {}}


def after(iso: str, life: timedelta) -> datetime:
    """The instant so long after another one."""
    return datetime.fromisoformat(iso) + life


class Identity:
    """Reads and writes the section `intuit_identity` of one world.

    A grant is what one consent gave to one app for one company. It has one refresh token at a time; the one
    before it is good for a day more.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> Record:
        """The section as it is now."""
        return self.world.section(SECTION, empty)

    def clients(self) -> dict[str, str]:
        """The apps: client ids and their secrets."""
        found: dict[str, str] = self.world.config.get("intuit_clients") or CLIENTS
        return found

    def authenticate(self, client: str, secret: str) -> None:
        """Raises OAuthError when this is not one of the apps."""
        expected = self.clients().get(client)
        if expected is None or not secrets.compare_digest(expected.encode(), secret.encode()):
            raise OAuthError("invalid_client", 401)

    def code(self, **grant: Any) -> str:
        """A code for one exchange. `grant`: client, redirect_uri, scopes, email, realm."""
        fresh = "XAB" + secrets.token_urlsafe(32)
        self.state["codes"][fresh] = {**grant, "made": self.world.now().isoformat()}
        return fresh

    def exchange(self, client: str, *, code: str, redirect_uri: str) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""
        told = self.state["codes"].pop(code, None)
        good = told is not None and (told["client"], told["redirect_uri"]) == (client, redirect_uri)
        if not good or self.world.now() >= after(told["made"], CODE_LIFE):
            raise OAuthError("invalid_grant")
        now = self.world.now().isoformat()
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
        self.state["access"][access] = {"grant": grant["id"], "expires": (now + ACCESS_LIFE).isoformat()}
        ends = min(now + REFRESH_LIFE, after(grant["since"], HARD_END))
        return {
            "token_type": "bearer",
            "access_token": access,
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "refresh_token": grant["refresh"],
            "x_refresh_token_expires_in": int((ends - now).total_seconds()),
        }

    def prune(self) -> None:
        """Forget access tokens long expired."""
        oldest = self.world.now() - TURN
        rows = self.state["access"]
        for key in [key for key, row in rows.items() if datetime.fromisoformat(row["expires"]) < oldest]:
            del rows[key]

    def bearer(self, header: str) -> Record:
        """The grant behind an Authorization header; raises RefusedError (401)."""
        kind, _, token = header.partition(" ")
        kept = self.state["access"].get(token.strip()) if kind.lower() == "bearer" else None
        if kept is None:
            raise unauthenticated(
                "Malformed bearer token: too short or too long" if len(token) < 40 else "Token revoked"
            )
        if self.world.now() >= datetime.fromisoformat(kept["expires"]):
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

    def forget(self, **match: str) -> None:
        """Drop every grant whose fields are these."""
        grants = self.state["grants"]
        for key in [k for k, row in grants.items() if all(row[name] == match[name] for name in match)]:
            del grants[key]

    def is_connected(self, realm: str) -> bool:
        """Whether any app has access to the company."""
        return any(grant["realm"] == realm for grant in self.state["grants"].values())
