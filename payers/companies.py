"""Payer companies: find or create one, rename it, map it to an accounting contact."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import IntegrityError
from django.db.models import Q
from django_subatomic.db import savepoint, transaction_if_not_already, transaction_required

from merchants.models import Merchant
from payers.company_ids import add_ids, find_company, note_mismatches
from payers.models import CompanyContact, ContactChange, PayerCompany, fold_name
from wisepay import events
from wisepay.models import User


class CompanyTaken(Exception):
    """Another company of this merchant has that name or is that contact; the message says which."""


class ContactMoved(Exception):
    """The company's contact was changed again meanwhile."""


@dataclass(frozen=True, slots=True)
class Contact:
    """An accounting contact: its id is unique only within its organisation.

    `currency` is the only one that it can have documents in, empty where contacts take every currency.
    """

    organisation_id: str
    contact_id: str
    currency: str = ""


def get_or_create_company(
    merchant: Merchant, *, name: str, contact: Contact | None, by: User | None = None
) -> PayerCompany:
    """The company that is this contact, or else the one of this name, created if needed, and mapped to the contact.

    Raises CompanyTaken when the name belongs to a company that is another contact.
    """
    companies = merchant.payer_companies
    if contact is not None:
        mapped = find_mapped_company(merchant, contact)
        if mapped is not None:
            return mapped
    company, _ = companies.get_or_create(
        folded_name=fold_name(name), defaults={"name": " ".join(name.split()), "merchant": merchant}
    )
    if contact is None:
        return company
    if company.contact_id and company.organisation_id == contact.organisation_id:
        raise CompanyTaken(f"“{company.name}” is another contact in your accounting package. Give it another name.")
    return map_company(company, contact=contact, by=by)


def find_mapped_company(merchant: Merchant, contact: Contact) -> PayerCompany | None:
    """The company that is this contact, in whichever currency."""
    ids = {"organisation_id": contact.organisation_id, "contact_id": contact.contact_id}
    extra = CompanyContact.objects.filter(merchant=merchant, **ids).values("company")
    return merchant.payer_companies.filter(Q(**ids) | Q(pk__in=extra)).first()


def map_company(
    company: PayerCompany, *, contact: Contact, by: User | None = None, actor: str = "", reason: str = ""
) -> PayerCompany:
    """Map the company to this contact, in the place of the one that documents of its currency had.

    Where contacts have one currency each, one of another currency is added. Raises CompanyTaken when another company is
    this contact.
    """
    try:
        with transaction_if_not_already(), savepoint():
            locked = lock_company(company)
            before = replace_contact(locked, contact)
            change = ContactChange(after_id=contact.contact_id, user=by, actor=actor, reason=reason)
            change.before_id, change.before_currency = before.contact_id, before.currency
            record_contact_change(locked, change, contact)
    except IntegrityError:
        raise CompanyTaken("Another company is this contact already.") from None
    copy_contact(locked, to=company)
    return company


def unmap_company(company: PayerCompany, *, contact: Contact, by: User | None = None, reason: str = "") -> None:
    """Take this contact off the company; nothing happens where it has it no more."""
    with transaction_if_not_already(), savepoint():
        locked = lock_company(company)
        if remove_contact(locked, contact):
            change = ContactChange(
                before_id=contact.contact_id, before_currency=contact.currency, user=by, reason=reason
            )
            record_contact_change(locked, change, contact)
    copy_contact(locked, to=company)


def undo_contact_change(change: ContactChange, *, by: User) -> PayerCompany:
    """Give the company back the contact that it was before this change, or none.

    Raises CompanyTaken when another company is that contact by now, ContactMoved when it was changed again since.
    """
    company = change.company
    with transaction_if_not_already():
        locked = lock_company(company)
        if not is_last_contact_change(change):
            raise ContactMoved("This was changed again since. Undo the newest change first.")
        if change.before_id:
            before = Contact(change.organisation_id, change.before_id, change.before_currency)
            return map_company(locked, contact=before, by=by, reason="Undone")
        unmap_company(
            locked, contact=Contact(change.organisation_id, change.after_id, change.currency), by=by, reason="Undone"
        )
    return locked


def is_last_contact_change(change: ContactChange) -> bool:
    """Whether nothing of the company's contacts was changed since."""
    return not ContactChange.objects.filter(company=change.company_id, pk__gt=change.pk).exists()


@transaction_required
def lock_company(company: PayerCompany) -> PayerCompany:
    """The company as it is now, locked with its merchant: one mapping of a merchant is changed at a time."""
    locked = PayerCompany.objects.select_for_update().get(pk=company.pk)
    Merchant.objects.select_for_update(no_key=True).get(pk=locked.merchant_id)
    return locked


def replace_contact(company: PayerCompany, contact: Contact) -> Contact:
    """Put the contact in its place, and answer which one stood there. Raises CompanyTaken and IntegrityError."""
    extra = CompanyContact.objects.filter(merchant=company.merchant_id, organisation_id=contact.organisation_id)
    if extra.filter(contact_id=contact.contact_id).exclude(company=company).exists():
        raise CompanyTaken("Another company is this contact already.")
    before = find_replaced_contact(company, contact)
    if before is not None:
        mains = PayerCompany.objects.filter(merchant=company.merchant_id, organisation_id=contact.organisation_id)
        if mains.filter(contact_id=contact.contact_id).exists():
            raise CompanyTaken("Another company is this contact already.")
        CompanyContact.objects.update_or_create(
            company=company,
            organisation_id=contact.organisation_id,
            currency=contact.currency,
            defaults={"contact_id": contact.contact_id, "merchant": company.merchant},
        )
        return Contact(contact.organisation_id, before, contact.currency)
    is_here = company.organisation_id == contact.organisation_id
    replaced = Contact(
        contact.organisation_id, company.contact_id if is_here else "", company.contact_currency if is_here else ""
    )
    extra.filter(company=company, contact_id=contact.contact_id).delete()
    company.organisation_id, company.contact_id = contact.organisation_id, contact.contact_id
    company.contact_currency = contact.currency
    company.contacts[contact.organisation_id] = contact.contact_id
    company.save(update_fields=["organisation_id", "contact_id", "contact_currency", "contacts"])
    return replaced


def find_replaced_contact(company: PayerCompany, contact: Contact) -> str | None:
    """The contact of that currency beside the company's first one, empty for none yet; None for its first one."""
    is_here = bool(company.contact_id) and company.organisation_id == contact.organisation_id
    if not is_here or not contact.currency or company.contact_id == contact.contact_id:
        return None
    rows = company.currency_contacts.filter(organisation_id=contact.organisation_id, currency=contact.currency)
    known = rows.values_list("contact_id", flat=True).first()
    if known is None and company.contact_currency in ("", contact.currency):
        return None
    return known or ""


def remove_contact(company: PayerCompany, contact: Contact) -> bool:
    """Take the contact off the company; another one of its currencies becomes the first. Answers whether it had it."""
    rows = company.currency_contacts.filter(organisation_id=contact.organisation_id)
    if rows.filter(contact_id=contact.contact_id).delete()[0]:
        return True
    if (company.organisation_id, company.contact_id) != (contact.organisation_id, contact.contact_id):
        return False
    other = rows.order_by("pk").first()
    company.contact_id, company.contact_currency = (other.contact_id, other.currency) if other else ("", "")
    company.contacts.pop(contact.organisation_id, None)
    if other is not None:
        company.contacts[contact.organisation_id] = other.contact_id
        other.delete()
    company.save(update_fields=["contact_id", "contact_currency", "contacts"])
    return True


@transaction_required
def record_contact_change(company: PayerCompany, change: ContactChange, contact: Contact) -> None:
    """Write down what changed, if anything did, and announce that the company is another contact now."""
    if change.before_id != change.after_id:
        change.company, change.organisation_id = company, contact.organisation_id
        change.currency = contact.currency
        change.save()
    announce_contact_change(company)


def copy_contact(company: PayerCompany, *, to: PayerCompany) -> None:
    """Let a company that was read before know its contact."""
    for name in ("organisation_id", "contact_id", "contact_currency", "contacts"):
        setattr(to, name, getattr(company, name))


def restore_contact(company: PayerCompany, *, organisation_id: str) -> bool:
    """Map the company to the contact that it was last in this organisation; False when it was none there.

    Raises CompanyTaken when another company is that contact by now.
    """
    if known := company.contacts.get(organisation_id):
        map_company(company, contact=Contact(organisation_id, known), reason="Connected again")
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


def record_payer_company(
    merchant: Merchant,
    *,
    name: str,
    email: str,
    phone: str = "",
    ids: Sequence[tuple[str, str]] = (),
    subject: str = "",
) -> PayerCompany:
    """The company that one of `ids` says, else the one of that name, created if needed, with this e-mail and phone.

    `ids` are pairs of system and value, the surest first; `subject` is what they came with. Where they and the name
    belong to different companies, none is merged: a CompanyMismatch asks a person, and until it is settled a company
    keeps its own e-mail, since whoever has that address sees everything of the company.
    """
    contact = {"email": email, "phone": phone}
    company = find_company(merchant, name=name, ids=ids, contact=contact) if ids else None
    if company is None:
        defaults = {"name": " ".join(name.split()), **contact}
        company = merchant.payer_companies.get_or_create(folded_name=fold_name(name), defaults=defaults)[0]
    if ids:
        add_ids(company, ids)
        if not note_mismatches(company, name=name, ids=ids, subject=subject):
            return company
    if (company.email, company.phone) != (email, phone or company.phone):
        company.email, company.phone = email, phone or company.phone
        company.save(update_fields=["email", "phone"])
    return company
