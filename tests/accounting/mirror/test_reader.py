"""The mirror's reader: everything once, then only what changed, also after a killed worker."""

import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounting.ledgers.quickbooks import company
from accounting.ledgers.xero import reading
from accounting.mirror.kinds import MirroredKind
from accounting.models import Download, LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice, MirrorCursor
from payers.companies import Contact, map_company
from payers.models import PayerCompany
from sandbox.harness.sandbox_process import ROOT
from tests.accounting.mirror.ledger_actions import (
    act_in_ledger,
    build_event,
    fill_ledger,
    get_credit,
    get_invoice,
    get_next_index,
    get_time_after,
    list_read_calls,
    list_read_kinds,
    make_credit,
    make_invoice,
    poll_everything,
    send_webhook,
    sync_due,
)
from tests.tenants import Tenant, create_tenant, deliver_outbox
from tests.wisepay.signs_of_life import let_everything_live

CHECK = Path(os.environ.get("CONTRACTS") or ROOT.parent / "shared" / "contracts") / "check.py"


# The calls of a look at what changed.
POLL_READS = {"xero": ["contacts", "invoices", "credits"], "quickbooks": ["changes"]}


@pytest.fixture
def tenant(any_tenant: Tenant) -> Tenant:
    """A merchant whose outbox is empty."""
    deliver_outbox()
    return any_tenant


@pytest.fixture
def stranger(tenant: Tenant) -> Tenant:
    """Another merchant with the same accounting package."""
    return create_tenant(
        tenant.world,
        name="Other IT",
        email="admin@other-it.example",
        organisation="nz",
        provider=tenant.connection.provider,
    )


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of four documents."""
    monkeypatch.setattr(reading, "LARGEST_PAGE", 4)
    monkeypatch.setattr(company, "LARGEST_PAGE", 2)


def test_a_new_connection_is_read_whole_in_as_few_calls_as_there_are_pages(tenant: Tenant) -> None:
    """QuickBooks' pages are of 2,000, but what was paid on one is a call more."""
    fill_ledger(tenant, invoices=2001, contacts=3)
    mark = get_next_index(tenant)
    sync_due()
    paged = {
        "xero": ["contacts", *["invoices"] * 3, "credits"],
        "quickbooks": ["lists", *["lists", "rows"] * 2, "lists"],
    }
    assert list_read_kinds(tenant, mark) == paged[tenant.connection.provider]
    rows = LedgerInvoice.objects.filter(merchant=tenant.merchant)
    assert rows.count() == 2001
    counts = {status: rows.filter(status=status).count() for status in ("open", "paid", "voided")}
    assert counts["paid"] == LedgerApplication.objects.filter(kind="payment").count() > 100
    assert min(counts.values()) > 10
    assert LedgerContact.objects.filter(merchant=tenant.merchant, name__startswith="Client 0").count() == 3


def test_an_invoice_is_mirrored_as_it_is_in_the_books(tenant: Tenant) -> None:
    terms = {"xero": {"branding_theme": "Wise-Pay"}, "quickbooks": {"term": "Net 15"}}[tenant.connection.provider]
    key = make_invoice(
        tenant, "INV-7", "625.50", contact="Bayside Dental", reference="PO 9", due_date="2027-01-31", **terms
    )
    sync_due()
    found = get_invoice("INV-7")
    assert (found.ledger_id, found.status, found.total, found.due) == (key, "open", 62550, 62550)
    assert (found.currency, found.remark, f"{found.due_on}") == ("AUD", "PO 9", "2027-01-31")
    assert found.term_id != ""
    assert found.contact_id == LedgerContact.objects.get(name="Bayside Dental").contact_id


def test_later_only_what_changed_is_read_and_nothing_is_written_twice(tenant: Tenant) -> None:
    fill_ledger(tenant, invoices=30)
    sync_due()
    before = dict(LedgerInvoice.objects.values_list("number", "read_at"))
    tenant.world.advance(600)
    act_in_ledger(tenant, "edit", invoice="OLD-000002", due_date="2027-05-05")
    mark = get_next_index(tenant)
    poll_everything(at=get_time_after(600))
    asked = list_read_calls(tenant, mark)
    assert [e["read"] for e in asked] == POLL_READS[tenant.connection.provider]
    assert sum(e["response_body"].count("OLD-") for e in asked) == 1
    assert f"{get_invoice('OLD-000002').due_on}" == "2027-05-05"
    after = dict(LedgerInvoice.objects.values_list("number", "read_at"))
    assert [number for number in before if after[number] != before[number]] == ["OLD-000002"]


def test_voids_deletions_payments_and_credits_are_seen(tenant: Tenant) -> None:
    draft = {"status": "DRAFT"} if tenant.connection.provider == "xero" else {}
    for number in ("V", "P", "C"):
        make_invoice(tenant, number)
    make_invoice(tenant, "D", **draft)
    make_credit(tenant, "CN-1", "60")
    sync_due()
    act_in_ledger(tenant, "void", invoice="V")
    act_in_ledger(tenant, "delete", invoice="D")
    act_in_ledger(tenant, "pay", invoice="P", amount="30", reference="Transfer 4")
    act_in_ledger(tenant, "allocate", credit_note="CN-1", invoice="C")
    poll_everything()
    assert [(n, get_invoice(n).status, get_invoice(n).due) for n in "VDPC"] == [
        ("V", "voided", 0), ("D", "deleted", 0), ("P", "open", 7000), ("C", "open", 4000),
    ]  # fmt: skip
    [paid], [credited] = get_invoice("P").applications.all(), get_invoice("C").applications.all()
    assert (paid.kind, paid.amount, paid.remark) == ("payment", 3000, "Transfer 4")
    assert (credited.kind, credited.amount, credited.source_id) == ("credit", 6000, get_credit("CN-1").ledger_id)
    assert (get_credit("CN-1").status, get_credit("CN-1").remaining) == ("used", 0)
    act_in_ledger(tenant, "deallocate", credit_note="CN-1")
    act_in_ledger(tenant, "delete_payment", invoice="P")
    poll_everything()
    assert LedgerApplication.objects.count() == 0
    assert (get_invoice("C").due, get_credit("CN-1").status, get_credit("CN-1").remaining) == (10000, "open", 6000)


def test_a_row_that_changes_while_pages_are_read_pushes_no_other_one_past_us(
    tenant: Tenant, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_ledger(tenant, invoices=12)
    real = MirroredKind.read_page
    changed: list[str] = []

    def busy(ledger_case: Any, ledger: Any, page: int, **asked: Any) -> Any:
        answer = real(ledger_case, ledger, page, **asked)
        for row in [row for row in answer.rows if ledger_case.kind == "invoices" and row.status == "open"][:1]:
            changed.append(row.number)
            act_in_ledger(tenant, "edit", invoice=row.number, reference="changed")
        return answer

    monkeypatch.setattr(MirroredKind, "read_page", busy)
    sync_due()
    assert len(changed) == 3
    assert LedgerInvoice.objects.count() == 12
    monkeypatch.setattr(MirroredKind, "read_page", real)
    poll_everything()
    assert {get_invoice(number).remark for number in changed} == {"changed"}


# The call that reads the second page of twelve invoices, by what is refused before: contacts, one page, its payments.
SECOND_PAGE_FAULTS = {"xero": {"path": "/Invoices*", "skip": 1}, "quickbooks": {"path": "*/batch", "skip": 2}}
REJECTION_FAULTS = {
    "xero": {"path": "/Invoices*", "body": {"Message": "No such order"}},
    "quickbooks": {
        "path": "*/cdc*",
        "body": {
            "Fault": {"type": "ValidationFault", "Error": [{"code": "4000", "Message": "", "Detail": "No such order"}]}
        },
    },
}


def test_an_outage_loses_nothing_that_was_read_and_a_refusal_is_shown(tenant: Tenant, small_pages: None) -> None:
    kind = tenant.connection.provider
    fill_ledger(tenant, invoices=12, contacts=2)
    tenant.world.fault(kind, "status", status=503, times=1, **SECOND_PAGE_FAULTS[kind])
    sync_due()
    cursor = MirrorCursor.objects.get(kind="invoices")
    assert (cursor.page, cursor.pages, cursor.known_until) == (1, 3, None)
    page = tenant.admin.get(tenant.url("books/mirror")).content.decode()
    assert "1 of 3 pages" in page
    deliver_outbox(at=get_time_after(60))
    assert LedgerInvoice.objects.count() == 12
    tenant.world.fault(kind, "status", status=400, times=1, **REJECTION_FAULTS[kind])
    poll_everything(at=get_time_after(70))
    assert "No such order" in tenant.admin.get(tenant.url("books/mirror")).content.decode()
    poll_everything(at=get_time_after(80))
    assert "No such order" not in tenant.admin.get(tenant.url("books/mirror")).content.decode()


def test_documents_follow_the_company_that_is_their_contact(tenant: Tenant) -> None:
    make_invoice(tenant, "B")
    make_credit(tenant, "CN-B", "10")
    sync_due()
    bayside = get_invoice("B").contact_id
    assert get_invoice("B").company is None
    company, where = tenant.company("Bayside Dental"), tenant.connection.organisation_id
    map_company(company, contact=Contact(where, bayside))
    deliver_outbox()
    assert (get_invoice("B").company, get_credit("CN-B").company) == (company, company)
    make_invoice(tenant, "B2")
    poll_everything()
    assert get_invoice("B2").company == company
    map_company(company, contact=Contact(where, "another"))
    deliver_outbox()
    assert LedgerInvoice.objects.filter(company=None).count() == 2
    other = tenant.company("Bayside Two")
    map_company(other, contact=Contact(where, bayside))
    deliver_outbox()
    assert {row.company for row in LedgerInvoice.objects.all()} == {other}
    PayerCompany.objects.filter(pk=other.pk).delete()
    assert get_invoice("B").company is None


def test_another_merchants_books_stay_theirs(tenant: Tenant, stranger: Tenant) -> None:
    deliver_outbox()
    make_invoice(tenant, "SAME")
    make_invoice(stranger, "SAME", organisation="nz")
    sync_due()
    own_row, theirs = (LedgerInvoice.objects.get(merchant=h.merchant) for h in (tenant, stranger))
    assert (own_row.currency, theirs.currency) == ("AUD", "NZD")
    assert stranger.admin.get(tenant.url("books/mirror")).status_code == 404
    assert Client().get(tenant.url("books/mirror")).status_code == 302


def test_a_person_who_asks_for_the_latest_reads_by_the_same_cursors(tenant: Tenant) -> None:
    fill_ledger(tenant, invoices=3, contacts=2)
    sync_due()
    tenant.world.advance(600)
    act_in_ledger(tenant, "edit", invoice="OLD-000002", reference="new")
    mark = get_next_index(tenant)
    tenant.admin.post(tenant.url("download"))
    deliver_outbox(at=get_time_after(600))
    found = Download.objects.get()
    assert (found.state, found.contacts, found.invoices, found.credit_notes) == ("finished", 0, 1, 0)
    assert list_read_kinds(tenant, mark) == POLL_READS[tenant.connection.provider]
    assert get_invoice("OLD-000002").remark == "new"
    assert MirrorCursor.objects.get(kind="invoices").polled_at is not None


def test_a_quiet_day_costs_at_most_24_calls_and_a_change_makes_us_look_sooner(tenant: Tenant) -> None:
    fill_ledger(tenant, invoices=3, contacts=2)
    sync_due()
    mark, begin = get_next_index(tenant), timezone.now()
    for minutes in range(3, 24 * 60, 3):
        due = MirrorCursor.objects.filter(due_at__lte=begin + timedelta(minutes=minutes))
        if due.exists():
            tenant.world.post("/_control/clock", {"at": (begin + timedelta(minutes=minutes)).isoformat()})
            sync_due(at=begin + timedelta(minutes=minutes))
    calls = len(list_read_kinds(tenant, mark))
    assert 10 < calls <= 24
    act_in_ledger(tenant, "edit", invoice="OLD-000002", reference="new")
    end = begin + timedelta(hours=27)
    tenant.world.post("/_control/clock", {"at": end.isoformat()})
    sync_due(at=end)
    assert MirrorCursor.objects.get(kind="invoices").due_at == end + timedelta(minutes=3)
    assert LedgerCredit.objects.count() == 0


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
def test_what_the_mirror_asks_keeps_the_vendors_contract(tenant: Tenant, tmp_path: Path) -> None:
    service = tenant.connection.provider
    fill_ledger(tenant, invoices=30, contacts=3)
    make_credit(tenant, "CN-1", "60")
    key = make_invoice(tenant, "C")
    act_in_ledger(tenant, "allocate", credit_note="CN-1", invoice="C")
    act_in_ledger(tenant, "pay", invoice="C", amount="10")
    mark = get_next_index(tenant)
    sync_due()
    poll_everything()
    ids = {"contacts": get_invoice("C").contact_id, "invoices": key, "credits": get_credit("CN-1").ledger_id}
    send_webhook(tenant, *(build_event(tenant, kind, each) for kind, each in ids.items()))
    deliver_outbox()
    spoken = tenant.world.journal(service, mark)
    assert len(spoken) >= 9
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(each) + "\n" for each in spoken))
    command = [sys.executable, str(CHECK), str(tmp_path / "journal.jsonl"), "--service", service]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_command_reads_at_once_and_prints_what_is_stored(tenant: Tenant) -> None:
    fill_ledger(tenant, invoices=7, contacts=2)
    out = io.StringIO()
    call_command("sync_books", tenant.merchant.name.upper(), stdout=out)
    assert "invoices: done, 7 new or different" in out.getvalue()
    assert "7 invoices" in out.getvalue()
    LedgerInvoice.objects.filter(number="OLD-000002").delete()
    out = io.StringIO()
    call_command("sync_books", tenant.merchant.reference, "--full", stdout=out)
    assert "invoices: done, 1 new or different" in out.getvalue()
    lists = {"xero": "/Contacts*", "quickbooks": "*/cdc*"}[tenant.connection.provider]
    tenant.world.fault(tenant.connection.provider, "status", path=lists, status=503, times=1)
    with pytest.raises(CommandError, match="goes on from there"):
        call_command("sync_books", tenant.merchant.name)
    with pytest.raises(CommandError, match="No merchant"):
        call_command("sync_books", "Nobody")


def test_the_panel_and_the_doctor_show_what_is_stored_and_what_is_stuck(tenant: Tenant) -> None:
    assert "Not read yet" in tenant.admin.get(tenant.url("books/mirror")).content.decode()
    assert "were not read yet" in tenant.admin.get(tenant.url("download")).content.decode()
    fill_ledger(tenant, invoices=7, contacts=2)
    sync_due()
    assert "invoices and credit notes as of" in tenant.admin.get(tenant.url("download")).content.decode()
    panel = tenant.admin.get(tenant.url("books/mirror"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in panel
    assert panel.count('class="num">7<') == 1
    out = io.StringIO()
    let_everything_live()
    call_command("doctor", stdout=out)
    assert "Northwind IT: 2 contacts, 7 invoices, 0 credit notes." in out.getvalue()
    MirrorCursor.objects.filter(kind="credits").update(due_at=get_time_after(-3600))
    assert "Should have been read again" in tenant.admin.get(tenant.url("books/mirror")).content.decode()
    assert tenant.url("books/mirror") in tenant.admin.get(tenant.url("postings/")).content.decode()
