"""The operators' view of the audit log: their own chain, or a merchant's."""

from zoneinfo import ZoneInfo

from django.contrib import admin
from django.contrib.admin.views.decorators import staff_member_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from wisepay.audit_log.forms import AuditFilterForm
from wisepay.audit_log.selectors import describe_entry, filter_entries, list_entries, list_people

PAGE_SIZE = 100


@staff_member_required
@require_GET
def operators_audit_log(request: HttpRequest) -> HttpResponse:
    """What belongs to no merchant, or with `?merchant=<primary key>` that merchant's log."""
    wanted = request.GET.get("merchant", "")
    merchant_id = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 18 else None
    form = AuditFilterForm(request.GET, people=list_people(merchant_id), zone=ZoneInfo("UTC"))
    rows = list_entries(merchant_id)
    if form.is_valid():
        rows = filter_entries(rows, **form.get_filters())
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = admin.site.each_context(request) | {
        "title": f"Audit log of merchant {merchant_id}" if merchant_id else "Audit log without a merchant",
        "merchant_id": merchant_id,
        "form": form,
        "page": page,
        "rows": [describe_entry(entry) for entry in page],
    }
    return render(request, "operators/audit.html", context, status=422 if form.errors else 200)
