"""The practice CPQ: who is let in, the language of conditions, pages, versions, writes, and the vendor's document."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.harness.sandbox_process import SandboxProcess
from tests.sandbox.cpq.client import KEYS, VERSIONED, CpqApp
from tests.sandbox.test_vendor_contracts import CHECK

PASSCODE = "orderPorterPasscode"
WRONG_FORMS = (
    "isOrderPorterApproved = true",
    "isOrderPorterApproved = TRUE",
    "modifyDate > [2020-01-01T00:00:00Z]",
    "modifyDate > 2020-01-01",
    "quoteNumber = '1042'",
    'quoteNumber = "1042"',
    "name = Firewall",
    "noSuchField = 1",
    "quoteNumber ==1042",
    "quoteNumber = 1042 and",
    "(quoteNumber = 1042",
)
RIGHT_FORMS = {
    "quoteNumber = 1042": 1,
    "quoteNumber != 1042": 5,
    "quoteNumber in (1042, 1043)": 2,
    "quoteNumber not in (1042, 1043)": 4,
    'name contains "firewall"': 1,
    'baseCurrency = "AUD" and recurringTotal > 0': 2,
    "(quoteNumber = 1042 or quoteNumber = 1047)": 2,
    "isOrderPorterApproved = False": 6,
    "modifyDate > [2020-01-01] and isArchive = False": 6,
    "orderPorterSignedDate = null": 6,
    'customer/name contains "Dental"': 2,
}


@pytest.fixture
def cpq(sandbox: SandboxProcess) -> CpqApp:
    return CpqApp(sandbox)


def test_without_keys_it_fails_and_with_wrong_ones_it_refuses(cpq: CpqApp) -> None:
    url = f"{cpq.sandbox.url}/cpq/api/quotes"
    bare = requests.get(url, headers=VERSIONED, timeout=10)
    assert (bare.status_code, list(bare.json())) == (500, ["message"])
    for user, private_key in ((KEYS[0], "other"), ("practice+nobody", KEYS[1]), ("psa+public0key", KEYS[1])):
        assert CpqApp(cpq.sandbox, user, private_key).call("GET", "/api/quotes").status_code == 401


def test_the_version_is_asked_for_on_reads_too(cpq: CpqApp) -> None:
    plain = requests.get(f"{cpq.sandbox.url}/cpq/api/quotes", auth=KEYS, timeout=10)
    assert plain.status_code == 415


def test_a_user_with_fewer_rights_sees_fewer_quotes_and_no_error(cpq: CpqApp) -> None:
    restricted = CpqApp(cpq.sandbox, "practice+restricted0key")
    assert [row["quoteNumber"] for row in restricted.list("/api/quotes")] == [1042, 1044, 1046]
    assert restricted.list("/settings/user")[0]["canAccessAllQuotes"] is False
    assert CpqApp(cpq.sandbox, "elsewhere+public0key").list("/api/quotes") == []


@pytest.mark.parametrize("conditions", WRONG_FORMS)
def test_a_condition_in_a_wrong_form_finds_nothing(cpq: CpqApp, conditions: str) -> None:
    assert cpq.list("/api/quotes", conditions=conditions) == []


@pytest.mark.parametrize(("conditions", "count"), RIGHT_FORMS.items())
def test_a_condition_finds_what_it_says(cpq: CpqApp, conditions: str, count: int) -> None:
    assert len(cpq.list("/api/quotes", conditions=conditions)) == count


def test_pages_are_bare_lists_and_only_the_asked_fields_come(cpq: CpqApp) -> None:
    pages = [cpq.list("/api/quotes", page=n, pageSize=4, includeFields="id,quoteNumber") for n in (1, 2, 3)]
    assert [len(page) for page in pages] == [4, 2, 0]
    assert all(row.keys() == {"id", "quoteNumber"} for page in pages for row in page)
    for _ in range(50):
        cpq.order(create={})
    assert len(cpq.list("/api/quotes")) == 50
    assert len(cpq.list("/api/quotes", pageSize=1000)) == 56


def test_a_new_version_has_an_id_of_its_own_and_older_ones_are_shown_when_asked_for(cpq: CpqApp) -> None:
    first = cpq.order(approve={"number": 1042})["view"]
    second = cpq.order(publish={"number": 1042})["view"]
    assert (first["quoteVersion"], second["quoteVersion"]) == (1, 2)
    assert (first["isOrderPorterApproved"], second["isOrderPorterApproved"]) == (True, False)
    assert first["id"] != second["id"]
    latest = cpq.call("GET", "/api/quotes/1042/versions/latest").json()
    assert latest["id"] == second["id"]
    assert cpq.call("GET", "/api/quotes/1042/versions/1").json()["id"] == first["id"]
    assert [row["quoteVersion"] for row in cpq.list("/api/quotes/1042/versions")] == [1, 2]
    condition = f'{PASSCODE} = "{first[PASSCODE]}"'
    assert [row["quoteVersion"] for row in cpq.list("/api/quotes", conditions=condition)] == [2]
    assert len(cpq.list("/api/quotes", conditions=condition, showAllVersions="true")) == 2


def test_what_the_vendor_fails_on_fails(cpq: CpqApp) -> None:
    old = cpq.order(create={"quote": {"id": "6f1c2a34-0b1d-4c5e-8f90-123456789abc"}})["view"]["id"]
    change = [{"op": "replace", "path": "/zCustomQuoteString1", "value": "paid"}]
    assert cpq.call("PATCH", f"/api/quotes/{old}", change).status_code == 500
    assert cpq.call("DELETE", f"/api/quotes/{old}").status_code == 500
    new = cpq.order(create={})["view"]["id"]
    lost = [{"op": "replace", "path": "/isLost", "value": True}]
    assert cpq.call("PATCH", f"/api/quotes/{new}", lost).status_code == 500
    status = [{"op": "replace", "path": "/quoteStatus", "value": "Lost"}]
    assert cpq.call("PATCH", f"/api/quotes/{new}", lost + status).status_code == 200
    assert cpq.call("PATCH", f"/api/quotes/{new}", change).json()["zCustomQuoteString1"] == "paid"
    assert cpq.call("DELETE", f"/api/quotes/{new}").status_code == 204


def test_times_are_those_of_the_tenants_own_clock(cpq: CpqApp) -> None:
    before = cpq.order(create={})["view"]["modifyDate"]
    cpq.sandbox.config(cpq_hours_ahead=11)
    assert cpq.order(create={})["view"]["modifyDate"] > before


def test_the_template_shows_the_link_on_an_accepted_quote_only(cpq: CpqApp) -> None:
    link = '#ApprovedBegin()<a href="https://pay.example/q/x?k=#Quote.OrderPorterPasscode">Pay this quote</a>'
    link += "#ApprovedEnd()"
    cpq.sandbox.config(cpq_template=link)
    quote = cpq.order(create={})
    assert "Pay this quote" not in requests.get(quote["page"], timeout=10).text
    accepted = requests.post(quote["page"], {"terms": "yes", "signature": "Ada", "act": "accept"}, timeout=10)
    assert f'https://pay.example/q/x?k={quote["passcode"]}"' in accepted.text
    pdf = requests.get(f"{cpq.sandbox.url}/orderporter/orderporterpdf/{quote['passcode']}.pdf", timeout=10)
    assert pdf.content.startswith(b"%PDF")


@pytest.mark.skipif(not CHECK.exists(), reason="the vendors' contracts are not beside this project")
def test_every_operation_keeps_the_vendors_contract(cpq: CpqApp, tmp_path: Path) -> None:
    assert len(exercise_everything(cpq)) >= 29
    exchanges = cpq.sandbox.journal("cpq")
    journal = tmp_path / "journal.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in exchanges))
    command = [sys.executable, str(CHECK), str(journal), "--service", "cpq"]
    judged = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert exchanges[0]["basic_user"] == KEYS[0]
    assert "private0key" not in journal.read_text()


def exercise_everything(cpq: CpqApp) -> list[requests.Response]:
    """Every operation of the vendor's document, once."""
    quote = cpq.order(approve={"like": "mixed"})["view"]
    own = f"/api/quotes/{quote['id']}"
    numbered = f"/api/quotes/{quote['quoteNumber']}/versions"
    customer = cpq.list(f"{own}/customers")[0]["id"]
    term = cpq.list(f"{own}/quoteTerms", includeFields="id,isSelected", conditions="isSelected = True")[0]["id"]
    item = cpq.list("/api/quoteItems", showAllVersions="false", pageSize=1)[0]["id"]
    tab = cpq.list("/api/quoteTabs", showAllVersions="false", includeFields="id")[0]["id"]
    user = cpq.list("/settings/user", pageSize=1)[0]["id"]
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/api/quotes", None),
        ("GET", own, None),
        ("GET", numbered, None),
        ("GET", f"{numbered}/latest", None),
        ("GET", f"{numbered}/1", None),
        ("PATCH", own, [{"op": "replace", "path": "/quoteNotes", "value": "x"}]),
        ("PUT", f"{own}/customers/{customer}", {"accountName": "Harbour"}),
        ("PATCH", f"{own}/customers/{customer}", [{"op": "replace", "path": "/city", "value": "Perth"}]),
        ("PATCH", f"{own}/quoteTerms/{term}", [{"op": "replace", "path": "/name", "value": "Monthly"}]),
        ("POST", f"{own}/quoteTerms", {"name": "Weekly", "periodInterval": "Weekly"}),
        ("DELETE", f"{own}/quoteTerms/{term}", None),
        ("GET", f"/api/quoteItems/{item}", None),
        ("PATCH", f"/api/quoteItems/{item}", [{"op": "replace", "path": "/quantity", "value": 2.0}]),
        ("POST", "/api/quoteItems", {"idQuote": quote["id"], "shortDescription": "Cable", "quantity": 1.0}),
        ("DELETE", f"/api/quoteItems/{item}", None),
        ("GET", f"/api/quoteTabs/{tab}/quoteItems", None),
        ("GET", "/api/recurringRevenues", None),
        ("GET", "/api/taxCodes", None),
        ("GET", "/api/templates", None),
        ("PATCH", f"/settings/user/{user}", [{"op": "replace", "path": "/jobTitle", "value": "Robot"}]),
        ("POST", f"/api/quotes/copyById/{quote['id']}", None),
        ("DELETE", f"{own}/customers/{customer}", None),
        ("DELETE", f"{numbered}/1", None),
        ("DELETE", f"/api/quotes/{cpq.order(create={})['view']['id']}", None),
    ]
    answers = [cpq.call(method, path, body) for method, path, body in calls]
    assert [answer.status_code for answer in answers if answer.status_code not in (200, 204)] == []
    return [*answers, *[answers[0]] * 5]  # with the five lists above
