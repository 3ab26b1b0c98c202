"""The practice ConnectWise PSA: keys, conditions, pages, payments, rights, callbacks, and what goes wrong there."""

import json
from typing import Any

import pytest
import requests

from psa.connectwise.signatures import compute_signature
from sandbox.harness.sandbox_process import SandboxProcess
from sandbox.psa.tenant import CLIENT_ID, PRIVATE_KEY, PUBLIC_KEY
from tests.sandbox.webhook_receiver import WebhookReceiver

HEADERS = {"clientId": CLIENT_ID, "Accept": "application/vnd.connectwise.com+json; version=2025.8"}
KEYS = (f"northwind+{PUBLIC_KEY}", PRIVATE_KEY)


def call(sandbox: SandboxProcess, method: str, path: str, **options: Any) -> requests.Response:
    """One call of the API; `headers` are laid over the usual ones."""
    headers = HEADERS | options.pop("headers", {})
    url = f"{sandbox.url}/psa/v4_6_release/apis/3.0{path}"
    return requests.request(method, url, **{"auth": KEYS, **options}, headers=headers, timeout=10)


def sell(sandbox: SandboxProcess) -> dict[str, int]:
    """An opportunity, its order and its down-payment invoice."""
    found: dict[str, int] = sandbox.post("/psa/_control", {"order": {"amount": 625}})["order"]
    return found


def find(sandbox: SandboxProcess, conditions: str, path: str = "/finance/invoices") -> list[int]:
    """The ids that meet a condition."""
    answer = call(sandbox, "GET", path, params={"conditions": conditions, "fields": "id"})
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()]


def test_wrong_keys_are_answered_404_and_a_missing_client_id_401(sandbox: SandboxProcess) -> None:
    path = "/company/companies"
    assert call(sandbox, "GET", path).status_code == 200
    assert call(sandbox, "GET", path, auth=(KEYS[0], "wrong")).status_code == 404
    assert call(sandbox, "GET", path, auth=(f"other+{PUBLIC_KEY}x", PRIVATE_KEY)).status_code == 404
    assert call(sandbox, "GET", path, headers={"clientId": ""}).status_code == 401
    assert requests.get(f"{sandbox.url}/psa/login/companyinfo/nobody", timeout=10).json() is None


def test_conditions_choose_records(sandbox: SandboxProcess) -> None:
    first, second = sell(sandbox), sell(sandbox)
    both = [first["invoice"], second["invoice"]]
    assert find(sandbox, f"salesOrder/id = {first['order']}") == both[:1]
    assert find(sandbox, f'type = "DownPayment" and (id in ({both[0]}, {both[1]}))') == both
    assert find(sandbox, 'type not in ("DownPayment")') == []
    assert find(sandbox, "balance >= 625 and lastUpdated > [2026-01-01T00:00:00Z]") == both
    assert find(sandbox, 'company/identifier like "harbour*"') == both
    sandbox.config(psa_at_least_finds_nothing=True)
    assert find(sandbox, "lastUpdated >= [2026-01-01T00:00:00Z]") == []
    bad = call(sandbox, "GET", "/finance/invoices", params={"conditions": "deletedFlag = true"})
    assert bad.status_code == 400


def test_pages_have_25_rows_and_forward_only_ones_always_a_link(sandbox: SandboxProcess) -> None:
    rows = [{"identifier": f"C{n}", "name": f"Company {n}"} for n in range(30)]
    sandbox.post("/psa/_control", {"insert": {"table": "companies", "rows": rows}})
    first = call(sandbox, "GET", "/company/companies")
    assert len(first.json()) == 25
    assert 'rel="next"' in first.headers["Link"]
    assert call(sandbox, "GET", "/company/companies", params={"pageSize": 1001}).status_code == 400
    forward = {"pagination-type": "forward-only"}
    page = call(sandbox, "GET", "/company/companies", params={"pageSize": 20, "fields": "id"}, headers=forward)
    last = page.json()[-1]["id"]
    rest = call(sandbox, "GET", "/company/companies", params={"pageSize": 20, "pageId": last}, headers=forward)
    assert (len(page.json()), len(rest.json())) == (20, 11)
    assert "pageId" in rest.headers["Link"]
    assert "_info" not in page.json()[0]


def test_the_same_payment_again_is_another_one_and_a_closed_invoice_refuses(sandbox: SandboxProcess) -> None:
    invoice = sell(sandbox)["invoice"]
    path = f"/finance/invoices/{invoice}/payments"
    body = {"amount": 300.0, "paymentDate": "2026-11-29T00:00:00Z", "source": "Default"}
    answers = [call(sandbox, "POST", path, json=body) for _ in range(2)]
    assert [(a.status_code, a.json()["invoiceBalance"]) for a in answers] == [(201, 325.0), (201, 25.0)]
    assert call(sandbox, "POST", path, json={"source": "Default"}).json()["errors"][0]["field"] == "amount"
    sandbox.post("/psa/_control", {"close": {"invoice": invoice}})
    assert call(sandbox, "POST", path, json=body).status_code == 400
    assert call(sandbox, "DELETE", f"{path}/{answers[0].json()['id']}").status_code == 400
    sandbox.post("/psa/_control", {"close": {"invoice": invoice, "open": True}})
    assert call(sandbox, "DELETE", f"{path}/{answers[0].json()['id']}").status_code == 204
    assert call(sandbox, "GET", f"/finance/invoices/{invoice}").json()["balance"] == 325.0


def test_a_patch_into_a_field_is_taken_and_changes_nothing(sandbox: SandboxProcess) -> None:
    path = f"/finance/invoices/{sell(sandbox)['invoice']}"
    patch = [{"op": "replace", "path": "company/identifier", "value": "Other"}]
    assert call(sandbox, "PATCH", path, json=patch).json()["company"]["identifier"] == "HarbourDental"
    patch = [{"op": "replace", "path": "reference", "value": "Q1"}]
    assert call(sandbox, "PATCH", path, json=patch).json()["reference"] == "Q1"
    assert call(sandbox, "PATCH", path, json=[{"op": "replace", "path": "Reference", "value": "Q2"}]).status_code == 400


@pytest.mark.parametrize("right", ["invoicing:inquire", "invoicing:add", "invoicing:delete"])
def test_each_right_is_withdrawn_alone(sandbox: SandboxProcess, right: str) -> None:
    path = f"/finance/invoices/{sell(sandbox)['invoice']}/payments"
    sandbox.post("/psa/_control", {"withdraw": {"right": right}})
    verbs = {
        "invoicing:inquire": call(sandbox, "GET", path),
        "invoicing:add": call(sandbox, "POST", path, json={"amount": 1}),
        "invoicing:delete": call(sandbox, "DELETE", f"{path}/1"),
    }
    assert [name for name, answer in verbs.items() if answer.status_code == 403] == [right]


def test_a_late_payment_lands_after_its_caller_has_gone(sandbox: SandboxProcess) -> None:
    path = f"/finance/invoices/{sell(sandbox)['invoice']}/payments"
    sandbox.post("/psa/_control", {"late_payment": {"seconds": 60}})
    with pytest.raises(requests.ConnectionError):
        call(sandbox, "POST", path, json={"amount": 625})
    assert call(sandbox, "GET", path).json() == []
    sandbox.advance(61)
    assert [row["amount"] for row in call(sandbox, "GET", path).json()] == [625.0]


def test_a_callback_is_signed_and_names_the_address_of_its_key(sandbox: SandboxProcess) -> None:
    with WebhookReceiver() as receiver:
        body = {"url": f"{receiver.url}/x?recordId=", "objectId": 1, "type": "invoice", "level": "owner"}
        assert call(sandbox, "POST", "/system/callbacks", json=body).status_code == 201
        assert call(sandbox, "POST", "/system/callbacks", json=body | {"level": "board"}).status_code == 400
        sell(sandbox)
        [request] = receiver.wait(bool)
    message = json.loads(request.body)
    key = requests.get(message["Metadata"]["key_url"], timeout=10).json()["signing_key"]
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["x-content-signature"] == compute_signature(key, request.body)
    assert (message["Action"], message["Type"]) == ("added", "invoice")
