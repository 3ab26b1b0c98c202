"""A browser's walk to a practice consent page and back to our callback."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from connections.models import Connection
from connections.services import switch_multi_connection
from tests.people import House

HERE = "configure/accounting-connections/"
CALLBACK = "/oauth/xero/callback"


def set_out(house: House, client: Client | None = None, *, tier: str = "wise_pay", provider: str = "xero") -> str:
    """Press Connect; answers the consent page's URL."""
    answer = (client or house.admin).post(house.url(f"{HERE}{tier}/connect"), {"provider": provider})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def consent(url: str, *organisations: str, login: str = "admin@northwind-it.example") -> dict[str, str]:
    """Allow access to these practice organisations; answers what the browser brings back."""
    more = urlencode([("auto", o) for o in organisations] + [("login_hint", login)])
    answer = requests.get(f"{url}&{more}", timeout=10, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    found = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in found.items()}


def come_back(client: Client, brought: dict[str, Any], *, provider: str = "xero") -> HttpResponse:
    """Open the callback with what the provider gave the browser."""
    answer = client.get(f"/oauth/{provider}/callback", brought)
    assert isinstance(answer, HttpResponse)
    return answer


def token_calls(house: House, since: int = 0) -> int:
    """How often the token endpoint was asked."""
    return len([e for e in house.world.journal("xero-oauth", since=since) if e["path"] == "/token"])


def mark(house: House) -> int:
    """The journal's end, to count from."""
    entries = house.world.journal()
    return entries[-1]["index"] + 1 if entries else 0


def divide(house: House, *, organisation: str = "au") -> dict[str, Connection]:
    """Three connections for the merchant, all connected; answers them by tier."""
    switch_multi_connection(house.merchant, is_on=True, now=timezone.now())
    for tier in ("company", "service"):
        answer = come_back(house.admin, consent(set_out(house, tier=tier), organisation))
        assert answer.status_code == 302, answer.content
    return tiers(house)


def tiers(house: House) -> dict[str, Connection]:
    """The merchant's connections by tier, read afresh."""
    return {c.tier: c for c in Connection.objects.filter(merchant=house.merchant).select_related("merchant")}


def apps_seen(house: House, since: int, service: str = "xero") -> set[str]:
    """With which of our apps Xero's API was called."""
    return {e["app"] for e in house.world.journal(service, since=since) if "app" in e}
