"""A browser's steps to the sandbox's consent page and back to our callback."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from connections.models import Connection
from connections.services import update_multi_connection
from tests.tenants import Tenant

CONNECTIONS_PATH = "configure/accounting-connections/"
CALLBACK = "/oauth/xero/callback"


def start_consent(
    tenant: Tenant, client: Client | None = None, *, tier: str = "wise_pay", provider: str = "xero"
) -> str:
    """Press Connect; answers the consent page's URL."""
    answer = (client or tenant.admin).post(tenant.url(f"{CONNECTIONS_PATH}{tier}/connect"), {"provider": provider})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def allow_access(url: str, *organisations: str, login: str = "admin@northwind-it.example") -> dict[str, str]:
    """Allow access to these practice organisations; answers what the browser brings back."""
    more = urlencode([("auto", o) for o in organisations] + [("login_hint", login)])
    answer = requests.get(f"{url}&{more}", timeout=10, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    found = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in found.items()}


def open_callback(client: Client, brought: dict[str, Any], *, provider: str = "xero") -> HttpResponse:
    """Open the callback with what the provider gave the browser."""
    answer = client.get(f"/oauth/{provider}/callback", brought)
    assert isinstance(answer, HttpResponse)
    return answer


def count_token_calls(tenant: Tenant, since: int = 0) -> int:
    """How often the token endpoint was asked."""
    return len([e for e in tenant.world.journal("xero-oauth", since=since) if e["path"] == "/token"])


def get_journal_end(tenant: Tenant) -> int:
    """The journal's end, to count from."""
    entries = tenant.world.journal()
    return entries[-1]["index"] + 1 if entries else 0


def connect_all_tiers(tenant: Tenant, *, organisation: str = "au") -> dict[str, Connection]:
    """Three connections for the merchant, all connected; answers them by tier."""
    update_multi_connection(tenant.merchant, is_on=True, now=timezone.now())
    for tier in ("company", "service"):
        answer = open_callback(tenant.admin, allow_access(start_consent(tenant, tier=tier), organisation))
        assert answer.status_code == 302, answer.content
    return get_connections_by_tier(tenant)


def get_connections_by_tier(tenant: Tenant) -> dict[str, Connection]:
    """The merchant's connections by tier, read afresh."""
    return {c.tier: c for c in Connection.objects.filter(merchant=tenant.merchant).select_related("merchant")}


def list_apps_seen(tenant: Tenant, since: int, service: str = "xero") -> set[str]:
    """With which of our apps Xero's API was called."""
    return {e["app"] for e in tenant.world.journal(service, since=since) if "app" in e}
