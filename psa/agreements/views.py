"""Pages of PSA's agreements: the list, one of them with what can be decided, and what PSA's billing terms mean."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_subatomic.db import transaction

from accounting.autopay.invitations import list_shared_methods
from accounting.autopay.previews import list_named_charges
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import AUTOPAY_WORK, Right
from payers.models import PayerCompany
from psa.agreements import proposals
from psa.agreements.forms import AgreementForm, TermTableForm
from psa.agreements.invoice_terms import are_invoices_known, list_chosen_terms
from psa.agreements.models import PsaAgreement, PsaAgreementCursor
from psa.agreements.reading import schedule_whole_reading
from psa.charge_pages import must_be_seen, render_preview
from psa.models import PsaConnection
from psa.scheduling import schedule_poll
from psa.services import get_psa_connection
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.audit_log.changes import describe_changes

PAGE_SIZE = 50
NAMES_OFFERED = 200
NOT_READ = (
    "The invoices of ConnectWise PSA are read first, so that you see what this would charge. Save it again in a minute."
)
STANDINGS = {"open": "To decide", "asked": "Asked", "dismissed": "Dismissed", "ended": "Ended in PSA"}


@require_GET
@merchant_page(Right.SEE)
def list_all(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """PSA's agreements by what became of them."""
    connection = get_psa_connection(merchant)
    standing = request.GET.get("show", "open")
    standing = standing if standing in STANDINGS else "open"
    page = Paginator(proposals.list_agreements(connection, standing=standing), PAGE_SIZE)
    undecided = proposals.list_terms(connection).filter(decided_at=None, is_gone=False)
    context = {
        "merchant": merchant,
        "connection": connection,
        "standing": standing,
        "standings": STANDINGS,
        "page": page.get_page(request.GET.get("page")),
        "cursor": PsaAgreementCursor.objects.filter(connection=connection.pk).first(),
        "undecided_terms": undecided.count(),
    }
    return render(request, "psa_agreements/list.html", context)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def start_reading(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Have the agreements read."""
    connection = get_psa_connection(merchant)
    if connection.state != "connected":
        messages.error(request, "Connect ConnectWise PSA first.")
        return redirect("psa:agreements", merchant.reference)
    with transaction():
        schedule_whole_reading(connection, now=clock.now())
    record_request_audit(request, "psa.agreements_requested", merchant_id=merchant.pk)
    messages.success(request, "Reading the agreements of ConnectWise PSA. Reload in a moment.")
    return redirect("psa:agreements", merchant.reference)


@require_GET
@merchant_page(Right.SEE)
def show(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """One agreement."""
    agreement = get_agreement(merchant, reference)
    return render_agreement(request, agreement, build_form(agreement))


def get_agreement(merchant: Merchant, reference: str) -> PsaAgreement:
    """An agreement of this merchant. Raises Http404."""
    rows = PsaAgreement.objects.select_related("merchant", "mapping__term", "mapping__company", "decided_by")
    return get_object_or_404(rows, merchant=merchant, reference=reference)


def build_form(agreement: PsaAgreement, data: object = None) -> AgreementForm:
    """The form with the company that is proposed or confirmed, and the methods that it shares."""
    found = proposals.propose_company(agreement)
    methods = list_shared_methods(found.company) if found.company and found.is_confirmed else []
    return AgreementForm(data, merchant_id=agreement.merchant_id, methods=methods, company=found.company)


@require_POST
@merchant_page(*AUTOPAY_WORK)
def decide(request: MerchantRequest, merchant: Merchant, reference: str) -> HttpResponse:
    """Carry out what a person decides about an agreement."""
    agreement = get_agreement(merchant, reference)
    form = build_form(agreement, request.POST)
    if not form.is_valid():
        return render_agreement(request, agreement, form)
    try:
        done = carry_out(request, agreement, form)
    except proposals.AgreementRefused as error:
        form.add_error(None, str(error))
        return render_agreement(request, get_agreement(merchant, reference), form)
    act = form.cleaned_data["act"]
    record_request_audit(
        request, "psa.agreement_decided", merchant_id=merchant.pk, subject=str(agreement), detail=f"{act}: {done}"
    )
    messages.success(request, done)
    return redirect("psa:agreement", merchant.reference, agreement.reference)


def carry_out(request: MerchantRequest, agreement: PsaAgreement, form: AgreementForm) -> str:
    """Call the service of the act; answer what was done, in words. Raises AgreementRefused."""
    by, now, found = request.user, clock.now(), form.cleaned_data
    match found["act"]:
        case "link":
            company = form.chosen_company
            if company is None:
                raise proposals.AgreementRefused("Say which payer company it is.")
            proposals.link_company(agreement, company, by=by, now=now)
            return f"{agreement.psa_company} is {company}."
        case "ask":
            primary, secondary = found["primary"], found["secondary"]
            methods = {"primary": primary, "secondary": secondary}
            if proposals.ask_payer(agreement, **methods, shown=found["shown"], by=by, now=now):
                return "The payer was asked by mail. Nothing is charged before somebody there accepts."
            return f"Nobody was asked: {agreement.mapping} covers it already."
        case "dismiss":
            proposals.dismiss_agreement(agreement, by=by, now=now)
            return "Dismissed. It can be decided anew here."
        case _:
            proposals.reopen_agreement(agreement, by=by, now=now)
            return "It can be decided anew."


def render_agreement(request: MerchantRequest, agreement: PsaAgreement, form: AgreementForm) -> HttpResponse:
    """One agreement's page."""
    found = proposals.propose_company(agreement)
    try:
        term, obstacle = proposals.get_term(agreement), ""
    except proposals.AgreementRefused as error:
        term, obstacle = None, str(error)
    names = PayerCompany.objects.filter(merchant=agreement.merchant).order_by("name").values_list("name", flat=True)
    context: dict[str, Any] = {
        "merchant": agreement.merchant,
        "row": agreement,
        "form": form,
        "found": found,
        "term": term,
        "obstacle": obstacle,
        "shown": proposals.describe_question(found.company if found.is_confirmed else None, term),
        "methods": form.fields["primary"].queryset.exists(),  # type: ignore[attr-defined]
        "names": names[:NAMES_OFFERED],
        "changes": agreement.list_state_changes(),
    }
    return render(request, "psa_agreements/agreement.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SETTINGS)
def edit_terms(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """What PSA's billing terms mean here."""
    connection = get_psa_connection(merchant)
    rows, terms = list(proposals.list_terms(connection)), proposals.list_merchant_terms(merchant)
    proposed = proposals.propose_terms(rows, terms)
    data = request.POST if request.method == "POST" else None
    form = TermTableForm(data, rows=rows, terms=terms, proposed=proposed)
    if request.method == "POST" and form.is_valid():
        if can_be_previewed(connection, form):
            return save_terms(request, merchant, connection, form)
        form.add_error(None, NOT_READ if connection.state == "connected" else "Connect ConnectWise PSA first.")
    context = {"merchant": merchant, "connection": connection, "form": form, "terms": terms}
    return render(request, "psa_agreements/terms.html", context, status=422 if form.errors else 200)


def can_be_previewed(connection: PsaConnection, form: TermTableForm) -> bool:
    """Whether it can be said what the table would charge; if not, PSA's invoices are read for it."""
    if not any(form.chosen.values()) or are_invoices_known(connection, now=clock.now()):
        return True
    if connection.state == "connected":
        schedule_poll(connection, now=clock.now())
    return False


def save_terms(
    request: MerchantRequest, merchant: Merchant, connection: PsaConnection, form: TermTableForm
) -> HttpResponse:
    """Save the table, once what it would charge was seen."""
    named = list_chosen_terms(connection, form.chosen, form.undecided)
    preview = list_named_charges(merchant, named, now=clock.now())
    if must_be_seen(request, merchant, preview):
        back = reverse("psa:terms", args=[merchant.reference])
        return render_preview(
            request, merchant, preview, title="Save what the billing terms mean", back=back, button="Save"
        )
    count = proposals.save_term_table(
        connection, form.chosen, undecided=form.undecided, by=request.user, now=clock.now()
    )
    detail = describe_changes(form)
    record_request_audit(request, "psa.terms_saved", merchant_id=merchant.pk, detail=detail)
    messages.success(request, f"Saved: {count} changed." if count else "Saved.")
    return redirect("psa:terms", merchant.reference)
