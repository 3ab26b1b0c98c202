"""Stripe's Payment Element on our pages: what the browser may load for it, and the token that it makes."""

from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override

CONFIRMATION_TOKEN = r"^ctoken_[A-Za-z0-9_]{6,200}$"  # noqa: S105


def get_origin(url: str) -> str:
    """Scheme and host of an address, as a content security policy names them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


STRIPE_ORIGINS = [get_origin(settings.STRIPE_JS_URL), "https://*.stripe.com"]
PAYMENT_ELEMENT_CSP: dict[str, list[str]] = {
    **cast("dict[str, list[str]]", settings.SECURE_CSP),
    "script-src": [CSP.SELF, CSP.NONCE, *STRIPE_ORIGINS],
    "frame-src": STRIPE_ORIGINS,
    "connect-src": [CSP.SELF, get_origin(settings.STRIPE_API_BASE), *STRIPE_ORIGINS],
    "img-src": [CSP.SELF, "data:", "https://*.stripe.com"],
}


@csp_override(PAYMENT_ELEMENT_CSP)
def render_with_payment_element(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a page that shows the Payment Element, with a content security policy that lets Stripe's script load."""
    return render(request, template, {**context, "stripe_js": settings.STRIPE_JS_URL}, status=status)
