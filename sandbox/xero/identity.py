"""Who may do what: authorisation codes, tokens that rotate, and the connections to organisations."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any

from sandbox.world import World
from sandbox.xero.errors import unauthorised
from sandbox.xero.wire import new_id

Record = dict[str, Any]
SECTION = "xero_identity"
CODE_LIFE = timedelta(minutes=5)
ACCESS_LIFE = timedelta(minutes=30)
REFRESH_LIFE = timedelta(days=60)
GRACE = timedelta(minutes=30)
CLIENTS = {
    "sandbox-client": "sandbox-secret",
    "sandbox-client-2": "sandbox-secret-2",
    "sandbox-client-3": "sandbox-secret-3",
}
UNCERTIFIED_APPS = 2


class OAuthError(Exception):
    """The token endpoint's refusal: `code` in the words of OAuth, `status` of the answer."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def empty() -> Record:
    """The section of a new world."""
    return {"codes": {}, "access": {}, "refresh": {}, "connections": {}, "removed": []}


def user_id(email: str) -> str:
    """A practice user is nothing but an e-mail address; the same one is always the same user."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "mailto:" + email.strip().lower()))


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return encoded(hashlib.sha256(verifier.encode()).digest())


def encoded(raw: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwt(claims: Record) -> str:
    """Claims in the shape of a signed token; nobody can check this signature, only its bearer is known."""
    parts = ({"alg": "RS256", "kid": "practice", "typ": "JWT"}, claims)
    head, body = (encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{head}.{body}.{encoded(secrets.token_bytes(32))}"


class Identity:
    """Reads and writes the section `xero_identity` of one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> Record:
        """The section as it is now."""
        return self.world.section(SECTION, empty)

    def clients(self) -> dict[str, str]:
        """The apps: client ids and their secrets."""
        found: dict[str, str] = self.world.config.get("xero_clients") or CLIENTS
        return found

    def authenticate(self, client: str, secret: str) -> None:
        """Raises OAuthError when this is not one of the apps."""
        expected = self.clients().get(client)
        if expected is None or not secrets.compare_digest(expected.encode(), secret.encode()):
            raise OAuthError("invalid_client", 401)

    def full_for(self, client: str, tenant: str) -> bool:
        """Whether one more uncertified app would be too many for this organisation."""
        uncertified = set(self.world.config.get("xero_uncertified_apps", []))
        apps = {row["client"] for row in self.state["connections"].values() if row["tenantId"] == tenant}
        return client in uncertified and len((apps & uncertified) - {client}) >= UNCERTIFIED_APPS

    def code(self, **grant: Any) -> str:
        """A code for one exchange. `grant`: client, redirect_uri, challenge, scopes, email, tenants."""
        fresh = secrets.token_urlsafe(32)
        self.state["codes"][fresh] = {**grant, "expires": (self.world.now() + CODE_LIFE).isoformat()}
        return fresh

    def exchange(self, client: str, *, code: str, redirect_uri: str, verifier: str) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""
        grant = self.state["codes"].pop(code, None)
        good = (
            grant is not None
            and grant["client"] == client
            and grant["redirect_uri"] == redirect_uri
            and 43 <= len(verifier) <= 128
            and challenge_of(verifier) == grant["challenge"]
            and self.world.now() < datetime.fromisoformat(grant["expires"])
        )
        if not good:
            raise OAuthError("invalid_grant")
        event = new_id()
        self.connect(client, grant["email"], event, grant["tenants"])
        return self.tokens({"client": client, "email": grant["email"], "scopes": grant["scopes"], "event": event})

    def refresh(self, client: str, token: str) -> Record:
        """New tokens; the old refresh token works for the grace period more. Raises OAuthError."""
        kept = self.state["refresh"].get(token)
        now = self.world.now()
        if kept is None or kept["client"] != client or now >= datetime.fromisoformat(kept["expires"]):
            raise OAuthError("invalid_grant")
        if not kept["rotated"]:
            kept |= {"rotated": True, "expires": (now + GRACE).isoformat()}
        return self.tokens({name: kept[name] for name in ("client", "email", "scopes", "event")})

    def tokens(self, grant: Record) -> Record:
        """A fresh set for the grant, as the token endpoint answers it."""
        self.prune()
        now = self.world.now()
        access = jwt(self.claims(grant, now))
        self.state["access"][access] = {**grant, "expires": (now + ACCESS_LIFE).isoformat()}
        found: Record = {
            "access_token": access,
            "expires_in": int(ACCESS_LIFE.total_seconds()),
            "token_type": "Bearer",
            "scope": " ".join(grant["scopes"]),
        }
        if "openid" in grant["scopes"]:
            found["id_token"] = jwt({**self.claims(grant, now), "email": grant["email"]})
        if "offline_access" in grant["scopes"]:
            found["refresh_token"] = secrets.token_urlsafe(32)
            kept = {**grant, "rotated": False, "expires": (now + REFRESH_LIFE).isoformat()}
            self.state["refresh"][found["refresh_token"]] = kept
        return found

    def claims(self, grant: Record, now: datetime) -> Record:
        """What an access token says of itself."""
        user, start = user_id(grant["email"]), int(now.timestamp())
        return {
            "nbf": start,
            "exp": start + int(ACCESS_LIFE.total_seconds()),
            "iss": f"{self.world.url}/xero/identity",
            "aud": f"{self.world.url}/xero/identity/resources",
            "client_id": grant["client"],
            "sub": uuid.uuid5(uuid.NAMESPACE_URL, user).hex,
            "auth_time": start,
            "xero_userid": user,
            "global_session_id": uuid.uuid4().hex,
            "jti": uuid.uuid4().hex.upper(),
            "authentication_event_id": grant["event"],
            "scope": grant["scopes"],
        }

    def prune(self) -> None:
        """Forget what has expired."""
        now = self.world.now()
        for kind in ("codes", "access", "refresh"):
            rows = self.state[kind]
            for key in [key for key, row in rows.items() if datetime.fromisoformat(row["expires"]) <= now]:
                del rows[key]

    def grant(self, header: str) -> Record:
        """The grant behind an Authorization header; raises RefusedError (401)."""
        kind, _, token = header.partition(" ")
        found: Record | None = self.state["access"].get(token.strip()) if kind.lower() == "bearer" else None
        if found is None:
            raise unauthorised("Unauthorized", 401, "AuthenticationUnsuccessful")
        if self.world.now() >= datetime.fromisoformat(found["expires"]):
            raise unauthorised("Unauthorized", 401, f"TokenExpired: token expired at {found['expires']}")
        return found

    def connect(self, client: str, email: str, event: str, tenants: list[str]) -> None:
        """Connect the app and the user to these organisations; one that exists is only renewed."""
        now = self.world.now().isoformat()
        for tenant in tenants:
            same = (row for row in self.connections_of(client, email) if row["tenantId"] == tenant)
            row = next(same, None)
            if row is None:
                row = {"id": new_id(), "client": client, "email": email, "tenantId": tenant, "created": now}
                self.state["connections"][row["id"]] = row
            row |= {"authEventId": event, "updated": now}

    def connections_of(self, client: str, email: str) -> list[Record]:
        """What this app may open for this user."""
        rows = self.state["connections"].values()
        return [row for row in rows if row["client"] == client and row["email"] == email]

    def connected(self, grant: Record, tenant: str) -> bool:
        """Whether the grant opens this organisation's books; those of whom its user was removed stay listed."""
        if self.is_removed(grant["email"], tenant):
            return False
        return any(row["tenantId"] == tenant for row in self.connections_of(grant["client"], grant["email"]))

    def is_removed(self, email: str, tenant: str) -> bool:
        """Whether this person is no longer a user of the organisation."""
        return [email, tenant] in self.state.setdefault("removed", [])

    def remove(self, email: str, tenant: str, *, back: bool = False) -> None:
        """Take a person off the organisation's users, or put them back."""
        rows = self.state.setdefault("removed", [])
        if back and [email, tenant] in rows:
            rows.remove([email, tenant])
        elif not back and [email, tenant] not in rows:
            rows.append([email, tenant])

    def revoke(self, client: str, token: str) -> None:
        """End the tokens and all connections of the app and user that a refresh token belongs to."""
        kept = self.state["refresh"].get(token)
        if kept and kept["client"] == client:
            self.forget(client=client, email=kept["email"])

    def forget(self, **match: str) -> None:
        """Drop every token and connection whose fields are these."""
        for kind in ("codes", "access", "refresh", "connections"):
            rows = self.state[kind]
            for key in [k for k, row in rows.items() if all(row[name] == match[name] for name in match)]:
                del rows[key]
