"""Payer Admin: the console's pages about who pays, what they may see, and which contact their company is."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from connections.models import Connection
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import PAYER_WORK, Right
from payers.companies import CompanyTaken, Contact, get_or_create_company, rename_company
from payers.company_access import StaffMayNotPay, create_invited_access, update_access_scope
from payers.invitations import TooManyMails, renew_invitation
from payers.models import PayerAccess
from payments.payer_admin import services
from payments.payer_admin.forms import AccessScopeForm, AddPayerForm, CompanyForm, RenameCompanyForm
from payments.saved_methods.removal import MethodNeeded, get_uses_digest
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.http import parse_page_number
from wisepay.input import parse_reference, parse_search
from wisepay.mail import list_refused_addresses

MAX_SUGGESTIONS = 500  # names of companies that the browser suggests while one types


@require_GET
@merchant_page(Right.SEE)
def list_payers(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Payer Company Access."""
    q = parse_search(request.GET.get("q", ""))
    chosen = request.GET.get("show", "")
    number = parse_page_number(request.GET.get("page", ""), last=services.LAST_PAGE)
    page = services.list_accesses(merchant, q=q, filter_name=chosen, page=number, now=clock.now())
    context = {"merchant": merchant, "page": page, "q": q, "chosen": chosen, "filters": services.FILTERS}
    context["legend"] = services.list_legend(page)
    return render(request, "payer_admin/list.html", context)


@require_http_methods(["GET", "POST"])
@merchant_page(Right.MANAGE_PAYERS)
def add_payer(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Add Payer: Save, or Save and Edit."""
    form = AddPayerForm(request.POST or None)
    access = _invite(request, merchant, form) if request.method == "POST" and form.is_valid() else None
    if access is not None:
        if request.POST.get("then") == "edit":
            return redirect("payer_admin:payer", merchant.reference, access.user.reference)
        return redirect("payer_admin:list", merchant.reference)
    context = {"merchant": merchant, "form": form, "known": list_company_names(merchant)}
    return render(request, "payer_admin/add.html", context, status=422 if form.errors else 200)


def _invite(request: MerchantRequest, merchant: Merchant, form: AddPayerForm) -> PayerAccess | None:
    """Invite the payer of a valid form; what is refused becomes the form's error."""
    found = form.cleaned_data
    try:
        company = get_or_create_company(
            merchant, name=found["q"], contact=get_contact(merchant, found["contact_id"]), by=request.user
        )
        access = create_invited_access(
            merchant, company=company, email=found["email"], name=found["name"], by=request.user, now=clock.now()
        )
    except CompanyTaken as error:
        form.add_error("q", str(error))
        return None
    except (TooManyMails, StaffMayNotPay) as error:
        form.add_error("email", str(error))
        return None
    record_request_audit(
        request, "payer.invited", merchant_id=merchant.pk, subject=access.shown_email, detail=str(access.company)
    )
    if access.state == "pending":
        messages.success(request, f"A Welcome to Wise-Pay mail is on its way to {access.shown_email}.")
    else:
        messages.info(request, f"{access.shown_email} has access to {access.company} already.")
    return access


def get_contact(merchant: Merchant, contact_id: str) -> Contact | None:
    """The contact of the connected organisation, if one was picked and something is connected."""
    organisation = get_organisation_id(merchant)
    return Contact(organisation, contact_id) if organisation and contact_id else None


def get_organisation_id(merchant: Merchant) -> str:
    """The organisation whose contacts companies are mapped to; empty when none was ever connected."""
    rows = Connection.objects.filter(merchant=merchant, tier="wise_pay")
    return rows.values_list("organisation_id", flat=True).first() or ""


def list_company_names(merchant: Merchant) -> list[str]:
    """Names of the merchant's companies, for suggestions."""
    return list(merchant.payer_companies.order_by("name").values_list("name", flat=True)[:MAX_SUGGESTIONS])


@require_GET
@merchant_page(Right.SEE)
def unmapped(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Companies that are no accounting contact yet."""
    organisation = get_organisation_id(merchant)
    rows = services.list_unmapped_companies(merchant, organisation_id=organisation)[:MAX_SUGGESTIONS]
    context = {"merchant": merchant, "rows": rows, "is_connected": bool(organisation)}
    return render(request, "payer_admin/unmapped.html", context)


@require_GET
@merchant_page(Right.SEE)
def payer_detail(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """One payer: companies, methods, and what can be done about them."""
    person = services.get_person(merchant, user_ref)
    return render(request, "payer_admin/payer.html", build_payer_context(request, merchant, person, CompanyForm()))


def build_payer_context(request: MerchantRequest, merchant: Merchant, person: Any, form: CompanyForm) -> dict[str, Any]:
    """What the payer's page shows."""
    shown = services.get_shown_person(merchant, person)
    return {
        "merchant": merchant,
        "person": person,
        "shown": shown,
        "mail_refused": list_refused_addresses([shown.email]).get(shown.email.lower()),
        "memberships": services.list_access_details(merchant, person, now=clock.now()),
        "scopes": PayerAccess.Scope.choices,
        "form": form,
        "known": list_company_names(merchant),
    }


@require_POST
@merchant_page(Right.MANAGE_PAYERS)
def add_company(request: MerchantRequest, merchant: Merchant, user_ref: str) -> HttpResponse:
    """One more company for a payer, which they confirm by mail."""
    person = services.get_person(merchant, user_ref)
    filled = request.POST.copy()
    filled["email"], filled["name"] = person.email, services.get_shown_person(merchant, person).name
    form = AddPayerForm(filled)
    if form.is_valid() and _invite(request, merchant, form) is not None:
        return redirect("payer_admin:payer", merchant.reference, user_ref)
    return render(request, "payer_admin/payer.html", build_payer_context(request, merchant, person, form), status=422)


@require_POST
@merchant_page(Right.MANAGE_PAYERS)
def set_scope(request: MerchantRequest, merchant: Merchant, access_ref: str) -> HttpResponse:
    """The whole company, or own payments only."""
    access, form = services.get_access(merchant, access_ref), AccessScopeForm(request.POST)
    if form.is_valid():
        before = access.get_scope_display()
        update_access_scope(access, scope=form.cleaned_data["scope"], by=request.user, now=clock.now())
        change = f"{access.company}: {access.get_scope_display()}"
        record_request_audit(
            request,
            "payer.scope_changed",
            merchant_id=merchant.pk,
            subject=access.shown_email,
            detail=f"{access.company}: {before} → {access.get_scope_display()}",
            about=access.user,
        )
        messages.success(request, f"{change}.")
    else:
        messages.error(request, "Choose what this payer may see.")
    return redirect("payer_admin:payer", merchant.reference, access.user.reference)


@require_POST
@merchant_page(*PAYER_WORK)
def resend_welcome(request: MerchantRequest, merchant: Merchant, access_ref: str) -> HttpResponse:
    """Mail the Welcome again; the older link stops working."""
    access = services.get_access(merchant, access_ref)
    if access.state != "pending":
        messages.info(request, f"{access.shown_email} has access to {access.company} already.")
        return redirect("payer_admin:payer", merchant.reference, access.user.reference)
    try:
        renew_invitation(access, now=clock.now())
    except TooManyMails as error:
        messages.error(request, str(error))
    else:
        record_request_audit(request, "payer.welcome_resent", merchant_id=merchant.pk, subject=access.shown_email)
        messages.success(request, f"A new mail is on its way to {access.shown_email}. The older link no longer works.")
    return redirect("payer_admin:payer", merchant.reference, access.user.reference)


@require_POST
@merchant_page(Right.MANAGE_PAYERS)
def remove(request: MerchantRequest, merchant: Merchant, access_ref: str) -> HttpResponse:
    """Remove a payer's access to a company, unless something forbids it."""
    access = services.get_access(merchant, access_ref)
    name, email = access.shown_name, access.shown_email
    try:
        services.remove_payer(access, by=request.user, shown=request.POST.get("shown", ""), now=clock.now())
    except MethodNeeded as needed:
        context = {"merchant": merchant, "access": access, "uses": needed.uses, "shown": get_uses_digest(needed.uses)}
        return render(request, "payer_admin/remove.html", context, status=409)
    except services.StillInUse as error:
        messages.error(request, f"Not removed. {error}")
        return redirect("payer_admin:payer", merchant.reference, access.user.reference)
    record_request_audit(request, "payer.removed", merchant_id=merchant.pk, subject=email, detail=str(access.company))
    messages.success(request, f"{name} no longer has access to {access.company}.")
    return redirect("payer_admin:list", merchant.reference)


@require_POST
@merchant_page(*PAYER_WORK)
def rename(request: MerchantRequest, merchant: Merchant, company_ref: str) -> HttpResponse:
    """Rename Payer Company."""
    company, form = services.get_company(merchant, company_ref), RenameCompanyForm(request.POST)
    before = company.name
    try:
        if form.is_valid():
            rename_company(company, name=form.cleaned_data["name"])
            record_request_audit(
                request,
                "company.renamed",
                merchant_id=merchant.pk,
                subject=company.name,
                detail=f"Name: {before} → {company.name}",
            )
            messages.success(request, f"{before} is now called {company}.")
        else:
            messages.error(request, "A company needs a name of at most 200 characters.")
    except CompanyTaken as error:
        messages.error(request, str(error))
    if person := parse_reference(request.POST.get("payer", "")):
        return redirect("payer_admin:payer", merchant.reference, person)
    return redirect("payer_admin:unmapped", merchant.reference)
