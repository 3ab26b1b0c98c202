"""The payer's pages of automatic payments: Auto-Pay, and what is scheduled."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.autopay import actions, invitations, mappings
from accounting.autopay.forms import AnswerForm, MappingForm
from accounting.autopay.mapping_views import MappingLine, list_active_mappings, list_mapping_lines
from accounting.autopay.selectors import list_payer_rows
from accounting.models import AutoPayMapping, AutoPaySettings, ScheduledPayment
from payers.access import PayerRequest, payer_page
from payers.models import PayerAccess
from payers.terms import get_request_source
from payments.portal.access import list_visible_methods
from payments.portal.widgets import PAGE_SIZE, RowPage, get_page_number, render_widget
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes


@dataclass(frozen=True, slots=True)
class WaitingInvitation:
    """A proposal that waits for the company, what accepting it means, and why an answer was refused."""

    mapping: AutoPayMapping
    consent: dict[str, Any]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CompanyAutoPay:
    """One company: its mappings, and the form of a new one where the merchant charges automatically.

    `is_set_by_merchant`: the merchant or a quote has set up all terms, so there is nothing for the payer to choose.
    """

    access: PayerAccess
    lines: list[MappingLine]
    is_set_by_merchant: bool
    form: MappingForm | None
    invitations: list[WaitingInvitation]
    consent: dict[str, Any]


@require_http_methods(["GET", "POST"])
@payer_page
def my_mappings(request: PayerRequest) -> HttpResponse:
    """Auto-Pay: which of the payer's companies pay automatically."""
    groups = [build_company_autopay(request, access) for access in list_whole_accesses(request)]
    if request.method == "POST":
        group = next((g for g in groups if g.access.company.reference == request.POST.get("company")), None)
        if group is None or group.form is None:
            raise Http404
        if group.form.is_valid() and save_mappings_form(request, group.access, group.form):
            return redirect("autopay:my_mappings")
    return render_mappings_page(request, groups)


def render_mappings_page(
    request: PayerRequest, groups: list[CompanyAutoPay], *, is_refused: bool = False
) -> HttpResponse:
    """The page of the person's companies, with 422 where something of it was refused."""
    is_refused = is_refused or any(group.form and group.form.errors for group in groups)
    context = {"groups": groups, "may_change": not request.impersonation}
    return render(request, "autopay/my_mappings.html", context, status=422 if is_refused else 200)


def list_whole_accesses(request: PayerRequest) -> list[PayerAccess]:
    """The person's accesses to whole companies: who sees only their own payments sets nothing up for others."""
    return [access for access in request.accesses if access.scope == PayerAccess.Scope.COMPANY]


def build_company_autopay(
    request: PayerRequest, access: PayerAccess, problems: Mapping[str, str] = MappingProxyType({})
) -> CompanyAutoPay:
    """One company's part of the page; `problems` say why an answer was refused, by the reference of the proposal."""
    company = access.company
    methods = list(list_visible_methods([access], request.person).filter(state="active"))
    is_submitted = request.method == "POST" and request.POST.get("company") == company.reference
    form, rows = None, list_active_mappings(company)
    is_set_by_merchant = any(
        row.term_id is None and row.agreed is None and row.origin != AutoPayMapping.Origin.PAYER for row in rows
    )
    if AutoPaySettings.get_or_default(company.merchant).is_enabled:
        data = request.POST if is_submitted else None
        form = MappingForm(data, methods=methods, terms=[], only_all=True)
    waiting = [
        WaitingInvitation(
            one, invitations.build_invitation_consent(one, now=clock.now()), problems.get(one.reference, "")
        )
        for one in invitations.list_invitations(company)
    ]
    consent = mappings.build_mapping_consent(company, methods) if form else {}
    return CompanyAutoPay(access, list_mapping_lines(rows), is_set_by_merchant, form, waiting, consent)


def save_mappings_form(request: PayerRequest, access: PayerAccess, form: MappingForm) -> bool:
    """Create the mappings of a valid form; a refusal becomes the form's error."""
    found = form.cleaned_data
    try:
        mappings.create_mappings(
            access.company,
            terms=form.chosen_terms,
            primary=found["primary"],
            secondary=found["secondary"],
            origin=AutoPayMapping.Origin.PAYER,
            accepted_terms=found["accepted_terms"],
            by=request.user,
            source=get_request_source(request),
            includes_older=found["includes_older"],
            now=clock.now(),
        )
    except mappings.MappingRefused as error:
        form.add_error(None, str(error))
        return False
    detail = describe_changes(form)
    record_request_audit(
        request, "autopay.mapped", merchant_id=access.company.merchant_id, subject=access.company.name, detail=detail
    )
    messages.success(request, f"The invoices of {access.company} are paid automatically from now on.")
    return True


@require_POST
@payer_page
def answer_invitation(request: PayerRequest, mapping_ref: str) -> HttpResponse:
    """Accept or decline what the merchant proposes, in the payer's own name."""
    accesses = {access.company_id: access for access in list_whole_accesses(request)}
    rows = AutoPayMapping.objects.select_related(
        "merchant", "company__merchant", "term", "primary_method", "secondary_method"
    )
    mapping = rows.filter(company__in=accesses, asks_payer=True, reference=mapping_ref).first()
    if mapping is None:
        raise Http404
    form = AnswerForm(request.POST)
    if form.is_valid():
        save_answer(request, mapping, accesses[mapping.company_id], form)
    if form.errors:
        return render_refused_answer(request, mapping, form.problem)
    return redirect("autopay:my_mappings")


def render_refused_answer(request: PayerRequest, mapping: AutoPayMapping, problem: str) -> HttpResponse:
    """The page with what is wrong at the proposal; on top of it when the proposal waits no longer."""
    problems = {mapping.reference: problem}
    groups = [build_company_autopay(request, access, problems) for access in list_whole_accesses(request)]
    if not any(one.problem for group in groups for one in group.invitations):
        messages.error(request, problem)
    return render_mappings_page(request, groups, is_refused=True)


def save_answer(request: PayerRequest, mapping: AutoPayMapping, access: PayerAccess, form: AnswerForm) -> None:
    """Save a valid form; a refusal becomes the form's error."""
    is_accepted = form.cleaned_data["answer"] == AnswerForm.ACCEPT
    try:
        if is_accepted:
            accepted, source = form.cleaned_data["accepted_terms"] or (), get_request_source(request)
            older = form.cleaned_data["includes_older"]
            invitations.accept_invitation(
                mapping, accepted_terms=accepted, access=access, source=source, includes_older=older, now=clock.now()
            )
        else:
            invitations.decline_invitation(mapping, by=request.user, now=clock.now())
    except mappings.MappingRefused as error:
        form.add_error(None, str(error))
        return
    action = "autopay.invitation_accepted" if is_accepted else "autopay.invitation_declined"
    record_request_audit(request, action, merchant_id=mapping.merchant_id, subject=mapping.company.name)
    said = _("Accepted. The invoices are paid automatically from now on.") if is_accepted else _("Declined.")
    messages.success(request, said)


@require_POST
@payer_page
def remove(request: PayerRequest, mapping_ref: str) -> HttpResponse:
    """End a mapping that a payer created, or agreed to with a quote."""
    companies = [access.company_id for access in list_whole_accesses(request)]
    rows = AutoPayMapping.objects.select_related("merchant", "company").filter(state="active", company__in=companies)
    mapping = rows.filter(reference=mapping_ref).first()
    if mapping is None:
        raise Http404
    try:
        mappings.end_mapping(mapping, by=request.user, as_payer=True, now=clock.now())
        record_request_audit(request, "autopay.unmapped", merchant_id=mapping.merchant_id, subject=mapping.company.name)
        messages.success(request, "Deleted. What was scheduled by it is cancelled.")
    except mappings.MappingRefused as error:
        messages.error(request, str(error))
    return redirect("autopay:my_mappings")


@require_GET
@payer_page
def my_scheduled(request: PayerRequest) -> HttpResponse:
    """Scheduled Payments: the widget, or the full list as a page."""
    number = get_page_number(request)
    rows = list_payer_rows(request.accesses)
    start = (number - 1) * PAGE_SIZE
    found = RowPage(rows[start : start + PAGE_SIZE], number, has_next=len(rows) > start + PAGE_SIZE)
    return render_widget(request, "scheduled", found, folder="autopay")


@require_POST
@payer_page
def my_check(request: PayerRequest, scheduled_ref: str) -> HttpResponse:
    """Check Request: ask the gateway for its state."""
    companies = [access.company_id for access in list_whole_accesses(request)]
    rows = ScheduledPayment.objects.select_related("merchant", "company", "payment")
    scheduled = rows.filter(company__in=companies, reference=scheduled_ref).first()
    if scheduled is None:
        raise Http404
    is_checked = actions.refresh_gateway_status(scheduled, now=clock.now())
    messages.info(request, "The bank was asked." if is_checked else "It has not been sent to the bank.")
    return redirect("autopay:my_scheduled")
