"""Which providers are configured, and who may sign on: people who have an account, nobody else."""

from typing import Any

import structlog
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthError
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import redirect

from wisepay.models import User

logger = structlog.get_logger(__name__)
PROVIDER_NAMES = {"xero": "Xero", "microsoft": "Microsoft"}


def build_app(key: str) -> SocialApp:
    """Build one provider from the settings; without a client id it is hidden."""

    def setting(name: str) -> Any:
        return getattr(settings, f"{key.upper()}_OIDC_{name}")

    return SocialApp(
        provider="openid_connect",
        provider_id=key,
        name=PROVIDER_NAMES[key],
        client_id=setting("CLIENT_ID"),
        secret=setting("CLIENT_SECRET"),
        settings={
            "server_url": setting("SERVER_URL"),
            "verified_email": setting("EMAIL_IS_VERIFIED"),
            "fetch_userinfo": False,
            "hidden": not setting("CLIENT_ID"),
        },
    )


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Signs on to an account that is connected, or whose verified address is the provider's."""

    def list_apps(self, request: HttpRequest, provider: str | None = None, client_id: str | None = None) -> Any:
        apps = [build_app(key) for key in PROVIDER_NAMES]
        found = [app for app in apps if provider in (None, app.provider, app.provider_id)]
        return [app for app in found if client_id in (None, app.client_id)]

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def authenticate_by_email(self, sociallogin: Any) -> tuple[User, str] | None:
        emails = [address.email.lower() for address in sociallogin.email_addresses if address.verified]
        row = EmailAddress.objects.filter(email__in=emails, verified=True).select_related("user").first()
        return (row.user, row.email) if row and row.user.email.lower() == row.email else None

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Send people without an account back with one message, whatever is known about their address."""
        if sociallogin.state.get("process") == "connect" or sociallogin.is_existing:
            return
        name = sociallogin.provider.name
        if any(address.verified for address in sociallogin.email_addresses):
            text = f"No sign-in here belongs to this account at {name}. Sign in with your e-mail address and password."
        else:
            text = f"{name} does not say that your address is verified, so it can't be used to sign in."
        self._redirect_back(request, text, "login")

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Any = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Redirect to the page where the sign-on began, with a message."""
        state = (extra_context or {}).get("state") or {}
        if error == AuthError.CANCELLED:
            text = f"{provider.name} was not allowed to sign you in, so nothing happened."
        else:
            logger.warning("sign_on_failed", provider=provider.name, error=f"{type(exception).__name__}: {exception}")
            text = f"Signing on with {provider.name} did not work. Please try again."
        self._redirect_back(request, text, state.get("process", "login"))

    def _redirect_back(self, request: HttpRequest, text: str, process: str) -> None:
        messages.error(request, text)
        is_connecting = process == "connect" and request.user.is_authenticated
        raise ImmediateHttpResponse(redirect("socialaccount_connections" if is_connecting else "account_login"))
