"""The merchant's Unprocessed Payments: the widget, its page, and what a person decides there."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounting.hand_tasks import finish_by_hand
from accounting.invoice_room import payable_invoices
from accounting.models import HandTask, Posting
from accounting.unprocessed import (
    NotUnprocessed,
    leave_as_credit,
    other_invoices,
    reallocate_payment,
    retry_payment,
    unprocessed_tasks,
)
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from payments.errors import CannotPay
from wisepay.audit import record_request

SHOWN = 50
DONE = {
    "retry": "Trying again.",
    "credit": "The money stays with the payer as credit.",
    "invoice": "The money goes to the other invoice.",
    "by_hand": "Fixed manually.",
}


@require_GET
@merchant_page()
def unprocessed(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Unprocessed Payments: the dashboard's panel, or the page with what can be done."""
    tasks = unprocessed_tasks(merchant)
    is_panel = request.headers.get("HX-Request") == "true"
    rows = [
        {"task": task, "posting": task.posting, "others": [] if is_panel else other_invoices(task.posting)}
        for task in tasks[: 6 if is_panel else SHOWN]
    ]
    context = {"merchant": merchant, "rows": rows, "count": tasks.count()}
    return render(request, f"invoices/unprocessed{'_panel' if is_panel else ''}.html", context)


@require_POST
@merchant_page()
def decide(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Retry, re-allocate, leave as credit, or fixed manually; each is written into the audit log."""
    tasks = HandTask.objects.filter(merchant=merchant, kind=Posting.Kind.INVOICE_PAYMENT)
    task = get_object_or_404(tasks.select_related("posting__share__invoice", "posting__payment"), reference=reference)
    act = request.POST.get("act", "")
    try:
        carry_out(request, task, act)
        record_request(request, f"unprocessed.{act}", merchant_id=merchant.pk, subject=task.title)
        messages.success(request, DONE[act])
    except (CannotPay, NotUnprocessed) as error:
        messages.error(request, str(error))
    return redirect("accounting:unprocessed", merchant.reference)


def carry_out(request: MerchantRequest, task: HandTask, act: str) -> None:
    """Do what was decided. Raises NotUnprocessed or CannotPay."""
    posting, by, now = task.posting, request.user, timezone.now()
    if act == "retry":
        retry_payment(posting, by=by, now=now)
    elif act == "credit":
        leave_as_credit(posting, by=by, now=now)
    elif act == "invoice":
        rows = payable_invoices([posting.company_id])
        reallocate_payment(posting, get_object_or_404(rows, reference=request.POST.get("invoice")), by=by, now=now)
    elif act != "by_hand" or not finish_by_hand(task, by=by, now=now):
        raise NotUnprocessed("This was decided already.")
