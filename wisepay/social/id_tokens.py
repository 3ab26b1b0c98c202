"""Verifying an id_token, and what its claims prove about a person."""

import hashlib
import secrets
from typing import Any

import jwt
from allauth.account.models import Login

ALGORITHMS = ["RS256"]
LEEWAY = 60  # seconds that two clocks may differ
REQUIRED = ["iss", "aud", "exp", "iat", "sub"]


class InvalidIdToken(Exception):
    """The id_token is not what the provider signed for this sign-on."""


def derive_nonce(verifier: str) -> str:
    """Derive the nonce from the PKCE verifier, which only this browser's session holds."""
    return hashlib.sha256(b"nonce:" + verifier.encode()).hexdigest()


def verify_id_token(token: str, *, keys: dict[str, Any], issuer: str, audience: str, nonce: str) -> dict[str, Any]:
    """Check signature, issuer, audience, time and nonce; return the claims. Raises InvalidIdToken.

    `issuer` may contain Microsoft's `{tenantid}`.
    """
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        key = next((key for key in jwt.PyJWKSet.from_dict(keys).keys if key.key_id == key_id), None)
        if key is None:
            raise InvalidIdToken("signed with a key that the provider does not list")
        claims = jwt.decode(
            token, key, algorithms=ALGORITHMS, audience=audience, leeway=LEEWAY, options={"require": REQUIRED}
        )
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError) as error:
        raise InvalidIdToken(str(error)) from error
    if claims["iss"] != issuer.replace("{tenantid}", str(claims.get("tid", ""))):
        raise InvalidIdToken("issued by somebody else")
    if not secrets.compare_digest(str(claims.get("nonce", "")).encode(errors="replace"), nonce.encode()):
        raise InvalidIdToken("the nonce is not ours")
    return claims


def get_claims(sociallogin: Any) -> dict[str, Any]:
    """The claims of the verified id_token behind a sign-on."""
    return dict(sociallogin.account.extra_data.get("id_token", {}))


def is_email_verified(claims: dict[str, Any]) -> bool:
    """Whether the provider verified the address; Microsoft says so in a claim of its own."""
    return claims.get("email_verified") in (True, "true") or claims.get("xms_edov") in (True, "true", 1, "1")


def has_multi_factor_claim(login: Login) -> bool:
    """Whether this is a sign-on for which the provider asked for more than a password."""
    sociallogin = (login.signal_kwargs or {}).get("sociallogin")
    return bool(sociallogin) and "mfa" in get_claims(sociallogin).get("amr", [])
