"""An OpenID Connect provider for allauth with PKCE, a nonce, and an id_token whose signature is checked."""

from typing import Any

import requests
from allauth.account.models import EmailAddress
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from wisepay.budgets import CallRefused, count_vendor_call
from wisepay.social.id_tokens import InvalidIdToken, derive_nonce, is_email_verified, verify_id_token

# What a call raises when the provider is down or answers nonsense.
PROVIDER_ERRORS = (requests.RequestException, KeyError, TypeError, ValueError, CallRefused)
DISCOVERY_LIFETIME = 3600  # seconds


class SignOnAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Exchanges the code, and identifies the person by the id_token alone."""

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        self.nonce = derive_nonce(pkce_code_verifier or "")
        count_vendor_call()
        data: dict[str, Any] = super().get_access_token_data(request, app, client, pkce_code_verifier)
        if "id_token" not in data:
            raise OAuth2Error("no id_token")
        return data

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself, read once an hour and not for everybody who presses the button."""
        url = self.get_provider().server_url
        config: dict[str, Any] | None = cache.get(f"openid:{url}")
        if config is None:
            config = self._read(url)
            cache.set(f"openid:{url}", config, DISCOVERY_LIFETIME)
        return config

    def _read(self, url: str) -> dict[str, Any]:
        """Read a JSON document of the provider. Raises what PROVIDER_ERRORS names."""
        count_vendor_call()
        with get_adapter().get_requests_session() as session:
            answer = session.get(url)
            answer.raise_for_status()
        found = answer.json()
        if not isinstance(found, dict):
            raise TypeError("not an object")
        return found

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        keys = self._read(self.openid_config["jwks_uri"])
        issuer = self.openid_config["issuer"]
        try:
            return verify_id_token(id_token, keys=keys, issuer=issuer, audience=app.client_id, nonce=self.nonce)
        except InvalidIdToken as error:
            raise OAuth2Error(str(error)) from error


class SignOnProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """Asks for the scopes of the settings, whatever the page's query says."""

    oauth2_adapter_class = SignOnAdapter
    supports_token_authentication = False

    def serialize(self) -> dict[str, Any]:
        """Serialize under the provider's own id: two providers may have the same client id."""
        return {**super().serialize(), "id": self.sub_id}

    def get_pkce_params(self) -> dict[str, Any]:
        params = generate_code_challenge()
        return {**params, "nonce": derive_nonce(params["code_verifier"])}

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return list(self.get_scope())

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, str]:
        return dict(self.get_auth_params())

    def redirect(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer a page that leads to the provider: browsers apply a page's form-action to a form's redirects."""
        try:
            answer: HttpResponse = super().redirect(request, *args, **kwargs)
        except PROVIDER_ERRORS as error:
            failure: HttpResponse = render_authentication_error(request, self, exception=error)
            return failure
        if answer.status_code != 302 or not answer["Location"].startswith(("https://", "http://")):
            return answer
        return render(request, "socialaccount/leaving.html", {"provider": self, "address": answer["Location"]})

    def extract_email_addresses(self, data: dict[str, Any]) -> list[EmailAddress]:
        claims = data["id_token"]
        email = str(claims.get("email") or "")
        return [EmailAddress(email=email, verified=is_email_verified(claims), primary=True)] if email else []


provider_classes = [SignOnProvider]
