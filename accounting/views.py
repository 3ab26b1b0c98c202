"""The console's pages about the books."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.downloads import latest_download, request_download
from accounting.downloads import suggest_contacts as find_contacts
from accounting.forms import AccountsForm
from accounting.hand_tasks import finish_by_hand, open_tasks
from accounting.mirror_page import known_until
from accounting.models import AccountingSettings, CreditNote, HandTask, Posting
from accounting.services import (
    debits_before_books,
    is_ready,
    retry_postings,
    save_accounting_settings,
    waiting_postings,
)
from connections.models import Connection, Tier
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from payers.access import PayerRequest, payer_page
from payments.access import payment_of
from wisepay import outbox
from wisepay.audit import record_request

SHOWN = 100


@require_http_methods(["GET", "POST"])
@merchant_page(admin=True)
def edit_accounts(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The Accounts tab."""
    form = AccountsForm(request.POST or None, merchant=merchant)
    if request.method == "POST" and form.is_valid():
        save_accounting_settings(merchant, **form.cleaned_data, now=timezone.now())
        record_request(request, "accounts.saved", merchant_id=merchant.pk)
        messages.success(request, "Accounts saved.")
        return redirect("accounting:accounts", merchant.reference)
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    context = {"merchant": merchant, "form": form, "connection": connection, "warning": warning_of(merchant)}
    return render(request, "accounting/accounts.html", context, status=422 if form.errors else 200)


def warning_of(merchant: Merchant) -> str:
    """What in the books' own settings has to change, as last read."""
    found = AccountingSettings.objects.filter(merchant=merchant).first()
    return found.warning if found else ""


@require_POST
@merchant_page(admin=True)
def read_lists(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Ask the accounting package for its accounts and tax codes again."""
    outbox.arm(f"lists:{merchant.pk}", "accounting.import_lists", now=timezone.now(), merchant_id=merchant.pk)
    messages.success(request, "Reading accounts and tax codes. Reload in a moment.")
    return redirect("accounting:accounts", merchant.reference)


@require_GET
@merchant_page()
def postings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What is not in the books yet, and why."""
    return render(request, "accounting/postings.html", waiting_context(merchant, limit=SHOWN))


@require_GET
@merchant_page()
def waiting_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of the same."""
    return render(request, "accounting/waiting.html", waiting_context(merchant, limit=6))


@require_POST
@merchant_page()
def retry(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Try everything that waits or was refused again, now."""
    count = retry_postings(merchant, by=request.user.email, now=timezone.now())
    record_request(request, "postings.retried", merchant_id=merchant.pk, detail=f"{count} documents")
    messages.success(request, f"Trying {count} documents again.")
    return redirect("accounting:postings", merchant.reference)


@require_GET
@merchant_page()
def payment_postings(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The panel of one payment's documents."""
    payment = payment_of(merchant, reference)
    rows = list(Posting.objects.filter(payment=payment).order_by("pk"))
    waits_for_debit = debits_before_books(merchant).filter(payment=payment).exists()
    is_over = all(p.state in Posting.OVER for p in rows) and bool(rows or payment.state != "succeeded")
    is_settled = is_over and not waits_for_debit
    context = {
        "merchant": merchant,
        "payment": payment,
        "rows": rows,
        "notes": CreditNote.objects.filter(payment=payment).order_by("pk"),
        "shares": payment.shares.select_related("invoice", "payment", "confirmed_by").order_by("pk"),
        "tasks": open_tasks(merchant).filter(payment=payment),
        "reason": "" if is_settled else why_waiting(merchant, now=timezone.now()),
        "is_settled": is_settled,
        "waits_for_debit": waits_for_debit,
    }
    return render(request, "accounting/payment_postings.html", context)


@require_POST
@merchant_page()
def finish_task(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Somebody did by hand what a task asked for."""
    task = get_object_or_404(HandTask.objects.select_related("posting"), merchant=merchant, reference=reference)
    if finish_by_hand(task, by=request.user, now=timezone.now()):
        record_request(request, "books_task.done", merchant_id=merchant.pk, subject=task.title)
        messages.success(request, f"Done: {task.title}.")
    return redirect("accounting:postings", merchant.reference)


@require_http_methods(["GET", "POST"])
@merchant_page()
def download(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The panel of the latest accounting data: POST reads it again, GET shows how far that is."""
    if request.method == "POST":
        request_download(merchant, by=request.user, now=timezone.now())
        record_request(request, "download.requested", merchant_id=merchant.pk)
        if not request.headers.get("HX-Request"):
            return redirect("accounting:download", merchant.reference)
    latest = latest_download(merchant)
    context = {"merchant": merchant, "latest": latest, "as_of": known_until([merchant]).get(merchant.pk)}
    return render(request, "accounting/download.html", context)


@require_http_methods(["GET", "POST"])
@payer_page
def payer_download(request: PayerRequest) -> HttpResponse:
    """The same for a payer: all merchants that they may see, at once, without those merchants' affairs."""
    merchants = list({a.company.merchant_id: a.company.merchant for a in request.accesses}.values())
    if request.method == "POST":
        for merchant in merchants:
            request_download(merchant, by=request.user, now=timezone.now())
        if not request.headers.get("HX-Request"):
            return redirect("accounting:payer_download")
    latest = {m.pk: latest_download(m) for m in merchants}
    known = known_until(merchants)
    rows = [{"merchant": m, "latest": latest[m.pk], "as_of": known.get(m.pk)} for m in merchants]
    is_running = any(found is not None and found.state == "running" for found in latest.values())
    return render(request, "accounting/payer_download.html", {"rows": rows, "is_running": is_running})


@require_GET
@merchant_page()
def suggest_contacts(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Contacts of the books that a company could be; a person chooses one, by its id."""
    text = request.GET.get("q", "")[:100]
    context = {"contacts": find_contacts(merchant, text=text), "text": text}
    return render(request, "accounting/suggest_contacts.html", context)


def waiting_context(merchant: Merchant, *, limit: int) -> dict[str, Any]:
    """Rows, their number, and the reason they share."""
    rows = waiting_postings(merchant)
    count = rows.count()
    reason = why_waiting(merchant, now=timezone.now()) if count else ""
    return {
        "merchant": merchant,
        "rows": rows[:limit],
        "count": count,
        "reason": reason,
        "tasks": open_tasks(merchant),
        "debits": debits_before_books(merchant).count(),
    }


def why_waiting(merchant: Merchant, *, now: datetime) -> str:
    """Why documents are not being sent just now, in a sentence; empty while they are."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if connection is None or connection.state != "connected":
        return "The accounting package is not connected. Nothing is lost: it is posted once you connect."
    if chosen is None or not chosen.is_complete:
        return "Choose the clearing account, the prepayments account and the tax code first."
    if not chosen.is_for(connection.organisation_id):
        return f"Choose the accounts and the tax code of {connection.organisation_name} first: it is another company."
    if not is_ready(chosen, connection):
        return "The item for prepayments is being made, or has to be chosen under Accounts."
    if connection.is_blocked(now) and connection.blocked_until:
        at = connection.blocked_until.astimezone(merchant.zone)
        return f"{connection.last_error}. The next try is at {at:%H:%M:%S}."
    return ""
