"""Who may do what: authorisation codes, tokens that rotate, and the connections to organisations."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sandbox.core import identity
from sandbox.core.identity import OAuthError, Record, encode_base64url, parse_bearer_token
from sandbox.xero.errors import build_unauthorised
from sandbox.xero.formats import create_id

ACCESS_LIFETIME = timedelta(minutes=30)
REFRESH_LIFETIME = timedelta(days=60)
GRACE_PERIOD = timedelta(minutes=30)
MAX_UNCERTIFIED_APPS = 2


def get_user_id(email: str) -> str:
    """A practice user is nothing but an e-mail address; the same one is always the same user."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "mailto:" + email.strip().lower()))


def build_jwt(claims: Record) -> str:
    """Claims in the shape of a signed token; nobody can check this signature, only its bearer is known."""
    parts = ({"alg": "RS256", "kid": "practice", "typ": "JWT"}, claims)
    head, body = (encode_base64url(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
    return f"{head}.{body}.{encode_base64url(secrets.token_bytes(32))}"


class XeroIdentity(identity.IdentityService):
    """Who connected which app to which organisations. A grant has the app, the person, the scopes and the event."""

    name = "xero"
    apps = {
        "sandbox-client": "sandbox-secret",
        "sandbox-client-2": "sandbox-secret-2",
        "sandbox-client-3": "sandbox-secret-3",
    }
    tables = ("codes", "access", "refresh", "connections")

    def is_full_for(self, client: str, tenant: str) -> bool:
        """Whether one more uncertified app would be too many for this organisation."""
        uncertified = set(self.world.config.get("xero_uncertified_apps", []))
        apps = {row["client"] for row in self.state["connections"].values() if row["tenantId"] == tenant}
        return client in uncertified and len((apps & uncertified) - {client}) >= MAX_UNCERTIFIED_APPS

    def exchange(self, client: str, form: Mapping[str, str]) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""
        grant = self.redeem_code(client, form)
        event = create_id()
        self.connect(client, grant["email"], event, grant["tenants"])
        return self.create_tokens(
            {"client": client, "email": grant["email"], "scopes": grant["scopes"], "event": event}
        )

    def refresh(self, client: str, token: str) -> Record:
        """New tokens; the old refresh token works for the grace period more. Raises OAuthError."""
        saved = self.state["refresh"].get(token)
        if saved is None or saved["client"] != client or self.is_expired(saved):
            raise OAuthError("invalid_grant")
        if not saved["rotated"]:
            self.save_row("refresh", token, GRACE_PERIOD, {**saved, "rotated": True})
        return self.create_tokens({name: saved[name] for name in ("client", "email", "scopes", "event")})

    def create_tokens(self, grant: Record) -> Record:
        """A fresh set for the grant, as the token endpoint answers it."""
        self.prune()
        now = self.world.now()
        access = build_jwt(self.build_claims(grant, now))
        self.save_row("access", access, ACCESS_LIFETIME, grant)
        found: Record = {
            "access_token": access,
            "expires_in": int(ACCESS_LIFETIME.total_seconds()),
            "token_type": "Bearer",
            "scope": " ".join(grant["scopes"]),
        }
        if "openid" in grant["scopes"]:
            found["id_token"] = build_jwt({**self.build_claims(grant, now), "email": grant["email"]})
        if "offline_access" in grant["scopes"]:
            found["refresh_token"] = secrets.token_urlsafe(32)
            self.save_row("refresh", found["refresh_token"], REFRESH_LIFETIME, {**grant, "rotated": False})
        return found

    def build_claims(self, grant: Record, now: datetime) -> Record:
        """The claims of an access token."""
        user, start = get_user_id(grant["email"]), int(now.timestamp())
        return {
            "nbf": start,
            "exp": start + int(ACCESS_LIFETIME.total_seconds()),
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

    def get_grant(self, header: str) -> Record:
        """The grant behind an Authorization header; raises RefusedError (401)."""
        found: Record | None = self.state["access"].get(parse_bearer_token(header))
        if found is None:
            raise build_unauthorised("Unauthorized", 401, "AuthenticationUnsuccessful")
        if self.is_expired(found):
            raise build_unauthorised("Unauthorized", 401, f"TokenExpired: token expired at {found['expires']}")
        return found

    def connect(self, client: str, email: str, event: str, tenants: list[str]) -> None:
        """Connect the app and the user to these organisations; one that exists is only renewed."""
        now = self.world.now().isoformat()
        for tenant in tenants:
            same = (row for row in self.list_connections(client, email) if row["tenantId"] == tenant)
            row = next(same, None)
            if row is None:
                row = {"id": create_id(), "client": client, "email": email, "tenantId": tenant, "created": now}
                self.state["connections"][row["id"]] = row
            row |= {"authEventId": event, "updated": now}

    def list_connections(self, client: str, email: str) -> list[Record]:
        """What this app may open for this user."""
        rows = self.state["connections"].values()
        return [row for row in rows if row["client"] == client and row["email"] == email]

    def connected(self, grant: Record, tenant: str) -> bool:
        """Whether the grant opens this organisation's books; those of whom its user was removed stay listed."""
        if self.is_removed(grant["email"], tenant):
            return False
        return any(row["tenantId"] == tenant for row in self.list_connections(grant["client"], grant["email"]))

    def is_removed(self, email: str, tenant: str) -> bool:
        """Whether this person is no longer a user of the organisation."""
        return [email, tenant] in self.state.setdefault("removed", [])

    def set_removed(self, email: str, tenant: str, *, restore: bool = False) -> None:
        """Take a person off the organisation's users, or put them back."""
        rows = self.state.setdefault("removed", [])
        if restore and [email, tenant] in rows:
            rows.remove([email, tenant])
        elif not restore and [email, tenant] not in rows:
            rows.append([email, tenant])

    def revoke(self, client: str, token: str) -> None:
        """End the tokens and all connections of the app and user that a refresh token belongs to."""
        saved = self.state["refresh"].get(token)
        if saved and saved["client"] == client:
            self.delete_matching(client=client, email=saved["email"])
