"""The console's pages of companies: which contact each is, another one chosen, one taken off, a change undone."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounting.contacts import services
from accounting.contacts.forms import ContactForm
from accounting.models import LedgerContact
from accounting.posting.services import retry_company_postings
from merchants.access import MerchantRequest, merchant_page
from merchants.models import Merchant
from merchants.rights import Right
from payers.companies import CompanyTaken, ContactMoved, map_company, undo_contact_change, unmap_company
from payers.models import PayerCompany
from wisepay import clock
from wisepay.audit import record_request_audit
from wisepay.http import parse_page_number
from wisepay.input import parse_reference, parse_search

LAST_PAGE = 99_999


@require_GET
@merchant_page(Right.SEE)
def company_list(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Every company with its contact in the accounting package."""
    q = parse_search(request.GET.get("q", ""))
    number = parse_page_number(request.GET.get("page", ""), last=LAST_PAGE)
    page = services.list_companies(merchant, q=q, page=number)
    return render(request, "payer_admin/companies.html", {"merchant": merchant, "page": page, "q": q})


@require_http_methods(["GET", "POST"])
@merchant_page(Right.SEE, changes=(Right.BOOKS,))
def company_contact(request: MerchantRequest, merchant: Merchant, company_ref: str) -> HttpResponse:
    """Which contact the company is; who keeps the books searches another one, reads what that does, and confirms it."""
    company = get_company(merchant, company_ref)
    if request.method == "POST":
        form = ContactForm(request.POST)
        row = services.find_contact(merchant, form.cleaned_data["contact_id"]) if form.is_valid() else None
        error = change_contact(request, company, row)
        if not error:
            return redirect("accounting:company_contact", merchant.reference, company.reference)
        return render_contact_page(request, company, chosen=row, error=error)
    form = ContactForm(request.GET)
    asked = form.is_valid()
    row = services.find_contact(merchant, form.cleaned_data["contact_id"]) if asked else None
    error = "Choose a contact that stands in the accounting package." if "contact_id" in request.GET and not row else ""
    return render_contact_page(request, company, chosen=row, error=error)


def change_contact(request: MerchantRequest, company: PayerCompany, row: LedgerContact | None) -> str:
    """Map the company, with its line in the audit log; answers why not, if it was refused."""
    if row is None:
        return "Choose a contact of the connected accounting package."
    before = ", ".join(each.name for each in services.list_contacts(company.merchant, [company])[company.pk])
    try:
        map_company(company, contact=services.get_contact_of(row), by=request.user)
    except CompanyTaken as error:
        return str(error)
    retry_company_postings(company, now=clock.now())
    write_audit(request, company, "company.mapped", f"{before or 'no contact'} → {row.name} ({row.contact_id})")
    messages.success(request, f"{company} is {row.name} in the accounting package now.")
    return ""


@require_POST
@merchant_page(Right.BOOKS)
def remove_contact(request: MerchantRequest, merchant: Merchant, company_ref: str) -> HttpResponse:
    """Take one of its contacts off a company."""
    company, form = get_company(merchant, company_ref), ContactForm(request.POST)
    shown = services.list_contacts(merchant, [company])[company.pk]
    wanted = form.cleaned_data["contact_id"] if form.is_valid() else ""
    found = next((each for each in shown if each.contact.contact_id == wanted), None)
    if found is None:
        messages.error(request, "The company is not this contact any more.")
    else:
        unmap_company(company, contact=found.contact, by=request.user, reason="Taken off")
        write_audit(request, company, "company.unmapped", f"{found.name} ({wanted}) → no contact")
        messages.success(request, f"{company} is no longer {found.name}.")
    return redirect("accounting:company_contact", merchant.reference, company.reference)


@require_POST
@merchant_page(Right.BOOKS)
def undo_change(request: MerchantRequest, merchant: Merchant, company_ref: str) -> HttpResponse:
    """Undo the newest change of a company's contact."""
    company = get_company(merchant, company_ref)
    change = company.contact_changes.filter(reference=parse_reference(request.POST.get("change", ""))).first()
    if change is None:
        messages.error(request, "There is no such change.")
        return redirect("accounting:company_contact", merchant.reference, company.reference)
    try:
        undo_contact_change(change, by=request.user)
    except (CompanyTaken, ContactMoved) as error:
        messages.error(request, str(error))
    else:
        retry_company_postings(company, now=clock.now())
        detail = f"{change.after_id or 'no contact'} → {change.before_id or 'no contact'}"
        write_audit(request, company, "company.mapping_undone", detail)
        messages.success(request, "Undone.")
    return redirect("accounting:company_contact", merchant.reference, company.reference)


@require_GET
@merchant_page(Right.SEE)
def contact_suggestions(request: MerchantRequest, merchant: Merchant) -> HttpResponse:
    """Contacts of the ledger that a company could be; a person chooses one, by its id."""
    text = parse_search(request.GET.get("q", ""))
    context = {"contacts": services.find_contacts_by_text(merchant, text=text), "text": text}
    return render(request, "accounting/suggest_contacts.html", context)


def render_contact_page(
    request: MerchantRequest, company: PayerCompany, *, chosen: LedgerContact | None, error: str = ""
) -> HttpResponse:
    """The company's page, with what the chosen contact would change."""
    merchant, q = company.merchant, parse_search(request.GET.get("q", ""))
    other = services.find_other_company(company, chosen) if chosen is not None else None
    context: dict[str, Any] = {
        "merchant": merchant,
        "company": company,
        "contacts": services.list_contacts(merchant, [company])[company.pk],
        "changes": services.list_changes(company),
        "q": q,
        "found": services.find_contacts_by_text(merchant, text=q),
        "chosen": None if other else chosen,
        "consequences": services.list_consequences(company, chosen) if chosen is not None and other is None else [],
        "error": f"{other} is this contact already." if other and not error else error,
        "is_connected": bool(services.get_organisation_id(merchant)),
    }
    return render(request, "payer_admin/contact.html", context, status=422 if error else 200)


def get_company(merchant: Merchant, reference: str) -> PayerCompany:
    """A company of this merchant. Raises Http404."""
    found = merchant.payer_companies.filter(reference=reference).select_related("merchant").first()
    if found is None:
        raise Http404
    return found


def write_audit(request: MerchantRequest, company: PayerCompany, action: str, detail: str) -> None:
    """One line of the audit log about a company's contact."""
    record_request_audit(request, action, merchant_id=company.merchant_id, subject=company.name, detail=detail)
