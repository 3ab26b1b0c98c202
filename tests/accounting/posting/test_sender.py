"""The posting sender: batches, outages, refusals and lost answers; every document once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounting.models import AccountingSettings, CreditNote, Posting
from accounting.posting.services import get_waiting_reason, retry_postings
from accounting.tasks import sweep_postings
from connections.models import Connection
from merchants.models import Notification
from tests.tenants import Checkout, Tenant, connect_xero

DeliverOutbox = Callable[..., int]


def later(seconds: float) -> Any:
    return timezone.now() + timedelta(seconds=seconds)


def list_states(tenant: Tenant) -> dict[str, str]:
    return {p.kind: p.state for p in Posting.objects.filter(merchant=tenant.merchant)}


def list_xero_writes(tenant: Tenant) -> list[str]:
    return [e["path"] for e in tenant.world.journal("xero") if e["method"] == "PUT" and e["status"] < 300]


ALL_POSTED = dict.fromkeys(("contact", "invoice", "credit_note", "payment"), "posted")


def test_nothing_is_asked_of_xero_while_nothing_waits(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    before = len(tenant.world.journal("xero"))
    sweep_postings()
    deliver()
    assert len(tenant.world.journal("xero")) == before


def test_several_quotes_go_out_in_one_call_a_kind(tenant: Tenant, deliver: DeliverOutbox) -> None:
    deliver()
    for _ in range(3):
        tenant.open_checkout().pay()
    deliver()
    assert list_xero_writes(tenant)[-4:] == ["/Contacts", "/Invoices", "/CreditNotes", "/Payments"]
    assert len([p for p in list_xero_writes(tenant) if p == "/Invoices"]) == 1
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


@pytest.mark.parametrize("path", ["/Contacts*", "/Invoices*", "/CreditNotes*", "/Payments*"])
@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "status", "html"])
def test_an_outage_at_any_call_ends_with_every_document_once(
    tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox, path: str, kind: str
) -> None:
    tenant.world.fault("xero", kind, method="PUT", path=path, times=1)
    checkout.pay()
    deliver()
    assert checkout.payment.state == "succeeded"
    assert list_states(tenant) != ALL_POSTED
    deliver(at=later(30))
    assert list_states(tenant) == ALL_POSTED
    assert len(tenant.world.journal("xero")) < 20
    number = f"PF-{checkout.payment.reference[:12].upper()}"
    writes = [e for e in tenant.world.journal("xero") if e["method"] == "PUT" and number in (e["response_body"] or "")]
    assert len([e for e in writes if e["path"].startswith("/Invoices")]) <= 1


def test_while_xero_is_down_the_merchant_sees_why_and_retry_goes_on(
    tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox
) -> None:
    tenant.world.fault("xero", "status", status=503, times=None)
    checkout.pay()
    deliver()
    assert "503" in get_waiting_reason(tenant.merchant, now=timezone.now())
    assert b"503" in tenant.admin.get(tenant.url("postings/")).content
    tenant.world.clear_faults()
    assert tenant.admin.post(tenant.url("postings/retry")).status_code == 302
    deliver()
    assert list_states(tenant) == ALL_POSTED
    assert get_waiting_reason(tenant.merchant, now=timezone.now()) == ""


def test_a_rate_limit_is_waited_out_without_asking(tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox) -> None:
    headers = {"Retry-After": "40", "X-Rate-Limit-Problem": "minute"}
    tenant.world.fault("xero", "status", status=429, headers=headers, method="PUT", times=1)
    checkout.pay()
    deliver()
    asked = len(tenant.world.journal("xero"))
    sweep_postings()
    deliver(at=later(20))
    assert len(tenant.world.journal("xero")) == asked
    deliver(at=later(50))
    assert list_states(tenant) == ALL_POSTED


def test_a_disconnected_xero_parks_the_postings_until_it_is_connected_again(
    tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox
) -> None:
    deliver()
    tenant.world.post("/xero/_control", {"revoke": tenant.user.email})
    Connection.objects.update(access_expires_at=timezone.now())
    checkout.pay()
    deliver()
    assert tenant.connection.state == "broken"
    assert set(list_states(tenant).values()) == {"pending"}
    assert "not connected" in get_waiting_reason(tenant.merchant, now=timezone.now())
    assert Notification.objects.filter(event="connection_broken").count() == 1
    connect_xero(tenant.merchant, tenant.user, organisation="au")
    deliver()
    assert list_states(tenant) == ALL_POSTED


def test_a_refused_document_waits_for_a_person_who_is_told_once(
    tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox
) -> None:
    tenant.world.post("/xero/_control", {"archive_account": {"organisation": "au", "code": "815"}})
    checkout.pay()
    deliver()
    assert list_states(tenant) == {
        "contact": "posted",
        "invoice": "rejected",
        "credit_note": "rejected",
        "payment": "pending",
    }
    assert CreditNote.objects.get().state == "rejected"
    assert Notification.objects.filter(event="posting_refused").count() == 2
    deliver(at=later(3600))
    assert Notification.objects.filter(event="posting_refused").count() == 2
    tenant.world.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "815"}})
    assert retry_postings(tenant.merchant, by="admin", now=timezone.now()) == 3
    deliver()
    assert list_states(tenant) == ALL_POSTED
    assert CreditNote.objects.get().state == "approved"


def test_one_bad_document_does_not_hold_up_the_others(tenant: Tenant, deliver: DeliverOutbox) -> None:
    AccountingSettings.objects.update(currencies=[])  # the books did not say yet what they hold
    good, bad = tenant.open_checkout(), tenant.open_checkout(quote={"currency": "KWD"})
    good.pay()
    bad.pay()
    deliver()
    by_payment = {p.payment_id: p.state for p in Posting.objects.filter(kind="invoice")}
    assert by_payment == {good.payment.pk: "posted", bad.payment.pk: "rejected"}


def test_a_contact_that_exists_by_name_is_used_and_not_made_again(
    tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox
) -> None:
    contacts = [{"Name": "Harbour Dental Pty Ltd"}]
    tenant.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": contacts}})
    checkout.pay()
    deliver()
    assert list_states(tenant) == ALL_POSTED
    assert checkout.payment.company.contact_id


def test_without_accounts_nothing_is_sent_and_the_reason_is_shown(
    tenant: Tenant, checkout: Checkout, deliver: DeliverOutbox
) -> None:
    tenant.merchant.accounting_settings.delete()
    checkout.pay()
    deliver()
    assert set(list_states(tenant).values()) == {"pending"}
    assert "clearing account" in get_waiting_reason(tenant.merchant, now=timezone.now())
    chosen = {"clearing_account": "615", "prepayments_account": "815", "tax_code": "BASEXCLUDED"}
    assert tenant.admin.post(tenant.url("configure/merchants/accounts"), chosen).status_code == 302
    deliver()
    assert list_states(tenant) == ALL_POSTED


def test_two_merchants_post_to_their_own_books(tenant: Tenant, stranger: Tenant, deliver: DeliverOutbox) -> None:
    tenant.open_checkout().pay()
    stranger.open_checkout(quote={"currency": "NZD"}).pay()
    deliver()
    tenants = {
        e["request_headers"].get("xero-tenant-id") or e["request_headers"].get("Xero-Tenant-Id")
        for e in tenant.world.journal("xero")
    }
    assert {tenant.connection.organisation_id, stranger.connection.organisation_id} <= tenants
    assert set(Posting.objects.values_list("state", flat=True)) == {"posted"}


def test_a_currency_without_decimals_is_booked_to_the_yen(tenant: Tenant, deliver: DeliverOutbox) -> None:
    amounts = {"one_time_total": "165000", "tax": "0", "due_now": "165000", "full_payment_allowed": False}
    tenant.open_checkout(quote={"currency": "JPY"}, amounts=amounts).pay()
    deliver()
    assert list_states(tenant) == ALL_POSTED
    [invoice] = [e for e in tenant.world.journal("xero") if e["method"] == "PUT" and e["path"].startswith("/Invoices")]
    assert '"UnitAmount": 165000.0' in invoice["request_body"]
