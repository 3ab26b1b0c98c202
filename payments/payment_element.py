"""Stripe's Payment Element on our pages: what the browser may load for it, its token, and refusals for its script."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csp import csp_override

from payments.errors import CannotPay, TooManyAttempts
from payments.page_scripts import PAYMENT_PAGE_CSP

CONFIRMATION_TOKEN = r"^ctoken_[A-Za-z0-9_]{6,200}$"  # noqa: S105


@csp_override(PAYMENT_PAGE_CSP)
def render_with_payment_element(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Render a page that shows the Payment Element, with a content security policy that lets Stripe's script load."""
    response = render(request, template, {**context, "stripe_js": settings.STRIPE_JS_URL}, status=status)
    # Log-ins at US banks and Google Pay open windows that speak with this page
    # (docs.stripe.com/financial-connections, "Cross-origin opener policy").
    response["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
    return response


def add_limit(response: HttpResponse, error: CannotPay | None) -> HttpResponse:
    """Make the answer a 429 with the seconds to wait, if a limit was reached."""
    if isinstance(error, TooManyAttempts) and response.status_code >= 400:
        response.status_code = 429
        response["Retry-After"] = str(error.wait)
    return response
