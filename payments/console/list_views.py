"""The console's lists of payments, payouts and disputes: the pages, their totals, and their files."""

from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from merchants.access import MerchantRequest, merchant_page
from merchants.lists import answer_file, render_list, render_totals
from merchants.models import Merchant
from merchants.rights import Right
from payments.console.lists import PaymentList
from payments.console.movement_lists import DisputeList, PayoutList
from payments.operations.limits import find_brake, is_braked
from wisepay import clock


@require_GET
@merchant_page(Right.SEE)
def list_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """All payments, newest first, as the address filters, searches and orders them."""
    listing = PaymentList(request.GET, merchant)
    # Whoever looks for something knows already: the notice costs a statement.
    brake = None if listing.is_filtered else find_brake(merchant)
    context = {
        "brake": brake if brake and is_braked(brake, now=clock.now()) else None,
    }
    return render_list(request, merchant, listing, "payments/list.html", context)


@require_GET
@merchant_page(Right.SEE)
def payment_totals(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of what a list adds up to, in each currency."""
    return render_totals(request, merchant, PaymentList(request.GET, merchant))


@require_GET
@merchant_page(Right.SEE)
def export_payments(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every payment that matches, as a CSV or an Excel file."""
    return answer_file(request, merchant, PaymentList(request.GET, merchant), format_name)


@require_GET
@merchant_page(Right.SEE)
def list_payouts(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What the gateway paid out to the bank."""
    return render_list(request, merchant, PayoutList(request.GET, merchant), "payments/payouts.html")


@require_GET
@merchant_page(Right.SEE)
def payout_totals(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of what was paid out."""
    return render_totals(request, merchant, PayoutList(request.GET, merchant))


@require_GET
@merchant_page(Right.SEE)
def export_payouts(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every payout that matches, as a file."""
    return answer_file(request, merchant, PayoutList(request.GET, merchant), format_name)


@require_GET
@merchant_page(Right.SEE)
def list_disputes(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What payers disputed, and until when it can be answered."""
    return render_list(request, merchant, DisputeList(request.GET, merchant), "payments/disputes.html")


@require_GET
@merchant_page(Right.SEE)
def export_disputes(request: MerchantRequest, merchant: Merchant, format_name: str) -> HttpResponseBase:
    """Every dispute that matches, as a file."""
    return answer_file(request, merchant, DisputeList(request.GET, merchant), format_name)
