"""The panel beside the link for online invoices: which brandings have its pay button, and putting it there."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounting.ledger_session import get_guide
from accounting.models import LedgerTerm
from accounting.paynow_links.pay_buttons import ButtonRefused, add_pay_button, has_pay_buttons, list_button_terms
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from wisepay import clock
from wisepay.accounts.services import ask_for_proof
from wisepay.audit import record_request_audit


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def pay_buttons(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The brandings of online invoices, and the button that puts the pay button on one."""
    if not has_pay_buttons(merchant):
        raise Http404
    if request.method == "GET":
        context = {"merchant": merchant, "terms": list_button_terms(merchant), "package": get_guide(merchant).package}
        return render(request, "paynow_links/pay_buttons.html", context)
    if proof := ask_for_proof(request):
        return proof
    term = get_object_or_404(LedgerTerm, merchant=merchant, term_id=request.POST.get("term", "")[:60])
    try:
        link = add_pay_button(merchant, term, now=clock.now())
    except ButtonRefused as error:
        messages.error(request, str(error))
    else:
        record_request_audit(
            request, "paynow_link.button_added", merchant_id=merchant.pk, subject=link.kind, detail=term.name
        )
        messages.success(request, f"Invoices branded “{term}” have the pay button now.")
    return redirect("paynow_links:pay_buttons", merchant.reference)
