"""Which addresses CPQ may name: https, on the merchant's own CPQ hosts."""

import re
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK = frozenset({"127.0.0.1", "localhost"})
HOST_REGEX = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
HOST_PATTERN = re.compile(rf"(\*\.)?{HOST_REGEX}")
HTTPS_PORT = 443


def find_url_problem(url: str, *, hosts: list[str]) -> str:
    """Why `url` may not be used, in a sentence; empty when it may."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
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
    if port not in (None, HTTPS_PORT):
        return "Leave the port out of the address."
    # A browser decodes "evil.com%2f" before it connects: only plain names may meet the patterns.
    if not re.fullmatch(HOST_REGEX, host) or not any(fnmatchcase(host, pattern) for pattern in hosts):
        return f"The host {host or '(none)'} is not in this merchant's list of CPQ hosts."
    return ""
