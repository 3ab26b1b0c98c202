"""The mirror of the books: everything once, then only what changed, whatever people do there and whoever is killed."""

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

from accounting import mirror
from accounting.ledgers import quickbooks_base, xero_reading
from accounting.models import Download, LedgerApplication, LedgerContact, LedgerCredit, LedgerInvoice, MirrorCursor
from payers.companies import Contact, map_company
from payers.models import PayerCompany
from sandbox.launch import ROOT
from tests.accounting.mirror_stage import (
    by_hand,
    credit,
    event,
    exchanges,
    fill,
    invoice,
    later,
    look_again,
    make,
    make_credit,
    next_index,
    reads,
    sync,
    tell,
)
from tests.people import House, build_house, drain_outbox

CHECK = Path(os.environ.get("CONTRACTS") or ROOT.parent / "shared" / "contracts") / "check.py"


# The calls of a look at what changed.
LOOK = {"xero": ["contacts", "invoices", "credits"], "quickbooks": ["changes"]}


@pytest.fixture
def house(any_house: House) -> House:
    """What setting up left to do is done."""
    drain_outbox()
    return any_house


@pytest.fixture
def stranger(house: House) -> House:
    """Another merchant with the same accounting package."""
    return build_house(
        house.world,
        name="Other IT",
        email="admin@other-it.example",
        organisation="nz",
        provider=house.connection.provider,
    )


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of four documents."""
    monkeypatch.setattr(xero_reading, "LARGEST_PAGE", 4)
    monkeypatch.setattr(quickbooks_base, "LARGEST_PAGE", 2)


def test_a_new_connection_is_read_whole_in_as_few_calls_as_there_are_pages(house: House) -> None:
    """QuickBooks' pages are of 2,000, but what was paid on one is a call more."""
    fill(house, invoices=2001, contacts=3)
    mark = next_index(house)
    sync()
    paged = {
        "xero": ["contacts", *["invoices"] * 3, "credits"],
        "quickbooks": ["lists", *["lists", "rows"] * 2, "lists"],
    }
    assert reads(house, mark) == paged[house.connection.provider]
    rows = LedgerInvoice.objects.filter(merchant=house.merchant)
    assert rows.count() == 2001
    counts = {status: rows.filter(status=status).count() for status in ("open", "paid", "voided")}
    assert counts["paid"] == LedgerApplication.objects.filter(kind="payment").count() > 100
    assert min(counts.values()) > 10
    assert LedgerContact.objects.filter(merchant=house.merchant, name__startswith="Client 0").count() == 3


def test_an_invoice_is_mirrored_as_it_is_in_the_books(house: House) -> None:
    terms = {"xero": {"branding_theme": "Wise-Pay"}, "quickbooks": {"term": "Net 15"}}[house.connection.provider]
    key = make(house, "INV-7", "625.50", contact="Bayside Dental", reference="PO 9", due_date="2027-01-31", **terms)
    sync()
    found = invoice("INV-7")
    assert (found.ledger_id, found.status, found.total, found.due) == (key, "open", 62550, 62550)
    assert (found.currency, found.remark, f"{found.due_on}") == ("AUD", "PO 9", "2027-01-31")
    assert found.term_id != ""
    assert found.contact_id == LedgerContact.objects.get(name="Bayside Dental").contact_id


def test_later_only_what_changed_is_read_and_nothing_is_written_twice(house: House) -> None:
    fill(house, invoices=30)
    sync()
    before = dict(LedgerInvoice.objects.values_list("number", "read_at"))
    house.world.advance(600)
    by_hand(house, "edit", invoice="OLD-000002", due_date="2027-05-05")
    mark = next_index(house)
    look_again(at=later(600))
    asked = exchanges(house, mark)
    assert [e["read"] for e in asked] == LOOK[house.connection.provider]
    assert sum(e["response_body"].count("OLD-") for e in asked) == 1
    assert f"{invoice('OLD-000002').due_on}" == "2027-05-05"
    after = dict(LedgerInvoice.objects.values_list("number", "read_at"))
    assert [number for number in before if after[number] != before[number]] == ["OLD-000002"]


def test_voids_deletions_payments_and_credits_are_seen(house: House) -> None:
    draft = {"status": "DRAFT"} if house.connection.provider == "xero" else {}
    for number in ("V", "P", "C"):
        make(house, number)
    make(house, "D", **draft)
    make_credit(house, "CN-1", "60")
    sync()
    by_hand(house, "void", invoice="V")
    by_hand(house, "delete", invoice="D")
    by_hand(house, "pay", invoice="P", amount="30", reference="Transfer 4")
    by_hand(house, "allocate", credit_note="CN-1", invoice="C")
    look_again()
    assert [(n, invoice(n).status, invoice(n).due) for n in "VDPC"] == [
        ("V", "voided", 0), ("D", "deleted", 0), ("P", "open", 7000), ("C", "open", 4000),
    ]  # fmt: skip
    [paid], [credited] = invoice("P").applications.all(), invoice("C").applications.all()
    assert (paid.kind, paid.amount, paid.remark) == ("payment", 3000, "Transfer 4")
    assert (credited.kind, credited.amount, credited.source_id) == ("credit", 6000, credit("CN-1").ledger_id)
    assert (credit("CN-1").status, credit("CN-1").remaining) == ("used", 0)
    by_hand(house, "deallocate", credit_note="CN-1")
    by_hand(house, "delete_payment", invoice="P")
    look_again()
    assert LedgerApplication.objects.count() == 0
    assert (invoice("C").due, credit("CN-1").status, credit("CN-1").remaining) == (10000, "open", 6000)


def test_a_row_that_changes_while_pages_are_read_pushes_no_other_one_past_us(
    house: House, small_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(house, invoices=12)
    real = mirror.Desk.read_page
    changed: list[str] = []

    def busy(desk: Any, ledger: Any, page: int, **asked: Any) -> Any:
        answer = real(desk, ledger, page, **asked)
        for row in [row for row in answer.rows if desk.kind == "invoices" and row.status == "open"][:1]:
            changed.append(row.number)
            by_hand(house, "edit", invoice=row.number, reference="changed")
        return answer

    monkeypatch.setattr(mirror.Desk, "read_page", busy)
    sync()
    assert len(changed) == 3
    assert LedgerInvoice.objects.count() == 12
    monkeypatch.setattr(mirror.Desk, "read_page", real)
    look_again()
    assert {invoice(number).remark for number in changed} == {"changed"}


# The call that reads the second page of twelve invoices, by what is refused before: contacts, one page, its payments.
SECOND = {"xero": {"path": "/Invoices*", "skip": 1}, "quickbooks": {"path": "*/batch", "skip": 2}}
REFUSED = {
    "xero": {"path": "/Invoices*", "body": {"Message": "No such order"}},
    "quickbooks": {
        "path": "*/cdc*",
        "body": {
            "Fault": {"type": "ValidationFault", "Error": [{"code": "4000", "Message": "", "Detail": "No such order"}]}
        },
    },
}


def test_weather_keeps_what_was_read_and_a_refusal_is_said(house: House, small_pages: None) -> None:
    kind = house.connection.provider
    fill(house, invoices=12, contacts=2)
    house.world.fault(kind, "status", status=503, times=1, **SECOND[kind])
    sync()
    cursor = MirrorCursor.objects.get(kind="invoices")
    assert (cursor.page, cursor.pages, cursor.since) == (1, 3, None)
    page = house.admin.get(house.url("books/mirror")).content.decode()
    assert "1 of 3 pages" in page
    drain_outbox(at=later(60))
    assert LedgerInvoice.objects.count() == 12
    house.world.fault(kind, "status", status=400, times=1, **REFUSED[kind])
    look_again(at=later(70))
    assert "No such order" in house.admin.get(house.url("books/mirror")).content.decode()
    look_again(at=later(80))
    assert "No such order" not in house.admin.get(house.url("books/mirror")).content.decode()


def test_documents_follow_the_company_that_is_their_contact(house: House) -> None:
    make(house, "B")
    make_credit(house, "CN-B", "10")
    sync()
    bayside = invoice("B").contact_id
    assert invoice("B").company is None
    company, where = house.company("Bayside Dental"), house.connection.organisation_id
    map_company(company, contact=Contact(where, bayside))
    drain_outbox()
    assert (invoice("B").company, credit("CN-B").company) == (company, company)
    make(house, "B2")
    look_again()
    assert invoice("B2").company == company
    map_company(company, contact=Contact(where, "another"))
    drain_outbox()
    assert LedgerInvoice.objects.filter(company=None).count() == 2
    other = house.company("Bayside Two")
    map_company(other, contact=Contact(where, bayside))
    drain_outbox()
    assert {row.company for row in LedgerInvoice.objects.all()} == {other}
    PayerCompany.objects.filter(pk=other.pk).delete()
    assert invoice("B").company is None


def test_another_merchants_books_stay_theirs(house: House, stranger: House) -> None:
    drain_outbox()
    make(house, "SAME")
    make(stranger, "SAME", organisation="nz")
    sync()
    mine, theirs = (LedgerInvoice.objects.get(merchant=h.merchant) for h in (house, stranger))
    assert (mine.currency, theirs.currency) == ("AUD", "NZD")
    assert stranger.admin.get(house.url("books/mirror")).status_code == 404
    assert Client().get(house.url("books/mirror")).status_code == 302


def test_a_person_who_asks_for_the_latest_reads_by_the_same_cursors(house: House) -> None:
    fill(house, invoices=3, contacts=2)
    sync()
    house.world.advance(600)
    by_hand(house, "edit", invoice="OLD-000002", reference="new")
    mark = next_index(house)
    house.admin.post(house.url("download"))
    drain_outbox(at=later(600))
    found = Download.objects.get()
    assert (found.state, found.contacts, found.invoices, found.credit_notes) == ("finished", 0, 1, 0)
    assert reads(house, mark) == LOOK[house.connection.provider]
    assert invoice("OLD-000002").remark == "new"
    assert MirrorCursor.objects.get(kind="invoices").polled_at is not None


def test_a_quiet_day_costs_at_most_24_calls_and_a_change_makes_us_look_sooner(house: House) -> None:
    fill(house, invoices=3, contacts=2)
    sync()
    mark, begin = next_index(house), timezone.now()
    for minutes in range(3, 24 * 60, 3):
        due = MirrorCursor.objects.filter(due_at__lte=begin + timedelta(minutes=minutes))
        if due.exists():
            house.world.post("/_control/clock", {"at": (begin + timedelta(minutes=minutes)).isoformat()})
            sync(at=begin + timedelta(minutes=minutes))
    calls = len(reads(house, mark))
    assert 10 < calls <= 24
    by_hand(house, "edit", invoice="OLD-000002", reference="new")
    end = begin + timedelta(hours=27)
    house.world.post("/_control/clock", {"at": end.isoformat()})
    sync(at=end)
    assert MirrorCursor.objects.get(kind="invoices").due_at == end + timedelta(minutes=3)
    assert LedgerCredit.objects.count() == 0


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
def test_what_the_mirror_asks_keeps_the_vendors_contract(house: House, tmp_path: Path) -> None:
    service = house.connection.provider
    fill(house, invoices=30, contacts=3)
    make_credit(house, "CN-1", "60")
    key = make(house, "C")
    by_hand(house, "allocate", credit_note="CN-1", invoice="C")
    by_hand(house, "pay", invoice="C", amount="10")
    mark = next_index(house)
    sync()
    look_again()
    told = {"contacts": invoice("C").contact_id, "invoices": key, "credits": credit("CN-1").ledger_id}
    tell(house, *(event(house, kind, each) for kind, each in told.items()))
    drain_outbox()
    spoken = house.world.journal(service, mark)
    assert len(spoken) >= 9
    (tmp_path / "journal.jsonl").write_text("".join(json.dumps(each) + "\n" for each in spoken))
    command = [sys.executable, str(CHECK), str(tmp_path / "journal.jsonl"), "--service", service]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_command_reads_here_and_now_and_says_what_is_held(house: House) -> None:
    fill(house, invoices=7, contacts=2)
    out = io.StringIO()
    call_command("sync_books", house.merchant.name.upper(), stdout=out)
    assert "invoices: done, 7 new or different" in out.getvalue()
    assert "7 invoices" in out.getvalue()
    LedgerInvoice.objects.filter(number="OLD-000002").delete()
    out = io.StringIO()
    call_command("sync_books", house.merchant.reference, "--full", stdout=out)
    assert "invoices: done, 1 new or different" in out.getvalue()
    lists = {"xero": "/Contacts*", "quickbooks": "*/cdc*"}[house.connection.provider]
    house.world.fault(house.connection.provider, "status", path=lists, status=503, times=1)
    with pytest.raises(CommandError, match="goes on from there"):
        call_command("sync_books", house.merchant.name)
    with pytest.raises(CommandError, match="no merchant"):
        call_command("sync_books", "Nobody")


def test_the_panel_and_the_doctor_say_what_is_held_and_what_is_stuck(house: House) -> None:
    assert "Not read yet" in house.admin.get(house.url("books/mirror")).content.decode()
    assert "were not read yet" in house.admin.get(house.url("download")).content.decode()
    fill(house, invoices=7, contacts=2)
    sync()
    assert "invoices and credit notes as of" in house.admin.get(house.url("download")).content.decode()
    panel = house.admin.get(house.url("books/mirror"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in panel
    assert panel.count('class="num">7<') == 1
    out = io.StringIO()
    call_command("doctor", stdout=out)
    assert "Northwind IT: 2 contacts, 7 invoices, 0 credit notes." in out.getvalue()
    MirrorCursor.objects.filter(kind="credits").update(due_at=later(-3600))
    assert "Should have been read again" in house.admin.get(house.url("books/mirror")).content.decode()
    assert house.url("books/mirror") in house.admin.get(house.url("postings/")).content.decode()
