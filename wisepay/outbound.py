"""Requests to addresses that others name: only to public addresses, checked when connecting, never redirected."""

import re
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.poolmanager import PoolManager
from urllib3.util.connection import create_connection

type Address = IPv4Address | IPv6Address

# Names that mean another machine in every network, or that belong to clouds' own services (RFC 6762, 8375, 6761).
INTERNAL_SUFFIXES = (
    "local", "localhost", "localdomain", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa",
    "in-addr.arpa", "ip6.arpa", "onion", "invalid", "test", "svc", "cluster", "consul", "docker", "kube",
)  # fmt: skip
INTERNAL_LABELS = ("metadata", "instance-data", "localhost", "kubernetes", "host-gateway")
# Public services whose names are whatever address one writes into them.
WILDCARD_DNS = (
    "nip.io", "sslip.io", "xip.io", "xip.name", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "lvh.com",
    "traefik.me", "1u.ms", "rbndr.us", "backname.io", "ipq.co", "nip.direct", "local.gd", "localho.st", "yoogle.com",
    "fuf.me", "bc.googleusercontent.com", "cx.rs", "nip.network", "127-0-0-1.org.uk", "ip6.name", "dnslify.com",
)  # fmt: skip
# Below these everybody can have a name: as "*.…" they would let anybody be a merchant's CPQ.
SHARED_SUFFIXES = (
    "azurewebsites.net", "cloudapp.net", "cloudapp.azure.com", "azurestaticapps.net", "trafficmanager.net",
    "windows.net", "azureedge.net", "azurefd.net", "amazonaws.com", "amplifyapp.com", "awsapprunner.com",
    "cloudfront.net", "elasticbeanstalk.com", "appspot.com", "run.app", "web.app", "firebaseapp.com", "github.io",
    "githubusercontent.com", "gitlab.io", "herokuapp.com", "netlify.app", "vercel.app", "pages.dev", "workers.dev",
    "trycloudflare.com", "ngrok.io", "ngrok.app", "ngrok.dev", "ngrok-free.app", "ngrok-free.dev", "loca.lt",
    "serveo.net", "onrender.com", "fly.dev", "railway.app", "glitch.me", "repl.co", "replit.app", "surge.sh",
    "blogspot.com", "wordpress.com", "wixsite.com", "myshopify.com", "duckdns.org", "ddns.net", "hopto.org",
    "zapto.org", "dyndns.org", "dynu.net", "sharepoint.com", "zendesk.com", "ts.net", "lhr.life",
    "bitbucket.io", "readthedocs.io",
)  # fmt: skip
# Registries sell names below these: "*.co.uk", "*.com.au".
REGISTRY_SUFFIX = re.compile(
    r"(co|com|net|org|gov|govt|edu|ac|or|ne|go|gen|id|ltd|plc|me|sch|nhs|asn|info|biz|web)\.[a-z]{2}"
)
DOCUMENTATION = ip_network("3fff::/20")  # RFC 9637, which Python does not know yet
NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))


class AddressRefused(OSError):
    """The name leads to an address that nobody outside may have us connect to."""


def find_host_problem(host: str) -> str:
    """Why a host may not be called, in words that follow its name; empty when its name says nothing against it.

    What it resolves to is checked when connecting: names can be pointed anywhere later.
    """
    name = host.removeprefix("*.").rstrip(".").lower()
    labels = name.split(".")
    if parse_address(name) is not None:
        return "is an address, not a name"
    if host.startswith("*.") and is_open_to_everybody(name):
        return "stands for names that anybody can have"
    if len(labels) < 2:
        return "is a name of an internal network"
    if any(name == suffix or name.endswith(f".{suffix}") for suffix in INTERNAL_SUFFIXES):
        return "is a name of an internal network"
    if labels[0] in INTERNAL_LABELS:
        return "is a name of an internal service"
    if any(name == suffix or name.endswith(f".{suffix}") for suffix in WILDCARD_DNS):
        return "is a name that stands for any address"
    return ""


def is_open_to_everybody(name: str) -> bool:
    """Whether anybody can have a name below this one: a top level, a registry's, or that of a hosting service."""
    is_registry = "." not in name or REGISTRY_SUFFIX.fullmatch(name) is not None
    return is_registry or any(name == suffix or name.endswith(f".{suffix}") for suffix in SHARED_SUFFIXES)


def parse_address(text: str) -> Address | None:
    """The address that a host is, also in the short and octal forms that systems take; None for a name."""
    try:
        return ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(text))
    except (OSError, UnicodeEncodeError):
        return None


def is_allowed_address(address: Address) -> bool:
    """Whether we may connect there for somebody: a public unicast address, or one that the operator allows."""
    inner = unwrap_address(address)
    if any(inner in network or address in network for network in list_allowed_networks()):
        return True
    if isinstance(inner, IPv6Address) and (inner.is_site_local or inner in DOCUMENTATION):
        return False
    return inner.is_global and not inner.is_multicast and not inner.is_reserved and not inner.is_unspecified


def unwrap_address(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that a gateway turns into it: mapped, 6to4, Teredo, NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in network for network in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


def list_allowed_networks() -> list[Any]:
    """The networks that the operator allows besides the public ones; a demo calls its own machine."""
    demo = ["127.0.0.0/8", "::1/128"] if settings.DEMO else []
    return [ip_network(one, strict=False) for one in [*settings.OUTBOUND_ALLOWED_NETWORKS, *demo]]


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of a host, each of them checked. Raises AddressRefused if any is refused, or OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(row[4][0]) for row in found))
    for text in addresses:
        if not is_allowed_address(ip_address(text.partition("%")[0])):
            raise AddressRefused(f"{host} leads to an internal address")
    return addresses


def connect_checked(host: str, port: int, **options: Any) -> socket.socket:
    """Connect to one of the checked addresses, so that no second answer of a name server comes in between."""
    error: OSError = OSError(f"{host} has no address")
    for address in resolve_host(host, port):
        try:
            return create_connection((address, port), **options)
        except OSError as failed:
            error = failed
    raise error


class _CheckedConnectionMixin:
    """Connects to checked addresses; name, SNI and certificate stay those of the host."""

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        try:
            return connect_checked(
                connection._dns_host,
                connection.port,
                timeout=connection.timeout,
                source_address=connection.source_address,
                socket_options=connection.socket_options,
            )
        except TimeoutError as error:
            raise NewConnectionError(connection, "timed out") from error
        except OSError as error:
            raise NewConnectionError(connection, str(error)) from error


class _CheckedHTTPConnection(_CheckedConnectionMixin, HTTPConnection):
    pass


class _CheckedHTTPSConnection(_CheckedConnectionMixin, HTTPSConnection):
    pass


class _CheckedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _CheckedHTTPConnection


class _CheckedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedHTTPSConnection


class CheckedAdapter(HTTPAdapter):
    """Sends requests over connections whose address was checked."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: PoolManager = self.poolmanager
        pools.pool_classes_by_scheme = {"http": _CheckedHTTPPool, "https": _CheckedHTTPSPool}


class _UnredirectedSession(requests.Session):
    """Takes an answer that leads elsewhere as the answer."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None


def open_session(headers: Iterable[tuple[str, str]] = ()) -> requests.Session:
    """Open a session for addresses that others name: no proxy of the environment, no stored password, no redirect."""
    session = _UnredirectedSession()
    session.trust_env = False
    session.headers.update(headers)
    for scheme in ("https://", "http://"):
        session.mount(scheme, CheckedAdapter(max_retries=0))
    return session
