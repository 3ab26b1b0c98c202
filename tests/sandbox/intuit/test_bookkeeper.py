"""What a bookkeeper does in the practice QuickBooks, by steering and in the browser, and who hears of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.sandbox.intuit.app import PREPAYMENT, IntuitApp, build_document
from tests.sandbox.webhook_receiver import ReceivedRequest, WebhookReceiver

TOKEN = "verifier"


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


def act_as_bookkeeper(app: IntuitApp, act: str, **params: Any) -> None:
    """A bookkeeper's act in the Australian books."""
    app.send_orders(**{act: {"company": "au", **params}})


def get_refusal(app: IntuitApp, act: str, **params: Any) -> str:
    """What the books say to an act that they do not allow."""
    order = {act: {"company": "au", **params}}
    answer = app.sandbox.session.post(f"{app.sandbox.url}/intuit/_control", json=order, timeout=5)
    assert answer.status_code == 400
    return str(answer.json()["error"])


def create_pair(app: IntuitApp) -> tuple[dict[str, Any], dict[str, Any]]:
    """An invoice and open credit of one customer."""
    who = app.create_customer()
    invoice = app.create("Invoice", build_document(who, "200.00", DocNumber="INV-1"))
    return invoice, app.create("CreditMemo", build_document(who, "80.00", PREPAYMENT, DocNumber="PF_CR-1"))


def list_open_amounts(app: IntuitApp, *documents: dict[str, Any]) -> list[float]:
    kinds = ("Invoice", "CreditMemo")
    return [app.read(kind, row["Id"])["Balance"] for kind, row in zip(kinds, documents, strict=True)]


def test_credit_is_applied_and_taken_off_again(app: IntuitApp) -> None:
    both = create_pair(app)
    act_as_bookkeeper(app, "apply", credit_memo="PF_CR-1", invoice="INV-1", amount="50.00")
    assert list_open_amounts(app, *both) == [150, 30]
    act_as_bookkeeper(app, "apply", credit_memo="PF_CR-1", invoice="INV-1")
    assert list_open_amounts(app, *both) == [120, 0]
    act_as_bookkeeper(app, "unapply", credit_memo="PF_CR-1", invoice="INV-1")
    assert list_open_amounts(app, *both) == [200, 80]


def test_money_is_received_refunded_and_taken_back(app: IntuitApp) -> None:
    both = create_pair(app)
    act_as_bookkeeper(app, "pay", invoice="INV-1")
    act_as_bookkeeper(app, "refund", credit_memo="PF_CR-1", amount="30.00")
    assert list_open_amounts(app, *both) == [0, 50]
    act_as_bookkeeper(app, "delete_payment", invoice="INV-1")
    act_as_bookkeeper(app, "delete_payment", credit_memo="PF_CR-1")
    assert list_open_amounts(app, *both) == [200, 80]


def test_documents_are_voided_deleted_and_edited(app: IntuitApp) -> None:
    invoice, memo = create_pair(app)
    act_as_bookkeeper(app, "edit", invoice="INV-1", fields={"PrivateNote": "call them"})
    assert app.read("Invoice", invoice["Id"])["PrivateNote"] == "call them"
    act_as_bookkeeper(app, "void", credit_memo="PF_CR-1")
    assert app.read("CreditMemo", memo["Id"])["TotalAmt"] == 0
    act_as_bookkeeper(app, "delete", invoice="INV-1")
    assert app.query("select count(*) from Invoice") == {"totalCount": 0}
    assert "no such Invoice" in get_refusal(app, "void", invoice="INV-1")


def test_an_act_that_is_refused_changes_nothing(app: IntuitApp) -> None:
    both = create_pair(app)
    assert "open balance" in get_refusal(app, "pay", invoice="INV-1", amount="300.00")
    assert list_open_amounts(app, *both) == [200, 80]
    assert "6220" in get_refusal(app, "retire", customer=both[0]["CustomerRef"]["value"])


def test_books_are_filled_from_outside(app: IntuitApp) -> None:
    rows = [{"DisplayName": f"Customer {number}"} for number in range(3)]
    app.send_orders(create={"company": "au", "Customer": rows})
    assert app.query("select count(*) from Customer") == {"totalCount": 3}
    assert "6240" in get_refusal(app, "create", Customer=[{"DisplayName": "New"}, rows[0]])
    assert app.query("select count(*) from Customer") == {"totalCount": 3}


# ---- the pages ------------------------------------------------------------------------------------


def post_form(app: IntuitApp, path: str, **form: str) -> requests.Response:
    return requests.post(f"{app.sandbox.url}/intuit{path}", data=form, allow_redirects=False, timeout=10)


def test_the_pages_show_the_books_and_take_acts(app: IntuitApp) -> None:
    invoice, memo = create_pair(app)
    assert "Harbour IT Practice (AU)" in app.sandbox.get("/intuit/").text
    page = app.sandbox.get("/intuit/companies/au").text
    assert 'data-number="PF_CR-1" data-status="Open" data-remaining="80.00"' in page
    here = f"/companies/au/credit-memos/{memo['Id']}"
    assert "INV-1, 200.00 due" in app.sandbox.get(f"/intuit{here}").text
    assert post_form(app, f"{here}/apply", invoice=invoice["Id"]).status_code == 303
    assert list_open_amounts(app, invoice, memo) == [120, 0]
    shown = app.sandbox.get(f"/intuit/companies/au/invoices/{invoice['Id']}").text
    assert "credit applied" in shown
    assert "Take off again" in app.sandbox.get(f"/intuit{here}").text


def test_an_act_on_a_page_that_is_refused_says_why(app: IntuitApp) -> None:
    invoice, _ = create_pair(app)
    answer = post_form(app, f"/companies/au/invoices/{invoice['Id']}/pay", amount="999")
    assert answer.status_code == 422
    assert "more than the open balance" in answer.text


def test_the_companys_page_closes_books_makes_invoices_and_disconnects(app: IntuitApp) -> None:
    who = app.create_customer()
    form = {"customer": who, "item": "1", "code": "3", "amount": "12.50", "number": "H-1"}
    form |= {"reference": "Quote 1042", "term": "3"}
    assert post_form(app, "/companies/au/acts/invoice", **form).status_code == 303
    created = app.query("select * from Invoice where DocNumber = 'H-1'")["Invoice"][0]
    assert (created["TotalAmt"], created["CustomerMemo"]["value"], created["SalesTermRef"]["value"]) == (
        12.5,
        "Quote 1042",
        "3",
    )
    assert post_form(app, "/companies/au/acts/invoice", **form).status_code == 422
    assert post_form(app, "/companies/au/acts/close", date="2026-05-31").status_code == 303
    assert app.get_refusal("Invoice", build_document(who))[0] == "6210"
    assert post_form(app, "/companies/au/acts/disconnect").status_code == 303
    assert app.call("GET", "/preferences").status_code == 401


def test_pages_of_what_is_not_there_say_so(app: IntuitApp) -> None:
    for path in ("/companies/xx", "/companies/au/invoices/999", "/companies/au/nothing/1"):
        assert requests.get(f"{app.sandbox.url}/intuit{path}", timeout=10).status_code == 404


def test_documents_are_written_with_few_words_and_what_was_written_is_answered(app: IntuitApp) -> None:
    order = {"company": "au", "contact": "Bayside", "amount": "60.00"}
    more = {"number": "B-1", "reference": "PO 9", "term": "Net 15", "fields": {"Quote": "1042"}}
    created = app.sandbox.post("/intuit/_control", {"make_invoice": order | more})["make_invoice"]
    row = app.read("Invoice", created["Id"])
    assert (row["DocNumber"], row["Balance"], row["TxnTaxDetail"]["TotalTax"]) == ("B-1", 60, 0)
    assert (row["CustomerMemo"]["value"], row["SalesTermRef"]["name"]) == ("PO 9", "Net 15")
    assert (row["CustomField"][0]["Name"], row["CustomField"][0]["StringValue"]) == ("Quote", "1042")
    memos = app.sandbox.post("/intuit/_control", {"make_credit_memo": [order, order | {"amount": "5.00"}]})
    found = [app.read("CreditMemo", each["Id"]) for each in memos["make_credit_memo"]]
    assert [each["RemainingCredit"] for each in found] == [60, 5]
    assert {each["CustomerRef"]["value"] for each in found} == {row["CustomerRef"]["value"]}
    act_as_bookkeeper(app, "pay", invoice="B-1", amount="10", reference="Transfer 4")
    assert app.query("SELECT * FROM Payment WHERE PaymentRefNum = 'Transfer 4'")["Payment"][0]["TotalAmt"] == 10
    terms = [app.sandbox.post("/intuit/_control", {"make_term": {"company": "au", "name": "Monthly", "days": 9}})
             for _ in range(2)]  # fmt: skip
    assert terms[0]["make_term"]["Id"] == terms[1]["make_term"]["Id"]
    assert "no such terms" in get_refusal(app, "make_invoice", contact="Bayside", amount="1", term="Never")


def test_books_of_many_years_are_there_at_once_and_nobody_is_told(app: IntuitApp, receiver: WebhookReceiver) -> None:
    subscribe_receiver(app, receiver)
    act_as_bookkeeper(app, "fill", invoices=100, contacts=3)
    rows = app.query("SELECT * FROM Invoice MAXRESULTS 1000")["Invoice"]
    assert (len(rows), len([row for row in rows if row["LinkedTxn"]])) == (100, 10)
    assert [row["DocNumber"] for row in rows if not row["TotalAmt"]] == ["OLD-000001", "OLD-000098"]
    assert {row["Balance"] for row in rows if row["LinkedTxn"]} == {0}
    app.create_customer("Heard")
    receiver.wait(lambda got: bool(got))
    assert list_events(receiver.received) == [("qbo.customer.created.v1", app.realm)]


# ---- webhooks -------------------------------------------------------------------------------------


def list_events(received: list[ReceivedRequest]) -> list[tuple[str, str]]:
    """Type and company of everything that arrived."""
    return [(e["type"], e["intuitaccountid"]) for item in received for e in json.loads(item.body)]


def subscribe_receiver(app: IntuitApp, receiver: WebhookReceiver) -> None:
    app.send_orders(webhook={"url": f"{receiver.url}/intuit", "token": TOKEN})


def test_one_post_tells_of_several_companies_and_is_signed(app: IntuitApp, receiver: WebhookReceiver) -> None:
    other = IntuitApp(app.sandbox).connect("us")
    subscribe_receiver(app, receiver)
    rows = [{"DisplayName": "One"}]
    app.send_orders(create={"company": "au", "Customer": rows})
    app.sandbox.post(
        "/intuit/_control",
        {"create": {"company": "us", "Customer": rows}, "edit": {"company": "us", "customer": "One", "fields": {}}},
    )
    arrived = receiver.wait(lambda got: len(list_events(got)) == 3)
    created = [("qbo.customer.created.v1", app.realm), ("qbo.customer.created.v1", other.realm)]
    assert sorted(list_events(arrived)) == sorted([*created, ("qbo.customer.updated.v1", other.realm)])
    headers = {name.lower(): value for name, value in arrived[0].headers.items()}
    mac = hmac.new(TOKEN.encode(), arrived[0].body, hashlib.sha256).digest()
    assert headers["intuit-signature"] == base64.b64encode(mac).decode()
    assert json.loads(arrived[0].body)[0]["specversion"] == "1.0"


def test_what_apps_write_void_and_delete_is_told_too(app: IntuitApp, receiver: WebhookReceiver) -> None:
    subscribe_receiver(app, receiver)
    invoice, _ = create_pair(app)
    app.create("Invoice", {"Id": invoice["Id"], "SyncToken": "0"}, operation="void")
    app.create("Invoice", {"Id": invoice["Id"], "SyncToken": "1"}, operation="delete")
    app.get_refusal("Customer", {"DisplayName": "A:B"})
    arrived = receiver.wait(lambda got: len(list_events(got)) == 5)
    kinds = [kind for kind, _ in list_events(arrived) if ".invoice." in kind]
    assert kinds == ["qbo.invoice.created.v1", "qbo.invoice.voided.v1", "qbo.invoice.deleted.v1"]


def test_companies_that_are_not_connected_are_not_told_of(app: IntuitApp, receiver: WebhookReceiver) -> None:
    subscribe_receiver(app, receiver)
    app.send_orders(create={"company": "nz", "Customer": [{"DisplayName": "Unheard"}]})
    app.create_customer("Heard")
    assert [realm for _, realm in list_events(receiver.wait(lambda got: bool(got)))] == [app.realm]


def test_a_refused_post_is_tried_again(app: IntuitApp, receiver: WebhookReceiver) -> None:
    receiver.statuses = [500]
    subscribe_receiver(app, receiver)
    app.create_customer("Again")
    receiver.wait(lambda got: len(got) == 1)
    wait_for(app, "pending")
    app.sandbox.advance(21)
    first, second = receiver.wait(lambda got: len(got) == 2)
    assert first.body == second.body


def wait_for(app: IntuitApp, state: str) -> None:
    """Until the last delivery is in this state."""
    limit = 100
    while limit:
        found = app.sandbox.get("/intuit/_control").json()["webhook"]["deliveries"]
        if found and found[-1]["state"] == state and found[-1]["attempts"]:
            return
        limit -= 1
    raise AssertionError(found)


def test_webhooks_are_lost_repeated_and_overtaken_when_ordered(app: IntuitApp, receiver: WebhookReceiver) -> None:
    subscribe_receiver(app, receiver)
    app.sandbox.fault("quickbooks", "webhook_drop", path="qbo.customer.created.v1")
    app.sandbox.fault("quickbooks", "webhook_reorder", path="qbo.invoice.created.v1")
    app.sandbox.fault("quickbooks", "webhook_duplicate", path="qbo.creditmemo.created.v1")
    create_pair(app)
    arrived = receiver.wait(lambda got: len(list_events(got)) == 3)
    kinds = [kind for kind, _ in list_events(arrived)]
    assert kinds.count("qbo.creditmemo.created.v1") == 2
    assert kinds[-1] == "qbo.invoice.created.v1" or kinds[-2] == "qbo.invoice.created.v1"
    assert "qbo.customer.created.v1" not in kinds
