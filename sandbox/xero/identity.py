"""Who may do what: authorisation codes, tokens that rotate, and the connections to organisations."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sandbox import identity
from sandbox.identity import OAuthError, Record, bearer_of, encoded
from sandbox.xero.errors import unauthorised
from sandbox.xero.wire import new_id

ACCESS_LIFE = timedelta(minutes=30)
REFRESH_LIFE = timedelta(days=60)
GRACE = timedelta(minutes=30)
UNCERTIFIED_APPS = 2


def user_id(email: str) -> str:
    """A practice user is nothing but an e-mail address; the same one is always the same user."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "mailto:" + email.strip().lower()))


def jwt(claims: Record) -> str:
    """Claims in the shape of a signed token; nobody can check this signature, only its bearer is known."""
    parts = ({"alg": "RS256", "kid": "practice", "typ": "JWT"}, claims)
    head, body = (encoded(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{head}.{body}.{encoded(secrets.token_bytes(32))}"


class Identity(identity.Identity):
    """Who connected which app to which organisations. A grant tells the app, the person, the scopes and the event."""

    name = "xero"
    apps = {
        "sandbox-client": "sandbox-secret",
        "sandbox-client-2": "sandbox-secret-2",
        "sandbox-client-3": "sandbox-secret-3",
    }
    tables = ("codes", "access", "refresh", "connections")

    def full_for(self, client: str, tenant: str) -> bool:
        """Whether one more uncertified app would be too many for this organisation."""
        uncertified = set(self.world.config.get("xero_uncertified_apps", []))
        apps = {row["client"] for row in self.state["connections"].values() if row["tenantId"] == tenant}
        return client in uncertified and len((apps & uncertified) - {client}) >= UNCERTIFIED_APPS

    def exchange(self, client: str, form: Mapping[str, str]) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""
        grant = self.redeemed(client, form)
        event = new_id()
        self.connect(client, grant["email"], event, grant["tenants"])
        return self.tokens({"client": client, "email": grant["email"], "scopes": grant["scopes"], "event": event})

    def refresh(self, client: str, token: str) -> Record:
        """New tokens; the old refresh token works for the grace period more. Raises OAuthError."""
        kept = self.state["refresh"].get(token)
        if kept is None or kept["client"] != client or self.is_over(kept):
            raise OAuthError("invalid_grant")
        if not kept["rotated"]:
            self.keep("refresh", token, GRACE, {**kept, "rotated": True})
        return self.tokens({name: kept[name] for name in ("client", "email", "scopes", "event")})

    def tokens(self, grant: Record) -> Record:
        """A fresh set for the grant, as the token endpoint answers it."""
        self.prune()
        now = self.world.now()
        access = jwt(self.claims(grant, now))
        self.keep("access", access, ACCESS_LIFE, grant)
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
            self.keep("refresh", found["refresh_token"], REFRESH_LIFE, {**grant, "rotated": False})
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

    def grant(self, header: str) -> Record:
        """The grant behind an Authorization header; raises RefusedError (401)."""
        found: Record | None = self.state["access"].get(bearer_of(header))
        if found is None:
            raise unauthorised("Unauthorized", 401, "AuthenticationUnsuccessful")
        if self.is_over(found):
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
