"""The two ends of a sign-on: leaving for the provider, and coming back from it."""

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse

from wisepay.http import never_cached
from wisepay.social.provider import PROVIDER_ERRORS, SignOnAdapter


@never_cached
@login_not_required
def start_sign_on(request: HttpRequest, provider_id: str) -> HttpResponse:
    """POST: off to the provider. GET: a page that asks whether one means it."""
    answer: HttpResponse = OAuth2LoginView.adapter_view(get_sign_on_adapter(request, provider_id))(request)
    return answer


@never_cached
@login_not_required
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Where the provider sends the browser back to; whatever is wrong ends at the sign-in page with a sentence."""
    found = get_sign_on_adapter(request, provider_id)
    try:
        answer: HttpResponse = OAuth2CallbackView.adapter_view(found)(request)
    except PROVIDER_ERRORS as error:
        answer = render_authentication_error(request, found.get_provider(), exception=error)
    return answer


def get_sign_on_adapter(request: HttpRequest, provider_id: str) -> SignOnAdapter:
    """The provider of that name. Raises Http404 when it is not configured."""
    found = SignOnAdapter(request, provider_id)
    try:
        provider = found.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    if not provider.app.client_id:
        raise Http404
    return found
