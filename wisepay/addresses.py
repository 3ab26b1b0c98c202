"""Public addresses: pages of ours as somebody outside finds them, the references in them, and paths of this site."""

import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme

ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"


def new_reference(length: int = 20) -> str:
    """Create a random reference of `length` characters that are hard to misread (5 bits each)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


# Each of the 256 bytes is one of the 32 characters, all of them equally often.
BY_BYTE = bytes(ord(ALPHABET[byte % len(ALPHABET)]) for byte in range(256))


def new_references(count: int, length: int = 20) -> list[str]:
    """Create many references with one system call, for rows that are written in bulk."""
    text = secrets.token_bytes(count * length).translate(BY_BYTE).decode()
    return [text[begin : begin + length] for begin in range(0, count * length, length)]


def build_public_url(path: str) -> str:
    """The whole address of a page of ours; `Merchant.build_public_url` is the one for a merchant's payers."""
    return f"{settings.PUBLIC_URL}{path}"


def get_public_host() -> str:
    """The host name of the public address."""
    return urlsplit(settings.PUBLIC_URL).hostname or ""


def get_public_netloc() -> str:
    """The host name of the public address, with its port where it has one."""
    return str(urlsplit(settings.PUBLIC_URL).netloc)


def get_local_path(path: str) -> str:
    """`path` if it is one of this site's, else nothing."""
    is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_ours else ""
