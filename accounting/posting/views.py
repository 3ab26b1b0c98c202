"""The console's pages of postings and manual tasks."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounting.models import CreditNote, ManualTask, Posting
from accounting.posting.manual_tasks import list_open_tasks, resolve_manual_task
from accounting.posting.services import get_waiting_reason, list_unposted_debits, list_waiting_postings, retry_postings
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from payments.access import get_merchant_payment
from wisepay import clock
from wisepay.audit import record_request_audit

MAX_ROWS = 100


@require_GET
@merchant_page()
def posting_list(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What is not in the ledger yet, and why."""
    return render(request, "accounting/postings.html", get_waiting_context(merchant, limit=MAX_ROWS))


@require_GET
@merchant_page()
def waiting_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of the same."""
    return render(request, "accounting/waiting.html", get_waiting_context(merchant, limit=6))


@require_POST
@merchant_page()
def retry_all(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Try everything that waits or was refused again, now."""
    count = retry_postings(merchant, by=request.user.email, now=clock.now())
    record_request_audit(request, "postings.retried", merchant_id=merchant.pk, detail=f"{count} documents")
    messages.success(request, f"Trying {count} documents again.")
    return redirect("accounting:postings", merchant.reference)


@require_GET
@merchant_page()
def payment_postings(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The panel of one payment's documents."""
    payment = get_merchant_payment(merchant, reference)
    rows = list(Posting.objects.filter(payment=payment).order_by("pk"))
    waits_for_debit = list_unposted_debits(merchant).filter(payment=payment).exists()
    is_over = all(p.state in Posting.FINAL_STATES for p in rows) and bool(rows or payment.state != "succeeded")
    is_settled = is_over and not waits_for_debit
    context = {
        "merchant": merchant,
        "payment": payment,
        "rows": rows,
        "notes": CreditNote.objects.filter(payment=payment).order_by("pk"),
        "allocations": payment.allocations.select_related("invoice", "payment", "confirmed_by").order_by("pk"),
        "tasks": list_open_tasks(merchant).filter(payment=payment),
        "reason": "" if is_settled else get_waiting_reason(merchant, now=clock.now()),
        "is_settled": is_settled,
        "waits_for_debit": waits_for_debit,
    }
    return render(request, "accounting/payment_postings.html", context)


@require_POST
@merchant_page()
def finish_task(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Close a task that somebody did by hand."""
    task = get_object_or_404(ManualTask.objects.select_related("posting"), merchant=merchant, reference=reference)
    if resolve_manual_task(task, by=request.user, now=clock.now()):
        record_request_audit(request, "books_task.done", merchant_id=merchant.pk, subject=task.title)
        messages.success(request, f"Done: {task.title}.")
    return redirect("accounting:postings", merchant.reference)


def get_waiting_context(merchant: Merchant, *, limit: int) -> dict[str, Any]:
    """Rows, their number, and the reason they share."""
    rows = list_waiting_postings(merchant)
    count = rows.count()
    reason = get_waiting_reason(merchant, now=clock.now()) if count else ""
    return {
        "merchant": merchant,
        "rows": rows[:limit],
        "count": count,
        "reason": reason,
        "tasks": list_open_tasks(merchant),
        "debits": list_unposted_debits(merchant).count(),
    }
