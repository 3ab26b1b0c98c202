"""The door of the practice Xero: idempotency, budgets, tenants, and the vendor's contract."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from sandbox.harness.sandbox_process import ROOT, SandboxProcess
from tests.sandbox.xero.app import (
    XeroApp,
    build_credit_note,
    build_invoice,
    build_line,
    build_payment,
    create_elements,
    get_document,
    get_json,
)

CHECK = ROOT.parent / "shared" / "contracts" / "check.py"


def test_an_idempotency_key_replays_for_six_minutes(app: XeroApp) -> None:
    body = {"CreditNotes": [build_credit_note("PF_CR1")]}
    first = app.call("PUT", "/CreditNotes", body, Idempotency_Key="k-1")
    again = app.call("PUT", "/CreditNotes", body, Idempotency_Key="k-1")
    assert again.json() == first.json()
    remaining = [int(each.headers["X-MinLimit-Remaining"]) for each in (first, again)]
    assert remaining[1] < remaining[0] or remaining[1] == 59
    other = app.call("PUT", "/CreditNotes", {"CreditNotes": [build_credit_note("PF_CR2")]}, Idempotency_Key="k-1")
    assert other.status_code == 400
    app.sandbox.advance(6 * 60)
    late = app.call("PUT", "/CreditNotes", body, Idempotency_Key="k-1")
    assert "must be unique" in late.text
    assert app.call("PUT", "/CreditNotes", body, Idempotency_Key="k" * 129).status_code == 400


def test_errors_are_remembered_under_the_key_and_other_organisations_are_not_touched(app: XeroApp) -> None:
    body = {"CreditNotes": [build_credit_note("PF_CR1", LineItems=[build_line("1", "899")])]}
    assert app.call("PUT", "/CreditNotes", body, Idempotency_Key="k-1").status_code == 400
    app.sandbox.post("/xero/_control", {"restore_account": {"organisation": "au", "code": "899"}})
    assert app.call("PUT", "/CreditNotes", body, Idempotency_Key="k-1").status_code == 400
    app.connect("Kauri Networks Practice (NZ)")
    plain = {"CreditNotes": [build_credit_note("PF_CR1")]}
    assert app.call("PUT", "/CreditNotes", plain, Idempotency_Key="k-1").status_code == 200


def test_the_minute_belongs_to_the_app_and_the_organisation(app: XeroApp) -> None:
    app.sandbox.config(xero_limits={"minute": 1})
    assert app.call("GET", "/Organisation").headers["X-MinLimit-Remaining"] == "0"
    limited = app.call("GET", "/Organisation")
    assert (limited.status_code, limited.headers["X-Rate-Limit-Problem"]) == (429, "minute")
    assert XeroApp(app.sandbox, "sandbox-client-2", "sandbox-secret-2").connect().call("GET", "/Organisation").ok
    assert XeroApp(app.sandbox).connect("Kauri Networks Practice (NZ)").call("GET", "/Organisation").ok
    assert len(app.connections()) == 2
    app.sandbox.advance(int(limited.headers["Retry-After"]))
    assert app.call("GET", "/Organisation").ok


def test_the_day_has_a_budget_of_its_own(app: XeroApp) -> None:
    app.sandbox.config(xero_limits={"day": 2})
    assert app.call("GET", "/Organisation").headers["X-DayLimit-Remaining"] == "1"
    assert app.call("GET", "/Organisation").headers["X-DayLimit-Remaining"] == "0"
    limited = app.call("GET", "/Organisation")
    assert (limited.status_code, limited.headers["X-Rate-Limit-Problem"]) == (429, "day")
    assert limited.headers["X-AppMinLimit-Remaining"] == "9998"
    app.sandbox.advance(int(limited.headers["Retry-After"]))
    assert app.connect().call("GET", "/Organisation").ok


def test_five_calls_are_in_flight_at_most(app: XeroApp) -> None:
    app.sandbox.config(xero_latency=1)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: app.call("GET", "/Organisation"), range(6)))
    assert sorted(each.status_code for each in answers) == [200] * 5 + [429]
    limited = next(each for each in answers if each.status_code == 429)
    assert limited.headers["X-Rate-Limit-Problem"] == "concurrent"


def test_a_dropped_answer_leaves_the_document_to_be_found_by_its_number(app: XeroApp) -> None:
    body = {"CreditNotes": [build_credit_note("PF_CR1")]}
    with (
        app.sandbox.inject_fault("xero", "drop_after", method="PUT", path="/CreditNotes*"),
        pytest.raises(requests.ConnectionError),
    ):
        app.call("PUT", "/CreditNotes", body)
    found = get_json(app, "/CreditNotes", where='CreditNoteNumber=="PF_CR1"')["CreditNotes"]
    assert [row["CreditNoteNumber"] for row in found] == ["PF_CR1"]
    with app.sandbox.inject_fault("xero", "status", status=429):
        limited = app.call("PUT", "/CreditNotes", body)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "60")


def test_a_stranger_gets_nothing(app: XeroApp) -> None:
    stranger = XeroApp(app.sandbox, "sandbox-client-2", "sandbox-secret-2").connect("Prairie Systems Practice (US)")
    stranger.tenant = app.tenant
    assert stranger.call("GET", "/Invoices").status_code == 403
    stranger.tenant = "au"
    assert stranger.call("GET", "/Invoices").status_code == 403
    stranger.tokens["access_token"] = "forged"
    assert stranger.call("GET", "/Invoices").status_code == 401
    narrow = XeroApp(app.sandbox).connect(scope="accounting.contacts offline_access")
    assert narrow.call("GET", "/Contacts").status_code == 200
    assert narrow.call("PUT", "/Invoices", {"Invoices": [build_invoice("PF1")]}).status_code == 401


def test_who_does_not_ask_for_json_gets_xml(app: XeroApp) -> None:
    response = app.call("GET", "/Organisation", Accept="*/*")
    assert response.headers["Content-Type"].startswith("text/xml")
    assert "<Organisations><Organisation><OrganisationID>" in response.text


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
def test_the_traffic_keeps_the_vendors_contract(app: XeroApp, tmp_path: Path) -> None:
    exercise_operations(app)
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in app.sandbox.journal()))
    command = [sys.executable, str(CHECK), str(journal), "--service"]
    for service in ("xero", "xero-identity"):
        judged = subprocess.run([*command, service], capture_output=True, text=True, check=False, timeout=120)
        assert judged.returncode == 0, judged.stdout + judged.stderr


def exercise_operations(app: XeroApp) -> None:
    """Every operation once, well and badly."""
    for path in ("Organisation", "Accounts", "TaxRates", "Currencies", "BrandingThemes"):
        get_json(app, f"/{path}")
    created = create_elements(app, "Contacts", {"Name": "Bayside Dental"}, {"Name": "Bayside Dental"}, ok=False)[0][
        "ContactID"
    ]
    app.call("POST", "/Contacts", {"Contacts": [{"ContactID": created, "ContactNumber": "C-1"}]})
    app.call("POST", f"/Contacts/{created}", {"Contacts": [{"EmailAddress": "ap@bayside.test"}]})
    create_elements(
        app, "Invoices", build_invoice("INV-1", "500.00"), build_invoice("INV-1"), build_invoice("INV-2"), ok=False
    )
    app.call("POST", "/Invoices", {"Invoices": [{"InvoiceNumber": "INV-2", "Reference": "PF 2"}]})
    app.call("POST", "/Invoices/INV-2", {"Invoices": [{"Status": "VOIDED"}]})
    create_elements(
        app,
        "CreditNotes",
        build_credit_note("PF_CR1", "50.00"),
        build_credit_note("PF_CR2", Status="DRAFT"),
        build_credit_note("PF_CR2"),
        ok=False,
    )
    app.call("POST", "/CreditNotes/PF_CR2", {"CreditNotes": [{"Status": "DELETED"}]})
    key, target = (
        get_document(app, "CreditNotes", "PF_CR1")["CreditNoteID"],
        get_document(app, "Invoices", "INV-1")["InvoiceID"],
    )
    entry = {"Amount": 10.0, "Date": "2026-05-03", "Invoice": {"InvoiceID": target}}
    answer = app.call("PUT", f"/CreditNotes/{key}/Allocations", {"Allocations": [entry, entry]})
    first = answer.json()["Allocations"][0]["AllocationID"]
    get_json(app, "/CreditNotes")
    app.call("DELETE", f"/CreditNotes/{key}/Allocations/{first}")
    refund = {
        "CreditNote": {"CreditNoteID": key},
        "Account": {"Code": "090"},
        "Date": "2026-05-04",
        "Amount": 5.0,
    }
    rows = [build_payment("INV-1", "60.00"), build_payment("INV-1", "9000.00"), refund]
    paid = create_elements(app, "Payments", *rows, ok=False)[0]["PaymentID"]
    get_json(app, "/Payments", page="1", pageSize="10")
    get_json(app, f"/Payments/{paid}")
    app.call("POST", f"/Payments/{paid}", {"Status": "DELETED"})
    get_json(app, "/Invoices", summaryOnly="true", page="1", pageSize="1000", Statuses="AUTHORISED,VOIDED")
    get_json(app, "/Invoices/INV-1", unitdp="4")
    get_json(app, f"/Contacts/{created}")
    get_json(app, "/Contacts", IDs=created, summaryOnly="true")
    exercise_rare_operations(app)
    app.identity("DELETE", f"/Connections/{app.connections()[0]['id']}")


def exercise_rare_operations(app: XeroApp) -> None:
    """The rarer ways to ask."""
    account = get_json(app, "/Accounts", where='Type=="BANK"', order="Code ASC")["Accounts"][0]
    get_json(app, f"/Accounts/{account['AccountID']}")
    app.call("POST", "/CreditNotes", {"CreditNotes": [build_credit_note("PF_CR3"), {"CreditNoteNumber": "PF_CR1"}]})
    app.call("POST", "/Payments", build_payment("INV-1", "1.00"), Idempotency_Key="k-9")
    app.call("GET", "/Contacts", params={"searchTerm": "bay"}, If_Modified_Since="2026-01-01T00:00:00")
    app.call("GET", "/Payments", params={"where": 'Status=="AUTHORISED"', "order": "Date DESC"})
    app.connections(authEventId=app.connections()[0]["authEventId"])


@pytest.mark.thorough
def test_the_books_outlive_the_process(tmp_path: Path) -> None:
    state = tmp_path / "world.json"
    with SandboxProcess.start(state=state) as sandbox:
        app = XeroApp(sandbox).connect()
        create_elements(
            app,
            "Contacts",
            {"Name": "Bayside Dental", "PaymentTerms": {"Sales": {"Day": 14, "Type": "OFCURRENTMONTH"}}},
        )
        create_elements(app, "CreditNotes", build_credit_note("PF_CR1"))
    with SandboxProcess.start(state=state) as app.sandbox:
        assert get_document(app, "CreditNotes", "PF_CR1")["RemainingCredit"] == 110
        assert "must be unique" in app.call("PUT", "/CreditNotes", {"CreditNotes": [build_credit_note("PF_CR1")]}).text
