"""The practice Xero's accounting API, through the vendor's own library and with bare calls."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
from xero_python.accounting import models
from xero_python.exceptions import (
    AccountingBadRequestException,
    HTTPStatusException,
    NotFoundException,
    RateLimitException,
)

from tests.sandbox.xero.app import (
    CLEARING,
    PREPAYMENTS,
    XeroApp,
    build_credit_note,
    build_invoice,
    build_line,
    build_payment,
    create_elements,
    get_document,
    get_json,
    list_errors,
)

UNIQUE_NAME = "is already assigned to another contact. The contact name must be unique"


def test_settings_hold_what_posting_needs(app: XeroApp) -> None:
    api, tenant = app.build_library(), app.tenant
    organisation = api.get_organisations(tenant).organisations[0]
    assert (organisation.base_currency.value, organisation.country_code.value) == ("AUD", "AU")
    accounts = {row.code: row for row in api.get_accounts(tenant).accounts}
    assert accounts[CLEARING].enable_payments_to_account
    assert accounts[PREPAYMENTS].type.value == "CURRLIAB"
    enabled = api.get_accounts(tenant, where='Status=="ACTIVE" AND EnablePaymentsToAccount==true').accounts
    assert [row.name for row in enabled] == ["Wise-Pay Clearing"]
    rates = {row.tax_type: row for row in api.get_tax_rates(tenant).tax_rates}
    assert (rates["BASEXCLUDED"].name, rates["OUTPUT"].effective_rate) == ("BAS Excluded", 10)
    assert [row.code.value for row in api.get_currencies(tenant).currencies] == ["AUD", "USD", "NZD", "JPY"]
    assert api.get_branding_themes(tenant).branding_themes[0].name == "Standard"


def test_the_library_posts_a_quote_payment_in_three_calls(app: XeroApp) -> None:
    api, tenant = app.build_library(), app.tenant
    options = {"summarize_errors": False, "_return_http_data_only": False, "_request_timeout": (3, 20)}
    created, status, headers = api.create_invoices(tenant, {"Invoices": [build_invoice("PF1")]}, unitdp=4, **options)
    assert (status, headers["X-MinLimit-Remaining"]) == (200, "59")
    assert (created.invoices[0].total, created.invoices[0].total_tax) == (Decimal("110"), Decimal("10"))
    created, _, _ = api.create_payments(tenant, {"Payments": [build_payment("PF1", "110.00")]}, **options)
    assert created.payments[0].payment_type == "ACCRECPAYMENT"
    created, _, _ = api.create_credit_notes(tenant, {"CreditNotes": [build_credit_note("PF_CR1")]}, unitdp=4, **options)
    assert created.credit_notes[0].remaining_credit == Decimal("110")
    paid = api.get_invoice(tenant, "PF1").invoices[0]
    assert (paid.status, paid.amount_due, paid.fully_paid_on_date) == ("PAID", 0, date(2026, 5, 2))
    open_note = api.get_credit_note(tenant, "PF_CR1").credit_notes[0]
    assert (open_note.status, open_note.total) == ("AUTHORISED", Decimal("110"))
    books = app.sandbox.get("/xero/organisations/au").text
    assert 'data-number="PF1" data-status="PAID" data-remaining="0.00"' in books
    assert 'data-number="PF_CR1" data-status="AUTHORISED" data-remaining="110.00"' in books


def test_the_library_reads_pages_and_changes(app: XeroApp) -> None:
    api, tenant = app.build_library(), app.tenant
    create_elements(app, "Invoices", *(build_invoice(f"PF{n}") for n in range(5)))
    page = api.get_invoices(tenant, page=2, page_size=2, order="InvoiceNumber DESC", statuses=["AUTHORISED"])
    assert [row.invoice_number for row in page.invoices] == ["PF2", "PF1"]
    assert (page.pagination.page_count, page.pagination.item_count) == (3, 5)
    app.sandbox.advance(60)
    since = datetime.fromisoformat(app.sandbox.state()["now"]).astimezone(UTC).replace(tzinfo=None)
    create_elements(app, "Payments", build_payment("PF3", "10.00"))
    changed = api.get_invoices(tenant, if_modified_since=since)
    assert [(row.invoice_number, row.amount_due) for row in changed.invoices] == [("PF3", Decimal("100"))]
    where = 'CreditNoteNumber=="PF_CR1" OR CreditNoteNumber=="PF_CR3"'
    create_elements(app, "CreditNotes", *(build_credit_note(f"PF_CR{n}") for n in range(4)))
    found = api.get_credit_notes(tenant, where=where, page_size=1000).credit_notes
    assert [row.credit_note_number for row in found] == ["PF_CR1", "PF_CR3"]


def test_the_library_is_refused_in_the_vendors_words(app: XeroApp) -> None:
    api, tenant = app.build_library(), app.tenant
    with pytest.raises(AccountingBadRequestException) as refused:
        api.create_invoices(tenant, {"Invoices": [build_invoice("PF1", Status="PAID")]})
    assert "cannot be changed" in refused.value.reason
    with pytest.raises(NotFoundException):
        api.get_invoice(tenant, "PF1")
    app.sandbox.config(xero_limits={"minute": 2})
    with pytest.raises(RateLimitException) as limited:
        api.get_organisations(tenant)
    assert limited.value.rate_limit == "minute"
    assert 1 <= int(limited.value.headers["Retry-After"]) <= 60
    app.sandbox.post("/xero/_control", {"disconnect": "*"})
    with pytest.raises(HTTPStatusException) as forbidden:
        api.get_organisations(tenant)
    assert forbidden.value.status == 403


def test_one_bad_element_of_a_batch_is_told_by_itself(app: XeroApp) -> None:
    rows = [build_invoice("PF1"), build_invoice("PF1"), build_invoice("PF2", LineItems=[build_line("5", "999")])]
    good, twin, wrong = create_elements(app, "Invoices", *rows, ok=False)
    assert good["StatusAttributeString"] == "OK"
    assert list_errors(twin) == "Invoice # must be unique."
    assert twin["InvoiceID"] == "00000000-0000-0000-0000-000000000000"
    assert "'999' is not a valid code" in list_errors(wrong)


def test_by_default_one_bad_element_fails_the_call_and_nothing_is_stored(app: XeroApp) -> None:
    rows = [build_invoice("PF1", contact="A new customer"), build_invoice("PF2", contact="")]
    response = app.call("PUT", "/Invoices", {"Invoices": rows})
    body = response.json()
    assert (response.status_code, body["ErrorNumber"], body["Type"]) == (400, 10, "ValidationException")
    assert len(body["Elements"]) == 1
    assert get_json(app, "/Invoices")["Invoices"] == []
    assert get_json(app, "/Contacts")["Contacts"] == []


def test_a_call_takes_fifty_elements(app: XeroApp) -> None:
    rows = [{"Name": f"Customer {n}"} for n in range(51)]
    assert app.call("PUT", "/Contacts", {"Contacts": rows}).status_code == 400
    assert app.call("PUT", "/Contacts", {"Contacts": rows[:50]}).status_code == 200
    assert app.call("PUT", "/Contacts", {"Contacts": []}).json()["ErrorNumber"] == 17


def test_contact_names_and_numbers_are_unique(app: XeroApp) -> None:
    rows = [
        {"Name": "Bayside", "ContactNumber": "C-1", "EmailAddress": "ap@bayside.test"},
        {"Name": "bayside"},
    ]
    first, twin = create_elements(app, "Contacts", *rows, ok=False)
    assert UNIQUE_NAME in list_errors(twin)
    numbered = create_elements(app, "Contacts", {"Name": "Other", "ContactNumber": "C-1"}, ok=False)[0]
    assert "contact number C-1" in list_errors(numbered)
    assert "valid" in list_errors(
        create_elements(app, "Contacts", {"Name": "Third", "EmailAddress": "no"}, ok=False)[0]
    )
    again = app.call("POST", "/Contacts", {"Contacts": [{"Name": "Bayside", "AccountNumber": "A-7"}]})
    assert again.json()["Contacts"][0]["ContactID"] == first["ContactID"]
    app.call("POST", f"/Contacts/{first['ContactID']}", {"ContactStatus": "ARCHIVED"})
    assert create_elements(app, "Contacts", {"Name": "Bayside"})[0]["ContactID"] != first["ContactID"]


@pytest.mark.parametrize(
    "params",
    [
        {"where": 'Name=="bayside dental"'},
        {"where": 'ContactNumber=="C-1"'},
        {"where": 'AccountNumber!=null AND AccountNumber.StartsWith("A-")'},
        {"where": 'EmailAddress=="ap@bayside.test" AND (IsCustomer==true OR IsSupplier==false)'},
        {"searchTerm": "AYSIDE"},
        {"searchTerm": "A-7", "summaryOnly": "true"},
    ],
)
def test_contacts_are_found(app: XeroApp, params: dict[str, str]) -> None:
    row = {"Name": "Bayside Dental", "ContactNumber": "C-1", "AccountNumber": "A-7"}
    create_elements(app, "Contacts", {**row, "EmailAddress": "ap@bayside.test"}, {"Name": "City Legal"})
    assert [row["Name"] for row in get_json(app, "/Contacts", **params)["Contacts"]] == ["Bayside Dental"]


@pytest.mark.parametrize("where", ["Name==", 'Nmae=="x"', 'Name=="x" AND', "((Name)"])
def test_a_filter_that_makes_no_sense_is_refused(app: XeroApp, where: str) -> None:
    response = app.call("GET", "/Contacts", params={"where": where})
    assert (response.status_code, response.json()["Type"]) == (400, "QueryParseException")


@pytest.mark.parametrize(
    ("types", "amounts", "totals"),
    [
        ("Exclusive", ["0.05", "0.05"], (0.10, 0.02, 0.12)),
        ("Inclusive", ["10.00", "10.00"], (18.18, 1.82, 20.00)),
        ("NoTax", ["10.00", "0.33"], (10.33, 0.00, 10.33)),
    ],
)
def test_tax_is_rounded_on_each_line_and_then_summed(
    app: XeroApp, types: str, amounts: list[str], totals: tuple[float, float, float]
) -> None:
    lines = [build_line(amount) for amount in amounts]
    row = create_elements(app, "Invoices", build_invoice("PF1", LineItems=lines, LineAmountTypes=types))[0]
    assert (row["SubTotal"], row["TotalTax"], row["Total"]) == totals


def test_unit_amounts_have_four_decimals_only_when_asked_for(app: XeroApp) -> None:
    body = {"Invoices": [build_invoice("PF1", LineItems=[{**build_line("0"), "UnitAmount": 0.3333, "Quantity": 300}])]}
    four = app.call("PUT", "/Invoices", body, params={"unitdp": "4"}).json()["Invoices"][0]
    assert (four["Total"], four["LineItems"][0]["UnitAmount"]) == (99.99, 0.3333)
    body["Invoices"][0]["InvoiceNumber"] = "PF2"
    assert app.call("PUT", "/Invoices", body).json()["Invoices"][0]["Total"] == 99.00


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"LineItems": [build_line("1", "090")]}, "'090' is not a valid code"),
        ({"LineItems": [build_line("1", "899")]}, "archived"),
        ({"LineItems": [build_line("1", TaxType="MOON")]}, "TaxType code 'MOON'"),
        ({"LineItems": [build_line("1", LineAmount=2.0)]}, "does not match the expected line total 1.00"),
        ({"LineItems": []}, "line items must be specified"),
        ({"CurrencyCode": "CHF"}, "not subscribed to currency CHF"),
        ({"Date": "01/05/2026"}, "Date is not a valid date"),
        ({"DueDate": None}, "due date"),
        ({"Contact": {"ContactID": "11111111-1111-1111-1111-111111111111"}}, "could not be found"),
        ({"Contact": {}}, "at least 1 of the following elements"),
        ({"Type": "BARTER"}, "type is not valid"),
        ({"LineItems": [build_line("-1")]}, "cannot be negative"),
    ],
)
def test_an_invoice_with_a_fault_is_refused(app: XeroApp, change: dict[str, Any], message: str) -> None:
    assert message in list_errors(create_elements(app, "Invoices", {**build_invoice("PF1"), **change}, ok=False)[0])


def test_a_locked_period_takes_nothing(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("PF1", Date="2026-06-01"))
    app.sandbox.post("/xero/_control", {"lock": {"organisation": "au", "date": "2026-05-31"}})
    assert "currently set at 31 May 2026" in list_errors(
        create_elements(app, "Invoices", build_invoice("PF2"), ok=False)[0]
    )
    assert "31 May 2026" in list_errors(create_elements(app, "Payments", build_payment("PF1", "1.00"), ok=False)[0])
    assert create_elements(app, "Payments", build_payment("PF1", "1.00", Date="2026-06-01"))


def test_a_draft_note_is_approved_or_deleted(app: XeroApp) -> None:
    first, second = create_elements(
        app, "CreditNotes", build_credit_note("PF_CR1", Status="DRAFT"), build_credit_note("PF_CR2", Status="DRAFT")
    )

    def change(row: dict[str, Any], status: str) -> requests.Response:
        return app.call("POST", f"/CreditNotes/{row['CreditNoteID']}", {"CreditNotes": [{"Status": status}]})

    assert change(first, "AUTHORISED").json()["CreditNotes"][0]["Status"] == "AUTHORISED"
    assert change(second, "DELETED").json()["CreditNotes"][0]["Status"] == "DELETED"
    assert change(first, "DELETED").status_code == 400
    assert change(second, "DRAFT").status_code == 400
    assert "unique" in list_errors(create_elements(app, "CreditNotes", build_credit_note("PF_CR1"), ok=False)[0])
    assert "unique" in list_errors(create_elements(app, "CreditNotes", build_credit_note("PF_CR2"), ok=False)[0])
    assert get_document(app, "CreditNotes", "PF_CR2")["Status"] == "DELETED"
    assert change(first, "VOIDED").json()["CreditNotes"][0]["RemainingCredit"] == 0


def test_an_allocation_uses_up_the_note_and_can_be_taken_off(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("INV-1", "300.00"))
    created = create_elements(app, "CreditNotes", build_credit_note("PF_CR1", "110.00"))[0]
    api, tenant, key = app.build_library(), app.tenant, created["CreditNoteID"]
    target = models.Invoice(invoice_id=get_document(app, "Invoices", "INV-1")["InvoiceID"])
    entry = models.Allocation(invoice=target, amount=110.0, date=date(2026, 5, 3))
    body = models.Allocations(allocations=[entry])
    saved = api.create_credit_note_allocation(tenant, key, body, idempotency_key="a-1").allocations[0]
    after = get_document(app, "CreditNotes", key)
    assert (after["Status"], after["RemainingCredit"]) == ("PAID", 0)
    reduced = get_document(app, "Invoices", "INV-1")
    assert (reduced["AmountDue"], reduced["AmountCredited"], reduced["Status"]) == (190, 110, "AUTHORISED")
    void = app.call("POST", f"/CreditNotes/{key}", {"Status": "VOIDED"})
    assert void.status_code == 400
    gone = api.delete_credit_note_allocations(tenant, key, saved.allocation_id)
    assert gone.is_deleted
    after = get_document(app, "CreditNotes", key)
    assert (after["Status"], after["RemainingCredit"], after["Allocations"]) == ("AUTHORISED", 110, [])
    assert get_document(app, "Invoices", "INV-1")["AmountDue"] == 300


def test_an_allocation_stays_within_both_documents(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("INV-1", "50.00"), build_invoice("INV-2", "50.00", "City Legal"))
    key = create_elements(app, "CreditNotes", build_credit_note("PF_CR1", "40.00"))[0]["CreditNoteID"]

    def allocate(number: str, amount: float) -> requests.Response:
        entry = {
            "Amount": amount,
            "Date": "2026-05-03",
            "Invoice": {"InvoiceID": get_document(app, "Invoices", number)["InvoiceID"]},
        }
        return app.call("PUT", f"/CreditNotes/{key}/Allocations", {"Allocations": [entry]})

    assert "remaining credit" in allocate("INV-1", 41.0).text
    assert "contact" in allocate("INV-2", 10.0).text
    assert allocate("INV-1", 15.0).status_code == 200
    assert get_document(app, "CreditNotes", key)["RemainingCredit"] == 25
    assert "exceeds" in allocate("INV-1", 26.0).text


def test_a_payment_is_deleted_never_edited(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("PF1"))
    part, rest = create_elements(app, "Payments", build_payment("PF1", "60.00"), build_payment("PF1", "50.00"))
    assert get_document(app, "Invoices", "PF1")["Status"] == "PAID"
    assert "cannot be updated" in app.call("POST", f"/Payments/{part['PaymentID']}", {"Amount": 1}).text
    body = models.PaymentDelete(status="DELETED")
    assert app.build_library().delete_payment(app.tenant, rest["PaymentID"], body).payments[0].status == "DELETED"
    again = get_document(app, "Invoices", "PF1")
    assert (again["Status"], again["AmountDue"], len(again["Payments"])) == ("AUTHORISED", 50, 1)
    assert app.call("POST", f"/Payments/{rest['PaymentID']}", {"Status": "DELETED"}).status_code == 400
    standing = get_json(app, "/Payments", where='Status=="AUTHORISED" AND Invoice.InvoiceNumber=="PF1"')["Payments"]
    assert [row["PaymentID"] for row in standing] == [part["PaymentID"]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Amount": 110.01}, "exceeds the amount outstanding"),
        ({"Amount": 0}, "greater than zero"),
        ({"Account": {"Code": "200"}}, "account type is not valid"),
        ({"Account": {"Code": "nope"}}, "Account could not be found"),
        ({"Invoice": {"InvoiceNumber": "PF9"}}, "Invoice could not be found"),
    ],
)
def test_a_payment_with_a_fault_is_refused(app: XeroApp, change: dict[str, Any], message: str) -> None:
    create_elements(app, "Invoices", build_invoice("PF1"))
    assert message in list_errors(
        create_elements(app, "Payments", {**build_payment("PF1", "110.00"), **change}, ok=False)[0]
    )


def test_a_payment_against_a_credit_note_is_a_refund(app: XeroApp) -> None:
    create_elements(app, "CreditNotes", build_credit_note("PF_CR1", "110.00"))
    refund = {**build_payment("", "110.00"), "Invoice": None, "CreditNote": {"CreditNoteNumber": "PF_CR1"}}
    row = create_elements(app, "Payments", {name: value for name, value in refund.items() if value})[0]
    assert row["PaymentType"] == "ARCREDITPAYMENT"
    after = get_document(app, "CreditNotes", "PF_CR1")
    assert (after["Status"], after["RemainingCredit"]) == ("PAID", 0)


def test_only_approved_documents_take_money(app: XeroApp) -> None:
    create_elements(app, "Invoices", build_invoice("PF1", Status="DRAFT"))
    assert "Authorised documents" in list_errors(
        create_elements(app, "Payments", build_payment("PF1", "1.00"), ok=False)[0]
    )
