"""The mirror's status, and Download."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounting.mirror.downloads import start_download
from accounting.mirror.jobs import get_current_job
from accounting.mirror.status import get_as_of_by_merchant, list_mirror_statuses
from accounting.models import Download
from accounting.unreadable import MIRROR_KINDS, summarise_unreadable
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import BOOKS_WORK, Right
from payers.access import PayerRequest, payer_page
from wisepay import clock
from wisepay.audit import record_request_audit


@require_GET
@merchant_page(Right.SEE)
def show_mirror(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The mirror's status, as a panel or a page."""
    rows = list_mirror_statuses(merchant, now=clock.now())
    is_reading = any(row.progress for row in rows)
    context = {
        "merchant": merchant,
        "rows": rows,
        "is_reading": is_reading,
        "unreadable": summarise_unreadable(merchant, MIRROR_KINDS),
    }
    return render(request, "accounting/mirror.html", context)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SEE, changes=BOOKS_WORK)
def download_status(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of the latest accounting data: POST starts a download, GET shows its progress."""
    if request.method == "POST":
        start_download(merchant, by=request.user, now=clock.now())
        record_request_audit(request, "download.requested", merchant_id=merchant.pk)
        if not request.headers.get("HX-Request"):
            return redirect("accounting:download", merchant.reference)
    as_of = get_as_of_by_merchant([merchant]).get(merchant.pk)
    context = {"merchant": merchant, "latest": get_current_job(Download, merchant, as_of=as_of), "as_of": as_of}
    return render(request, "accounting/download.html", context)


@require_http_methods(["GET", "POST"])
@payer_page
def payer_download_status(request: PayerRequest) -> HttpResponse:
    """The same for a payer: the downloads of all merchants that they may see, without their counts."""
    merchants = list({a.company.merchant_id: a.company.merchant for a in request.accesses}.values())
    if request.method == "POST":
        for merchant in merchants:
            start_download(merchant, by=request.user, now=clock.now())
        if not request.headers.get("HX-Request"):
            return redirect("accounting:payer_download")
    known = get_as_of_by_merchant(merchants)
    latest = {m.pk: get_current_job(Download, m, as_of=known.get(m.pk)) for m in merchants}
    rows = [{"merchant": m, "latest": latest[m.pk], "as_of": known.get(m.pk)} for m in merchants]
    is_running = any(found is not None and found.state == "running" for found in latest.values())
    return render(request, "accounting/payer_download.html", {"rows": rows, "is_running": is_running})
