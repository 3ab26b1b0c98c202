"""The environment in which the product runs beside the practice world, for the demo and for tests."""

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
XERO_WEBHOOK_KEY = "sandbox-webhook-key"
INTUIT_WEBHOOK_VERIFIER = "sandbox-verifier-token"
PSA_SITE = "psa.practice.example"
PSA_CLIENT_ID = "11111111-2222-4333-8444-555555555555"


@dataclass(frozen=True)
class Ports:
    """The ports of the demo, all on loopback."""

    web: int = 8000
    sandbox: int = 8001
    smtp: int = 8025

    @property
    def web_url(self) -> str:
        """The root of the product, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.web}"

    @property
    def sandbox_url(self) -> str:
        """The root of the practice world, without a trailing slash."""
        return f"http://{LOOPBACK}:{self.sandbox}"


def vendor_addresses(sandbox_url: str) -> dict[str, str]:
    """The settings that send every call to a vendor to the practice world instead."""
    return {
        "STRIPE_API_BASE": f"{sandbox_url}/stripe",
        "STRIPE_JS_URL": f"{sandbox_url}/stripe/js/stripe.js",
        "XERO_AUTHORIZE_URL": f"{sandbox_url}/xero/identity/connect/authorize",
        "XERO_IDENTITY_URL": f"{sandbox_url}/xero/identity",
        "XERO_CONNECTIONS_URL": f"{sandbox_url}/xero/Connections",
        "XERO_API_URL": f"{sandbox_url}/xero/api.xro/2.0",
        "XERO_CLIENT_ID": "sandbox-client",
        "XERO_CLIENT_SECRET": "sandbox-secret",
        "XERO_WEBHOOK_KEY": XERO_WEBHOOK_KEY,
        "INTUIT_WEBHOOK_VERIFIER": INTUIT_WEBHOOK_VERIFIER,
        "INTUIT_AUTHORIZE_URL": f"{sandbox_url}/intuit/connect/oauth2",
        "INTUIT_TOKEN_URL": f"{sandbox_url}/intuit/oauth2/v1/tokens/bearer",
        "INTUIT_REVOKE_URL": f"{sandbox_url}/intuit/v2/oauth2/tokens/revoke",
        "INTUIT_API_URL": f"{sandbox_url}/intuit/v3",
        "INTUIT_CLIENT_ID": "sandbox-intuit",
        "INTUIT_CLIENT_SECRET": "sandbox-intuit-secret",
        "CPQ_API_URL": f"{sandbox_url}/cpq",
        "PSA_CLIENT_ID": PSA_CLIENT_ID,
        "PSA_SITE_URLS": f"{PSA_SITE}={sandbox_url}/psa",
        "XERO_OIDC_CLIENT_ID": "sandbox-sign-on",
        "XERO_OIDC_CLIENT_SECRET": "sandbox-sign-on-secret",
        "XERO_OIDC_SERVER_URL": f"{sandbox_url}/oidc/xero",
        "MICROSOFT_OIDC_CLIENT_ID": "sandbox-sign-on",
        "MICROSOFT_OIDC_CLIENT_SECRET": "sandbox-sign-on-secret",
        "MICROSOFT_OIDC_SERVER_URL": f"{sandbox_url}/oidc/microsoft",
    }


def product_environment(home: Path, ports: Ports, *, database_url: str, redis_url: str) -> dict[str, str]:
    """What the product's processes need, and nothing of the person's own shell.

    The two secrets are created at the first call and stored in `home`, readable by their owner only.
    """
    return {
        "DJANGO_SETTINGS_MODULE": "wisepay.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "WISEPAY_HOME": str(home),
        "SECRET_KEY": get_or_create_secret(home / "secret_key", lambda: secrets.token_urlsafe(50)),
        "WISEPAY_SECRET_KEYS": get_or_create_secret(home / "secret_keys", create_encryption_key),
        "WISEPAY_DEMO": "1",
        "PUBLIC_URL": ports.web_url,
        "ALLOWED_HOSTS": f"{LOOPBACK},localhost",
        "EMAIL_URL": f"smtp://{LOOPBACK}:{ports.smtp}",
        # A person's .env may say otherwise for a real deployment; here neither a proxy nor a build exists.
        "COLLECTED_STATIC": "0",
        "TRUSTED_PROXY_COUNT": "0",
        **vendor_addresses(ports.sandbox_url),
    }


def process_environment(product: dict[str, str]) -> dict[str, str]:
    """The product's environment on top of the shell's, for a child process."""
    return {**os.environ, "C_FORCE_ROOT": "1", "PYTHONUNBUFFERED": "1", **product}


def create_encryption_key() -> str:
    """One named key of 32 random bytes in base64."""
    return "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()


def get_or_create_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in this file; the first call makes it. The file is whole or absent, and mode 600."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private_file(path, make())
    return path.read_text().strip()


def write_private_file(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    fresh.replace(path)
