"""Reading an id_token: signature, issuer, audience, time and nonce, each of them checked."""

import hashlib
import secrets
from typing import Any

import jwt

ALGORITHMS = ["RS256"]
LEEWAY = 60  # seconds that two clocks may differ
REQUIRED = ["iss", "aud", "exp", "iat", "sub"]


class InvalidIdToken(Exception):
    """The id_token is not what the provider signed for this sign-on."""


def derive_nonce(verifier: str) -> str:
    """The nonce that belongs to a PKCE verifier, which only this browser's session knows."""
    return hashlib.sha256(b"nonce:" + verifier.encode()).hexdigest()


def verify_id_token(token: str, *, keys: dict[str, Any], issuer: str, audience: str, nonce: str) -> dict[str, Any]:
    """The claims. `issuer` may hold Microsoft's `{tenantid}`. Raises BadToken."""
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
    if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise InvalidIdToken("the nonce is not ours")
    return claims
