"""What a practice OpenID provider knows: codes that work once, tokens, and the key that signs."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from sandbox.core import identity
from sandbox.core.identity import OAuthError, Record, parse_bearer_token
from sandbox.core.world import World

PROVIDER_NAMES = {"xero": "Practice Xero", "microsoft": "Practice Microsoft"}
TOKEN_LIFETIME = timedelta(minutes=30)


@cache
def get_signing_key(name: str) -> RSAPrivateKey:
    """The key of that name; a process makes it at first need."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def build_jwks(key: str) -> Record:
    """The public half of a provider's key, as its JWKS lists it."""
    shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(get_signing_key(key).public_key()))
    return {"keys": [{**shown, "kid": key, "use": "sig", "alg": "RS256"}]}


def get_subject(key: str, email: str) -> str:
    """A practice person is nothing but an e-mail address; the same one is always the same person."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{key}:{email}"))


class OidcIdentity(identity.IdentityService):
    """Who signed in. A grant tells the app, the nonce, the person and how sure the provider is of them."""

    apps = {"sandbox-sign-on": "sandbox-sign-on-secret"}
    tables = ("codes", "access")

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world)
        self.key = key
        self.name = f"oidc_{key}"

    @property
    def issuer(self) -> str:
        """The provider's name for itself."""
        return f"{self.world.url}/oidc/{self.key}"

    def exchange(self, client: str, form: Mapping[str, str]) -> Record:
        """Tokens for a code, which is then used up; raises OAuthError."""
        self.prune()
        grant, access = self.redeem_code(client, form), secrets.token_urlsafe(32)
        self.save_row("access", access, TOKEN_LIFETIME, grant)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFETIME.total_seconds()),
            "id_token": self.build_id_token(grant),
        }

    def build_id_token(self, grant: Record) -> str:
        """The id_token. The config can spoil it: `oidc_claims` are laid over, `oidc_key` signs instead."""
        claims = {**self.build_claims(grant), **self.world.config.get("oidc_claims", {})}
        signer = get_signing_key(self.world.config.get("oidc_key", self.key))
        return jwt.encode(claims, signer, "RS256", headers={"kid": self.key})

    def build_claims(self, grant: Record) -> Record:
        """The claims about the person."""
        now = int(time.time())  # the site that judges the token has no other clock than this one
        return {
            "iss": self.issuer,
            "aud": grant["client"],
            "sub": get_subject(self.key, grant["email"]),
            "iat": now,
            "exp": now + int(TOKEN_LIFETIME.total_seconds()),
            "nonce": grant["nonce"],
            "email": grant["email"],
            "email_verified": grant["verified"],
            "amr": ["pwd", "mfa"] if grant["mfa"] else ["pwd"],
        }

    def get_userinfo(self, header: str) -> Record:
        """What userinfo answers to the bearer of a token; raises OAuthError."""
        grant = self.state["access"].get(parse_bearer_token(header))
        if grant is None or self.is_expired(grant):
            raise OAuthError("invalid_token", 401)
        claims = self.build_claims(grant)
        return {name: claims[name] for name in ("sub", "email", "email_verified")}
