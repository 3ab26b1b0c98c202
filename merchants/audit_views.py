"""The audit log of a merchant: who did what, filtered, and as CSV."""

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from wisepay.audit import record_request_audit
from wisepay.audit_log.forms import AuditFilterForm
from wisepay.audit_log.selectors import describe_entry, filter_entries, list_entries, list_people, render_csv_lines

PAGE_SIZE = 50


def build_filter_form(request: MerchantRequest, merchant: Merchant) -> AuditFilterForm:
    """The filter as the address has it."""
    return AuditFilterForm(request.GET, people=list_people(merchant.pk), zone=merchant.zone)


@require_GET
@merchant_page(Right.PEOPLE)
def audit_log(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Who did what, newest first."""
    form = build_filter_form(request, merchant)
    rows = list_entries(merchant.pk)
    if form.is_valid():
        rows = filter_entries(rows, **form.get_filters())
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "merchant": merchant,
        "form": form,
        "page": page,
        "rows": [describe_entry(entry) for entry in page],
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "months": merchant.keeps_audit_months,
    }
    return render(request, "merchants/audit.html", context, status=422 if form.errors else 200)


@require_GET
@merchant_page(Right.PEOPLE)
def export_audit_log(request: MerchantRequest, merchant: Merchant) -> HttpResponseBase:
    """The entries that the filter leaves, newest first, as a CSV file; that it was taken is written down too."""
    form = build_filter_form(request, merchant)
    if not form.is_valid():
        context = {"merchant": merchant, "form": form, "rows": [], "is_filtered": True}
        return render(request, "merchants/audit.html", context, status=422)
    shown = "; ".join(f"{form.fields[n].label or n}: {v}" for n, v in form.cleaned_data.items() if v)
    record_request_audit(request, "audit.exported", merchant_id=merchant.pk, detail=shown)
    rows = filter_entries(list_entries(merchant.pk), **form.get_filters())
    answer = StreamingHttpResponse(render_csv_lines(rows, merchant.zone), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return answer
