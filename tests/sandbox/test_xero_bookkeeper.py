"""Credit notes and payments of the practice Xero through their lives, and what a bookkeeper does to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

from sandbox.launch import Running
from tests.sandbox.xero_app import App, errors, get, invoice, note, one, payment, put

APART = {"summarizeErrors": "false"}


@pytest.fixture
def app(sandbox: Running) -> App:
    return App(sandbox).connect()


def by_hand(app: App, act: str, **said: Any) -> None:
    """A bookkeeper's act in the Australian books."""
    app.sandbox.post("/xero/_control", {act: {"organisation": "au", **said}})


def refused(app: App, act: str, **said: Any) -> str:
    """What the books say to an act that they do not allow."""
    order = {act: {"organisation": "au", **said}}
    answer = app.sandbox.session.post(f"{app.sandbox.url}/xero/_control", json=order, timeout=5)
    assert answer.status_code == 400
    return str(answer.json()["error"])


def change(app: App, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Update notes in one call, each judged by itself."""
    answer = app.call("POST", "/CreditNotes", {"CreditNotes": list(rows)}, params=APART)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["CreditNotes"]
    return found


def allocated(app: App, number: str, to: str, amount: float) -> str:
    """Allocate through the API; the allocation's id."""
    key, target = one(app, "CreditNotes", number)["CreditNoteID"], one(app, "Invoices", to)["InvoiceID"]
    entry = {"Amount": amount, "Date": "2026-05-03", "Invoice": {"InvoiceID": target}}
    answer = app.call("PUT", f"/CreditNotes/{key}/Allocations", {"Allocations": [entry]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["Allocations"][0]["AllocationID"])


def test_drafts_are_approved_deleted_and_voided_in_one_call(app: App) -> None:
    made = put(app, "CreditNotes", *(note(f"PF_CR{n}", Status="DRAFT") for n in range(3)), note("PF_CR3"))
    keys = [{"CreditNoteID": row["CreditNoteID"]} for row in made]
    wanted = ("AUTHORISED", "DELETED", "AUTHORISED", "VOIDED")
    done = change(app, *({**key, "Status": status} for key, status in zip(keys, wanted, strict=True)))
    assert [(row["StatusAttributeString"], row["Status"]) for row in done] == [("OK", status) for status in wanted]
    again = change(app, *({**key, "Status": status} for key, status in zip(keys, wanted, strict=True)))
    assert [row["StatusAttributeString"] for row in again] == ["OK", "ERROR", "OK", "ERROR"]
    assert all("not of valid status for modification" in errors(row) for row in again if row["HasErrors"])
    assert [one(app, "CreditNotes", key["CreditNoteID"])["RemainingCredit"] for key in keys] == [110, 0, 110, 0]


def test_what_is_in_use_is_neither_deleted_nor_voided(app: App) -> None:
    put(app, "Invoices", invoice("INV-1", "300.00"))
    put(app, "CreditNotes", *(note(f"PF_CR{n}") for n in range(3)))
    allocated(app, "PF_CR1", "INV-1", 10.0)
    by_hand(app, "refund", credit_note="PF_CR2", amount="20.00")
    keys = [one(app, "CreditNotes", f"PF_CR{n}")["CreditNoteID"] for n in range(3)]
    deleted = change(app, *({"CreditNoteID": key, "Status": "DELETED"} for key in keys))
    assert [errors(row) for row in deleted] == ["Credit note status cannot be changed from AUTHORISED to DELETED"] * 3
    free, *used = change(app, *({"CreditNoteID": key, "Status": "VOIDED"} for key in keys))
    assert free["Status"] == "VOIDED"
    assert all("payment or credit note allocated to it" in errors(row) for row in used)


def test_the_number_of_a_deleted_or_voided_note_is_never_free_again(app: App) -> None:
    put(app, "CreditNotes", note("PF_CR1", Status="DRAFT"), note("PF_CR2"))
    by_hand(app, "delete", credit_note="PF_CR1")
    by_hand(app, "void", credit_note="PF_CR2")
    for row in put(app, "CreditNotes", note("PF_CR1"), note("PF_CR2"), ok=False):
        assert errors(row) == "Credit note # must be unique."
    assert [one(app, "CreditNotes", f"PF_CR{n}")["Status"] for n in (1, 2)] == ["DELETED", "VOIDED"]


def test_a_deleted_payment_opens_its_invoice_again_unless_it_is_reconciled(app: App) -> None:
    put(app, "Invoices", invoice("PF1"), invoice("PF2"))
    first, second = put(app, "Payments", payment("PF1", "110.00"), payment("PF2", "110.00"))
    by_hand(app, "reconcile", payment=second["PaymentID"])
    done = app.call("POST", f"/Payments/{first['PaymentID']}", {"Status": "DELETED"})
    assert (done.status_code, done.json()["Payments"][0]["Status"]) == (200, "DELETED")
    after = one(app, "Invoices", "PF1")
    assert (after["Status"], after["AmountDue"], after["AmountPaid"], after["Payments"]) == ("AUTHORISED", 110, 0, [])
    assert "FullyPaidOnDate" not in after
    kept = app.call("POST", f"/Payments/{second['PaymentID']}", {"Status": "DELETED"})
    assert (kept.status_code, "reconciled" in kept.text) == (400, True)
    assert one(app, "Invoices", "PF2")["Status"] == "PAID"
    by_hand(app, "unreconcile", invoice="PF2")
    by_hand(app, "delete_payment", invoice="PF2")
    assert one(app, "Invoices", "PF2")["Status"] == "AUTHORISED"


def test_payments_are_deleted_one_by_one_only(app: App) -> None:
    put(app, "Invoices", invoice("PF1"))
    key = put(app, "Payments", payment("PF1", "110.00"))[0]["PaymentID"]
    body = {"Payments": [{"PaymentID": key, "Status": "DELETED"}]}
    row = app.call("POST", "/Payments", body, params=APART).json()["Payments"][0]
    assert "must be for an Invoice, Credit Note" in errors(row)
    assert one(app, "Invoices", "PF1")["Status"] == "PAID"


@pytest.mark.parametrize("by_number", [True, False])
def test_a_note_is_refunded_in_parts(app: App, by_number: bool) -> None:
    key = put(app, "CreditNotes", note("PF_CR1"))[0]["CreditNoteID"]
    named = {"CreditNoteNumber": "PF_CR1"} if by_number else {"CreditNoteID": key}

    def refund(amount: str) -> dict[str, Any]:
        row = {**payment("", amount), "CreditNote": named}
        return put(app, "Payments", {k: v for k, v in row.items() if k != "Invoice"}, ok=False)[0]

    assert refund("30.00")["StatusAttributeString"] == "OK"
    assert one(app, "CreditNotes", key)["RemainingCredit"] == 80
    assert "exceeds the amount outstanding" in errors(refund("80.01"))
    rest = refund("80.00")
    after = one(app, "CreditNotes", key)
    assert (after["Status"], after["RemainingCredit"], len(after["Payments"])) == ("PAID", 0, 2)
    app.call("POST", f"/Payments/{rest['PaymentID']}", {"Status": "DELETED"})
    after = one(app, "CreditNotes", key)
    assert (after["Status"], after["RemainingCredit"]) == ("AUTHORISED", 80)


def test_somebody_allocated_the_note_in_xero(app: App) -> None:
    put(app, "Invoices", invoice("INV-1", "40.00"), invoice("INV-2", "300.00"))
    put(app, "CreditNotes", note("PF_CR1", Status="DRAFT"))
    assert "not of valid status for allocation" in refused(app, "allocate", credit_note="PF_CR1", invoice="INV-1")
    by_hand(app, "approve", credit_note="PF_CR1")
    by_hand(app, "allocate", credit_note="PF_CR1", invoice="INV-1")
    by_hand(app, "allocate", credit_note="PF_CR1", invoice="INV-2", amount="50.00")
    after = one(app, "CreditNotes", "PF_CR1")
    shown = [(row["Invoice"]["InvoiceNumber"], row["Amount"]) for row in after["Allocations"]]
    assert (shown, after["RemainingCredit"]) == ([("INV-1", 40), ("INV-2", 50)], 20)
    assert one(app, "Invoices", "INV-1")["Status"] == "PAID"
    by_hand(app, "deallocate", credit_note="PF_CR1", invoice="INV-1")
    assert one(app, "CreditNotes", "PF_CR1")["RemainingCredit"] == 60
    by_hand(app, "deallocate", credit_note="PF_CR1")
    by_hand(app, "void", credit_note="PF_CR1")
    assert one(app, "CreditNotes", "PF_CR1")["Status"] == "VOIDED"
    assert "no such credit_note" in refused(app, "void", credit_note="PF_CR9")


def test_notes_are_read_by_page_by_number_and_by_change(app: App) -> None:
    put(app, "CreditNotes", *(note(f"PF_CR{n}") for n in range(5)))
    page = get(app, "/CreditNotes", page="2", pageSize="2", order="CreditNoteNumber ASC")
    assert [row["CreditNoteNumber"] for row in page["CreditNotes"]] == ["PF_CR2", "PF_CR3"]
    assert page["pagination"] == {"page": 2, "pageSize": 2, "pageCount": 3, "itemCount": 5}
    assert page["CreditNotes"][0]["LineItems"]
    app.sandbox.advance(60)
    since = datetime.fromisoformat(app.sandbox.state()["now"]).strftime("%Y-%m-%dT%H:%M:%S")
    put(app, "Invoices", invoice("INV-1", "300.00"))
    allocated(app, "PF_CR4", "INV-1", 10.0)
    changed = app.call("GET", "/CreditNotes", If_Modified_Since=since).json()["CreditNotes"]
    assert [(row["CreditNoteNumber"], row["RemainingCredit"]) for row in changed] == [("PF_CR4", 100)]
    assert changed[0]["Allocations"][0]["Amount"] == 10


def test_contacts_are_read_by_page_by_status_and_by_change(app: App) -> None:
    made = put(app, "Contacts", *({"Name": f"Customer {n}"} for n in range(5)))
    app.sandbox.advance(60)
    since = datetime.fromisoformat(app.sandbox.state()["now"]).strftime("%Y-%m-%dT%H:%M:%S")
    app.call("POST", f"/Contacts/{made[0]['ContactID']}", {"ContactStatus": "ARCHIVED"})
    app.call("POST", f"/Contacts/{made[1]['ContactID']}", {"EmailAddress": "ap@customer.test"})
    page = get(app, "/Contacts", page="1", pageSize="2", summaryOnly="true")
    assert (len(page["Contacts"]), page["pagination"]["itemCount"]) == (2, 4)
    assert "Addresses" not in page["Contacts"][0]
    asked = {"where": 'ContactStatus=="ARCHIVED"', "includeArchived": "true"}
    assert [row["Name"] for row in get(app, "/Contacts", **asked)["Contacts"]] == ["Customer 0"]
    recent = app.call("GET", "/Contacts", params={"includeArchived": "true"}, If_Modified_Since=since)
    assert [row["Name"] for row in recent.json()["Contacts"]] == ["Customer 0", "Customer 1"]
    assert [row["Name"] for row in get(app, "/Contacts", searchTerm="ap@customer")["Contacts"]] == ["Customer 1"]


def press(app: App, address: str, act: str, **form: str) -> requests.Response:
    """A button below a document; the page that follows."""
    return requests.post(f"{app.sandbox.url}{address}/{act}", data=form, timeout=5)


def test_the_pages_show_and_do_what_a_bookkeeper_does(app: App) -> None:
    put(app, "Invoices", invoice("INV-1", "110.00"))
    key = put(app, "CreditNotes", note("PF_CR1", Status="DRAFT"), note("PF_CR2", Status="DRAFT"))[0]["CreditNoteID"]
    by_hand(app, "delete", credit_note="PF_CR2")
    address = f"/xero/organisations/au/credit-notes/{key}"
    assert "not in the accounts until somebody approves it" in app.sandbox.get(address).text
    approved = press(app, address, "approve").text
    assert "open credit of the customer" in approved
    target = one(app, "Invoices", "INV-1")["InvoiceID"]
    assert "Used up" in press(app, address, "allocate", invoice=target).text
    books = app.sandbox.get("/xero/organisations/au").text
    assert f'<a href="/xero/organisations/au/invoices/{target}">INV-1</a> 110.00' in books
    assert '<tr class="ended" data-number="PF_CR2" data-status="DELETED"' in books
    refusal = press(app, address, "void")
    assert (refusal.status_code, "not of valid status" in refusal.text) == (422, True)
    press(app, address, "deallocate")
    assert "counts no more" in press(app, address, "void").text
    here = f"/xero/organisations/au/invoices/{target}"
    assert "Paid in full" in press(app, here, "pay").text
    assert 'data-deleted-payment="' in press(app, here, "delete_payment").text
    assert press(app, here, "fly").status_code == 404
