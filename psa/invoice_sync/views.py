"""Pages of Sync Invoices: its settings and runs, and one run with its preview or its outcome."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payers.models import PayerCompany
from psa.invoice_sync import services
from psa.invoice_sync.books import find_books, has_books, has_current_lists
from psa.invoice_sync.forms import StartForm, SyncDecisionForm, SyncSettingsForm, TaxTableForm
from psa.invoice_sync.models import InvoiceSync
from psa.invoice_sync.preview import check_again, explain_refusal
from psa.services import get_psa_connection
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes
from wisepay.clock import get_local_date
from wisepay.errors import Disconnected, Rejected, Unavailable
from wisepay.outbox import Retry

PAGE_SIZE = 50
RUNS_SHOWN = 30
NAMES_OFFERED = 200


@require_http_methods(["GET", "POST"])
@merchant_page(Right.BOOKS)
def show_all(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The settings, the runs, and the form that starts one."""
    data = request.POST if request.method == "POST" else None
    form = StartForm(data, today=get_today(merchant), initial=get_default_day(merchant))
    if request.method == "POST" and form.is_valid():
        try:
            sync = services.start_sync(merchant, since=form.cleaned_data["since"], by=request.user, now=clock.now())
        except services.SyncRefused as error:
            form.add_error(None, str(error))
        else:
            detail = f"from {sync.since}"
            record_request_audit(request, "psa.invoice_sync_started", merchant_id=merchant.pk, detail=detail)
            return redirect("psa:invoice_sync_run", merchant.reference, sync.reference)
    return render_all(request, merchant, start_form=form)


def get_today(merchant: Merchant) -> date:
    """Today at the merchant."""
    return get_local_date(clock.now(), merchant.zone)


def get_default_day(merchant: Merchant) -> date:
    """The day from which on the last finished run read, else a month ago."""
    last = InvoiceSync.objects.filter(merchant=merchant, state="finished").order_by("-pk").first()
    return last.since if last else get_today(merchant) - services.DEFAULT_PERIOD


def render_all(request: MerchantRequest, merchant: Merchant, **forms: Any) -> HttpResponse:
    """The page, with the forms that were sent in place of fresh ones."""
    if not has_books(merchant):
        context = {"merchant": merchant, "out_of_scope": services.OUT_OF_SCOPE}
        return render(request, "psa_sync/list.html", context, status=422 if request.method == "POST" else 200)
    chosen = services.get_settings(merchant)
    states = {name: Count("rows", filter=Q(rows__state=name)) for name in ("posted", "rejected", "blocked")}
    runs = InvoiceSync.objects.filter(merchant=merchant).select_related("requested_by").annotate(**states)
    context = {
        "merchant": merchant,
        "chosen": chosen,
        "runs": runs.order_by("-pk")[:RUNS_SHOWN],
        "is_read": are_lists_read(merchant),
        "start_form": StartForm(today=get_today(merchant), initial=get_default_day(merchant)),
        "settings_form": build_settings_form(merchant),
        "tax_form": build_tax_form(merchant),
        **forms,
    }
    is_wrong = any(form.errors for form in forms.values())
    return render(request, "psa_sync/list.html", context, status=422 if is_wrong else 200)


def are_lists_read(merchant: Merchant) -> bool:
    """Whether accounts and tax codes of the connected books can be chosen."""
    connection = find_books(merchant)
    return connection is not None and has_current_lists(merchant, connection.organisation_id)


def build_settings_form(merchant: Merchant, data: object = None) -> SyncSettingsForm:
    """The form of the settings."""
    chosen, is_read = services.get_settings(merchant), are_lists_read(merchant)
    return SyncSettingsForm(data, merchant=merchant, chosen=chosen, is_read=is_read)


def build_tax_form(merchant: Merchant, data: object = None) -> TaxTableForm:
    """The form of the tax codes."""
    connection, books = get_psa_connection(merchant), find_books(merchant)
    rows = services.list_tax_table(merchant, connection, books.organisation_id) if books else []
    return TaxTableForm(data, rows=rows, merchant=merchant, is_read=are_lists_read(merchant))


@require_POST
@merchant_page(Right.SETTINGS)
def save_settings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Switch it on or off, and say what lines are booked to."""
    if not has_books(merchant):
        return render_all(request, merchant)
    form = build_settings_form(merchant, request.POST)
    if not form.is_valid():
        return render_all(request, merchant, settings_form=form)
    detail = describe_changes(form)
    services.save_sync_settings(merchant, **form.cleaned_data)
    record_request_audit(request, "psa.invoice_sync_settings_saved", merchant_id=merchant.pk, detail=detail)
    messages.success(request, "Saved.")
    return redirect("psa:invoice_sync", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def save_taxes(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Save which tax code is which."""
    if not has_books(merchant):
        return render_all(request, merchant)
    form = build_tax_form(merchant, request.POST)
    if not form.is_valid():
        return render_all(request, merchant, tax_form=form)
    detail = describe_changes(form)
    services.save_tax_table(form.chosen, by=request.user, now=clock.now())
    record_request_audit(request, "psa.tax_codes_saved", merchant_id=merchant.pk, detail=detail)
    messages.success(request, "Saved. Look at a preview again to see what it changes.")
    return redirect("psa:invoice_sync", merchant.reference)


@require_GET
@merchant_page(Right.BOOKS)
def show(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """One run."""
    return render_run(request, get_sync(merchant, reference), SyncDecisionForm(merchant=merchant))


def get_sync(merchant: Merchant, reference: str) -> InvoiceSync:
    """A run of this merchant. Raises Http404."""
    rows = InvoiceSync.objects.select_related("merchant", "requested_by", "confirmed_by")
    return get_object_or_404(rows, merchant=merchant, reference=reference)


@require_POST
@merchant_page(Right.BOOKS)
def decide(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Carry out what a person decides about a run."""
    sync, form = get_sync(merchant, reference), SyncDecisionForm(request.POST, merchant=merchant)
    if not form.is_valid():
        return render_run(request, sync, form)
    try:
        done = carry_out(request, sync, form)
    except services.SyncRefused as error:
        form.add_error(None, str(error))
        return render_run(request, get_sync(merchant, reference), form)
    detail = f"{form.cleaned_data['act']}: {done}"
    record_request_audit(request, "psa.invoice_sync_decided", merchant_id=merchant.pk, detail=detail)
    messages.success(request, done)
    return redirect("psa:invoice_sync_run", merchant.reference, sync.reference)


def carry_out(request: MerchantRequest, sync: InvoiceSync, form: SyncDecisionForm) -> str:
    """Call the service of the act; answer what was done, in words. Raises SyncRefused."""
    by, now, found = request.user, clock.now(), form.cleaned_data
    match found["act"]:
        case "confirm":
            services.confirm_sync(sync, seen=found["seen"], by=by, now=now)
            return "The invoices are being made."
        case "drop":
            services.drop_sync(sync, by=by, now=now)
            return "The preview was dropped. Nothing was made."
        case "link":
            company = form.chosen_company
            if company is None or found["psa_company"] is None:
                raise services.SyncRefused("Say which payer company it is.")
            services.link_psa_company(sync, found["psa_company"], company, by=by, now=now)
            look_again(sync)
            return f"It is {company}."
        case _:
            look_again(sync)
            return "This is how it stands now."


def look_again(sync: InvoiceSync) -> None:
    """Decide a preview anew. Raises SyncRefused."""
    if sync.state != "ready":
        raise services.SyncRefused("It is no preview any more.")
    try:
        check_again(sync, now=clock.now())
    except Rejected as error:
        raise services.SyncRefused(explain_refusal(error)) from error
    except (Disconnected, Unavailable, Retry) as error:
        raise services.SyncRefused(f"{error} Please look again in some minutes.") from error


def list_unlinked(sync: InvoiceSync) -> list[Mapping[str, object]]:
    """The companies of ConnectWise PSA in a preview of which nobody said yet which payer company they are."""
    if sync.state != "ready":
        return []
    rows = sync.rows.filter(state="blocked", company=None).exclude(psa_company_id=0)
    return list(rows.values("psa_company_id", "psa_company").distinct().order_by("psa_company")[:PAGE_SIZE])


def render_run(request: MerchantRequest, sync: InvoiceSync, form: SyncDecisionForm) -> HttpResponse:
    """One run's page."""
    rows = sync.rows.select_related("company").order_by("-state", "number", "pk")
    names = PayerCompany.objects.filter(merchant=sync.merchant).order_by("name").values_list("name", flat=True)
    unknown = list_unlinked(sync)
    context: dict[str, Any] = {
        "merchant": sync.merchant,
        "sync": sync,
        "form": form,
        "is_about_one": form["psa_company"].value() in [str(one["psa_company_id"]) for one in unknown],
        "page": Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page")),
        "counts": sync.rows.aggregate(
            **{
                name: Count("pk", filter=Q(state=name))
                for name in ("planned", "present", "blocked", "posted", "rejected")
            }
        ),
        "unknown": unknown,
        "names": names[:NAMES_OFFERED],
        "seen": services.compute_fingerprint(sync),
    }
    return render(request, "psa_sync/run.html", context, status=422 if form.errors else 200)
