"""Payer companies: find or create one, rename it, map it to an accounting contact."""

from contextlib import suppress
from dataclasses import dataclass

from django.db import IntegrityError
from django_subatomic.db import savepoint, transaction_if_not_already, transaction_required

from merchants.models import Merchant
from payers.models import PayerCompany, fold_name
from wisepay import events


class CompanyTaken(Exception):
    """Another company of this merchant has that name or is that contact; the message says which."""


@dataclass(frozen=True, slots=True)
class Contact:
    """An accounting contact: its id is unique only within its organisation."""

    organisation_id: str
    contact_id: str


def get_or_create_company(merchant: Merchant, *, name: str, contact: Contact | None) -> PayerCompany:
    """The company that is this contact, or else the one of this name, created if needed, and mapped to the contact.

    Raises CompanyTaken when the name belongs to a company that is another contact.
    """
    companies = merchant.payer_companies
    if contact is not None:
        mapped = companies.filter(organisation_id=contact.organisation_id, contact_id=contact.contact_id).first()
        if mapped is not None:
            return mapped
    company, _ = companies.get_or_create(
        folded_name=fold_name(name), defaults={"name": " ".join(name.split()), "merchant": merchant}
    )
    if contact is None:
        return company
    if company.contact_id and company.organisation_id == contact.organisation_id:
        raise CompanyTaken(f"“{company.name}” is another contact in your accounting package. Give it another name.")
    return map_company(company, contact=contact)


def map_company(company: PayerCompany, *, contact: Contact) -> PayerCompany:
    """Map the company to this contact. Raises CompanyTaken when another one is mapped to it."""
    try:
        with transaction_if_not_already(), savepoint():
            locked = PayerCompany.objects.select_for_update().get(pk=company.pk)
            locked.organisation_id, locked.contact_id = contact.organisation_id, contact.contact_id
            locked.contacts[contact.organisation_id] = contact.contact_id
            locked.save(update_fields=["organisation_id", "contact_id", "contacts"])
            announce_contact_change(locked)
    except IntegrityError:
        raise CompanyTaken("Another company is this contact already.") from None
    company.organisation_id, company.contact_id, company.contacts = (
        locked.organisation_id,
        locked.contact_id,
        locked.contacts,
    )
    return company


def restore_contact(company: PayerCompany, *, organisation_id: str) -> bool:
    """Map the company to the contact that it was last in this organisation; False when it was none there.

    Raises CompanyTaken when another company is that contact by now.
    """
    if known := company.contacts.get(organisation_id):
        map_company(company, contact=Contact(organisation_id, known))
    return bool(known)


def restore_contacts(merchant: Merchant, *, organisation_id: str) -> None:
    """The same for every company of a merchant that came back to this organisation."""
    known = merchant.payer_companies.filter(contacts__has_key=organisation_id)
    for company in known.exclude(organisation_id=organisation_id).order_by("pk"):
        with suppress(CompanyTaken):
            restore_contact(company, organisation_id=organisation_id)


@transaction_required
def announce_contact_change(company: PayerCompany) -> None:
    """Announce that the company is another contact now."""
    events.announce("payers.contact.changed", company_id=company.pk)


def rename_company(company: PayerCompany, *, name: str) -> None:
    """Rename the company; its contact does not change. Raises CompanyTaken."""
    cleaned = " ".join(name.split())
    try:
        with transaction_if_not_already(), savepoint():
            PayerCompany.objects.filter(pk=company.pk).update(name=cleaned, folded_name=fold_name(cleaned))
    except IntegrityError:
        raise CompanyTaken(f"Another company is called “{cleaned}” already.") from None
    company.name, company.folded_name = cleaned, fold_name(cleaned)


def record_payer_company(merchant: Merchant, *, name: str, email: str, phone: str = "") -> PayerCompany:
    """The company of that name, created if needed, with this e-mail and phone."""
    company, is_new = PayerCompany.objects.get_or_create(
        merchant=merchant,
        folded_name=fold_name(name),
        defaults={"name": " ".join(name.split()), "email": email, "phone": phone},
    )
    if not is_new and (company.email, company.phone) != (email, phone or company.phone):
        company.email, company.phone = email, phone or company.phone
        company.save(update_fields=["email", "phone"])
    return company
