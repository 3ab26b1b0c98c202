"""The link in the Order Porter template: `/q/<merchant>?k=<passcode>`."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from merchants.models import Merchant
from quotes.cpq_connections import LinkQuery, LinkUnknown
from quotes.link_pages import keep_way_back, render_no_link, render_refused_link
from quotes.links import TooManyLinks
from quotes.links import open_link as open_checkout_by_link
from quotes.refusals import QuoteRefused, describe_to_payer
from wisepay import clock
from wisepay.http import get_client_ip, too_many_requests


@require_GET
def open_link(request: HttpRequest, merchant_ref: str) -> HttpResponse:
    """Open the checkout of a quote, and go on to it at an address that holds no secret of the quote's."""
    query = LinkQuery.from_query(request.GET)
    try:
        quote = open_checkout_by_link(merchant_ref, query, ip=get_client_ip(request), now=clock.now())
    except LinkUnknown:
        response = render_no_link(request)
    except TooManyLinks as error:
        response = too_many_requests(request, wait=error.wait)
    except QuoteRefused as refusal:
        merchant = Merchant.objects.get(reference=merchant_ref)
        response = render_refused_link(request, describe_to_payer(refusal.code, merchant))
    else:
        response = HttpResponse(status=303)
        response["Location"] = reverse("payments:pay", args=[quote.payment.reference])
        keep_way_back(response, quote, query.passcode)
    response["Referrer-Policy"] = "no-referrer"
    return response
