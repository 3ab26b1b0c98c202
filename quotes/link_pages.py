"""What a payer sees of a quote that came by link: why not, and how it ended, with the way back to Order Porter."""

from urllib.parse import quote as quote_text

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from payments.receipts import can_see_receipt
from quotes.models import CpqConnection, Quote
from quotes.providers.cpq import PASSCODE
from wisepay import clock

# It has a path of its own, which a `__Host-` cookie cannot have.
BACK_COOKIE = f"{'__Secure-' if settings.SECURE else ''}quote_link"
BACK_COOKIE_SECONDS = 86_400


def render_no_link(request: HttpRequest) -> HttpResponse:
    """The page for every kind of no: nobody learns from it which merchants, quotes or passcodes there are."""
    title = _("This link can't be opened")
    message = _("Open your quote again and choose to pay it there. If that does not help, try again in a few minutes.")
    return render(request, "error.html", {"title": title, "message": message}, status=404)


def render_refused_link(request: HttpRequest, words: str) -> HttpResponse:
    """The page for somebody who may see the quote, with the reason why it can't be paid."""
    return render(request, "error.html", {"title": _("This quote can't be paid now"), "message": words}, status=409)


def keep_way_back(response: HttpResponse, quote: Quote, passcode: str) -> None:
    """Leave the passcode with the payer's own browser, which has it already: it is stored nowhere else."""
    response.set_cookie(
        BACK_COOKIE,
        passcode,
        max_age=BACK_COOKIE_SECONDS,
        path=reverse("quotes:return", args=[quote.reference]),
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
    )


def find_way_back(request: HttpRequest, quote: Quote) -> str:
    """The address of the quote in Order Porter, if this browser came from there and the merchant said where it is."""
    passcode = request.COOKIES.get(BACK_COOKIE, "")
    rows = CpqConnection.objects.filter(merchant=quote.merchant_id).exclude(order_porter_url="")
    address = rows.values_list("order_porter_url", flat=True).first()
    if not address or not PASSCODE.fullmatch(passcode):
        return ""
    return f"{address}?passcode={quote_text(passcode)}"


def render_linked_return(request: HttpRequest, quote: Quote) -> HttpResponse:
    """How the payment stands, its receipt, and the way back to the quote."""
    payment = quote.payment
    attempt = payment.attempts.order_by("-pk").first()
    context = {
        "payment": payment,
        "merchant": payment.merchant,
        "attempt": attempt,
        "back_url": find_way_back(request, quote),
        "receipt_path": reverse("payments:guest_receipt", args=[payment.reference])
        if can_see_receipt(request, payment)
        else "",
        "pay_path": reverse("payments:pay", args=[payment.reference]),
        "is_open": payment.state in ("open", "reversed") and not payment.is_expired(clock.now()),
    }
    response = render(request, "quotes/returned.html", context)
    response["Referrer-Policy"] = "no-referrer"
    return response
