"""The merchant's pages of Auto-Pay mappings: a company's Auto-Pay tab, and what quotes propose."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.autopay import invitations, mappings
from accounting.autopay.decision_context import is_paused
from accounting.autopay.forms import AcceptProposalForm, ProposalForm
from accounting.autopay.method_uses import describe_scheduled, list_scheduled
from accounting.autopay.previews import list_mapping_charges
from accounting.autopay.views import build_page_context
from accounting.models import AutoPayMapping, BillingTerm, ScheduledPayment
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import AUTOPAY_WORK, Right
from payers.models import PayerCompany
from payments.payer_admin.services import get_company
from wisepay import clock
from wisepay.audit import record_request_audit

LISTED_ENDS = 10  # scheduled payments that a question about ending a mapping names


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SEE, changes=AUTOPAY_WORK)
def company_mappings(request: MerchantRequest, merchant: Merchant, company_ref: str) -> HttpResponse:
    """The Auto-Pay tab of a payer company: its mappings, and a new one."""
    company = get_company(merchant, company_ref)
    company.merchant = merchant
    form = build_mapping_form(company, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and save_mappings_form(request, company, form):
        return redirect("autopay:company", merchant.reference, company_ref)
    context = {
        "merchant": merchant,
        "company": company,
        "form": form,
        "lines": list_mapping_lines(list_active_mappings(company)),
        "invitations": list_mapping_lines(invitations.list_invitations(company)),
    }
    return render(request, "autopay/company.html", context, status=422 if form.errors else 200)


def build_mapping_form(company: PayerCompany, data: object) -> ProposalForm:
    """The form with the methods that the company shares, nobody's own, and the merchant's terms."""
    terms = list(BillingTerm.objects.filter(merchant=company.merchant, is_active=True).order_by("name"))
    return ProposalForm(data, methods=invitations.list_shared_methods(company), terms=terms)


def list_active_mappings(company: PayerCompany) -> list[AutoPayMapping]:
    """The company's mappings: what was agreed with quotes, then those for one term."""
    rows = AutoPayMapping.objects.filter(company=company, state="active")
    rows = rows.select_related("term", "primary_method", "secondary_method", "created_by", "acceptance__terms")
    return sorted(rows, key=lambda row: (row.agreed is None, row.term is None, row.term.name if row.term else ""))


@dataclass(frozen=True, slots=True)
class MappingLine:
    """A mapping as it is listed; `ends` are sentences about what is cancelled with it, `more` how many are left out."""

    row: AutoPayMapping
    ends: Sequence[str]
    more: int


def list_mapping_lines(mappings: Sequence[AutoPayMapping]) -> list[MappingLine]:
    """Each mapping with what it has scheduled. One query."""
    scheduled: dict[int | None, list[ScheduledPayment]] = {}
    for row in list_scheduled(list(mappings)):
        scheduled.setdefault(row.mapping_id, []).append(row)
    return [build_mapping_line(mapping, scheduled.get(mapping.pk, [])) for mapping in mappings]


def build_mapping_line(mapping: AutoPayMapping, scheduled: Sequence[ScheduledPayment]) -> MappingLine:
    """A mapping with what it has scheduled."""
    ends = [describe_scheduled(row) for row in scheduled[:LISTED_ENDS]]
    return MappingLine(mapping, ends, max(len(scheduled) - LISTED_ENDS, 0))


def save_mappings_form(request: MerchantRequest, company: PayerCompany, form: ProposalForm) -> bool:
    """Propose the mappings of a valid form to the company's people; a refusal becomes the form's error."""
    found = form.cleaned_data
    try:
        invitations.propose_mappings(
            company,
            terms=form.chosen_terms,
            primary=found["primary"],
            secondary=found["secondary"],
            by=request.user,
            now=clock.now(),
        )
    except mappings.MappingRefused as error:
        form.add_error(None, str(error))
        return False
    record_request_audit(request, "autopay.mapped", merchant_id=company.merchant_id, subject=company.name)
    messages.success(request, f"{company} was asked by mail. Nothing is charged before somebody there accepts.")
    return True


@require_POST
@merchant_page(*AUTOPAY_WORK)
def end(request: MerchantRequest, merchant: Merchant, company_ref: str, mapping_ref: str) -> HttpResponse:
    """End a mapping, whoever created it."""
    company = get_company(merchant, company_ref)
    rows = AutoPayMapping.objects.filter(Q(state="active") | Q(state="proposed", asks_payer=True), company=company)
    mapping = get_object_or_404(rows, reference=mapping_ref)
    mappings.end_mapping(mapping, by=request.user, as_payer=False, now=clock.now())
    record_request_audit(request, "autopay.unmapped", merchant_id=merchant.pk, subject=company.name)
    messages.success(request, f"The mapping of {company} is ended. What was scheduled by it is cancelled.")
    return redirect("autopay:company", merchant.reference, company_ref)


@require_GET
@merchant_page(Right.SEE)
def proposals(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Mappings that quotes propose."""
    terms = list(BillingTerm.objects.filter(merchant=merchant, is_active=True).order_by("name"))
    rows = mappings.list_proposals(merchant)
    return render(request, "autopay/proposals.html", build_page_context(request, merchant, rows=rows, terms=terms))


@require_POST
@merchant_page(*AUTOPAY_WORK)
def accept(request: MerchantRequest, merchant: Merchant, mapping_ref: str) -> HttpResponse:
    """Accept a proposal, so that it charges what its payer agreed to, or ask the payer for more."""
    mapping = get_proposal(merchant, mapping_ref)
    form = AcceptProposalForm(request.POST, merchant=merchant)
    if not form.is_valid():
        messages.error(request, "Choose one of the billing terms.")
        return redirect("autopay:proposals", merchant.reference)
    if form.is_wider:
        return ask_for_more(request, mapping, form.chosen_term)
    if not form.cleaned_data["confirmed"] and mapping.agreed is not None:
        return render_acceptance(request, merchant, mapping)
    return accept_what_was_agreed(request, mapping, includes_older=form.cleaned_data["includes_older"])


def accept_what_was_agreed(request: MerchantRequest, mapping: AutoPayMapping, *, includes_older: bool) -> HttpResponse:
    """Let the proposal charge what its payer agreed to with the quote."""
    merchant = mapping.merchant
    try:
        mappings.accept_proposal(mapping, includes_older=includes_older, by=request.user, now=clock.now())
    except mappings.MappingRefused as error:
        messages.error(request, str(error))
    else:
        record_request_audit(
            request,
            "autopay.proposal_accepted",
            merchant_id=merchant.pk,
            subject=str(mapping.company),
            detail="Older invoices too" if includes_older else "",
        )
        messages.success(request, f"{mapping.company} pays automatically from now on.")
    return redirect("autopay:proposals", merchant.reference)


def ask_for_more(request: MerchantRequest, mapping: AutoPayMapping, term: BillingTerm | None) -> HttpResponse:
    """Propose to the company's people to charge more than what was agreed with the quote."""
    company = mapping.company
    try:
        invitations.propose_mappings(
            company,
            terms=[term],
            primary=mapping.primary_method,
            secondary=mapping.secondary_method,
            by=request.user,
            now=clock.now(),
        )
    except mappings.MappingRefused as error:
        messages.error(request, str(error))
    else:
        record_request_audit(request, "autopay.mapped", merchant_id=mapping.merchant_id, subject=company.name)
        messages.success(request, f"{company} was asked by mail. No more is charged before somebody there accepts.")
    return redirect("autopay:proposals", mapping.merchant.reference)


def render_acceptance(request: MerchantRequest, merchant: Merchant, mapping: AutoPayMapping) -> HttpResponse:
    """What a proposal will charge and when, before it is accepted."""
    context = {
        "merchant": merchant,
        "title": f"Automatic payments of {mapping.company}",
        "back": reverse("autopay:proposals", args=[merchant.reference]),
        "preview": list_mapping_charges(mapping, now=clock.now()),
        "button": "Accept",
        "is_paused": is_paused(merchant),
    }
    return render(request, "autopay/preview.html", context)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def dismiss(request: MerchantRequest, merchant: Merchant, mapping_ref: str) -> HttpResponse:
    """Dismiss a proposal."""
    mapping = get_proposal(merchant, mapping_ref)
    try:
        mappings.dismiss_proposal(mapping, by=request.user, now=clock.now())
    except mappings.MappingRefused as error:
        messages.error(request, str(error))
    else:
        record_request_audit(
            request, "autopay.proposal_dismissed", merchant_id=merchant.pk, subject=str(mapping.company)
        )
    return redirect("autopay:proposals", merchant.reference)


def get_proposal(merchant: Merchant, reference: str) -> AutoPayMapping:
    """A mapping of this merchant that was proposed, in whatever state. Raises Http404."""
    related = ("company__merchant", "merchant", "primary_method", "secondary_method")
    rows = AutoPayMapping.objects.select_related(*related)
    return get_object_or_404(
        rows, merchant=merchant, reference=reference, asks_payer=False, quote_payment__isnull=False
    )
