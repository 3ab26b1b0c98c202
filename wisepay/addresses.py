"""Public addresses: pages of ours as somebody outside finds them, and paths that stay on this site."""

from urllib.parse import urlsplit

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme


def build_public_url(path: str) -> str:
    """The whole address of a page of ours; `Merchant.build_public_url` is the one for a merchant's payers."""
    return f"{settings.PUBLIC_URL}{path}"


def get_public_host() -> str:
    """The host name of the public address."""
    return urlsplit(settings.PUBLIC_URL).hostname or ""


def get_local_path(path: str) -> str:
    """`path` if it is one of this site's, else nothing."""
    is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)
    return path if is_ours else ""
