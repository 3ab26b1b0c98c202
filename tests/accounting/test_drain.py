"""Draining: batches, weather, refusals and lost answers; every document once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import CreditNote, Posting
from accounting.services import retry_postings
from accounting.tasks import sweep_postings
from accounting.views import why_waiting
from connections.models import Connection
from merchants.models import Notification
from tests.people import Checkout, House, connect_xero

Drain = Callable[..., int]


def later(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def states(house: House) -> dict[str, str]:
    return {p.kind: p.state for p in Posting.objects.filter(merchant=house.merchant)}


def xero_writes(house: House) -> list[str]:
    return [e["path"] for e in house.world.journal("xero") if e["method"] == "PUT" and e["status"] < 300]


ALL_POSTED = dict.fromkeys(("contact", "invoice", "credit_note", "payment"), "posted")


def test_nothing_is_asked_of_xero_while_nothing_waits(house: House, drain: Drain) -> None:
    drain()
    before = len(house.world.journal("xero"))
    sweep_postings()
    drain()
    assert len(house.world.journal("xero")) == before


def test_several_quotes_go_out_in_one_call_a_kind(house: House, drain: Drain) -> None:
    drain()
    for _ in range(3):
        house.open_checkout().pay()
    drain()
    assert xero_writes(house)[-4:] == ["/Contacts", "/Invoices", "/CreditNotes", "/Payments"]
    assert len([p for p in xero_writes(house) if p == "/Invoices"]) == 1
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


@pytest.mark.parametrize("path", ["/Contacts*", "/Invoices*", "/CreditNotes*", "/Payments*"])
@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
def test_weather_at_any_call_ends_with_every_document_once(
    house: House, checkout: Checkout, drain: Drain, path: str, kind: str
) -> None:
    house.world.fault("xero", kind, method="PUT", path=path, times=1)
    checkout.pay()
    drain()
    assert checkout.payment.state == "succeeded"
    assert states(house) != ALL_POSTED
    drain(at=later(30))
    assert states(house) == ALL_POSTED
    assert len(house.world.journal("xero")) < 20
    number = f"PF-{checkout.payment.reference[:12].upper()}"
    made = [e for e in house.world.journal("xero") if e["method"] == "PUT" and number in (e["response_body"] or "")]
    assert len([e for e in made if e["path"].startswith("/Invoices")]) <= 1


def test_while_xero_is_down_the_merchant_sees_why_and_retry_goes_on(
    house: House, checkout: Checkout, drain: Drain
) -> None:
    house.world.fault("xero", "status", status=503, times=None)
    checkout.pay()
    drain()
    assert "503" in why_waiting(house.merchant, now=timezone.now())
    assert b"503" in house.admin.get(house.url("postings/")).content
    house.world.clear_faults()
    assert house.admin.post(house.url("postings/retry")).status_code == 302
    drain()
    assert states(house) == ALL_POSTED
    assert why_waiting(house.merchant, now=timezone.now()) == ""


def test_a_rate_limit_is_waited_out_without_asking(house: House, checkout: Checkout, drain: Drain) -> None:
    headers = {"Retry-After": "40", "X-Rate-Limit-Problem": "minute"}
    house.world.fault("xero", "status", status=429, headers=headers, method="PUT", times=1)
    checkout.pay()
    drain()
    asked = len(house.world.journal("xero"))
    sweep_postings()
    drain(at=later(20))
    assert len(house.world.journal("xero")) == asked
    drain(at=later(50))
    assert states(house) == ALL_POSTED


def test_a_disconnected_xero_parks_the_postings_until_it_is_connected_again(
    house: House, checkout: Checkout, drain: Drain
) -> None:
    drain()
    house.world.post("/xero/_control", {"revoke": house.user.email})
    Connection.objects.update(access_expires_at=timezone.now())
    checkout.pay()
    drain()
    assert house.connection.state == "broken"
    assert set(states(house).values()) == {"pending"}
    assert "not connected" in why_waiting(house.merchant, now=timezone.now())
    assert Notification.objects.filter(event="connection_broken").count() == 1
    connect_xero(house.merchant, house.user, organisation="au")
    drain()
    assert states(house) == ALL_POSTED


def test_a_refused_document_waits_for_a_person_who_is_told_once(house: House, checkout: Checkout, drain: Drain) -> None:
    house.world.post("/xero/_control", {"archive_account": {"organisation": "au", "code": "815"}})
    checkout.pay()
    drain()
    assert states(house) == {
        "contact": "posted",
        "invoice": "rejected",
        "credit_note": "rejected",
        "payment": "pending",
    }
    assert CreditNote.objects.get().state == "rejected"
    assert Notification.objects.filter(event="posting_refused").count() == 2
    drain(at=later(3600))
    assert Notification.objects.filter(event="posting_refused").count() == 2
    house.world.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "815"}})
    assert retry_postings(house.merchant, by="admin", now=timezone.now()) == 3
    drain()
    assert states(house) == ALL_POSTED
    assert CreditNote.objects.get().state == "approved"


def test_one_bad_document_does_not_hold_up_the_others(house: House, drain: Drain) -> None:
    good, bad = house.open_checkout(), house.open_checkout(quote={"currency": "KWD"})
    good.pay()
    bad.pay()
    drain()
    by_payment = {p.payment_id: p.state for p in Posting.objects.filter(kind="invoice")}
    assert by_payment == {good.payment.pk: "posted", bad.payment.pk: "rejected"}


def test_a_contact_that_exists_by_name_is_used_and_not_made_again(
    house: House, checkout: Checkout, drain: Drain
) -> None:
    contacts = [{"Name": "Harbour Dental Pty Ltd"}]
    house.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": contacts}})
    checkout.pay()
    drain()
    assert states(house) == ALL_POSTED
    assert checkout.payment.company.contact_id


def test_without_accounts_nothing_is_sent_and_the_reason_is_shown(
    house: House, checkout: Checkout, drain: Drain
) -> None:
    house.merchant.accounting_settings.delete()
    checkout.pay()
    drain()
    assert set(states(house).values()) == {"pending"}
    assert "clearing account" in why_waiting(house.merchant, now=timezone.now())
    chosen = {"clearing_account": "615", "prepayments_account": "815", "tax_code": "BASEXCLUDED"}
    assert house.admin.post(house.url("configure/merchants/accounts"), chosen).status_code == 302
    drain()
    assert states(house) == ALL_POSTED


def test_two_merchants_post_to_their_own_books(house: House, stranger: House, drain: Drain) -> None:
    house.open_checkout().pay()
    stranger.open_checkout(quote={"currency": "NZD"}).pay()
    drain()
    tenants = {
        e["request_headers"].get("xero-tenant-id") or e["request_headers"].get("Xero-Tenant-Id")
        for e in house.world.journal("xero")
    }
    assert {house.connection.organisation_id, stranger.connection.organisation_id} <= tenants
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_a_currency_without_decimals_is_booked_to_the_yen(house: House, drain: Drain) -> None:
    amounts = {"one_time_total": "165000", "tax": "0", "due_now": "165000", "full_payment_allowed": False}
    house.open_checkout(quote={"currency": "JPY"}, amounts=amounts).pay()
    drain()
    assert states(house) == ALL_POSTED
    [invoice] = [e for e in house.world.journal("xero") if e["method"] == "PUT" and e["path"].startswith("/Invoices")]
    assert '"UnitAmount": 165000.0' in invoice["request_body"]
