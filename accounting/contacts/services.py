"""Which contacts a company is, what a change of them does, and contacts found by what one types."""

from dataclasses import dataclass
from typing import Any, cast

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet, Sum

from accounting.ledger_session import get_ledger_info
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice
from connections.models import Connection, Tier
from merchants.models import Merchant
from payers.companies import Contact, find_mapped_company
from payers.models import CompanyContact, ContactChange, PayerAccess, PayerCompany, fold_name
from wisepay.money import Money

PAGE_SIZE = 50
MAX_SUGGESTIONS = 8
MAX_CHANGES = 20


@dataclass(frozen=True, slots=True)
class ShownContact:
    """One contact of a company as people see it; `row` is None while it was never read."""

    contact: Contact
    row: LedgerContact | None
    url: str

    @property
    def name(self) -> str:
        """Its name, or its id while that is all we know."""
        return self.row.name if self.row is not None else self.contact.contact_id


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """A company with its contacts."""

    company: PayerCompany
    contacts: list[ShownContact]


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change of a company's contact, in words."""

    change: ContactChange
    before: str
    after: str
    is_last: bool


def get_organisation_id(merchant: Merchant) -> str:
    """The organisation whose contacts companies are; empty when none was ever connected."""
    rows = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY)
    return rows.values_list("organisation_id", flat=True).first() or ""


def list_companies(merchant: Merchant, *, q: str, page: int) -> "Page[CompanyRow]":
    """A page of the merchant's companies by name, each with its contacts; four queries."""
    rows = merchant.payer_companies.order_by("name", "pk")
    if q:
        rows = rows.filter(Q(folded_name__contains=fold_name(q)) | Q(email__icontains=q))
    found = Paginator(rows, PAGE_SIZE).get_page(page)
    companies = list(found.object_list)
    shown = list_contacts(merchant, companies)
    rows_shown = [CompanyRow(company, shown[company.pk]) for company in companies]
    return Page(rows_shown, found.number, cast("Paginator[CompanyRow]", found.paginator))


def list_contacts(merchant: Merchant, companies: list[PayerCompany]) -> dict[int, list[ShownContact]]:
    """The contacts of these companies in the connected organisation, by company."""
    organisation_id = get_organisation_id(merchant)
    found: dict[int, list[Contact]] = {company.pk: [] for company in companies}
    for company in companies:
        if company.contact_id and company.organisation_id == organisation_id:
            found[company.pk].append(Contact(organisation_id, company.contact_id, company.contact_currency))
    others = CompanyContact.objects.filter(company__in=companies, organisation_id=organisation_id).order_by("currency")
    for other in others:
        found[other.company_id].append(Contact(organisation_id, other.contact_id, other.currency))
    rows = get_rows(merchant, organisation_id, [each.contact_id for some in found.values() for each in some])
    url = build_contact_url(merchant)
    return {
        key: [
            ShownContact(each, rows.get(each.contact_id), url.format(contact_id=each.contact_id)) for each in contacts
        ]
        for key, contacts in found.items()
    }


def build_contact_url(merchant: Merchant) -> str:
    """The address of a contact's page in the accounting package, with a place for its id; empty if there is none."""
    info = get_ledger_info(merchant)
    return info.contact_url if info is not None else ""


def get_rows(merchant: Merchant, organisation_id: str, ids: list[str]) -> dict[str, LedgerContact]:
    """Mirrored contacts by id."""
    rows = LedgerContact.objects.filter(merchant=merchant, organisation_id=organisation_id, contact_id__in=ids)
    return {row.contact_id: row for row in rows}


def find_contact(merchant: Merchant, contact_id: str) -> LedgerContact | None:
    """A contact of the connected organisation that stands there, as last read."""
    rows = LedgerContact.objects.filter(merchant=merchant, organisation_id=get_organisation_id(merchant))
    return rows.filter(contact_id=contact_id, is_active=True).first()


def find_contacts_by_text(merchant: Merchant, *, text: str) -> list[LedgerContact]:
    """Up to eight active contacts of the connected organisation with `text` in their name, number or e-mail address."""
    folded, organisation_id = fold_name(text), get_organisation_id(merchant)
    if len(folded) < 2 or not organisation_id:
        return []
    rows = LedgerContact.objects.filter(
        Q(folded_name__contains=folded) | Q(email__icontains=folded) | Q(number__iexact=folded),
        merchant=merchant,
        organisation_id=organisation_id,
        is_active=True,
    )
    return list(rows.order_by("folded_name", "pk")[:MAX_SUGGESTIONS])


def get_contact_of(row: LedgerContact) -> Contact:
    """The mirrored contact as companies have it."""
    return Contact(row.organisation_id, row.contact_id, row.currency)


def list_changes(company: PayerCompany) -> list[ShownChange]:
    """The newest changes of the company's contact."""
    rows = list(company.contact_changes.select_related("user").order_by("-pk")[:MAX_CHANGES])
    names: dict[tuple[str, str], str] = {}
    for organisation_id in {row.organisation_id for row in rows}:
        ids = [key for row in rows for key in (row.before_id, row.after_id) if key]
        known = get_rows(company.merchant, organisation_id, ids)
        names |= {(organisation_id, key): row.name for key, row in known.items()}

    def name(row: ContactChange, key: str) -> str:
        return names.get((row.organisation_id, key), key) or "no contact"

    return [ShownChange(row, name(row, row.before_id), name(row, row.after_id), n == 0) for n, row in enumerate(rows)]


# ---- what a change does -----------------------------------------------------------------------------


def list_consequences(company: PayerCompany, row: LedgerContact) -> list[str]:
    """What mapping the company to this contact does, a sentence each: who reads whose invoices from then on."""
    replaced = [each for each in list_contacts(company.merchant, [company])[company.pk] if is_replaced(each, row)]
    people = describe_people(company)
    found = [f"{people} will read and may pay what {row.name} owes: {describe_documents(row)}."]
    found += [
        f"What {each.name} owes is no longer shown to them: {describe_documents(each.row)}."
        for each in replaced
        if each.row is not None
    ]
    if row.currency and not replaced and company.contact_id:
        found.append(f"Documents in {row.currency} go to {row.name} from now on; those in other currencies stay.")
    else:
        found.append(f"What is paid for {company} from now on is booked under {row.name}.")
    found.append("Automatic payments follow the invoices. You can undo this afterwards.")
    return found


def is_replaced(shown: ShownContact, row: LedgerContact) -> bool:
    """Whether `row` would take this contact's place."""
    return not row.currency or shown.contact.currency in ("", row.currency)


def describe_people(company: PayerCompany) -> str:
    """Who sees the company's invoices."""
    rows = PayerAccess.objects.filter(company=company, state="active", scope=PayerAccess.Scope.COMPANY)
    names = [access.shown_name for access in rows.select_related("user").order_by("pk")[:6]]
    if not names:
        return f"Whoever sees all of {company}"
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def describe_documents(row: LedgerContact) -> str:
    """What the contact owes and has for credit, in words."""
    open_invoices = build_documents_query(LedgerInvoice, row).filter(status="open", due__gt=0)
    credits_left = build_documents_query(LedgerCredit, row).filter(status="open", remaining__gt=0)
    owed = [
        f"{Money(each['sum'], each['currency'])} in {count_words(each['count'], 'open invoice')}"
        for each in open_invoices.values("currency").annotate(sum=Sum("due"), count=Count("pk")).order_by("currency")
    ]
    credit = count_words(credits_left.count(), "open credit note")
    return "; ".join([*(owed or ["no open invoice"]), credit])


def build_documents_query(model: type[LedgerInvoice] | type[LedgerCredit], row: LedgerContact) -> "QuerySet[Any]":
    """The mirrored documents of this contact."""
    return model._default_manager.filter(
        merchant=row.merchant_id, organisation_id=row.organisation_id, contact_id=row.contact_id
    )


def count_words(count: int, what: str) -> str:
    """A number of things."""
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def find_other_company(company: PayerCompany, row: LedgerContact) -> PayerCompany | None:
    """The other company that is this contact already, if one is."""
    other = find_mapped_company(company.merchant, get_contact_of(row))
    return other if other is not None and other.pk != company.pk else None
