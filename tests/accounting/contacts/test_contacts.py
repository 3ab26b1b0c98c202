"""Contacts that were merged, archived or deleted in the ledger: followed, or a person is told; and the console's pages.

Merges: developer.xero.com, Contacts (MergedToContactID "only returned when using paging or when fetching a contact by
ContactId"); developers.intuit.com, webhooks, data objects (`qbo.customer.merged.v1` with `deletedid`).
Archived: "The Contact is archived. It must be restored before it can be used." (XeroAPI/xero-node#412 and others).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.contacts.checks import check_contacts
from accounting.models import CreditNote, LedgerContact, LedgerCredit, LedgerInvoice, ManualTask, PendingChange, Posting
from merchants.models import Notification
from payers.companies import CompanyTaken, Contact, map_company
from payers.models import CompanyContact, ContactChange, PayerCompany
from tests.accounting.mirror.ledger_actions import (
    act_in_ledger,
    build_event,
    make_credit,
    make_invoice,
    poll_everything,
    send_webhook,
    sync_due,
)
from tests.tenants import Tenant, create_tenant, deliver_outbox, give_role
from wisepay.models import AuditEntry

HARBOUR, GROUP, BAYSIDE = "Harbour Dental Pty Ltd", "Harbour Dental Group", "Bayside"


@dataclass
class ContactScenario:
    """Harbour Dental, a contact of the books with an open invoice and a credit, and its payer."""

    tenant: Tenant

    def __post_init__(self) -> None:
        self.client = self.tenant.payer()
        make_invoice(self.tenant, "INV-H", "100", contact=HARBOUR)
        make_credit(self.tenant, "CN-H", "20", contact=HARBOUR)
        make_invoice(self.tenant, "INV-G", "50", contact=GROUP)
        make_invoice(self.tenant, "INV-B", "70", contact=BAYSIDE)
        poll_everything()
        map_company(self.company, contact=self.get_contact(HARBOUR))
        deliver_outbox()

    @property
    def company(self) -> PayerCompany:
        """The company, read afresh."""
        return PayerCompany.objects.select_related("merchant").get(pk=self.tenant.company().pk)

    def get_row(self, name: str) -> LedgerContact:
        """The mirror's contact of that name."""
        return LedgerContact.objects.get(name=name)

    def get_contact(self, name: str) -> Contact:
        """The same as companies have it."""
        row = self.get_row(name)
        return Contact(row.organisation_id, row.contact_id, row.currency)

    def merge(self, loser: str, winner: str, *, is_notified: bool = True) -> None:
        """Somebody merges two contacts over there, and the webhook of it comes, or gets lost."""
        ids = {name: self.get_row(name).contact_id for name in (loser, winner)}
        word = "contact" if self.tenant.connection.provider == "xero" else "customer"
        act_in_ledger(self.tenant, "merge", **{word: ids[loser], "into": ids[winner]})
        if not is_notified:
            return
        if word == "contact":
            send_webhook(self.tenant, build_event(self.tenant, "contacts", ids[loser]))
        else:
            event = build_event(self.tenant, "contacts", ids[winner])
            merged = {"type": "qbo.customer.merged.v1", "data": {"deletedid": ids[loser]}}
            send_webhook(self.tenant, event | merged)
        deliver_outbox()

    def archive(self, name: str, *, is_back: bool = False) -> None:
        """Somebody archives a contact over there, or restores it; what it owes was settled before."""
        key = LedgerContact.objects.get(name__startswith=name).contact_id
        if self.tenant.connection.provider == "xero":
            status = "ACTIVE" if is_back else "ARCHIVED"
            act_in_ledger(self.tenant, "edit_contact", contact=key, status=status)
        else:
            act_in_ledger(self.tenant, "restore" if is_back else "retire", customer=key)
        send_webhook(self.tenant, build_event(self.tenant, "contacts", key))
        deliver_outbox()

    def list_outstanding(self) -> set[str]:
        """The numbers of the invoices that the payer reads."""
        rows = LedgerInvoice.objects.filter(company=self.company, status="open").exclude(number__startswith="PF")
        page = self.client.get("/my/outstanding").content.decode()
        numbers = set(rows.values_list("number", flat=True))
        assert all(number in page for number in numbers)
        return numbers


@pytest.fixture
def scenario(any_tenant: Tenant) -> ContactScenario:
    deliver_outbox()
    sync_due()
    return ContactScenario(any_tenant)


def pay_quote(tenant: Tenant, **changes: Any) -> set[str]:
    """Pay a quote; the states of its postings once everything was delivered."""
    checkout = tenant.open_checkout(**changes)
    checkout.pay()
    deliver_outbox()
    return set(Posting.objects.filter(payment=checkout.payment).values_list("state", flat=True))


def test_a_merged_contact_is_followed_with_its_invoices_credits_and_the_next_quote(scenario: ContactScenario) -> None:
    scenario.merge(HARBOUR, GROUP)
    target = scenario.get_contact(GROUP)
    assert (scenario.company.organisation_id, scenario.company.contact_id) == (
        target.organisation_id,
        target.contact_id,
    )
    assert scenario.list_outstanding() == {"INV-H", "INV-G"}
    assert LedgerInvoice.objects.get(number="INV-H").contact_id == target.contact_id
    assert LedgerCredit.objects.get(number="CN-H").company == scenario.company
    assert pay_quote(scenario.tenant) == {"posted"}
    change = ContactChange.objects.filter(company=scenario.company).latest("pk")
    assert change.actor in ("Xero", "QuickBooks")
    assert Notification.objects.filter(event="books_task", title__contains="another contact").count() == 1
    assert not ManualTask.objects.exists()


def test_a_chain_of_merges_ends_at_the_contact_that_stands(scenario: ContactScenario) -> None:
    scenario.merge(HARBOUR, GROUP, is_notified=True)
    scenario.merge(GROUP, BAYSIDE)
    assert scenario.company.contact_id == scenario.get_row(BAYSIDE).contact_id
    assert scenario.list_outstanding() == {"INV-H", "INV-G", "INV-B"}


def test_a_merge_whose_webhook_was_lost_is_found_by_the_poll(scenario: ContactScenario) -> None:
    """Xero's list says by itself to which contact; QuickBooks' does not, so there a person is told."""
    scenario.merge(HARBOUR, GROUP, is_notified=False)
    poll_everything()
    if scenario.tenant.connection.provider == "xero":
        assert scenario.company.contact_id == scenario.get_row(GROUP).contact_id
        assert scenario.list_outstanding() == {"INV-H", "INV-G"}
    else:
        assert ManualTask.objects.get(state="open").company == scenario.company


def test_two_companies_whose_contacts_became_one_wait_for_a_person(scenario: ContactScenario) -> None:
    other = scenario.tenant.company("Another Client")
    map_company(other, contact=scenario.get_contact(GROUP))
    before = scenario.company.contact_id
    scenario.merge(HARBOUR, GROUP)
    assert scenario.company.contact_id == before
    task = ManualTask.objects.get(state="open")
    assert (task.company, "one contact" in task.title) == (scenario.company, True)
    assert scenario.list_outstanding() <= {"INV-H"}


def test_an_archived_contact_is_told_and_goes_on_once_it_is_restored(any_tenant: Tenant) -> None:
    deliver_outbox()
    assert pay_quote(any_tenant) == {"posted"}
    poll_everything()
    company = any_tenant.company()
    key = company.contact_id
    settle_everything(any_tenant, key)
    scenario = object.__new__(ContactScenario)
    scenario.tenant = any_tenant
    scenario.archive(HARBOUR)
    task = ManualTask.objects.get(state="open")
    assert (task.kind, task.company, task.posting) == ("contact", company, None)
    page = any_tenant.admin.get(any_tenant.url("postings/")).content.decode()
    assert task.title in page
    assert "Payer Admin, Companies" in page
    assert Notification.objects.filter(event="books_task").count() == 1
    assert "rejected" in pay_quote(any_tenant)
    assert ManualTask.objects.filter(state="open", posting=None).count() == 1
    scenario.archive(HARBOUR, is_back=True)
    deliver_outbox()
    task.refresh_from_db()
    assert task.state == "done"
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
    assert set(CreditNote.objects.values_list("state", flat=True)) <= {"approved", "applied"}


def settle_everything(tenant: Tenant, key: str) -> None:
    """QuickBooks retires no customer with an open balance: the credit is refunded by hand there."""
    if tenant.connection.provider == "quickbooks":
        note = CreditNote.objects.get()
        act_in_ledger(tenant, "refund", credit_note=note.number)
        poll_everything()


def test_a_refusal_lets_the_contact_be_looked_at_although_no_webhook_came(tenant: Tenant) -> None:
    deliver_outbox()
    assert pay_quote(tenant) == {"posted"}
    poll_everything()
    group = act_in_ledger(tenant, "make_contact", name=GROUP)
    act_in_ledger(tenant, "merge", contact=tenant.company().contact_id, into=group["ContactID"])
    assert pay_quote(tenant) == {"posted"}
    assert tenant.company().contact_id == LedgerContact.objects.get(name=GROUP).contact_id


def test_nothing_is_asked_again_and_again_about_a_contact_that_somebody_was_told_of(scenario: ContactScenario) -> None:
    LedgerContact.objects.filter(name=HARBOUR).update(is_active=False)
    check_contacts(scenario.tenant.merchant, now=timezone.now())
    before = len(scenario.tenant.world.journal(scenario.tenant.connection.provider))
    LedgerContact.objects.filter(name=HARBOUR).update(is_active=False)
    ManualTask.objects.get_or_create(
        company=scenario.company,
        posting=None,
        state="open",
        defaults={"merchant": scenario.tenant.merchant, "kind": "contact", "title": "t", "state_at": timezone.now()},
    )
    check_contacts(scenario.tenant.merchant, now=timezone.now())
    assert len(scenario.tenant.world.journal(scenario.tenant.connection.provider)) == before


# ---- the former form of Intuit's webhooks ------------------------------------------------------------


def test_a_merge_in_the_form_before_cloudevents_is_followed(db: None, world: Any) -> None:
    """developer.intuit.com, webhooks: `eventNotifications`, operation Merge with `deletedId`."""
    tenant = create_tenant(world, provider="quickbooks")
    deliver_outbox()
    sync_due()
    scenario = ContactScenario(tenant)
    loser, winner = scenario.get_row(HARBOUR).contact_id, scenario.get_row(GROUP).contact_id
    act_in_ledger(tenant, "merge", customer=loser, into=winner)
    entity = {
        "name": "Customer",
        "id": winner,
        "operation": "Merge",
        "lastUpdated": f"{timezone.now():%Y-%m-%dT%H:%M:%S}-0000",
        "deletedId": loser,
    }
    body = {
        "eventNotifications": [
            {"realmId": tenant.connection.organisation_id, "dataChangeEvent": {"entities": [entity]}}
        ]
    }
    assert send_webhook(tenant, body=json.dumps(body)).status_code == 200
    assert PendingChange.objects.get(ledger_id=loser).merged_into == winner
    deliver_outbox()
    assert scenario.company.contact_id == winner


# ---- the console -------------------------------------------------------------------------------------


def contact_url(scenario: ContactScenario, tail: str = "") -> str:
    return scenario.tenant.url(f"payers/companies/{scenario.company.reference}/contact{tail}")


def test_the_page_shows_which_contact_it_is_and_what_a_change_does(scenario: ContactScenario) -> None:
    page = scenario.tenant.admin.get(contact_url(scenario)).content.decode()
    assert HARBOUR in page
    assert ("go.xero.com" in page) or ("qbo.intuit.com" in page)
    assert HARBOUR in scenario.tenant.admin.get(scenario.tenant.url("payers/companies")).content.decode()
    found = scenario.tenant.admin.get(contact_url(scenario), {"q": "bayside"}).content.decode()
    key = scenario.get_row(BAYSIDE).contact_id
    assert f'value="{key}"' in found
    asked = scenario.tenant.admin.get(contact_url(scenario), {"contact_id": key}).content.decode()
    assert "Ada Payer will read and may pay what Bayside owes" in asked
    assert "70.00" in asked
    assert "is no longer shown to them" in asked
    assert scenario.company.contact_id != key, "looking changes nothing"


def test_a_change_is_made_audited_and_undone_by_admins_only(scenario: ContactScenario) -> None:
    tenant, key, before = scenario.tenant, scenario.get_row(BAYSIDE).contact_id, scenario.company.contact_id
    give_role(tenant.merchant, "user")
    assert tenant.admin.post(contact_url(scenario), {"contact_id": key}).status_code == 403
    assert tenant.admin.post(contact_url(scenario, "/remove"), {"contact_id": before}).status_code == 403
    page = tenant.admin.get(contact_url(scenario), {"contact_id": key}).content.decode()
    assert "Yes, map it" not in page
    give_role(tenant.merchant, "admin")
    assert tenant.admin.post(contact_url(scenario), {"contact_id": key}).status_code == 302
    deliver_outbox()
    assert scenario.list_outstanding() == {"INV-B"}
    entry = AuditEntry.objects.get(action="company.mapped")
    assert entry.details.detail == f"{HARBOUR} → {BAYSIDE} ({key})"
    change = ContactChange.objects.filter(company=scenario.company).latest("pk")
    assert (change.before_id, change.after_id, change.user) == (before, key, tenant.user)
    give_role(tenant.merchant, "user")
    assert tenant.admin.post(contact_url(scenario, "/undo"), {"change": change.reference}).status_code == 403
    give_role(tenant.merchant, "admin")
    tenant.admin.post(contact_url(scenario, "/undo"), {"change": change.reference})
    deliver_outbox()
    assert (scenario.company.contact_id, scenario.list_outstanding()) == (before, {"INV-H"})
    assert AuditEntry.objects.filter(action="company.mapping_undone").count() == 1
    again = tenant.admin.post(contact_url(scenario, "/undo"), {"change": change.reference}, follow=True)
    assert "changed again since" in again.content.decode()


def test_a_contact_of_another_company_is_refused_in_words(scenario: ContactScenario) -> None:
    map_company(scenario.tenant.company("Another Client"), contact=scenario.get_contact(BAYSIDE))
    answer = scenario.tenant.admin.post(contact_url(scenario), {"contact_id": scenario.get_row(BAYSIDE).contact_id})
    assert (answer.status_code, "is this contact already" in answer.content.decode()) == (422, True)


@pytest.mark.parametrize("value", ["", "nobody", "x" * 61, "'; --"])
def test_a_contact_that_is_none_is_refused(scenario: ContactScenario, value: str) -> None:
    before = scenario.company.contact_id
    assert scenario.tenant.admin.post(contact_url(scenario), {"contact_id": value}).status_code == 422
    assert scenario.company.contact_id == before


def test_a_contact_that_was_taken_off_is_not_found_again_by_its_name(scenario: ContactScenario) -> None:
    key = scenario.company.contact_id
    scenario.tenant.admin.post(contact_url(scenario, "/remove"), {"contact_id": key})
    deliver_outbox()
    assert scenario.company.contact_id == ""
    assert scenario.list_outstanding() == set()
    assert pay_quote(scenario.tenant) == {"pending"}
    assert "Choose a contact" in Posting.objects.filter(state="pending").values_list("error", flat=True)[0]
    change = ContactChange.objects.latest("pk")
    scenario.tenant.admin.post(contact_url(scenario, "/undo"), {"change": change.reference})
    assert scenario.company.contact_id == key
    deliver_outbox()
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_a_stranger_sees_and_changes_nothing(scenario: ContactScenario) -> None:
    other = create_tenant(scenario.tenant.world, name="Other IT", email="admin@other.example", organisation="nz")
    for tail in ("", "/remove", "/undo"):
        assert other.admin.post(contact_url(scenario, tail), {"contact_id": "x"}).status_code == 404
        path = other.url(f"payers/companies/{scenario.company.reference}/contact{tail}")
        assert other.admin.post(path, {"contact_id": scenario.get_row(BAYSIDE).contact_id}).status_code == 404
    assert Client().get(contact_url(scenario)).status_code == 302


# ---- one mapping each --------------------------------------------------------------------------------


def test_a_contact_is_of_one_company_in_whichever_currency(db: None, tenant: Tenant) -> None:
    one, two = tenant.company("One Ltd"), tenant.company("Two Ltd")
    map_company(one, contact=Contact("org", "1", "AUD"))
    map_company(one, contact=Contact("org", "2", "USD"))
    assert (one.contact_id, one.get_contact_id("USD"), one.get_contact_id("NZD")) == ("1", "2", "")
    for contact in (Contact("org", "1", "AUD"), Contact("org", "2", "USD")):
        with pytest.raises(CompanyTaken):
            map_company(two, contact=contact)
    map_company(two, contact=Contact("org", "3", "AUD"))
    with pytest.raises(CompanyTaken):
        map_company(two, contact=Contact("org", "1", "USD"))
    map_company(one, contact=Contact("org", "4", "USD"))
    assert list(CompanyContact.objects.values_list("contact_id", "currency")) == [("4", "USD")]


NAMES = [
    ("Harbour  Dental", "harbour dental"),
    ("HARBOUR DENTAL", "Harbour\u00a0Dental"),
    ("Harbour\u200b Dental", "Harbour Dental"),
    ("Ｈａｒｂｏｕｒ Dental", "Harbour Dental"),
    ("Cafe\u0301 Zoe", "Café Zoe"),
    ("ﬁrst Ltd", "First Ltd"),
    ("株式会社　テスト", "株式会社 ﾃｽﾄ"),
    ("Straße GmbH", "STRASSE GmbH"),
    ("Acme\u2060 Ltd", "Acme Ltd"),
    ("Acme\ufeff Ltd", "Acme Ltd"),
]


@pytest.mark.parametrize(("ours", "theirs"), NAMES)
def test_names_that_a_reader_cannot_tell_apart_are_one_contact(
    any_tenant: Tenant, deliver: Callable[..., int], ours: str, theirs: str
) -> None:
    """QuickBooks and Xero compare letter case only, so that PF and PF_CR landed on a twin."""
    created = act_in_ledger(any_tenant, "make_contact", name=theirs)
    key = str(created.get("ContactID") or created["Id"])
    poll_everything()
    deliver()
    checkout = any_tenant.open_checkout(customer={"account_name": ours})
    checkout.pay()
    deliver()
    assert checkout.payment.company.contact_id == key
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}
