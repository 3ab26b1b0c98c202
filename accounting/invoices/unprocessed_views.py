"""The merchant's Unprocessed Payments: the panel, the page, and the decisions that are made there."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounting.invoices.balances import list_payable_invoices
from accounting.invoices.unprocessed import (
    AlreadyDecided,
    allocate_payment_to_invoice,
    create_credit_from_payment,
    list_alternative_invoices,
    list_unprocessed_tasks,
    retry_payment,
)
from accounting.models import ManualTask, Posting
from accounting.posting.forms import ManualTaskForm
from accounting.posting.manual_tasks import resolve_manual_task
from merchants.access import MerchantRequest, check_rights, merchant_page
from merchants.models import Merchant
from merchants.rights import BOOKS_WORK, Right
from payments.errors import CannotPay
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.input import parse_reference

MAX_ROWS = 50
SUCCESS_MESSAGES = {
    "retry": "Trying again.",
    "credit": "The money stays with the payer as credit.",
    "invoice": "The money goes to the other invoice.",
    "by_hand": "Fixed manually.",
}


@require_GET
@merchant_page(Right.SEE)
def unprocessed_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Unprocessed Payments: the dashboard's panel, or the page with what can be done about each."""
    return render_unprocessed(request, merchant)


def render_unprocessed(
    request: MerchantRequest,
    merchant: Merchant,
    *,
    refused: ManualTask | None = None,
    form: ManualTaskForm | None = None,
) -> HttpResponse:
    """The panel or the page; with a form that was refused at its task."""
    tasks = list_unprocessed_tasks(merchant)
    is_panel = request.headers.get("HX-Request") == "true"
    rows = [
        {
            "task": task,
            "posting": task.get_posting(),
            "others": [] if is_panel else list_alternative_invoices(task.get_posting()),
        }
        for task in tasks[: 6 if is_panel else MAX_ROWS]
    ]
    context = {"merchant": merchant, "rows": rows, "count": tasks.count(), "refused": refused, "form": form}
    context["may_settle"] = request.membership.may(Right.BOOKS)
    page = f"invoices/unprocessed{'_panel' if is_panel else ''}.html"
    return render(request, page, context, status=422 if refused else 200)


@require_POST
@merchant_page(*BOOKS_WORK)
def decide_unprocessed(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Retry, reallocate, keep as credit, or mark as fixed manually; each is recorded in the audit log."""
    tasks = ManualTask.objects.filter(merchant=merchant, kind=Posting.Kind.INVOICE_PAYMENT)
    task = get_object_or_404(
        tasks.select_related("posting__payment_allocation__invoice", "posting__payment"), reference=reference
    )
    act = request.POST.get("act", "")
    form = ManualTaskForm(request.POST)
    if act == "by_hand":
        check_rights(request.membership, Right.BOOKS)
    if act == "by_hand" and not form.is_valid():
        return render_unprocessed(request, merchant, refused=task, form=form)
    note = form.cleaned_data["note"] if act == "by_hand" else ""
    try:
        apply_decision(request, task, act, note=note)
        record_request_audit(request, f"unprocessed.{act}", merchant_id=merchant.pk, subject=task.title, detail=note)
        messages.success(request, SUCCESS_MESSAGES[act])
    except (CannotPay, AlreadyDecided) as error:
        messages.error(request, str(error))
    return redirect("accounting:unprocessed", merchant.reference)


def apply_decision(request: MerchantRequest, task: ManualTask, act: str, *, note: str) -> None:
    """Carry out the decision. Raises AlreadyDecided or CannotPay."""
    posting, by, now = task.get_posting(), request.user, clock.now()
    if act == "retry":
        retry_payment(posting, by=by, now=now)
    elif act == "credit":
        create_credit_from_payment(posting, by=by, now=now)
    elif act == "invoice":
        chosen = parse_reference(request.POST.get("invoice", ""))
        invoice = list_payable_invoices([posting.company_id]).filter(reference=chosen).first()
        if invoice is None:
            raise AlreadyDecided("Choose one of the invoices that can be paid.")
        allocate_payment_to_invoice(posting, invoice, by=by, now=now)
    elif act != "by_hand" or not resolve_manual_task(task, note=note, by=by, now=now):
        raise AlreadyDecided("This was decided already.")
