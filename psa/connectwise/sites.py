"""Which sites we call: ConnectWise's cloud, and those that the operator added."""

import re
from dataclasses import dataclass

from django.conf import settings

CLOUD = ".myconnectwise.net"
CLOUD_NAME = re.compile(r"[a-z0-9-]{1,40}\.myconnectwise\.net")
SHARED_CLOUD = ("na", "eu", "au", "aus", "za")  # their API has a host of its own


class UnknownSite(ValueError):
    """Nobody may call this site for a merchant; the message says which they may."""


@dataclass(frozen=True, slots=True)
class Site:
    """The addresses of a site, without a slash at the end."""

    login_url: str
    api_url: str


def find_site(name: str) -> Site:
    """The addresses behind the name that a merchant gave. Raises UnknownSite."""
    name = name.strip().lower()
    added = parse_added_sites(settings.PSA_SITE_URLS)
    if name in added:
        return Site(added[name], added[name])
    if not CLOUD_NAME.fullmatch(name):
        raise UnknownSite(
            "Write the host name that you sign in at, for example na.myconnectwise.net. A PSA on a server of your own "
            "has to be added by whoever runs Wise-Pay."
        )
    region = name.removesuffix(CLOUD).removeprefix("api-")
    if region in SHARED_CLOUD:
        return Site(f"https://{region}{CLOUD}", f"https://api-{region}{CLOUD}")
    return Site(f"https://{name}", f"https://{name}")


def parse_added_sites(text: str) -> dict[str, str]:
    """The operator's sites: "psa.msp.example=https://psa.msp.example", with commas between them."""
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip().lower(): address.strip().rstrip("/") for name, _, address in pairs}
