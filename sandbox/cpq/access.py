"""Who calls: keys in a Basic header, the tenant that they name, and which quotes their user sees."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from sandbox.core.service import RefusedError
from sandbox.core.world import World
from sandbox.orderporter.quotes import PRACTICE_TENANT, Quote

# By access key and public key. `sees`: all quotes, or those of even numbers only, as a user with fewer rights does.
PRACTICE_KEYS: dict[str, dict[str, Any]] = {
    f"{PRACTICE_TENANT}+public0key": {"private_key": "private0key", "sees": "all", "is_api_user": True},
    f"{PRACTICE_TENANT}+restricted0key": {"private_key": "private0key", "sees": "half", "is_api_user": True},
    f"{PRACTICE_TENANT}+person0key": {"private_key": "private0key", "sees": "all", "is_api_user": False},
    "elsewhere+public0key": {"private_key": "private0key", "sees": "all", "is_api_user": True},
}
MEDIA_TYPE, VERSION = "application/json", "version=1.0"


@dataclass(frozen=True)
class Caller:
    """A user of one tenant, by the keys of the call."""

    tenant: str
    public_key: str
    sees_all: bool
    is_api_user: bool

    def can_see(self, quote: Quote) -> bool:
        """Whether the user may read this quote; one that they may not is not there for them."""
        is_shown = self.sees_all or quote["number"] % 2 == 0
        return quote["tenant"] == self.tenant and is_shown and not quote["fields"].get("isDeleted")


def identify_caller(world: World, request: Request) -> Caller:
    """Read the keys of a call, and note their form in the journal. Raises RefusedError: 500 without, 401 with wrong."""
    user, secret = parse_basic(request.headers.get("authorization", ""))
    if user:
        request.scope.get("journal", {})["basic_user"] = user
    if not user:
        raise RefusedError(500, {"message": "An error has occurred."})
    keys: dict[str, Any] = world.config.get("cpq_keys") or PRACTICE_KEYS
    known = keys.get(user)
    if known is None or not hmac.compare_digest(str(known["private_key"]).encode(), secret.encode()):
        raise RefusedError(401, {"message": "An unknown error occurred while authenticating the request."})
    tenant, _, public_key = user.partition("+")
    return Caller(tenant, public_key, known.get("sees") != "half", bool(known.get("is_api_user", True)))


def check_media_type(request: Request) -> None:
    """Refuse a call whose Content-Type does not name the version, reads too. Raises RefusedError."""
    media, *parameters = [part.strip().replace(" ", "") for part in request.headers.get("content-type", "").split(";")]
    if media.lower() != MEDIA_TYPE or VERSION not in parameters:
        raise RefusedError(415, {"message": "The request entity's media type is not supported for this resource."})


def parse_basic(header: str) -> tuple[str, str]:
    """User and password of a Basic header; empty when there is none that can be read."""
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, secret
