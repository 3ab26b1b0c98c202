"""Checking that a callback was sent by the merchant's own PSA."""

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

import requests
from django.conf import settings

from psa.connectwise.sites import Site
from wisepay.errors import Unavailable
from wisepay.outbound import open_session

KEY_TIMEOUT = (1.5, 2.5)  # seconds: PSA waits five for our answer
LONGEST_KEY = 4096


class ForeignKeyAddress(ValueError):
    """The message names an address of its key that is not the merchant's PSA."""


def compute_signature(signing_key: str, body: bytes) -> str:
    """The signature of a body: HMAC-SHA256 whose key is the SHA-256 of the signing key, in base64."""
    key = hashlib.sha256(signing_key.encode()).digest()
    return base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()


def has_valid_signature(signing_key: str, body: bytes, signature: str) -> bool:
    """Whether the body was signed with this key."""
    return hmac.compare_digest(compute_signature(signing_key, body).encode(), signature.encode("utf-8", "replace"))


def fetch_signing_key(site: Site, address: str) -> str:
    """Fetch the key from the merchant's own PSA. Raises ForeignKeyAddress or Unavailable."""
    if not is_address_of(site, address):
        raise ForeignKeyAddress(f"the key's address is at {urlsplit(address).hostname}")
    try:
        with open_session() as session:
            answer = session.get(address, timeout=KEY_TIMEOUT)
            found = answer.json() if answer.status_code == 200 and len(answer.content) <= LONGEST_KEY else None
    except (requests.RequestException, ValueError) as error:
        raise Unavailable("ConnectWise PSA does not give the key of its callbacks.") from error
    key = found.get("signing_key") if isinstance(found, dict) else None
    if not isinstance(key, str) or not key:
        raise Unavailable("ConnectWise PSA does not give the key of its callbacks.")
    return key


def is_address_of(site: Site, address: str) -> bool:
    """Whether an address is at the site's own hosts, over https (http in a demo only)."""
    try:
        found = urlsplit(address)
        port = found.port
    except ValueError:
        return False
    ours = {(one.scheme, one.hostname, one.port) for one in map(urlsplit, (site.login_url, site.api_url))}
    is_safe = found.scheme == "https" or settings.DEMO
    return is_safe and not found.username and (found.scheme, found.hostname, port) in ours
