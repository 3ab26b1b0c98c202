"""Download latest accounting platform data: contacts and credit notes with progress, and contacts suggested from it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.mirror.downloads import start_download
from accounting.models import Download, LedgerContact
from connections.models import Connection
from tests.accounting.posting.debits import (
    CARD,
    allocate_credit_note,
    call_xero,
    create_processing_attempt,
    set_credit_note_status,
)
from tests.tenants import Tenant, connect_xero
from wisepay.models import AuditEntry

Deliver = Callable[..., int]


def get_time_after(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def make_contacts(tenant: Tenant, count: int, prefix: str = "Client") -> None:
    rows = [{"Name": f"{prefix} {n:04}", "EmailAddress": f"{prefix.lower()}{n}@example.com"} for n in range(count)]
    tenant.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": rows}})


def list_reads(tenant: Tenant, path: str) -> list[dict[str, Any]]:
    return [e for e in tenant.world.journal("xero") if e["method"] == "GET" and e["path"] == path]


def run_download(tenant: Tenant, deliver: Deliver, *, at: Any = None) -> Download:
    found = start_download(tenant.merchant, by=tenant.user, now=at or timezone.now())
    deliver(at=at)
    found.refresh_from_db()
    return found


def count_contacts(tenant: Tenant) -> int:
    return len(call_xero(tenant, "GET", "Contacts?pageSize=1000&page=1&includeArchived=true")["Contacts"])


def test_the_first_download_reads_all_contacts_in_pages_of_a_thousand(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    make_contacts(tenant, 1001)
    found = run_download(tenant, deliver)
    assert (found.state, found.error) == ("finished", "")
    asked = list_reads(tenant, "/Contacts")
    assert len(asked) == 2
    assert all("pageSize=1000" in e["url"] for e in asked)
    assert LedgerContact.objects.filter(merchant=tenant.merchant).count() == found.contacts > 1000


def test_later_downloads_read_only_what_changed(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    make_contacts(tenant, 3)
    first = run_download(tenant, deliver)
    tenant.world.post("/_control/clock", {"advance": 1200})
    make_contacts(tenant, 1, prefix="Fresh")
    archived = LedgerContact.objects.get(name="Client 0000").contact_id
    call_xero(tenant, "POST", f"Contacts/{archived}", {"ContactID": archived, "ContactStatus": "ARCHIVED"})
    Download.objects.filter(pk=first.pk).update(created_at=get_time_after(900), state_at=timezone.now())
    second = run_download(tenant, deliver, at=get_time_after(1200))
    assert (second.state, second.contacts) == ("finished", 2)
    assert not LedgerContact.objects.get(contact_id=archived).is_active
    assert LedgerContact.objects.get(name="Fresh 0000").is_active
    assert LedgerContact.objects.filter(name="Client 0001").count() == 1


def test_it_is_debounced_unless_the_last_one_failed(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    now = timezone.now()
    first = start_download(tenant.merchant, by=None, now=now)
    assert start_download(tenant.merchant, by=None, now=now) == first
    deliver()
    assert start_download(tenant.merchant, by=None, now=now + timedelta(seconds=50)) == first
    second = start_download(tenant.merchant, by=None, now=now + timedelta(seconds=70))
    assert second != first
    with_fault = {"status": 400, "body": {"Message": "No page"}}
    tenant.world.fault("xero", "status", path="/Contacts*", times=1, **with_fault)
    deliver()
    second.refresh_from_db()
    assert (second.state, "No page" in second.error) == ("failed", True)
    assert start_download(tenant.merchant, by=None, now=now + timedelta(seconds=71)) != second


def test_progress_is_shown_during_an_outage_and_it_continues_where_it_was(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    make_contacts(tenant, 1001)
    tenant.world.fault("xero", "status", path="/Contacts*", status=503, skip=1, times=1)
    found = run_download(tenant, deliver)
    assert (found.state, found.pages_done, found.pages) == ("running", 1, 2)
    panel = tenant.admin.get(tenant.url("download"), headers={"HX-Request": "true"}).content.decode()
    assert "1 of 2 pages" in panel
    assert "every 2s" in panel
    deliver(at=get_time_after(30))
    found.refresh_from_db()
    assert found.state == "finished"
    assert [e["url"].split("page=")[1][0] for e in list_reads(tenant, "/Contacts")] == ["1", "2", "2"]
    assert "every 2s" not in tenant.admin.get(tenant.url("download")).content.decode()


def test_a_long_limit_and_a_lost_connection_are_shown_as_sentences(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    headers = {"Retry-After": "40000", "X-Rate-Limit-Problem": "day"}
    tenant.world.fault("xero", "status", status=429, headers=headers, path="/Contacts*", times=1)
    found = run_download(tenant, deliver)
    assert (found.state, "day limit" in found.error) == ("failed", True)
    tenant.world.post("/xero/_control", {"revoke": tenant.user.email})
    Connection.objects.update(access_expires_at=timezone.now())
    again = run_download(tenant, deliver)
    assert (again.state, "Connect it again" in again.error) == ("failed", True)
    assert again.error in tenant.admin.get(tenant.url("download")).content.decode()
    connect_xero(tenant.merchant, tenant.user, organisation="au")
    assert "this day" in run_download(tenant, deliver).error
    assert run_download(tenant, deliver, at=get_time_after(40_001)).state == "finished"


def test_one_whose_worker_died_for_good_does_not_stand_in_the_way(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    stuck = start_download(tenant.merchant, by=None, now=timezone.now())
    fresh = start_download(tenant.merchant, by=None, now=get_time_after(1000))
    stuck.refresh_from_db()
    assert (stuck.state, fresh.state, fresh.pk != stuck.pk) == ("failed", "running", True)


def test_credit_notes_are_read_back_as_they_are_in_the_books(tenant: Tenant, deliver: Deliver) -> None:
    used, voided, untouched = (
        create_processing_attempt(tenant, tenant.open_checkout().payment, CARD) for _ in range(3)
    )
    for one in (used, voided, untouched):
        one.settle()
    deliver()
    path = allocate_credit_note(tenant, used.note, 625)
    set_credit_note_status(tenant, voided.note, "VOIDED")
    run_download(tenant, deliver)
    assert (used.note.state, used.note.remaining) == ("applied", 0)
    assert [a["invoice"] for a in used.note.allocations] == ["INV-9"]
    assert (voided.note.state, untouched.note.state, untouched.note.remaining) == ("voided", "approved", 62500)
    panel = tenant.admin.get(tenant.url(f"postings/of/{used.payment.reference}")).content.decode()
    assert "INV-9" in panel
    call_xero(tenant, "DELETE", path)
    run_download(tenant, deliver, at=get_time_after(100))
    assert (used.note.state, used.note.remaining, used.note.allocations) == ("approved", 62500, [])


def test_the_button_asks_once_and_is_audited(tenant: Tenant, deliver: Deliver) -> None:
    deliver()
    assert tenant.admin.post(tenant.url("download")).status_code == 302
    answer = tenant.admin.post(tenant.url("download"), headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert b'id="accounting-download"' in answer.content
    assert b"<html" not in answer.content
    assert Download.objects.count() == 1
    assert AuditEntry.objects.filter(action="download.requested").count() == 2


def test_a_payer_reads_all_their_merchants_and_nothing_of_their_affairs(
    tenant: Tenant, stranger: Tenant, deliver: Deliver
) -> None:
    deliver()
    payer = tenant.payer()
    stranger.access(company="Harbour Dental NZ")
    tenant.merchant.connections.update(state="disconnected")
    assert payer.post("/my/download").status_code == 302
    assert Download.objects.count() == 2
    deliver()
    page = payer.get("/my/download", headers={"HX-Request": "true"}).content.decode()
    assert "Northwind IT" in page
    assert "Other IT" in page
    assert "Could not be read just now" in page
    assert "Accounting Connections" not in page
    assert {d.merchant_id: d.state for d in Download.objects.all()} == {
        tenant.merchant.pk: "failed",
        stranger.merchant.pk: "finished",
    }
    assert Client().get("/my/download").status_code == 302
    assert tenant.admin.get("/my/download").status_code == 404


@pytest.mark.parametrize(
    ("text", "found"),
    [("harb", 2), ("HARBOUR  dental", 2), ("ap@harbour", 1), ("100%", 1), ("_", 0), ("nobody", 0), ("", 0)],
)
def test_contacts_are_suggested_by_name_and_mail_and_chosen_by_id(
    tenant: Tenant, deliver: Deliver, text: str, found: int
) -> None:
    deliver()
    rows = [
        {"Name": "Harbour Dental", "EmailAddress": "ap@harbour.example"},
        {"Name": "Harbour Dental Two"},
        {"Name": "100% Pure"},
    ]
    tenant.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": rows}})
    run_download(tenant, deliver)
    page = tenant.admin.get(tenant.url("contacts/suggest"), {"q": text}).content.decode()
    assert page.count('name="contact_id"') == found
    assert "checked" not in page
    if found:
        expected = LedgerContact.objects.filter(name__in=[r["Name"] for r in rows])
        assert any(contact.contact_id in page for contact in expected)


def test_at_most_eight_are_suggested_and_never_another_merchants(
    tenant: Tenant, stranger: Tenant, deliver: Deliver
) -> None:
    deliver()
    make_contacts(tenant, 12)
    run_download(tenant, deliver)
    url = tenant.url("contacts/suggest")
    assert tenant.admin.get(url, {"q": "client"}).content.count(b'name="contact_id"') == 8
    other = stranger.admin.get(stranger.url("contacts/suggest"), {"q": "client"})
    assert b"contact_id" not in other.content
    assert stranger.admin.get(url, {"q": "client"}).status_code == 404
    assert count_contacts(tenant) >= 12
