"""Which companies need a contact, in which currency: found among those of the ledger, or to be created there."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import has_contacts_by_currency
from accounting.models import LedgerContact, ManualTask, Posting
from accounting.models.posting_kinds import Kind
from accounting.posting.ledger_orders import FORMER_ORGANISATION
from merchants.models import Merchant
from payers.companies import CompanyTaken, Contact, find_mapped_company, map_company
from payers.models import CompanyContact, PayerCompany

CHOOSE_CONTACT = "Choose a contact for this company under Payer Admin, Unmapped."


def has_contact_in_currency() -> Q:
    """The posting's company has a contact that can have documents in the posting's currency."""
    others = CompanyContact.objects.filter(
        company=OuterRef("company"),
        organisation_id=OuterRef("company__organisation_id"),
        currency=OuterRef("payment__currency"),
    )
    return Q(company__contact_currency__in=["", F("payment__currency")]) | Q(Exists(others))


def list_unknown_companies(merchant: Merchant, organisation_id: str) -> "QuerySet[PayerCompany]":
    """Companies with waiting postings that are no contact of this organisation."""
    waiting = Posting.objects.filter(company=OuterRef("pk"), state__in=Posting.UNSENT_STATES)
    rows = PayerCompany.objects.filter(Exists(waiting), merchant=merchant)
    return rows.exclude(organisation_id=organisation_id, contact_id__gt="").order_by("pk")


class ContactNeeds:
    """The contacts of one organisation that its merchant's waiting postings need and do not have."""

    def __init__(self, merchant: Merchant, organisation_id: str, *, now: datetime) -> None:
        self.merchant = merchant
        self.organisation_id = organisation_id
        self.by_currency = has_contacts_by_currency(merchant)
        self.now = now

    def meet(self) -> None:
        """Create postings of the contacts; those that the ledger has under the same name are mapped instead."""
        if self.by_currency:
            self.learn_currencies()
        needs = [
            (company, currency)
            for company, currency in list(self.list_needs())
            if not self.is_taken_off(company) and not self.map_namesake(company, currency)
        ]
        postings = [self.build_posting(company, currency) for company, currency in needs]
        rows = Posting.objects.filter(merchant=self.merchant, kind=Kind.CONTACT, organisation_id=self.organisation_id)
        known = {row.number: row for row in rows.filter(number__in=[posting.number for posting in postings])}
        Posting.objects.bulk_create([p for p in postings if p.number not in known], ignore_conflicts=True)
        for posting in known.values():
            self.resume(posting)

    def resume(self, posting: Posting) -> None:
        """Go on with a contact that was cancelled because of another one; one that was taken off waits for a person."""
        if posting.state == "cancelled":
            with transaction():
                posting.move_to("pending", now=self.now, by="drain", reason="needed again")
        elif posting.state == "posted":
            self.let_wait(posting.company)

    def is_taken_off(self, company: PayerCompany) -> bool:
        """Whether somebody took its contact off, so that its name decides nothing: its postings wait for a person."""
        last = company.contact_changes.filter(organisation_id=self.organisation_id).order_by("-pk").first()
        if last is None or last.after_id or company.contact_id:
            return False
        self.let_wait(company)
        return True

    def let_wait(self, company: PayerCompany) -> None:
        """Say at the company's postings what they wait for."""
        waiting = Posting.objects.filter(company=company, state="pending").exclude(kind=Kind.CONTACT)
        waiting.update(error=f"Its contact was taken off. {CHOOSE_CONTACT}")

    def learn_currencies(self) -> None:
        """Say of companies that were mapped before it was asked which currency their contact has."""
        rows = self.merchant.payer_companies.filter(organisation_id=self.organisation_id, contact_currency="")
        for company in rows.exclude(contact_id=""):
            known = (
                self.list_contacts().filter(contact_id=company.contact_id).values_list("currency", flat=True).first()
            )
            if known:
                rows.filter(pk=company.pk, contact_id=company.contact_id).update(contact_currency=known)

    def list_needs(self) -> Iterator[tuple[PayerCompany, str]]:
        """Companies and the currency that each has no contact for; one without any gets its first one first."""
        waiting = Posting.objects.filter(
            merchant=self.merchant, state__in=Posting.UNSENT_STATES, payment__isnull=False
        ).exclude(error=FORMER_ORGANISATION)
        pairs = dict.fromkeys(waiting.order_by("pk").values_list("company", "payment__currency"))
        companies = PayerCompany.objects.in_bulk({key for key, _ in pairs})
        served: set[int] = set()
        for key, currency in pairs:
            company = companies[key]
            is_here = bool(company.contact_id) and company.organisation_id == self.organisation_id
            if not is_here and key not in served:
                served.add(key)
                yield company, currency
            elif self.by_currency and is_here and not company.get_contact_id(currency):
                yield company, currency

    def list_contacts(self) -> "QuerySet[LedgerContact]":
        """The organisation's contacts as last read."""
        return LedgerContact.objects.filter(merchant=self.merchant, organisation_id=self.organisation_id)

    def map_namesake(self, company: PayerCompany, currency: str) -> bool:
        """Map the company to the one active contact whose name a reader can't tell from its own; answers whether."""
        rows = self.list_contacts().filter(folded_name=company.folded_name, is_active=True)
        if self.by_currency:
            rows = rows.filter(currency=currency)
        found = list(rows.order_by("pk")[:2])
        if len(found) != 1:
            return False
        contact = Contact(self.organisation_id, found[0].contact_id, found[0].currency)
        other = find_mapped_company(self.merchant, contact)
        if other is not None and other.pk != company.pk:
            return False
        try:
            map_company(company, contact=contact, reason="The same name")
        except CompanyTaken:
            return False
        return True

    def build_posting(self, company: PayerCompany, currency: str) -> Posting:
        """A new posting of the company's contact; one for a further currency says so in its number."""
        is_first = not (company.contact_id and company.organisation_id == self.organisation_id)
        return Posting(
            merchant=self.merchant,
            kind=Kind.CONTACT,
            number=company.reference if is_first else f"{company.reference}-{currency}",
            organisation_id=self.organisation_id,
            currency=currency,
            company=company,
            state="pending",
            state_at=self.now,
        )


def list_contact_tasks(merchant: Merchant) -> "QuerySet[ManualTask]":
    """The merchant's open tasks about contacts."""
    return ManualTask.objects.filter(merchant=merchant, posting=None, kind=Kind.CONTACT, state="open")


def has_contact_task(merchant: Merchant) -> bool:
    """Whether a person is to see to a contact."""
    return list_contact_tasks(merchant).exists()


def is_settled_by_hand(company: PayerCompany, row: LedgerContact) -> bool:
    """Whether a person said what was done, and since then neither the contact changed nor was a posting refused."""
    latest = ManualTask.objects.filter(company=company, posting=None, kind=Kind.CONTACT).order_by("pk").last()
    if latest is None or latest.state != "done" or latest.done_by_id is None:
        return False
    if row.changed_at is not None and row.changed_at > latest.state_at:
        return False
    return not Posting.objects.filter(company=company, state="rejected", state_at__gt=latest.state_at).exists()


@transaction_required
def close_contact_task(task: ManualTask, *, now: datetime, reason: str) -> None:
    """Close it, because the contact stands again or another one was chosen."""
    task.move_to("done", now=now, by="books", reason=reason)
