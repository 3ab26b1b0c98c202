"""The accounts page of the merchant's configuration."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounting.configuration.forms import AccountsForm
from accounting.configuration.services import list_missing_terms, save_accounting_settings
from accounting.ledger_session import get_guide
from accounting.models import AccountingSettings
from accounting.unreadable import SETTING_KINDS, summarise_unreadable
from connections.models import Connection, Tier
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from wisepay import clock, outbox
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_accounting_settings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Accounts tab."""
    form = AccountsForm(request.POST or None, merchant=merchant)
    if request.method == "POST" and form.is_valid():
        detail = describe_changes(form)
        save_accounting_settings(merchant, **form.cleaned_data, now=clock.now())
        record_request_audit(request, "accounts.saved", merchant_id=merchant.pk, detail=detail)
        messages.success(request, "Accounts saved.")
        return redirect("accounting:accounts", merchant.reference)
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    context = {
        "merchant": merchant,
        "form": form,
        "connection": connection,
        "guide": get_guide(merchant),
        "warnings": list_ledger_warnings(merchant),
        "unreadable": summarise_unreadable(merchant, SETTING_KINDS),
    }
    return render(request, "accounting/accounts.html", context, status=422 if form.errors else 200)


def list_ledger_warnings(merchant: Merchant) -> list[str]:
    """What has to change: a setting of the accounting package, and what is chosen here and stands there no more."""
    found = AccountingSettings.objects.filter(merchant=merchant).first()
    if found is None:
        return []
    return [*([found.warning] if found.warning else []), *found.missing, *list_missing_terms(merchant)]


@require_POST
@merchant_page(Right.SETTINGS)
def reload_ledger_lists(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Have a worker read the accounts and tax codes again."""
    outbox.schedule(f"lists:{merchant.pk}", "accounting.import_lists", now=clock.now(), merchant_id=merchant.pk)
    messages.success(request, "Reading accounts and tax codes. Reload in a moment.")
    return redirect("accounting:accounts", merchant.reference)
