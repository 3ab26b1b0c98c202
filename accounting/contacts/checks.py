"""Contacts that stand no more in the ledger: followed where it says to which, else a person is told."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.urls import reverse
from django_subatomic.db import transaction, transaction_required

from accounting.ledger_session import get_guide
from accounting.ledgers.guides import Guide
from accounting.mirror.services import refresh_contacts
from accounting.models import LedgerContact, LedgerCredit, LedgerInvoice, PendingChange
from accounting.posting.contact_needs import (
    close_contact_task,
    is_settled_by_hand,
    list_contact_tasks,
)
from accounting.posting.open_tasks import save_contact_task
from accounting.posting.services import retry_company_postings
from accounting.refetch_requests import schedule_refetch
from connections.availability import find_working_connection
from connections.models import Connection, Tier
from merchants.models import EventNotification, Merchant
from merchants.services import notify_merchant
from payers.companies import CompanyTaken, Contact, find_mapped_company, map_company
from payers.models import CompanyContact, PayerCompany
from wisepay.errors import Disconnected, Rejected

MAX_MERGES = 10  # of contacts that were merged one after the other
KEEP_APART = "Or keep them apart: choose another contact for one of the two under Payer Admin, Companies."


@dataclass(frozen=True, slots=True)
class FallenContact:
    """A contact that stands no more in the ledger, and the company that it is."""

    company: PayerCompany
    row: LedgerContact


def check_contacts(merchant: Merchant, *, now: datetime) -> None:
    """See to every company whose contact stands no more, and close the tasks of those whose contact stands again.

    Raises Unavailable or Retry. While the connection is broken nothing is decided.
    """
    connection = find_working_connection(merchant, tier=Tier.SERVICE)
    if connection is None:
        return
    fallen = list(list_fallen_contacts(merchant, connection.organisation_id))
    with suppress(Disconnected):
        for each in fallen:
            ContactFollower(connection, each, now=now).follow()
        close_settled_tasks(merchant, connection.organisation_id, now=now)


def list_fallen_contacts(merchant: Merchant, organisation_id: str) -> Iterator[FallenContact]:
    """The merchant's companies with a contact of this organisation that the ledger has archived, merged or deleted."""
    where = {"merchant": merchant, "organisation_id": organisation_id}
    mains = PayerCompany.objects.filter(**where).exclude(contact_id="")
    others = CompanyContact.objects.filter(**where)
    mapped = Q(contact_id__in=mains.values("contact_id")) | Q(contact_id__in=others.values("contact_id"))
    rows = {row.contact_id: row for row in LedgerContact.objects.filter(mapped, **where, is_active=False)}
    for company in mains.filter(contact_id__in=rows).select_related("merchant").order_by("pk"):
        yield FallenContact(company, rows[company.contact_id])
    for other in others.filter(contact_id__in=rows).select_related("company__merchant").order_by("pk"):
        yield FallenContact(other.company, rows[other.contact_id])


def close_settled_tasks(merchant: Merchant, organisation_id: str, *, now: datetime) -> None:
    """Close the tasks of companies whose contacts all stand, and send again what was refused of them."""
    still = {each.company.pk for each in list_fallen_contacts(merchant, organisation_id)}
    for task in list_contact_tasks(merchant).exclude(company__in=still).select_related("company__merchant"):
        with transaction():
            close_contact_task(task, now=now, reason="the contact stands")
        retry_company_postings(task.company, now=now)


class ContactFollower:
    """Sees to one contact that stands no more."""

    def __init__(self, connection: Connection, fallen: FallenContact, *, now: datetime) -> None:
        self.merchant = connection.merchant
        self.organisation_id = connection.organisation_id
        self.company, self.row = fallen.company, fallen.row
        self.now = now

    def follow(self) -> None:
        """Map the company to the contact that took the place of its own, or open a task that says what to do."""
        successor = self.find_successor()
        self.row.refresh_from_db()
        if self.row.is_active:
            return
        if successor is None:
            self.tell(*build_fallen_text(self.company, self.row, get_guide(self.merchant)))
            return
        contact = Contact(self.organisation_id, successor.contact_id, successor.currency)
        other = find_mapped_company(self.merchant, contact)
        if other is not None and other.pk != self.company.pk:
            self.tell(*build_shared_text(self.company, other, successor, get_guide(self.merchant)))
            return
        with suppress(CompanyTaken), transaction():
            self.map_to(successor, contact)

    def find_successor(self) -> LedgerContact | None:
        """The contact that stands in its place, through however many merges; None where the ledger names none."""
        key, seen = self.row.contact_id, set[str]()
        while key and key not in seen and len(seen) < MAX_MERGES:
            seen.add(key)
            row = self.read_contact(key)
            if row is None or row.is_active:
                return row if row is None or key != self.row.contact_id else None
            key = row.merged_into
        return None

    def read_contact(self, key: str) -> LedgerContact | None:
        """The contact as the mirror has it; asked of the ledger where it is unknown, or where that may say more."""
        rows = LedgerContact.objects.filter(
            merchant=self.merchant, organisation_id=self.organisation_id, contact_id=key
        )
        row = rows.first()
        if row is not None and not row.is_active and not row.merged_into:
            event = PendingChange.objects.filter(
                merchant=self.merchant, organisation_id=self.organisation_id, kind="contacts", ledger_id=key
            )
            merged_into = event.values_list("merged_into", flat=True).first() or ""
            rows.update(merged_into=merged_into)
        if (row is None or (not row.is_active and not rows.exclude(merged_into="").exists())) and not self.has_task():
            with suppress(Rejected):
                refresh_contacts(self.merchant, [key], now=self.now)
        return rows.first()

    def has_task(self) -> bool:
        """Whether a person was told already, so that the ledger need not be asked again and again."""
        is_open = list_contact_tasks(self.merchant).filter(company=self.company).exists()
        return is_open or is_settled_by_hand(self.company, self.row)

    def tell(self, title: str, steps: list[str]) -> None:
        """Open the company's task, unless a person said of the same what was done."""
        if is_settled_by_hand(self.company, self.row):
            return
        with transaction():
            save_contact_task(self.company, (title, steps), now=self.now)

    @transaction_required
    def map_to(self, successor: LedgerContact, contact: Contact) -> None:
        """Map the company, have its documents read again, and notify the merchant's people."""
        package = get_guide(self.merchant).package
        reason = f"{self.row.name} was merged into {successor.name}"
        map_company(self.company, contact=contact, actor=package, reason=reason[:200])
        schedule_refetch(self.merchant.pk, self.list_documents(), now=self.now)
        retry_company_postings(self.company, now=self.now)
        notify_merchant(
            self.merchant,
            event=EventNotification.Event.BOOKS_TASK,
            key=f"merged:{self.company.pk}:{self.row.contact_id}:{successor.contact_id}",
            title=f"{self.company} is another contact in {package} now",
            body=f"{reason} there, so its invoices, credits and payments go on under {successor.name}. If that is "
            "wrong, undo it under Payer Admin, Companies.",
            path=reverse("accounting:company_contact", args=[self.merchant.reference, self.company.reference]),
            now=self.now,
        )

    def list_documents(self) -> Iterator[tuple[str, str, str]]:
        """The documents that the mirror has under the old contact; they may have moved without being changed."""
        of = Q(merchant=self.merchant, organisation_id=self.organisation_id, contact_id=self.row.contact_id)
        for kind, model in (("invoices", LedgerInvoice), ("credits", LedgerCredit)):
            for key in model._default_manager.filter(of).values_list("ledger_id", flat=True):
                yield self.organisation_id, kind, key


def build_fallen_text(company: PayerCompany, row: LedgerContact, guide: Guide) -> tuple[str, list[str]]:
    """The task about a contact that was archived or deleted, and nobody said what took its place."""
    return f"See to the contact of {company} in {guide.package}", [
        f"{row.name} was archived, made inactive or deleted in {guide.package}. Payments of {company} can't be booked "
        "until its contact stands.",
        guide.restore_contact_step.format(contact=row.name),
        f"Or choose another contact for {company} under Payer Admin, Companies.",
        "That is noticed automatically, and what waits is booked then.",
    ]


def build_shared_text(
    company: PayerCompany, other: PayerCompany, successor: LedgerContact, guide: Guide
) -> tuple[str, list[str]]:
    """The task about two companies whose contacts became one."""
    return f"{company} and {other} are one contact in {guide.package} now", [
        f"The contact of {company} was merged into {successor.name} in {guide.package}, which is {other} here. Its "
        f"invoices can't be shown to the payers of both, so {company} waits for you.",
        f"If they are one client: invite the payers of {company} to {other} under Payer Admin.",
        KEEP_APART,
    ]
