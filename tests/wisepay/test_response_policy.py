"""Every path of the site, with and without an account: nothing that it answers may be stored."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.tenants import Checkout, Tenant

# Made for everybody, and the same for everybody.
PUBLIC: frozenset[str] = frozenset({"/.well-known/security.txt"})


def list_routes(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    """Every route below a resolver, as the address table writes it."""
    for entry in resolver.url_patterns:
        route = before + str(entry.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(entry, URLResolver):
            yield from list_routes(entry, route)
        elif isinstance(entry, URLPattern):
            yield route


ROUTES = sorted(set(list_routes(get_resolver())))


def fill_route(route: str, merchant_ref: str) -> str:
    """An address on this route: this merchant's where it names one, else things that do not exist."""
    path = re.sub(r"<(\w+:)?merchant_ref>", merchant_ref, route)
    path = re.sub(r"<int:\w+>", "1", path)
    path = re.sub(r"<[^<>]+>", "x", re.sub(r"\(\?P?<\w+>[^()]*\)", "x", path))
    return re.sub(r"\(\?:[^()]*\)|[\\^$?+*]", "", path)


def is_never_stored(answer: Any) -> bool:
    """Whether neither a browser nor a proxy may store the answer."""
    return {"no-store", "private"} <= set(answer.get("Cache-Control", "").replace(" ", "").split(","))


def list_stored(client: Client, tenant: Tenant) -> list[str]:
    """The paths whose answer somebody may store, whatever it is: a page, a redirect, an error."""
    client.raise_request_exception = False
    found = []
    for path in sorted({fill_route(route, tenant.merchant.reference) for route in ROUTES} - PUBLIC):
        for method in ("get", "post"):
            answer = getattr(client, method)(path)
            if not is_never_stored(answer):
                found.append(f"{method} {path} {answer.status_code} {answer.get('Cache-Control')}")
    return found


def test_there_are_paths_to_look_at() -> None:
    assert len(ROUTES) > 180
    assert any("api/cpq/v1/checkouts" in route for route in ROUTES)
    assert any("2fa/recovery-codes" in route for route in ROUTES)


@pytest.mark.parametrize("who", ["nobody", "an admin", "a payer", "an operator"])
def test_no_answer_of_any_path_may_be_stored(tenant: Tenant, who: str) -> None:
    client = {"nobody": Client, "an admin": lambda: tenant.admin, "a payer": tenant.payer}.get(who, Client)()
    if who == "an operator":
        tenant.user.is_staff = tenant.user.is_superuser = True
        tenant.user.save()
        client.force_login(tenant.user)
    assert list_stored(client, tenant) == []


def test_answers_of_the_api_may_not_be_stored(tenant: Tenant, checkout: Checkout) -> None:
    path, key = f"/api/cpq/v1/checkouts/{checkout.body['id']}", {"X-API-Key": tenant.api_key}
    assert is_never_stored(Client().get(path, headers=key))
    assert is_never_stored(Client().get(path))
    assert is_never_stored(tenant.post_checkout())


def test_static_files_may_be_stored(db: None) -> None:
    answer = Client().get("/static/css/base.css")
    answer.close()
    assert "no-store" not in answer["Cache-Control"]
