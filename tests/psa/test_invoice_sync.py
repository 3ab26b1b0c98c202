"""Sync Invoices: what a preview showed is made in the books once, to the cent, and everything else is said.

Merchants of Wise-Sync push closed invoices of PSA to the books (cw.wise-sync.com, article 36000041657), and its public
articles list what goes wrong: invoices twice, other contacts of the same name, tax codes that are not mapped. What Xero
and QuickBooks do with numbers and tax: developer.xero.com (Invoices), developer.intuit.com (GlobalTaxCalculation).
"""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings
from connections.models import Connection
from payers.companies import Contact, map_company
from psa.agreements.models import PsaCompanyLink
from psa.invoice_sync import sending
from psa.invoice_sync.models import InvoiceSync, InvoiceSyncRow, InvoiceSyncSettings
from psa.invoice_sync.sending import sync_invoices
from psa.invoice_sync.services import compute_fingerprint
from psa.models import PsaConnection
from tests.payments.portal.factories import create_company
from tests.psa.scene import connect
from tests.psa.sync_scene import AUD, SyncScene
from tests.tenants import Tenant, deliver_outbox
from wisepay.leases import LEASE
from wisepay.outbox import Retry

BOTH = pytest.mark.parametrize("any_tenant", ["xero", "quickbooks"], indirect=True)


@pytest.fixture
def scene(tenant: Tenant) -> SyncScene:
    """A merchant with Xero."""
    return SyncScene(tenant, connect(tenant))


@pytest.fixture
def any_scene(any_tenant: Tenant) -> SyncScene:
    """A merchant with either package."""
    return SyncScene(any_tenant, connect(any_tenant))


@BOTH
def test_what_the_preview_showed_is_made_once_and_to_the_cent(any_scene: SyncScene) -> None:
    scene = any_scene
    taxed, free = scene.insert(), scene.insert(salesTax=0.0, total=100.0)
    scene.insert(status={"id": 1, "name": "New"})
    sync = scene.prepare()
    assert (sync.state, sync.requested_by, sync.rows.count()) == ("ready", scene.tenant.user, 2), (
        "open ones are left out"
    )
    assert [scene.list_in_books(number) for number in (taxed, free)] == [[], []], "a preview makes nothing"
    page = scene.tenant.admin.get(scene.tenant.url(f"psa/invoice-sync/{sync.reference}")).text
    assert "Make 2 invoices" in page
    scene.run()
    for number, total, tax in ((taxed, 110, 10), (free, 100, 0)):
        [made] = scene.list_in_books(number)
        assert (float(made["Total"]), float(made["TotalTax"]), len(made["LineItems"])) == (total, tax, 2)
        assert made["Contact"]["ContactID"] == scene.billing.company.contact_id
        row = scene.row(number)
        assert (row.state, row.reason, bool(row.ledger_id), bool(row.checked_at)) == ("posted", "", True, True)
    assert (scene.sync.state, scene.sync.confirmed_by) == ("finished", scene.tenant.user)

    scene.start()
    assert {scene.row(number).state for number in (taxed, free)} == {"present"}
    assert scene.decide("confirm").status_code == 422, "there is nothing to make"
    assert [len(scene.list_in_books(number)) for number in (taxed, free)] == [1, 1]
    page = scene.tenant.admin.get(scene.tenant.url("psa/invoice-sync/")).text
    assert "2 made, 0 refused, 0 not made" in page, "every run is kept"


# An invoice of PSA, and words of why it is not made.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a credit memo": ({"type": "CreditMemo"}, "Credit memos are not made"),
    "an unknown type": ({"type": "Retainer"}, "are not known here"),
    "no number": ({"invoiceNumber": ""}, "It has no number"),
    "no currency": ({"currency": None}, "readably"),
    "no subtotal": ({"subtotal": None}, "readably"),
    "no tax": ({"salesTax": None}, "readably"),
    "nothing billed": (
        {"subtotal": 0.0, "salesTax": 0.0, "total": 0.0, "serviceTotal": 0.0, "productTotal": 0.0},
        "Nothing",
    ),
    "a sum that is off by a cent": ({"total": 110.01}, "are not A$110.01"),
    "parts that are not the subtotal": ({"serviceTotal": 59.99}, "Its parts are not"),
    "an earlier down payment taken off": ({"downpaymentApplied": 50.0}, "were taken off"),
    "earlier progress that can't be read": ({"previousProgressApplied": "some"}, "were taken off"),
    "tax that is not the rate's": ({"salesTax": 6.0, "total": 106.0}, "is not 10 %"),
    "another tax code": ({"taxCode": {"id": 9, "name": "Export"}}, "Say which tax code"),
    "no company": ({"company": None}, "names no company"),
    "another company of the same name": (
        {"company": {"id": 20, "name": "Harbour Dental Pty Ltd"}},
        "Say which payer company",
    ),
    "who pays is somebody else": ({"billToCompany": {"id": 21, "name": "Owner"}}, "Say which payer company Owner"),
    "one that was paid at PSA": ({"credits": 40.0}, "A$40.00 was paid or credited"),
    "one that is paid": ({"credits": 110.0}, "A$110.00 was paid or credited"),
    "tax alone": ({"subtotal": 0.0, "total": 10.0, "serviceTotal": 0.0, "productTotal": 0.0}, "Nothing"),
    "a number that no list can name": ({"invoiceNumber": "INV,1"}, "another one in ConnectWise PSA"),
    "a number like ours": ({"invoiceNumber": "PF-0123456789AB"}, "another one in ConnectWise PSA"),
    "a currency that the books lack": ({"currency": {**AUD, "currencyCode": "JPY"}}, "The books hold no JPY"),
}


def test_what_does_not_add_up_is_refused_and_said(scene: SyncScene) -> None:
    AccountingSettings.objects.update(currencies=["AUD", "USD"])
    good = scene.insert()
    sent = {name: scene.insert(**fields) for name, (fields, _) in REFUSED.items()}
    scene.prepare()
    for name, (_, words) in REFUSED.items():
        row = scene.row(sent[name])
        assert row.state == "blocked", name
        assert words in row.reason, (name, row.reason)
    scene.run()
    assert scene.row(good).state == "posted"
    assert InvoiceSyncRow.objects.filter(sync=scene.sync, state="posted").count() == 1
    assert scene.sync.state == "finished"


@BOTH
def test_the_books_are_looked_at_by_number_first(any_scene: SyncScene) -> None:
    scene = any_scene
    same, other, voided = scene.insert(), scene.insert(), scene.insert()
    for number, amount in ((same, "110.00"), (other, "99.00"), (voided, "110.00")):
        scene.billing.make_invoice(amount, number=number)
    scene.billing.act_in_ledger("void", invoice=voided)
    scene.prepare()
    assert (scene.row(same).state, scene.row(other).state, scene.row(voided).state) == ("present", "blocked", "blocked")
    assert "of A$99.00" in scene.row(other).reason
    assert "voided or deleted" in scene.row(voided).reason


def test_one_number_of_another_customer_is_not_taken_for_the_same(scene: SyncScene) -> None:
    """Numbers are given out again, and books of QuickBooks may have one twice."""
    number, mixed = scene.insert(), scene.insert()
    scene.billing.act_in_ledger("make_contact", name="Somebody Else")
    scene.billing.act_in_ledger("make_invoice", contact="Somebody Else", amount="110.00", number=number)
    scene.billing.make_invoice("110.00", number=mixed)
    scene.prepare()
    assert (scene.row(number).state, scene.row(mixed).state) == ("blocked", "present")
    assert "of another customer" in scene.row(number).reason
    scene.start()
    assert scene.row(number).state == "blocked"


def test_a_deposit_that_the_books_get_from_its_quote_is_not_made_again(scene: SyncScene) -> None:
    """Deposits of quotes are posted when they are paid: the down-payment invoice would be owed besides."""
    number, other = scene.insert(type="DownPayment"), scene.insert()
    scene.prepare()
    assert scene.row(number).state == "planned", "no quote was sold to them"
    scene.tenant.open_checkout(customer={"account_name": scene.billing.company.name})
    scene.start()
    assert (scene.row(number).state, scene.row(other).state) == ("blocked", "planned")
    assert "Deposits of quotes" in scene.row(number).reason


def test_only_what_was_seen_is_confirmed(scene: SyncScene) -> None:
    number = scene.insert()
    sync = scene.prepare()
    path = scene.tenant.url(f"psa/invoice-sync/{sync.reference}")
    seen = compute_fingerprint(sync)
    assert seen in scene.tenant.admin.get(path).text
    InvoiceSyncRow.objects.filter(sync=sync).update(contact_id=str(uuid.uuid4()))
    for stale in (seen, ""):
        answer = scene.tenant.admin.post(f"{path}/decisions", {"act": "confirm", "seen": stale})
        assert (answer.status_code, "has changed since this page was shown" in answer.text) == (422, True)
    scene.decide("refresh")
    assert scene.decide("confirm").status_code == 302
    other = create_company(scene.tenant, "Bought Harbour Pty Ltd")
    map_company(other, contact=Contact(scene.tenant.connection.organisation_id, str(uuid.uuid4())))
    PsaCompanyLink.objects.update(company=other)
    scene.deliver()
    assert (scene.row(number).state, "was chosen anew" in scene.row(number).reason) == ("blocked", True)


def test_two_of_psa_with_one_number_are_both_left_to_people(scene: SyncScene) -> None:
    number = scene.insert()
    scene.insert(invoiceNumber=number.lower())
    scene.prepare()
    rows = list(InvoiceSyncRow.objects.filter(sync=scene.sync))
    assert [(row.state, "Several invoices" in row.reason) for row in rows] == [("blocked", True)] * 2


def test_one_that_another_tool_makes_meanwhile_is_not_made_again(scene: SyncScene) -> None:
    number = scene.insert()
    scene.prepare()
    assert scene.row(number).state == "planned"
    scene.billing.make_invoice("110.00", number=number)
    scene.run()
    assert (scene.row(number).state, len(scene.list_in_books(number))) == ("present", 1)


CHANGES: dict[str, dict[str, Any]] = {
    "the total": {"total": 220.0, "subtotal": 200.0, "salesTax": 20.0, "serviceTotal": 160.0},
    "the company": {"company": {"id": 77, "name": "Somebody else"}},
    "the day": {"date": "2026-01-01T00:00:00Z"},
    "the due date": {"dueDate": "2027-06-01T00:00:00Z"},
    "paid meanwhile": {"credits": 110.0},
    "opened again": {"status": {"id": 1, "name": "New"}},
}


@pytest.mark.parametrize("what", CHANGES)
def test_one_that_changes_after_the_preview_is_not_made(scene: SyncScene, what: str) -> None:
    number, other = scene.insert(), scene.insert()
    scene.prepare()
    scene.change(number, **CHANGES[what])
    scene.run()
    assert (scene.row(number).state, scene.row(other).state) == ("blocked", "posted")
    assert scene.list_in_books(number) == []


ODD_READS: dict[str, dict[str, Any]] = {
    "an answer that is no list": {"kind": "odd", "name": "200 an empty object", "times": 1},
    "statuses that say nothing": {"kind": "mutate", "field": "*.status.isClosed", "drop": True, "times": 9},
}


@pytest.mark.parametrize("what", ODD_READS)
def test_what_psa_says_oddly_of_an_invoice_changes_nothing(scene: SyncScene, what: str) -> None:
    """Whether nulls come or fields stay away is not published: the status itself says whether it is closed."""
    number = scene.insert()
    scene.prepare()
    fault = dict(ODD_READS[what])
    scene.tenant.world.fault("psa", fault.pop("kind"), method="GET", path="*/finance/invoices", **fault)
    scene.run()
    assert (scene.row(number).state, scene.row(number).reason) == ("posted", "")


def test_an_unreadable_balance_is_not_taken_for_a_whole_one(scene: SyncScene) -> None:
    number = scene.insert()
    scene.tenant.world.fault("psa", "mutate", method="GET", path="*/finance/invoices", field="*.balance", drop=True)
    scene.prepare()
    assert (scene.row(number).state, "what is owed" in scene.row(number).reason) == ("blocked", True)


def test_one_that_the_books_refuse_holds_no_other_up(scene: SyncScene) -> None:
    good, bad = scene.insert(), scene.insert(company={"id": 20, "name": "Gone Pty Ltd"})
    gone = create_company(scene.tenant, "Gone Pty Ltd")
    map_company(gone, contact=Contact(scene.tenant.connection.organisation_id, str(uuid.uuid4())))
    scene.enable()
    scene.start()
    scene.decide("link", psa_company="20", company="Gone Pty Ltd")
    scene.link()
    scene.choose_taxes()
    scene.decide("refresh")
    assert (scene.row(good).state, scene.row(bad).state) == ("planned", "planned")
    scene.run()
    assert (scene.row(good).state, scene.row(bad).state) == ("posted", "rejected")
    assert "The books refused it" in scene.row(bad).reason


def test_two_workers_and_two_runs_make_it_once(scene: SyncScene) -> None:
    number = scene.insert()
    sync = scene.prepare()
    assert scene.tenant.admin.post(scene.tenant.url("psa/invoice-sync/"), {"since": "2026-01-01"}).status_code == 302
    sync.refresh_from_db()
    assert (sync.state, scene.sync.state) == ("cancelled", "reading"), "another preview takes its place"
    deliver_outbox()
    assert scene.decide("confirm").status_code == 302
    InvoiceSync.objects.filter(pk=scene.sync.pk).update(lease_until=timezone.now() + LEASE)
    with pytest.raises(Retry):
        sync_invoices(scene.sync, now=timezone.now())
    assert scene.tenant.admin.post(scene.tenant.url("psa/invoice-sync/"), {"since": "2026-01-01"}).status_code == 422
    InvoiceSync.objects.update(lease_until=None)
    scene.deliver()
    assert (scene.row(number).state, len(scene.list_in_books(number))) == ("posted", 1)


def test_many_are_made_in_few_calls_and_in_turns(scene: SyncScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "BATCH", 2)
    monkeypatch.setattr(sending, "MOST_BATCHES", 1)
    made = [scene.insert() for _ in range(5)]
    scene.prepare()
    scene.run()
    assert {scene.row(number).state for number in made} == {"posted"}
    rows = scene.tenant.world.journal("xero")
    assert len([row for row in rows if row["method"] == "PUT" and "/Invoices" in row["path"]]) == 3


def test_it_is_off_until_an_admin_switches_it_on_and_says_what_is_missing(scene: SyncScene) -> None:
    path = scene.tenant.url("psa/invoice-sync/")
    scene.insert()
    since = {"since": "2026-01-01"}
    assert "Switch Sync Invoices on first" in scene.tenant.admin.post(path, since).text
    settings = scene.tenant.admin.post(path + "settings", {"is_enabled": "on"})
    assert (settings.status_code, "Choose what the lines are booked to" in settings.text) == (422, True)
    scene.enable()
    scene.start()
    [row] = InvoiceSyncRow.objects.all()
    assert row.reason == "Say which payer company Harbour Dental Pty Ltd is."
    linked = scene.decide("link", psa_company="19", company=scene.billing.company.name.lower())
    assert linked.status_code == 302
    row.refresh_from_db()
    assert "Say which tax code of the books “AU GST” is, with tax." in row.reason
    for days in ("2999-01-01", "1999-01-01", "soon"):
        assert scene.tenant.admin.post(path, {"since": days}).status_code == 422


def test_a_merchant_with_psa_only_is_told_that_it_is_not_for_them(scene: SyncScene) -> None:
    Connection.objects.all().delete()
    for sent in ({}, {"since": "2026-01-01"}):
        answer = scene.tenant.admin.post(scene.tenant.url("psa/invoice-sync/"), sent)
        assert (answer.status_code, "ConnectWise PSA alone" in answer.text) == (422, True)
    assert "ConnectWise PSA alone" in scene.tenant.admin.get(scene.tenant.url("psa/invoice-sync/")).text
    assert not InvoiceSync.objects.exists()


STOPS: dict[str, tuple[Callable[[SyncScene], object], str]] = {
    "the right is withdrawn": (lambda s: s.psa.control(withdraw={"right": "invoicing:inquire"}), "may not read"),
    "PSA is disconnected": (lambda s: PsaConnection.objects.update(state="broken"), "not connected"),
    "the books are disconnected": (lambda s: Connection.objects.update(state="broken"), "does not work"),
    "it is switched off": (lambda s: InvoiceSyncSettings.objects.update(is_enabled=False), "was switched off"),
    "other books": (lambda s: Connection.objects.update(organisation_id="other"), "other ones by now"),
    "another PSA": (lambda s: PsaConnection.objects.update(login_company="other"), "other ones by now"),
}


@pytest.mark.parametrize("what", STOPS)
def test_what_stops_a_run_is_said_and_it_can_go_on(scene: SyncScene, what: str) -> None:
    number = scene.insert()
    scene.prepare()
    assert scene.decide("confirm").status_code == 302
    act, words = STOPS[what]
    act(scene)
    scene.deliver()
    assert (scene.sync.state, words in scene.sync.error) == ("failed", True), scene.sync.error
    scene.psa.control(grant={})
    PsaConnection.objects.update(state="connected", login_company="northwind")
    Connection.objects.update(state="connected", organisation_id=scene.sync.organisation_id)
    InvoiceSyncSettings.objects.update(is_enabled=True)
    assert scene.list_in_books(number) == []
    scene.run()
    assert (scene.row(number).state, scene.sync.state) == ("posted", "finished")


def test_a_stranger_and_a_user_see_and_do_nothing(scene: SyncScene, stranger: Tenant) -> None:
    scene.insert()
    sync = scene.prepare()
    path = f"psa/invoice-sync/{sync.reference}"
    assert stranger.admin.get(scene.tenant.url(path)).status_code == 404
    assert stranger.admin.get(stranger.url(path)).status_code == 404
    assert stranger.admin.post(stranger.url(f"{path}/decisions"), {"act": "confirm"}).status_code == 404
    scene.deliver()
    assert scene.sync.state == "ready"
