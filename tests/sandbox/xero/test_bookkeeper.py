"""Credit notes and payments of the practice Xero through their lives, and what a bookkeeper does to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import requests

from tests.sandbox.xero.app import (
    XeroApp,
    build_credit_note,
    build_invoice,
    build_payment,
    create_elements,
    get_document,
    get_json,
    list_errors,
)

SEPARATE_ERRORS = {"summarizeErrors": "false"}


def act_as_bookkeeper(app: XeroApp, act: str, **params: Any) -> None:
    """A bookkeeper's act in the Australian books."""
    app.sandbox.post("/xero/_control", {act: {"organisation": "au", **params}})


def get_refusal(app: XeroApp, act: str, **params: Any) -> str:
    """What the books say to an act that they do not allow."""
    order = {act: {"organisation": "au", **params}}
    answer = app.sandbox.session.post(f"{app.sandbox.url}/xero/_control", json=order, timeout=5)
    assert answer.status_code == 400
    return str(answer.json()["error"])


def update_credit_notes(app: XeroApp, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Update notes in one call, each judged by itself."""
    answer = app.call("POST", "/CreditNotes", {"CreditNotes": list(rows)}, params=SEPARATE_ERRORS)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["CreditNotes"]
    return found


def create_allocation(app: XeroApp, number: str, to: str, amount: float) -> str:
    """Allocate through the API; the allocation's id."""
    key, target = (
        get_document(app, "CreditNotes", number)["CreditNoteID"],
        get_document(app, "Invoices", to)["InvoiceID"],
    )
    entry = {"Amount": amount, "Date": "2026-05-03", "Invoice": {"InvoiceID": target}}
    answer = app.call("PUT", f"/CreditNotes/{key}/Allocations", {"Allocations": [entry]})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["Allocations"][0]["AllocationID"])


def test_drafts_are_approved_deleted_and_voided_in_one_call(app: XeroApp) -> None:
    created = create_elements(
        app,
        "CreditNotes",
        *(build_credit_note(f"PF_CR{n}", Status="DRAFT") for n in range(3)),
        build_credit_note("PF_CR3"),
    )
    keys = [{"CreditNoteID": row["CreditNoteID"]} for row in created]
    expected = ("AUTHORISED", "DELETED", "AUTHORISED", "VOIDED")
    done = update_credit_notes(app, *({**key, "Status": status} for key, status in zip(keys, expected, strict=True)))
    assert [(row["StatusAttributeString"], row["Status"]) for row in done] == [("OK", status) for status in expected]
    again = update_credit_notes(app, *({**key, "Status": status} for key, status in zip(keys, expected, strict=True)))
    assert [row["StatusAttributeString"] for row in again] == ["OK", "ERROR", "OK", "ERROR"]
    assert all("not of valid status for modification" in list_errors(row) for row in again if row["HasErrors"])
    assert [get_document(app, "CreditNotes", key["CreditNoteID"])["RemainingCredit"] for key in keys] == [
        110,
        0,
        110,
        0,
    ]


def test_what_is_in_use_is_neither_deleted_nor_voided(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("INV-1", "300.00"))
    create_elements(app, "CreditNotes", *(build_credit_note(f"PF_CR{n}") for n in range(3)))
    create_allocation(app, "PF_CR1", "INV-1", 10.0)
    act_as_bookkeeper(app, "refund", credit_note="PF_CR2", amount="20.00")
    keys = [get_document(app, "CreditNotes", f"PF_CR{n}")["CreditNoteID"] for n in range(3)]
    deleted = update_credit_notes(app, *({"CreditNoteID": key, "Status": "DELETED"} for key in keys))
    assert [list_errors(row) for row in deleted] == [
        "Credit note status cannot be changed from AUTHORISED to DELETED"
    ] * 3
    free, *used = update_credit_notes(app, *({"CreditNoteID": key, "Status": "VOIDED"} for key in keys))
    assert free["Status"] == "VOIDED"
    assert all("payment or credit note allocated to it" in list_errors(row) for row in used)


def test_the_number_of_a_deleted_or_voided_note_is_never_free_again(app: XeroApp) -> None:
    create_elements(app, "CreditNotes", build_credit_note("PF_CR1", Status="DRAFT"), build_credit_note("PF_CR2"))
    act_as_bookkeeper(app, "delete", credit_note="PF_CR1")
    act_as_bookkeeper(app, "void", credit_note="PF_CR2")
    for row in create_elements(app, "CreditNotes", build_credit_note("PF_CR1"), build_credit_note("PF_CR2"), ok=False):
        assert list_errors(row) == "Credit note # must be unique."
    assert [get_document(app, "CreditNotes", f"PF_CR{n}")["Status"] for n in (1, 2)] == ["DELETED", "VOIDED"]


def test_a_deleted_payment_opens_its_invoice_again_unless_it_is_reconciled(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("PF1"), build_invoice("PF2"))
    first, second = create_elements(app, "Payments", build_payment("PF1", "110.00"), build_payment("PF2", "110.00"))
    act_as_bookkeeper(app, "reconcile", payment=second["PaymentID"])
    done = app.call("POST", f"/Payments/{first['PaymentID']}", {"Status": "DELETED"})
    assert (done.status_code, done.json()["Payments"][0]["Status"]) == (200, "DELETED")
    after = get_document(app, "Invoices", "PF1")
    assert (after["Status"], after["AmountDue"], after["AmountPaid"], after["Payments"]) == ("AUTHORISED", 110, 0, [])
    assert "FullyPaidOnDate" not in after
    saved = app.call("POST", f"/Payments/{second['PaymentID']}", {"Status": "DELETED"})
    assert (saved.status_code, "reconciled" in saved.text) == (400, True)
    assert get_document(app, "Invoices", "PF2")["Status"] == "PAID"
    act_as_bookkeeper(app, "unreconcile", invoice="PF2")
    act_as_bookkeeper(app, "delete_payment", invoice="PF2")
    assert get_document(app, "Invoices", "PF2")["Status"] == "AUTHORISED"


def test_payments_are_deleted_one_by_one_only(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("PF1"))
    key = create_elements(app, "Payments", build_payment("PF1", "110.00"))[0]["PaymentID"]
    body = {"Payments": [{"PaymentID": key, "Status": "DELETED"}]}
    row = app.call("POST", "/Payments", body, params=SEPARATE_ERRORS).json()["Payments"][0]
    assert "must be for an Invoice, Credit Note" in list_errors(row)
    assert get_document(app, "Invoices", "PF1")["Status"] == "PAID"


@pytest.mark.parametrize("by_number", [True, False])
def test_a_note_is_refunded_in_parts(app: XeroApp, by_number: bool) -> None:
    key = create_elements(app, "CreditNotes", build_credit_note("PF_CR1"))[0]["CreditNoteID"]
    named = {"CreditNoteNumber": "PF_CR1"} if by_number else {"CreditNoteID": key}

    def refund(amount: str) -> dict[str, Any]:
        row = {**build_payment("", amount), "CreditNote": named}
        return create_elements(app, "Payments", {k: v for k, v in row.items() if k != "Invoice"}, ok=False)[0]

    assert refund("30.00")["StatusAttributeString"] == "OK"
    assert get_document(app, "CreditNotes", key)["RemainingCredit"] == 80
    assert "exceeds the amount outstanding" in list_errors(refund("80.01"))
    rest = refund("80.00")
    after = get_document(app, "CreditNotes", key)
    assert (after["Status"], after["RemainingCredit"], len(after["Payments"])) == ("PAID", 0, 2)
    app.call("POST", f"/Payments/{rest['PaymentID']}", {"Status": "DELETED"})
    after = get_document(app, "CreditNotes", key)
    assert (after["Status"], after["RemainingCredit"]) == ("AUTHORISED", 80)


def test_somebody_allocated_the_note_in_xero(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("INV-1", "40.00"), build_invoice("INV-2", "300.00"))
    create_elements(app, "CreditNotes", build_credit_note("PF_CR1", Status="DRAFT"))
    assert "not of valid status for allocation" in get_refusal(app, "allocate", credit_note="PF_CR1", invoice="INV-1")
    act_as_bookkeeper(app, "approve", credit_note="PF_CR1")
    act_as_bookkeeper(app, "allocate", credit_note="PF_CR1", invoice="INV-1")
    act_as_bookkeeper(app, "allocate", credit_note="PF_CR1", invoice="INV-2", amount="50.00")
    after = get_document(app, "CreditNotes", "PF_CR1")
    shown = [(row["Invoice"]["InvoiceNumber"], row["Amount"]) for row in after["Allocations"]]
    assert (shown, after["RemainingCredit"]) == ([("INV-1", 40), ("INV-2", 50)], 20)
    assert get_document(app, "Invoices", "INV-1")["Status"] == "PAID"
    act_as_bookkeeper(app, "deallocate", credit_note="PF_CR1", invoice="INV-1")
    assert get_document(app, "CreditNotes", "PF_CR1")["RemainingCredit"] == 60
    act_as_bookkeeper(app, "deallocate", credit_note="PF_CR1")
    act_as_bookkeeper(app, "void", credit_note="PF_CR1")
    assert get_document(app, "CreditNotes", "PF_CR1")["Status"] == "VOIDED"
    assert "no such credit_note" in get_refusal(app, "void", credit_note="PF_CR9")


def test_notes_are_read_by_page_by_number_and_by_change(app: XeroApp) -> None:
    create_elements(app, "CreditNotes", *(build_credit_note(f"PF_CR{n}") for n in range(5)))
    page = get_json(app, "/CreditNotes", page="2", pageSize="2", order="CreditNoteNumber ASC")
    assert [row["CreditNoteNumber"] for row in page["CreditNotes"]] == ["PF_CR2", "PF_CR3"]
    assert page["pagination"] == {"page": 2, "pageSize": 2, "pageCount": 3, "itemCount": 5}
    assert page["CreditNotes"][0]["LineItems"]
    app.sandbox.advance(60)
    since = datetime.fromisoformat(app.sandbox.state()["now"]).strftime("%Y-%m-%dT%H:%M:%S")
    create_elements(app, "Invoices", build_invoice("INV-1", "300.00"))
    create_allocation(app, "PF_CR4", "INV-1", 10.0)
    changed = app.call("GET", "/CreditNotes", If_Modified_Since=since).json()["CreditNotes"]
    assert [(row["CreditNoteNumber"], row["RemainingCredit"]) for row in changed] == [("PF_CR4", 100)]
    assert changed[0]["Allocations"][0]["Amount"] == 10


def test_contacts_are_read_by_page_by_status_and_by_change(app: XeroApp) -> None:
    created = create_elements(app, "Contacts", *({"Name": f"Customer {n}"} for n in range(5)))
    app.sandbox.advance(60)
    since = datetime.fromisoformat(app.sandbox.state()["now"]).strftime("%Y-%m-%dT%H:%M:%S")
    app.call("POST", f"/Contacts/{created[0]['ContactID']}", {"ContactStatus": "ARCHIVED"})
    app.call("POST", f"/Contacts/{created[1]['ContactID']}", {"EmailAddress": "ap@customer.test"})
    page = get_json(app, "/Contacts", page="1", pageSize="2", summaryOnly="true")
    assert (len(page["Contacts"]), page["pagination"]["itemCount"]) == (2, 4)
    assert "Addresses" not in page["Contacts"][0]
    asked = {"where": 'ContactStatus=="ARCHIVED"', "includeArchived": "true"}
    assert [row["Name"] for row in get_json(app, "/Contacts", **asked)["Contacts"]] == ["Customer 0"]
    recent = app.call("GET", "/Contacts", params={"includeArchived": "true"}, If_Modified_Since=since)
    assert [row["Name"] for row in recent.json()["Contacts"]] == ["Customer 0", "Customer 1"]
    assert [row["Name"] for row in get_json(app, "/Contacts", searchTerm="ap@customer")["Contacts"]] == ["Customer 1"]


def press_button(app: XeroApp, address: str, act: str, **form: str) -> requests.Response:
    """A button below a document; the page that follows."""
    return requests.post(f"{app.sandbox.url}{address}/{act}", data=form, timeout=5)


def test_the_pages_show_and_do_what_a_bookkeeper_does(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("INV-1", "110.00"))
    key = create_elements(
        app, "CreditNotes", build_credit_note("PF_CR1", Status="DRAFT"), build_credit_note("PF_CR2", Status="DRAFT")
    )[0]["CreditNoteID"]
    act_as_bookkeeper(app, "delete", credit_note="PF_CR2")
    address = f"/xero/organisations/au/credit-notes/{key}"
    assert "not in the accounts until somebody approves it" in app.sandbox.get(address).text
    approved = press_button(app, address, "approve").text
    assert "open credit of the customer" in approved
    target = get_document(app, "Invoices", "INV-1")["InvoiceID"]
    assert "Used up" in press_button(app, address, "allocate", invoice=target).text
    books = app.sandbox.get("/xero/organisations/au").text
    assert f'<a href="/xero/organisations/au/invoices/{target}">INV-1</a> 110.00' in books
    assert '<tr class="ended" data-number="PF_CR2" data-status="DELETED"' in books
    refusal = press_button(app, address, "void")
    assert (refusal.status_code, "not of valid status" in refusal.text) == (422, True)
    press_button(app, address, "deallocate")
    assert "counts no more" in press_button(app, address, "void").text
    here = f"/xero/organisations/au/invoices/{target}"
    assert "Paid in full" in press_button(app, here, "pay").text
    assert 'data-deleted-payment="' in press_button(app, here, "delete_payment").text
    assert press_button(app, here, "fly").status_code == 404
