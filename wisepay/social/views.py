"""The two views of a sign-on: to the provider, and back from it."""

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse

from wisepay.social.provider import PROVIDER_ERRORS, SignOnAdapter


@login_not_required
def start_sign_on(request: HttpRequest, provider_id: str) -> HttpResponse:
    """POST redirects to the provider; GET asks for confirmation first."""
    answer: HttpResponse = OAuth2LoginView.adapter_view(get_sign_on_adapter(request, provider_id))(request)
    return answer


@login_not_required
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Receive the browser from the provider; any error ends at the sign-in page with a message."""
    found = get_sign_on_adapter(request, provider_id)
    try:
        answer: HttpResponse = OAuth2CallbackView.adapter_view(found)(request)
    except PROVIDER_ERRORS as error:
        answer = render_authentication_error(request, found.get_provider(), exception=error)
    return answer


def get_sign_on_adapter(request: HttpRequest, provider_id: str) -> SignOnAdapter:
    """Get the adapter of a configured provider. Raises Http404."""
    found = SignOnAdapter(request, provider_id)
    try:
        provider = found.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    if not provider.app.client_id:
        raise Http404
    return found
