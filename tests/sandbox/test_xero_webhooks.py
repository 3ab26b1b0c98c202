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

from sandbox.launch import Running
from tests.sandbox.receiver import Received, Receiver
from tests.sandbox.xero_app import App, get, invoice, one, put

KEY = "a-key"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def app(sandbox: Running) -> App:
    return App(sandbox).connect()


def listen(app: App, receiver: Receiver, **more: Any) -> None:
    """Hear of everything without the check that comes first."""
    order = {"client": app.client, "url": f"{receiver.url}/hear", "key": KEY, "unchecked": True, **more}
    app.sandbox.post("/xero/_control", {"subscribe": order})


def by_hand(app: App, act: str, organisation: str = "au", **said: Any) -> Any:
    """A bookkeeper's act; what was written."""
    return app.sandbox.post("/xero/_control", {act: {"organisation": organisation, **said}}).get(act)


def good(item: Received, key: str = KEY) -> bool:
    """Whether the signature is right."""
    made = base64.b64encode(hmac.new(key.encode(), item.body, hashlib.sha256).digest()).decode()
    return item.headers.get("x-xero-signature") == made


def events(received: list[Received]) -> list[dict[str, Any]]:
    """Every event that arrived."""
    return [event for item in received for event in json.loads(item.body)["events"]]


def standing(sandbox: Running) -> dict[str, Any]:
    """How the app's listening stands."""
    return dict(sandbox.get("/xero/_control").json()["webhooks"][0])


def wait_for(sandbox: Running, state: str) -> dict[str, Any]:
    """The listening, once it is in this state."""
    limit = time.monotonic() + 8
    while time.monotonic() < limit:
        if standing(sandbox)["state"] == state:
            return standing(sandbox)
        time.sleep(0.05)
    raise AssertionError(standing(sandbox))


def test_an_act_in_the_books_is_told_in_a_thin_signed_event(app: App, receiver: Receiver) -> None:
    listen(app, receiver)
    made = by_hand(app, "make_invoice", contact="Bayside", amount="120.50", number="INV-9", due_date="2027-01-31")
    [first] = receiver.wait(lambda seen: len(seen) == 1)
    assert good(first)
    assert not good(first, "another")
    told = json.loads(first.body)
    assert [(e["eventCategory"], e["eventType"]) for e in told["events"]] == [
        ("CONTACT", "CREATE"), ("INVOICE", "CREATE"),
    ]  # fmt: skip
    assert told["events"][1]["resourceId"] == made["InvoiceID"]
    assert told["events"][1]["tenantId"] == app.tenant
    assert (told["firstEventSequence"], told["lastEventSequence"]) == (1, 2)
    assert one(app, "Invoices", "INV-9")["AmountDue"] == 120.5
    by_hand(app, "pay", invoice="INV-9", amount="20.50")
    receiver.wait(lambda seen: len(seen) == 2)
    assert [(e["eventCategory"], e["eventType"]) for e in events(receiver.received[1:])] == [("INVOICE", "UPDATE")]


def test_what_is_refused_or_only_read_is_told_to_nobody(app: App, receiver: Receiver) -> None:
    put(app, "Invoices", invoice("INV-1"))
    listen(app, receiver)
    put(app, "Invoices", invoice("INV-1"), ok=False)
    order = {"void": {"organisation": "au", "invoice": "INV-77"}}
    assert app.sandbox.session.post(f"{app.sandbox.url}/xero/_control", json=order, timeout=5).status_code == 400
    get(app, "/Invoices")
    note = by_hand(app, "make_credit_note", contact="Bayside Dental", amount="10", number="CN-9")
    receiver.wait(lambda seen: len(seen) == 1)
    [event] = events(receiver.received)
    assert (event["resourceId"], event["data"]) == (
        note["CreditNoteID"], {"Type": "ACCRECCREDIT", "Status": "AUTHORISED"},
    )  # fmt: skip


def test_several_organisations_come_in_one_post_and_only_those_of_the_app(sandbox: Running, receiver: Receiver) -> None:
    app = App(sandbox).connect()
    App(sandbox).connect("Kauri Networks Practice (NZ)")
    listen(app, receiver, events=["INVOICE"])
    sandbox.post("/_control/clock", {"advance": 0})
    orders = [{"organisation": o, "contact": "Same", "amount": "5"} for o in ("au", "nz", "us")]
    sandbox.post("/xero/_control", {"make_invoice": orders})
    receiver.wait(lambda seen: len(events(seen)) == 2)
    assert len({event["tenantId"] for event in events(receiver.received)}) == 2
    assert len(receiver.received) == 1


def test_who_cannot_tell_signatures_apart_hears_nothing(app: App, receiver: Receiver) -> None:
    receiver.statuses += [200] * 8
    app.sandbox.post("/xero/_control", {"subscribe": {"url": f"{receiver.url}/hear", "key": KEY}})
    receiver.wait(lambda seen: len(seen) >= 4)
    assert sorted(good(item) for item in receiver.received[:4]) == [False, False, True, True]
    assert standing(app.sandbox)["state"] in ("pending", "checking")
    by_hand(app, "make_contact", name="Nobody hears")
    assert events(receiver.received) == []


def test_a_post_that_is_not_answered_well_comes_again(app: App, receiver: Receiver) -> None:
    receiver.statuses += [500]
    listen(app, receiver)
    by_hand(app, "make_contact", name="Twice")
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
    app: App, receiver: Receiver, fault: str, expected: list[str]
) -> None:
    listen(app, receiver)
    app.sandbox.fault("xero", fault, path="CONTACT")
    keys = {}
    for name in ("one", "two"):
        keys[by_hand(app, "make_contact", name=name)["ContactID"]] = name
    receiver.wait(lambda seen: len(events(seen)) == len(expected))
    assert [keys[event["resourceId"]] for event in events(receiver.received)] == expected


def test_an_invoice_is_a_pdf_when_that_is_asked_for(app: App) -> None:
    made = by_hand(app, "make_invoice", contact="Bayside (Dental)", amount="12", number="INV-9")
    answer = app.call("GET", f"/Invoices/{made['InvoiceID']}", Accept="application/pdf")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-1.4")
    assert b"INV-9" in answer.content
    assert app.sandbox.journal("xero")[-1]["path"].endswith("/pdf")


def test_old_books_are_read_page_after_page_in_any_order(app: App) -> None:
    app.sandbox.post("/xero/_control", {"fill": {"organisation": "au", "invoices": 250, "contacts": 7}})
    asked = {"pageSize": "100", "order": "InvoiceID ASC", "where": 'Type=="ACCREC"'}
    pages = [get(app, "/Invoices", page=str(page), **asked) for page in (1, 2, 3, 4)]
    assert pages[0]["pagination"] == {"page": 1, "pageSize": 100, "pageCount": 3, "itemCount": 250}
    keys = [row["InvoiceID"] for page in pages for row in page["Invoices"]]
    assert keys == sorted(set(keys))
    assert len(keys) == 250
    by_hand(app, "edit", invoice="OLD-000007", reference="now")
    since = app.sandbox.get("/_control/health").json()["now"]
    answer = app.call("GET", "/Invoices", params=asked, If_Modified_Since=since[:10])
    assert [row["Reference"] for row in answer.json()["Invoices"]] == ["now"]
