"""Which addresses CPQ may name: https, on the merchant's own CPQ hosts."""

import re
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK = frozenset({"127.0.0.1", "localhost"})
HOST_PATTERN = re.compile(r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$")


def refuse_address(url: str, *, hosts: list[str]) -> str:
    """Why `url` may not be used, in a sentence; empty when it may."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "This is not an address."
    if not url.isascii() or any(c in url for c in " \\<>\"'`{}|^"):
        return "This is not an address: encode spaces and special characters."
    if parts.username is not None or parts.password is not None:
        return "An address with a user name is not accepted."
    if settings.DEMO and parts.scheme == "http" and host in LOOPBACK:
        return ""
    if parts.scheme != "https":
        return "Use an address that begins with https://."
    if not any(fnmatchcase(host, pattern) for pattern in hosts):
        return f"The host {host or '(none)'} is not in this merchant's list of CPQ hosts."
    return ""
