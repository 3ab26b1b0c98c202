"""Webhooks of the practice Xero: proven first, signed, of several organisations at once, tried again, broken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.harness.sandbox_process import SandboxProcess
from tests.pdf_text import get_pdf_text
from tests.sandbox.webhook_receiver import ReceivedRequest, WebhookReceiver
from tests.sandbox.xero.app import XeroApp, build_invoice, create_elements, get_document, get_json

KEY = "a-key"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def subscribe_receiver(app: XeroApp, receiver: WebhookReceiver, **more: Any) -> None:
    """Hear of everything without the check that comes first."""
    order = {"client": app.client, "url": f"{receiver.url}/hear", "key": KEY, "unchecked": True, **more}
    app.sandbox.post("/xero/_control", {"subscribe": order})


def act_as_bookkeeper(app: XeroApp, act: str, organisation: str = "au", **params: Any) -> Any:
    """A bookkeeper's act; what was written."""
    return app.sandbox.post("/xero/_control", {act: {"organisation": organisation, **params}}).get(act)


def is_valid_signature(item: ReceivedRequest, key: str = KEY) -> bool:
    """Whether the signature is right."""
    created = base64.b64encode(hmac.new(key.encode(), item.body, hashlib.sha256).digest()).decode()
    return item.headers.get("x-xero-signature") == created


def list_events(received: list[ReceivedRequest]) -> list[dict[str, Any]]:
    """Every event that arrived."""
    return [event for item in received for event in json.loads(item.body)["events"]]


def get_subscription(sandbox: SandboxProcess) -> dict[str, Any]:
    """How the app's listening stands."""
    return dict(sandbox.get("/xero/_control").json()["webhooks"][0])


def wait_for_state(sandbox: SandboxProcess, state: str) -> dict[str, Any]:
    """The listening, once it is in this state."""
    limit = time.monotonic() + 8
    while time.monotonic() < limit:
        if get_subscription(sandbox)["state"] == state:
            return get_subscription(sandbox)
        time.sleep(0.05)
    raise AssertionError(get_subscription(sandbox))


def test_an_act_in_the_books_is_told_in_a_thin_signed_event(app: XeroApp, receiver: WebhookReceiver) -> None:
    subscribe_receiver(app, receiver)
    created = act_as_bookkeeper(
        app, "make_invoice", contact="Bayside", amount="120.50", number="INV-9", due_date="2027-01-31"
    )
    [first] = receiver.wait(lambda seen: len(seen) == 1)
    assert is_valid_signature(first)
    assert not is_valid_signature(first, "another")
    detail = json.loads(first.body)
    assert [(e["eventCategory"], e["eventType"]) for e in detail["events"]] == [
        ("CONTACT", "CREATE"), ("INVOICE", "CREATE"),
    ]  # fmt: skip
    assert detail["events"][1]["resourceId"] == created["InvoiceID"]
    assert detail["events"][1]["tenantId"] == app.tenant
    assert (detail["firstEventSequence"], detail["lastEventSequence"]) == (1, 2)
    assert get_document(app, "Invoices", "INV-9")["AmountDue"] == 120.5
    act_as_bookkeeper(app, "pay", invoice="INV-9", amount="20.50")
    receiver.wait(lambda seen: len(seen) == 2)
    assert [(e["eventCategory"], e["eventType"]) for e in list_events(receiver.received[1:])] == [("INVOICE", "UPDATE")]


def test_what_is_refused_or_only_read_is_told_to_nobody(app: XeroApp, receiver: WebhookReceiver) -> None:
    create_elements(app, "Invoices", build_invoice("INV-1"))
    subscribe_receiver(app, receiver)
    create_elements(app, "Invoices", build_invoice("INV-1"), ok=False)
    order = {"void": {"organisation": "au", "invoice": "INV-77"}}
    assert app.sandbox.session.post(f"{app.sandbox.url}/xero/_control", json=order, timeout=5).status_code == 400
    get_json(app, "/Invoices")
    note = act_as_bookkeeper(app, "make_credit_note", contact="Bayside Dental", amount="10", number="CN-9")
    receiver.wait(lambda seen: len(seen) == 1)
    [event] = list_events(receiver.received)
    assert (event["resourceId"], event["data"]) == (
        note["CreditNoteID"], {"Type": "ACCRECCREDIT", "Status": "AUTHORISED"},
    )  # fmt: skip


def test_several_organisations_come_in_one_post_and_only_those_of_the_app(
    sandbox: SandboxProcess, receiver: WebhookReceiver
) -> None:
    app = XeroApp(sandbox).connect()
    XeroApp(sandbox).connect("Kauri Networks Practice (NZ)")
    subscribe_receiver(app, receiver, events=["INVOICE"])
    sandbox.post("/_control/clock", {"advance": 0})
    orders = [{"organisation": o, "contact": "Same", "amount": "5"} for o in ("au", "nz", "us")]
    sandbox.post("/xero/_control", {"make_invoice": orders})
    receiver.wait(lambda seen: len(list_events(seen)) == 2)
    assert len({event["tenantId"] for event in list_events(receiver.received)}) == 2
    assert len(receiver.received) == 1


def test_who_cannot_tell_signatures_apart_hears_nothing(app: XeroApp, receiver: WebhookReceiver) -> None:
    receiver.statuses += [200] * 8
    app.sandbox.post("/xero/_control", {"subscribe": {"url": f"{receiver.url}/hear", "key": KEY}})
    receiver.wait(lambda seen: len(seen) >= 4)
    assert sorted(is_valid_signature(item) for item in receiver.received[:4]) == [False, False, True, True]
    assert get_subscription(app.sandbox)["state"] in ("pending", "checking")
    act_as_bookkeeper(app, "make_contact", name="Nobody hears")
    assert list_events(receiver.received) == []


def test_a_post_that_is_not_answered_well_comes_again(app: XeroApp, receiver: WebhookReceiver) -> None:
    receiver.statuses += [500]
    subscribe_receiver(app, receiver)
    act_as_bookkeeper(app, "make_contact", name="Twice")
    receiver.wait(lambda seen: len(seen) == 1)
    app.sandbox.advance(3)
    receiver.wait(lambda seen: len(seen) == 2)
    assert receiver.received[0].body == receiver.received[1].body
    app.sandbox.post("/xero/_control", {"subscribe": {"client": app.client}})
    assert app.sandbox.get("/xero/_control").json()["webhooks"] == []


@pytest.mark.parametrize(("fault", "expected"), [
    ("webhook_drop", ["two"]), ("webhook_duplicate", ["one", "one", "two"]), ("webhook_reorder", ["two", "one"]),
])  # fmt: skip
def test_events_are_lost_doubled_and_overtaken_as_ordered(
    app: XeroApp, receiver: WebhookReceiver, fault: str, expected: list[str]
) -> None:
    subscribe_receiver(app, receiver)
    app.sandbox.fault("xero", fault, path="CONTACT")
    keys = {}
    for name in ("one", "two"):
        keys[act_as_bookkeeper(app, "make_contact", name=name)["ContactID"]] = name
    receiver.wait(lambda seen: len(list_events(seen)) == len(expected))
    assert [keys[event["resourceId"]] for event in list_events(receiver.received)] == expected


def test_an_invoice_is_a_pdf_when_that_is_asked_for(app: XeroApp) -> None:
    created = act_as_bookkeeper(app, "make_invoice", contact="Bayside (Dental)", amount="12", number="INV-9")
    answer = app.call("GET", f"/Invoices/{created['InvoiceID']}", Accept="application/pdf")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert "INV-9" in get_pdf_text(answer.content)
    assert app.sandbox.journal("xero")[-1]["path"].endswith("/pdf")


def test_old_books_are_read_page_after_page_in_any_order(app: XeroApp) -> None:
    app.sandbox.post("/xero/_control", {"fill": {"organisation": "au", "invoices": 250, "contacts": 7}})
    asked = {"pageSize": "100", "order": "InvoiceID ASC", "where": 'Type=="ACCREC"'}
    pages = [get_json(app, "/Invoices", page=str(page), **asked) for page in (1, 2, 3, 4)]
    assert pages[0]["pagination"] == {"page": 1, "pageSize": 100, "pageCount": 3, "itemCount": 250}
    keys = [row["InvoiceID"] for page in pages for row in page["Invoices"]]
    assert keys == sorted(set(keys))
    assert len(keys) == 250
    act_as_bookkeeper(app, "edit", invoice="OLD-000007", reference="now")
    since = app.sandbox.get("/_control/health").json()["now"]
    answer = app.call("GET", "/Invoices", params=asked, If_Modified_Since=since[:10])
    assert [row["Reference"] for row in answer.json()["Invoices"]] == ["now"]
