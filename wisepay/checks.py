"""System checks: settings that must not meet each other stop every process."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured

DEMO_OVER_HTTPS = Error(
    "WISEPAY_DEMO=1 with an https PUBLIC_URL",
    hint="The demo lets callbacks go to this machine and shows its mail. Leave WISEPAY_DEMO out in production.",
    id="wisepay.E001",
)
NO_MAIL_SERVER = CheckWarning(
    "EMAIL_URL names no mail server",
    hint="Codes, reset links and receipts are mailed: set EMAIL_URL, for example smtp+tls://user:password@host:587.",
    id="wisepay.W001",
)
NO_PROXY_TRUSTED = CheckWarning(
    "TRUSTED_PROXY_COUNT=0 behind a TLS proxy",
    hint="PUBLIC_URL is https, so a proxy stands in front. Without its count all visitors share the proxy's address, "
    "and the limits of one network hold for everybody: set TRUSTED_PROXY_COUNT to the number of proxies.",
    id="wisepay.W002",
)


@register(Tags.security)
def check_demo(**_: Any) -> list[CheckMessage]:
    """Refuse the demo's freedoms where real people come."""
    return [DEMO_OVER_HTTPS] if settings.DEMO and settings.SECURE else []


@register(Tags.security, deploy=True)
def check_mail_server(**_: Any) -> list[CheckMessage]:
    """Warn where mail would be printed instead of sent."""
    return [] if settings.MAILERS["default"]["OPTIONS"] else [NO_MAIL_SERVER]


@register(Tags.security, deploy=True)
def check_proxies(**_: Any) -> list[CheckMessage]:
    """Warn where nobody's own address would be known."""
    return [NO_PROXY_TRUSTED] if settings.SECURE and not settings.TRUSTED_PROXY_COUNT else []


def refuse_unsafe_start() -> None:
    """Stop a server or a worker, which run no system checks by themselves. Raises ImproperlyConfigured."""
    errors = check_demo()
    if errors:
        raise ImproperlyConfigured(f"{errors[0].msg}. {errors[0].hint}")
