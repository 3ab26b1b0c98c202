"""The practice OpenID providers: one that plays Xero, one that plays Microsoft."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount

from sandbox.core.service import ErrorBody, JournalledPath, Link, Service
from sandbox.core.world import World
from sandbox.oidc.provider import PROVIDER_NAMES, OidcIdentity
from sandbox.oidc.views import OidcProvider


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/oidc`."""
    return [Mount(f"/{key}", routes=OidcProvider(OidcIdentity(world, key)).routes()) for key in PROVIDER_NAMES]


def links(world: World) -> list[Link]:
    """The home page's lines."""
    return [Link(name, f"/oidc/{key}/", "signs people on at Wise-Pay") for key, name in PROVIDER_NAMES.items()]


def build_error(journal: str, status: int) -> ErrorBody:
    """A fault's answer in a provider's format."""
    return ErrorBody({}, {"error": "invalid_grant" if status == 400 else "temporarily_unavailable"})


service = Service(
    name="OpenID providers",
    prefix="/oidc",
    routes=routes,
    journalled_paths=[JournalledPath("oidc", "/oidc")],
    links=links,
    build_error=build_error,
)
