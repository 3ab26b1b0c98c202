"""The console's pages of postings and manual tasks."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounting.ledger_session import annotate_connected_books, get_guide
from accounting.models import CreditNote, ManualTask, Posting
from accounting.models.posting_kinds import KIND_TRAITS, Kind, list_undone_kinds
from accounting.posting.forms import ManualTaskForm
from accounting.posting.lists import get_document_url
from accounting.posting.manual_tasks import (
    CannotReopen,
    list_open_tasks,
    list_settled_tasks,
    reopen_manual_task,
    resolve_manual_task,
)
from accounting.posting.services import get_waiting_reason, list_unposted_debits, list_waiting_postings, retry_postings
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import BOOKS_WORK, Right
from payments.access import get_merchant_payment
from wisepay import clock
from wisepay.audit import record_request_audit

MAX_ROWS = 100


@require_GET
@merchant_page(Right.SEE)
def posting_list(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What is not in the ledger yet, and why, and what people settled by hand."""
    return render_postings(request, merchant)


@require_GET
@merchant_page(Right.SEE)
def waiting_panel(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The dashboard's panel of the same."""
    return render(request, "accounting/waiting.html", get_waiting_context(merchant, limit=6))


@require_POST
@merchant_page(*BOOKS_WORK)
def retry_all(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Try everything that waits or was refused again, now."""
    count = retry_postings(merchant, by=request.user.email, now=clock.now())
    record_request_audit(
        request, "postings.retried", merchant_id=merchant.pk, detail=f"{count} document{'s' * (count != 1)}"
    )
    messages.success(request, f"Trying {count} document{'s' * (count != 1)} again.")
    return redirect("accounting:postings", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def payment_postings(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """The panel of one payment's documents."""
    payment = get_merchant_payment(merchant, reference)
    found = annotate_connected_books(Posting.objects.filter(payment=payment).order_by("pk"))
    rows = attach_standings(list(found))
    for row in rows:
        row.document_url = get_document_url(row)
    waits_for_debit = list_unposted_debits(merchant).filter(payment=payment).exists()
    is_over = all(p.state in Posting.FINAL_STATES for p in rows) and bool(rows or payment.state != "succeeded")
    is_settled = is_over and not waits_for_debit
    context = {
        "merchant": merchant,
        "guide": get_guide(merchant),
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
@merchant_page(Right.BOOKS)
def finish_task(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Close a task that somebody did by hand, and says how."""
    task = get_object_or_404(ManualTask.objects.select_related("posting"), merchant=merchant, reference=reference)
    form = ManualTaskForm(request.POST)
    if not form.is_valid():
        return render_postings(request, merchant, refused=task, form=form)
    note = form.cleaned_data["note"]
    if resolve_manual_task(task, note=note, by=request.user, now=clock.now()):
        record_request_audit(request, "books_task.done", merchant_id=merchant.pk, subject=task.title, detail=note)
        messages.success(request, f"Done: {task.title}. The books are read to see it.")
    return redirect("accounting:postings", merchant.reference)


@require_POST
@merchant_page(Right.BOOKS)
def reopen_task(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Take back that a task was done by hand."""
    task = get_object_or_404(ManualTask.objects.select_related("posting"), merchant=merchant, reference=reference)
    try:
        note = task.note
        reopen_manual_task(task, by=request.user, now=clock.now())
        record_request_audit(request, "books_task.reopened", merchant_id=merchant.pk, subject=task.title, detail=note)
        messages.success(request, f"Open again: {task.title}.")
    except CannotReopen as error:
        messages.error(request, str(error))
    return redirect("accounting:postings", merchant.reference)


def render_postings(
    request: MerchantRequest,
    merchant: Merchant,
    *,
    refused: ManualTask | None = None,
    form: ManualTaskForm | None = None,
) -> HttpResponse:
    """The page of postings; with a form that was refused at its task."""
    context = get_waiting_context(merchant, limit=MAX_ROWS) | {
        "settled": list_settled_tasks(merchant),
        "refused": refused,
        "form": form,
    }
    return render(request, "accounting/postings.html", context, status=422 if refused else 200)


def attach_standings(rows: list[Posting]) -> list[Posting]:
    """Give each posting of a payment its `standing`: what was taken out again, or settled by hand, says so."""
    posted = {(p.kind, p.number) for p in rows if p.state == "posted"}
    by_hand = set(
        ManualTask.objects.filter(posting__in=rows, state="done", done_by__isnull=False).values_list(
            "posting", flat=True
        )
    )
    for posting in rows:
        undone_by = KIND_TRAITS[Kind(posting.kind)].undone_by
        is_undoing = bool(list_undone_kinds(Kind(posting.kind)))
        is_undone = posting.state == "posted" and (is_undoing or (undone_by, posting.number) in posted)
        is_by_hand = posting.state == "cancelled" and posting.pk in by_hand
        posting.standing = "undone" if is_undone else "by_hand" if is_by_hand else posting.state
    return rows


def get_waiting_context(merchant: Merchant, *, limit: int) -> dict[str, Any]:
    """Rows, their number, and the reason they share."""
    rows = list_waiting_postings(merchant)
    count = rows.count()
    reason = get_waiting_reason(merchant, now=clock.now()) if count else ""
    return {
        "merchant": merchant,
        "guide": get_guide(merchant),
        "rows": rows[:limit],
        "count": count,
        "reason": reason,
        "tasks": list_open_tasks(merchant),
        "debits": list_unposted_debits(merchant).count(),
    }
