"""The practice OpenID providers: one that plays Xero, one that plays Microsoft."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Mount

from sandbox.oidc.provider import NAMES, Identity
from sandbox.oidc.views import Provider
from sandbox.service import Base, Link, Refusal, Service
from sandbox.world import World


def routes(world: World) -> Sequence[BaseRoute]:
    """Everything below `/oidc`."""
    return [Mount(f"/{key}", routes=Provider(Identity(world, key)).routes()) for key in NAMES]


def links(world: World) -> list[Link]:
    """The home page's lines."""
    return [Link(name, f"/oidc/{key}/", "signs people on at Wise-Pay") for key, name in NAMES.items()]


def refusal(journal: str, status: int) -> Refusal:
    """How a provider words an answer that is broken on purpose."""
    return Refusal({}, {"error": "invalid_grant" if status == 400 else "temporarily_unavailable"})


service = Service(
    name="OpenID providers",
    prefix="/oidc",
    routes=routes,
    journals=[Base("oidc", "/oidc")],
    links=links,
    refusal=refusal,
)
