"""Download latest accounting platform data: contacts and credit notes with progress, and contacts suggested from it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.downloads import request_download
from accounting.models import Download, LedgerContact
from connections.models import Connection
from tests.accounting.debits import CARD, allocate, at_xero, change_note, try_to_pay
from tests.people import House, connect_xero
from wisepay.models import AuditEntry

Drain = Callable[..., int]


def later(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def make_contacts(house: House, count: int, prefix: str = "Client") -> None:
    rows = [{"Name": f"{prefix} {n:04}", "EmailAddress": f"{prefix.lower()}{n}@example.com"} for n in range(count)]
    house.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": rows}})


def reads(house: House, path: str) -> list[dict[str, Any]]:
    return [e for e in house.world.journal("xero") if e["method"] == "GET" and e["path"] == path]


def run(house: House, drain: Drain, *, at: Any = None) -> Download:
    found = request_download(house.merchant, by=house.user, now=at or timezone.now())
    drain(at=at)
    found.refresh_from_db()
    return found


def contact_count(house: House) -> int:
    return len(at_xero(house, "GET", "Contacts?pageSize=1000&page=1&includeArchived=true")["Contacts"])


def test_the_first_download_reads_all_contacts_in_pages_of_a_thousand(house: House, drain: Drain) -> None:
    drain()
    make_contacts(house, 1001)
    found = run(house, drain)
    assert (found.state, found.error) == ("finished", "")
    asked = reads(house, "/Contacts")
    assert len(asked) == 2
    assert all("pageSize=1000" in e["url"] for e in asked)
    assert LedgerContact.objects.filter(merchant=house.merchant).count() == found.contacts > 1000


def test_later_downloads_read_only_what_changed(house: House, drain: Drain) -> None:
    drain()
    make_contacts(house, 3)
    first = run(house, drain)
    house.world.post("/_control/clock", {"advance": 1200})
    make_contacts(house, 1, prefix="Fresh")
    archived = LedgerContact.objects.get(name="Client 0000").contact_id
    at_xero(house, "POST", f"Contacts/{archived}", {"ContactID": archived, "ContactStatus": "ARCHIVED"})
    Download.objects.filter(pk=first.pk).update(created_at=later(900), state_at=timezone.now())
    second = run(house, drain, at=later(1200))
    assert (second.state, second.contacts) == ("finished", 2)
    assert not LedgerContact.objects.get(contact_id=archived).is_active
    assert LedgerContact.objects.get(name="Fresh 0000").is_active
    assert LedgerContact.objects.filter(name="Client 0001").count() == 1


def test_it_is_debounced_unless_the_last_one_failed(house: House, drain: Drain) -> None:
    drain()
    now = timezone.now()
    first = request_download(house.merchant, by=None, now=now)
    assert request_download(house.merchant, by=None, now=now) == first
    drain()
    assert request_download(house.merchant, by=None, now=now + timedelta(seconds=50)) == first
    second = request_download(house.merchant, by=None, now=now + timedelta(seconds=70))
    assert second != first
    with_fault = {"status": 400, "body": {"Message": "No page"}}
    house.world.fault("xero", "status", path="/Contacts*", times=1, **with_fault)
    drain()
    second.refresh_from_db()
    assert (second.state, "No page" in second.error) == ("failed", True)
    assert request_download(house.merchant, by=None, now=now + timedelta(seconds=71)) != second


def test_progress_is_shown_while_weather_holds_it_up_and_it_goes_on_where_it_was(house: House, drain: Drain) -> None:
    drain()
    make_contacts(house, 1001)
    house.world.fault("xero", "status", path="/Contacts*", status=503, skip=1, times=1)
    found = run(house, drain)
    assert (found.state, found.pages_done, found.pages) == ("running", 1, 2)
    panel = house.admin.get(house.url("download"), headers={"HX-Request": "true"}).content.decode()
    assert "1 of 2 pages" in panel
    assert "every 2s" in panel
    drain(at=later(30))
    found.refresh_from_db()
    assert found.state == "finished"
    assert [e["url"].split("page=")[1][0] for e in reads(house, "/Contacts")] == ["1", "2", "2"]
    assert "every 2s" not in house.admin.get(house.url("download")).content.decode()


def test_a_long_limit_and_a_lost_connection_are_said_in_words(house: House, drain: Drain) -> None:
    drain()
    headers = {"Retry-After": "40000", "X-Rate-Limit-Problem": "day"}
    house.world.fault("xero", "status", status=429, headers=headers, path="/Contacts*", times=1)
    found = run(house, drain)
    assert (found.state, "day limit" in found.error) == ("failed", True)
    house.world.post("/xero/_control", {"revoke": house.user.email})
    Connection.objects.update(access_expires_at=timezone.now())
    again = run(house, drain)
    assert (again.state, "Connect it again" in again.error) == ("failed", True)
    assert again.error in house.admin.get(house.url("download")).content.decode()
    connect_xero(house.merchant, house.user, organisation="au")
    assert "this day" in run(house, drain).error
    assert run(house, drain, at=later(40_001)).state == "finished"


def test_one_whose_worker_died_for_good_does_not_stand_in_the_way(house: House, drain: Drain) -> None:
    drain()
    stuck = request_download(house.merchant, by=None, now=timezone.now())
    fresh = request_download(house.merchant, by=None, now=later(1000))
    stuck.refresh_from_db()
    assert (stuck.state, fresh.state, fresh.pk != stuck.pk) == ("failed", "running", True)


def test_credit_notes_are_read_back_as_they_are_in_the_books(house: House, drain: Drain) -> None:
    used, voided, untouched = (try_to_pay(house, house.open_checkout().payment, CARD) for _ in range(3))
    for one in (used, voided, untouched):
        one.settle()
    drain()
    path = allocate(house, used.note, 625)
    change_note(house, voided.note, "VOIDED")
    run(house, drain)
    assert (used.note.state, used.note.remaining) == ("applied", 0)
    assert [a["invoice"] for a in used.note.allocations] == ["INV-9"]
    assert (voided.note.state, untouched.note.state, untouched.note.remaining) == ("voided", "approved", 62500)
    panel = house.admin.get(house.url(f"postings/of/{used.payment.reference}")).content.decode()
    assert "INV-9" in panel
    at_xero(house, "DELETE", path)
    run(house, drain, at=later(100))
    assert (used.note.state, used.note.remaining, used.note.allocations) == ("approved", 62500, [])


def test_the_button_asks_once_and_is_audited(house: House, drain: Drain) -> None:
    drain()
    assert house.admin.post(house.url("download")).status_code == 302
    answer = house.admin.post(house.url("download"), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert b'id="accounting-download"' in answer.content
    assert b"<html" not in answer.content
    assert Download.objects.count() == 1
    assert AuditEntry.objects.filter(act="download.requested").count() == 2


def test_a_payer_reads_all_their_merchants_and_nothing_of_their_affairs(
    house: House, stranger: House, drain: Drain
) -> None:
    drain()
    payer = house.payer()
    stranger.access(company="Harbour Dental NZ")
    house.merchant.connections.update(state="disconnected")
    assert payer.post("/my/download").status_code == 302
    assert Download.objects.count() == 2
    drain()
    page = payer.get("/my/download", headers={"HX-Request": "true"}).content.decode()
    assert "Northwind IT" in page
    assert "Other IT" in page
    assert "Could not be read just now" in page
    assert "Accounting Connections" not in page
    assert {d.merchant_id: d.state for d in Download.objects.all()} == {
        house.merchant.pk: "failed",
        stranger.merchant.pk: "finished",
    }
    assert Client().get("/my/download").status_code == 302
    assert house.admin.get("/my/download").status_code == 404


@pytest.mark.parametrize(
    ("text", "found"),
    [("harb", 2), ("HARBOUR  dental", 2), ("ap@harbour", 1), ("100%", 1), ("_", 0), ("nobody", 0), ("", 0)],
)
def test_contacts_are_suggested_by_name_and_mail_and_chosen_by_id(
    house: House, drain: Drain, text: str, found: int
) -> None:
    drain()
    rows = [
        {"Name": "Harbour Dental", "EmailAddress": "ap@harbour.example"},
        {"Name": "Harbour Dental Two"},
        {"Name": "100% Pure"},
    ]
    house.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": rows}})
    run(house, drain)
    page = house.admin.get(house.url("contacts/suggest"), {"q": text}).content.decode()
    assert page.count('name="contact_id"') == found
    assert "checked" not in page
    if found:
        wanted = LedgerContact.objects.filter(name__in=[r["Name"] for r in rows])
        assert any(contact.contact_id in page for contact in wanted)


def test_at_most_eight_are_suggested_and_never_another_merchants(house: House, stranger: House, drain: Drain) -> None:
    drain()
    make_contacts(house, 12)
    run(house, drain)
    url = house.url("contacts/suggest")
    assert house.admin.get(url, {"q": "client"}).content.count(b'name="contact_id"') == 8
    mine = stranger.admin.get(stranger.url("contacts/suggest"), {"q": "client"})
    assert b"contact_id" not in mine.content
    assert stranger.admin.get(url, {"q": "client"}).status_code == 404
    assert contact_count(house) >= 12
