"""What the practice OpenID providers know: apps, codes that work once, tokens, and the key that signs."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
import uuid
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from sandbox.world import World

Record = dict[str, Any]
NAMES = {"xero": "Practice Xero", "microsoft": "Practice Microsoft"}
CLIENT, CLIENT_SECRET = "sandbox-sign-on", "sandbox-sign-on-secret"
CODE_LIFE = timedelta(minutes=5)
TOKEN_LIFE = timedelta(minutes=30)


class SignOnError(Exception):
    """An endpoint's refusal: `code` in the words of OAuth, `status` of the answer."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@cache
def signing_key(name: str) -> RSAPrivateKey:
    """The key of that name; a process makes it at first need."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def listed_keys(key: str) -> Record:
    """The public half of a provider's key, as its JWKS lists it."""
    shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing_key(key).public_key()))
    return {"keys": [{**shown, "kid": key, "use": "sig", "alg": "RS256"}]}


def subject(key: str, email: str) -> str:
    """A practice person is nothing but an e-mail address; the same one is always the same person."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{key}:{email}"))


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Grants:
    """Reads and writes the section `oidc` of one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> Record:
        """The section as it is now."""
        return self.world.section("oidc", lambda: {"codes": {}, "tokens": {}})

    def issuer(self, key: str) -> str:
        """The provider's name for itself."""
        return f"{self.world.url}/oidc/{key}"

    def code(self, **grant: Any) -> str:
        """A code for one exchange. `grant`: provider, client, redirect_uri, challenge, nonce, email, verified, mfa."""
        fresh = secrets.token_urlsafe(32)
        self.state["codes"][fresh] = {**grant, "expires": (self.world.now() + CODE_LIFE).isoformat()}
        return fresh

    def exchange(self, key: str, client: str, form: dict[str, str]) -> Record:
        """Tokens for a code, which is then used up. Raises SignOnError."""
        grant = self.state["codes"].pop(form.get("code", ""), None)
        good = (
            grant is not None
            and (grant["provider"], grant["client"]) == (key, client)
            and grant["redirect_uri"] == form.get("redirect_uri")
            and grant["challenge"] == challenge_of(form.get("code_verifier", ""))
            and self.world.now() < datetime.fromisoformat(grant["expires"])
        )
        if not good:
            raise SignOnError("invalid_grant")
        access = secrets.token_urlsafe(32)
        self.state["tokens"][access] = {**grant, "expires": (self.world.now() + TOKEN_LIFE).isoformat()}
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "id_token": self.signed(key, grant),
        }

    def signed(self, key: str, grant: Record) -> str:
        """The id_token. The config can spoil it: `oidc_claims` are laid over, `oidc_key` signs instead."""
        claims = {**self.claims(key, grant), **self.world.config.get("oidc_claims", {})}
        signer = signing_key(self.world.config.get("oidc_key", key))
        return jwt.encode(claims, signer, "RS256", headers={"kid": key})

    def claims(self, key: str, grant: Record) -> Record:
        """What the provider says of the person."""
        now = int(time.time())  # the site that judges the token has no other clock than this one
        return {
            "iss": self.issuer(key),
            "aud": grant["client"],
            "sub": subject(key, grant["email"]),
            "iat": now,
            "exp": now + int(TOKEN_LIFE.total_seconds()),
            "nonce": grant["nonce"],
            "email": grant["email"],
            "email_verified": grant["verified"],
            "amr": ["pwd", "mfa"] if grant["mfa"] else ["pwd"],
        }

    def person(self, key: str, header: str) -> Record:
        """What userinfo answers to the bearer of a token. Raises SignOnError."""
        kind, _, token = header.partition(" ")
        grant = self.state["tokens"].get(token) if kind.lower() == "bearer" else None
        if grant is None or grant["provider"] != key or self.world.now() >= datetime.fromisoformat(grant["expires"]):
            raise SignOnError("invalid_token", 401)
        claims = self.claims(key, grant)
        return {name: claims[name] for name in ("sub", "email", "email_verified")}
