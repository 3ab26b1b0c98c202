"""Pages about ConnectWise PSA: its connection, and the payments that belong on its invoices."""

import json
from datetime import date
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.autopay.previews import list_named_charges
from connections.rate_limiter.limiter import get_budget_usage
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from psa import services
from psa.charge_pages import must_be_seen, render_preview
from psa.connectwise.client import Credentials
from psa.decisions import (
    DecisionRefused,
    assign_payment,
    choose_invoice,
    settle_payment,
    start_again,
)
from psa.forms import DecisionForm, PsaKeysForm, PsaSettingsForm
from psa.models import TASK_STATES, PsaConnection, PsaPayment
from wisepay import clock
from wisepay.accounts.services import ask_for_proof
from wisepay.audit import record_request_audit
from wisepay.clock import format_date
from wisepay.errors import Disconnected, Rejected, Unavailable

PAGE_SIZE = 50
HISTORY_SHOWN = 30


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_connection(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Integrations › ConnectWise PSA: site, company and keys."""
    connection = services.get_psa_connection(merchant)
    initial = {"site": connection.site, "company": connection.login_company}
    form = PsaKeysForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        if connection.private_key and (proof := ask_for_proof(request)):
            return proof
        if connect(request, merchant, form):
            return redirect("psa:connection", merchant.reference)
    return render_connection(request, merchant, connection, form)


def connect(request: MerchantRequest, merchant: Merchant, form: PsaKeysForm) -> bool:
    """Connect with the form's keys; answer False with the reason on the form."""
    data = form.cleaned_data
    credentials = Credentials(data["company"], data["public_key"], data["private_key"])
    try:
        connection = services.connect_psa(
            merchant, site=data["site"], credentials=credentials, by=request.user.email, now=clock.now()
        )
    except services.ConnectionRefused as error:
        form.add_error(error.field, str(error))
        return False
    record_request_audit(request, "psa.connected", merchant_id=merchant.pk, detail=connection.organisation_id)
    messages.success(request, f"Connected to {connection.name}.")
    return True


def render_connection(
    request: MerchantRequest, merchant: Merchant, connection: PsaConnection, form: PsaKeysForm
) -> HttpResponse:
    """The connection's page."""
    own = {name: getattr(connection, name) for name in PsaSettingsForm.base_fields}
    context = {
        "merchant": merchant,
        "connection": connection,
        "form": form,
        "settings_form": PsaSettingsForm(initial=own),
        "is_available": bool(settings.PSA_CLIENT_ID),
        "missing": [right for right in connection.rights if not right["is_granted"]],
        "history": connection.events.order_by("-at")[:HISTORY_SHOWN] if connection.pk else [],
        "model_version": settings.PSA_API_VERSION,
        "model_ends": describe_model_end(clock.now().date()),
        "budget": get_budget_usage(connection) if connection.state == "connected" else None,
    }
    return render(request, "psa/connection.html", context, status=422 if form.errors else 200)


def describe_model_end(today: date) -> str:
    """Until when PSA answers with our model; empty once that is over, which is not for merchants to mend."""
    ends = date.fromisoformat(settings.PSA_API_VERSION_ENDS)
    return format_date(ends) if ends >= today else ""


@require_POST
@merchant_page(Right.SETTINGS)
def verify(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Try the keys and each right."""
    connection = get_object_or_404(PsaConnection.objects.select_related("merchant"), merchant=merchant)
    try:
        rights = services.verify_psa(connection, by=request.user.email, now=clock.now())
    except Unavailable as error:
        messages.warning(request, f"ConnectWise PSA can't say at the moment: {error}")
    except (Disconnected, Rejected) as error:
        messages.error(request, str(error))
    else:
        missing = [right.role for right in rights if not right.is_granted]
        report = messages.warning if missing else messages.success
        report(request, f"These rights are missing: {'; '.join(missing)}." if missing else "The connection works.")
    return redirect("psa:connection", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def save_settings(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Say who writes which payments, when debits are written, and whose PDF payers see."""
    connection = get_object_or_404(PsaConnection.objects.select_related("merchant"), merchant=merchant)
    form = PsaSettingsForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Choose one of the settings that are shown.")
        return redirect("psa:connection", merchant.reference)
    services.update_psa_settings(connection, **form.cleaned_data, now=clock.now())
    detail = ", ".join(f"{name} {value}" for name, value in form.cleaned_data.items())
    record_request_audit(request, "psa.settings_saved", merchant_id=merchant.pk, detail=detail)
    messages.success(request, "Saved. It counts for payments from now on.")
    return redirect("psa:connection", merchant.reference)


@require_POST
@merchant_page(Right.SETTINGS)
def disconnect(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Delete the keys."""
    connection = get_object_or_404(PsaConnection.objects.select_related("merchant"), merchant=merchant)
    if connection.state in ("connected", "broken"):
        preview = list_named_charges(merchant, {}, now=clock.now()) if connection.uses_terms else None
        if preview is not None and must_be_seen(request, merchant, preview):
            back = reverse("psa:connection", args=[merchant.reference])
            words = {"title": "Disconnect, and charge by the terms of the books", "button": "Disconnect"}
            return render_preview(request, merchant, preview, back=back, **words)
        services.disconnect_psa(connection, by=request.user.email, now=clock.now())
        record_request_audit(request, "psa.disconnected", merchant_id=merchant.pk)
    messages.success(request, "Disconnected. Payments go on; what has to be written to ConnectWise PSA waits.")
    return redirect("psa:connection", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def list_payments(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """The payments that belong on PSA's invoices: what needs a person first."""
    rows = PsaPayment.objects.filter(merchant=merchant).order_by("-pk")
    rows = rows.select_related("payment__company", "ledger_invoice__company")
    tasks = list(rows.filter(state__in=TASK_STATES))
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "psa/list.html", {"merchant": merchant, "tasks": tasks, "page": page})


@require_GET
@merchant_page(Right.SEE)
def show_payment(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """One payment: where it is, what PSA answered, what a person can do."""
    return render_payment(request, get_row(merchant, reference), DecisionForm())


@require_POST
@merchant_page(Right.BOOKS)
def decide(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Carry out what a person decides."""
    row, form = get_row(merchant, reference), DecisionForm(request.POST)
    if not form.is_valid():
        return render_payment(request, row, form)
    try:
        carry_out(request, row, form.cleaned_data)
    except DecisionRefused as error:
        form.add_error(None, str(error))
        return render_payment(request, get_row(merchant, reference), form)
    detail = f"{form.cleaned_data['act']} {form.cleaned_data['number'] or form.cleaned_data['note']}".strip()
    record_request_audit(request, "psa.payment_decided", merchant_id=merchant.pk, subject=row.reference, detail=detail)
    messages.success(request, "Done. This is how it stands now.")
    return redirect("psa:payment", merchant.reference, row.reference)


def carry_out(request: MerchantRequest, row: PsaPayment, data: dict[str, Any]) -> None:
    """Call the service of the act. Raises DecisionRefused."""
    by, now = request.user, clock.now()
    match data["act"]:
        case "choose":
            choose_invoice(row, number=data["number"], invoice_id=data["invoice"], by=by, now=now)
        case "assign":
            assign_payment(row, data["payment"], by=by, now=now)
        case "settle":
            settle_payment(row, note=data["note"], by=by, now=now)
        case act:
            start_again(row, by=by, now=now, is_confirmed=act == "write")


def get_row(merchant: Merchant, reference: str) -> PsaPayment:
    """A payment of this merchant. Raises Http404."""
    rows = PsaPayment.objects.select_related(
        "connection__merchant", "merchant", "payment__company", "decided_by", "ledger_invoice__company"
    )
    return get_object_or_404(rows, merchant=merchant, reference=reference)


def render_payment(request: MerchantRequest, row: PsaPayment, form: DecisionForm) -> HttpResponse:
    """One payment's page."""
    context = {
        "merchant": row.merchant,
        "row": row,
        "form": form,
        "answer": json.dumps(row.answer, indent=2, sort_keys=True) if row.answer else "",
        "changes": row.list_state_changes(),
    }
    return render(request, "psa/payment.html", context, status=422 if form.errors else 200)
