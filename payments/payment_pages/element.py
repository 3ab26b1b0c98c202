"""Stripe's Payment Element on our pages: the scripts that may load, their policy, its token, and its refusals."""

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.csp import CSP
from django.views.decorators.csp import csp_override

from payments.errors import CannotPay, TooManyAttempts


@dataclass(frozen=True, slots=True)
class PageScript:
    """One script: a static path of ours, or the setting with a vendor's address; what it does, and why it is needed."""

    source: str
    purpose: str
    reason: str

    @property
    def is_ours(self) -> bool:
        """Whether we ship it, and so know its hash."""
        return self.source.endswith(".js")

    @property
    def url(self) -> str:
        """Where a vendor's script comes from."""
        return str(getattr(settings, self.source))


PAGE_SCRIPTS = (
    PageScript(
        "STRIPE_JS_URL",
        "Shows Stripe's fields for card and account numbers, and makes the token that we are given instead",
        "Card numbers never reach our server; Stripe changes it at any time, allows no copy and offers no hash",
    ),
    PageScript("js/element.js", "Puts Stripe's fields into the page", "Without it there is nothing to pay with"),
    PageScript("js/paynow.js", "Sends the order of a payment and follows it", "3-D Secure and states without a reload"),
    PageScript("js/methods.js", "Sends the order to save a method and follows it", "As for payments, in the portal"),
    PageScript("js/htmx.min.js", "Loads parts of the portal's pages", "The portal's menu and panels stand around"),
    PageScript("js/console.js", "Copying, menus and dialogs of the portal", "The portal's menu stands around"),
)


def get_origin(url: str) -> str:
    """Scheme and host of an address, as a content security policy names them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


SCRIPT_ORIGINS = list(dict.fromkeys(get_origin(one.url) for one in PAGE_SCRIPTS if not one.is_ours))
# Frames hold the fields and the bank's challenge: Stripe moves them between hosts below js.stripe.com.
FRAME_ORIGINS = [*SCRIPT_ORIGINS, "https://*.js.stripe.com", "https://hooks.stripe.com"]
PAYMENT_PAGE_CSP: dict[str, list[str]] = {
    **cast("dict[str, list[str]]", settings.SECURE_CSP),
    "script-src": [CSP.SELF, CSP.NONCE, *SCRIPT_ORIGINS],
    "frame-src": FRAME_ORIGINS,
    "connect-src": [CSP.SELF, *dict.fromkeys([get_origin(settings.STRIPE_API_BASE), *SCRIPT_ORIGINS])],
    "img-src": [CSP.SELF, "data:", "https://*.stripe.com"],
}


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
