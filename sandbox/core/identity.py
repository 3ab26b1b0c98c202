"""The state of every practice identity service: its apps, codes that work once, tokens that expire."""

from __future__ import annotations

import base64
import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sandbox.core.world import World

Record = dict[str, Any]
CODE_LIFETIME = timedelta(minutes=5)
EXPIRED_RETENTION = timedelta(days=1)


class OAuthError(Exception):
    """An endpoint's refusal: `code` is OAuth's error code, `status` that of the answer."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


def encode_base64url(raw: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def verify_pkce(challenge: str, verifier: str) -> bool:
    """Whether this is the PKCE verifier behind an S256 challenge."""
    return 43 <= len(verifier) <= 128 and encode_base64url(hashlib.sha256(verifier.encode()).digest()) == challenge


def parse_bearer_token(header: str) -> str:
    """The token of an Authorization header, empty when it carries none."""
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


class IdentityService(ABC):
    """Reads and writes the section `<name>_identity` of one world: tables of rows by code, token or id.

    `<name>_clients` of the config replaces the apps, which are client ids and their secrets.
    """

    name: str
    apps: ClassVar[dict[str, str]]
    tables: ClassVar[tuple[str, ...]]
    code_prefix: ClassVar[str] = ""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> Record:
        """The section as it is now."""
        return self.world.get_section(f"{self.name}_identity", lambda: {table: {} for table in self.tables})

    def clients(self) -> dict[str, str]:
        """The apps: client ids and their secrets."""
        found: dict[str, str] = self.world.config.get(f"{self.name}_clients") or self.apps
        return found

    def authenticate(self, client: str, secret: str) -> None:
        """Raises OAuthError when this is not one of the apps."""
        expected = self.clients().get(client)
        if expected is None or not secrets.compare_digest(expected.encode(), secret.encode()):
            raise OAuthError("invalid_client", 401)

    def save_row(self, table: str, key: str, life: timedelta, row: Record) -> None:
        """Save a row that expires."""
        self.state[table][key] = {**row, "expires": (self.world.now() + life).isoformat()}

    def is_expired(self, row: Record) -> bool:
        """Whether a row has expired."""
        return self.world.now() >= datetime.fromisoformat(row["expires"])

    def create_code(self, **grant: Any) -> str:
        """A code for one exchange. `grant`: client, redirect_uri, a challenge if there is one, and the vendor's own."""
        fresh = self.code_prefix + secrets.token_urlsafe(32)
        self.save_row("codes", fresh, CODE_LIFETIME, grant)
        return fresh

    def redeem_code(self, client: str, form: Mapping[str, str]) -> Record:
        """What a code was made for; it is used up. Raises OAuthError."""
        grant: Record | None = self.state["codes"].pop(form.get("code", ""), None)
        good = (
            grant is not None
            and (grant["client"], grant["redirect_uri"]) == (client, form.get("redirect_uri"))
            and ("challenge" not in grant or verify_pkce(grant["challenge"], form.get("code_verifier", "")))
            and not self.is_expired(grant)
        )
        if grant is None or not good:
            raise OAuthError("invalid_grant")
        return grant

    @abstractmethod
    def exchange(self, client: str, form: Mapping[str, str]) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""

    def refresh(self, client: str, token: str) -> Record:
        """New tokens for a refresh token, where there are any; raises OAuthError."""
        raise OAuthError("unsupported_grant_type")

    def revoke(self, client: str, token: str) -> None:
        """End what a token opens; raises OAuthError."""
        raise OAuthError("unsupported_token_type")

    def prune(self) -> None:
        """Delete what expired more than a day ago: until then a service answers that it expired."""
        oldest = self.world.now() - EXPIRED_RETENTION
        self.delete_where(lambda row: "expires" in row and datetime.fromisoformat(row["expires"]) < oldest)

    def delete_matching(self, **match: str) -> None:
        """Drop every row whose fields are these."""
        self.delete_where(lambda row: all(row.get(name) == value for name, value in match.items()))

    def delete_where(self, fits: Callable[[Record], bool]) -> None:
        """Drop every row that fits."""
        for table in self.tables:
            rows = self.state[table]
            for key in [key for key, row in rows.items() if fits(row)]:
                del rows[key]
