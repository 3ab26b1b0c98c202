"""An app of the practice Intuit as tests use it: consent, tokens, the vendor's objects, bare calls."""

from __future__ import annotations

import itertools
import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from quickbooks import QuickBooks

from sandbox.harness.sandbox_process import SandboxProcess

CALLBACK = "http://127.0.0.1:9/callback"
ACCOUNTING = "com.intuit.quickbooks.accounting"
HIGH_LIMITS = {"second": 10_000, "minute": 100_000, "batch": 10_000}
BANK, RECEIVABLE, CLEARING, PREPAYMENTS = "1", "8", "10", "13"
SERVICES, HARDWARE, PREPAYMENT, NO_ACCOUNT, RETIRED, CATEGORY = "1", "2", "3", "5", "6", "7"
GST, GST_FREE, OUT_OF_SCOPE, PURCHASES = "1", "2", "3", "4"
numbers = itertools.count(1)


class LibrarySession:
    """What python-quickbooks wants of an OAuth session, without its own network habits."""

    def __init__(self, token: str) -> None:
        self.access_token = token

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        return requests.request(method, url, timeout=10, **options)


class IntuitApp:
    """One app (client id) that one person connected to a company."""

    def __init__(
        self, sandbox: SandboxProcess, client: str = "sandbox-intuit", secret: str = "sandbox-intuit-secret"
    ) -> None:
        self.sandbox = sandbox
        self.client = client
        self.secret = secret
        self.tokens: dict[str, Any] = {}
        self.realm = ""

    def authorize(self, method: str = "GET", data: Any = None, **changes: str | None) -> requests.Response:
        """The consent page, or its answer; None leaves a parameter out."""
        asked: dict[str, str | None] = {
            "client_id": self.client,
            "response_type": "code",
            "scope": ACCOUNTING,
            "redirect_uri": CALLBACK,
            "state": "state-1",
            **changes,
        }
        params = {name: value for name, value in asked.items() if value is not None}
        url = f"{self.sandbox.url}/intuit/connect/oauth2"
        return requests.request(method, url, params=params, data=data, allow_redirects=False, timeout=10)

    def request_token(self, **form: str) -> requests.Response:
        """A call to the token endpoint."""
        url = f"{self.sandbox.url}/intuit/oauth2/v1/tokens/bearer"
        return requests.post(url, data=form, auth=(self.client, self.secret), timeout=10)

    def exchange_code(self, code: str, redirect_uri: str = CALLBACK) -> requests.Response:
        """Tokens for a code."""
        return self.request_token(grant_type="authorization_code", code=code, redirect_uri=redirect_uri)

    def refresh(self, token: str) -> requests.Response:
        """Tokens for a refresh token."""
        return self.request_token(grant_type="refresh_token", refresh_token=token)

    def revoke(self, token: str) -> requests.Response:
        """The end of a grant."""
        url = f"{self.sandbox.url}/intuit/v2/oauth2/tokens/revoke"
        return requests.post(url, json={"token": token}, auth=(self.client, self.secret), timeout=10)

    def connect(self, company: str = "au", **changes: str) -> IntuitApp:
        """Consent without a browser, and tokens."""
        answer = get_redirect_params(self.authorize(auto=company, **changes))
        self.realm = answer["realmId"]
        self.tokens = self.exchange_code(answer["code"]).json()
        return self

    def call(
        self, method: str, path: str, body: Any = None, *, text: str | None = None, **params: str
    ) -> requests.Response:
        """A bare call below the company; a write has a request id of its own unless one is told."""
        asked = {"minorversion": "75", **params}
        if method == "POST" and not path.startswith("/query"):
            asked.setdefault("requestid", uuid.uuid4().hex)
        return requests.request(
            method,
            f"{self.sandbox.url}/intuit/v3/company/{self.realm}{path}",
            params=asked,
            json=body,
            data=text,
            headers={"Authorization": f"Bearer {self.tokens.get('access_token')}", "Accept": "application/json"},
            timeout=10,
        )

    def create(self, entity: str, body: dict[str, Any], **params: str) -> dict[str, Any]:
        """Create, or change, an object that must be accepted."""
        response = self.call("POST", f"/{entity.lower()}", body, **params)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()[entity]
        return found

    def get_refusal(self, entity: str, body: Any, **params: str) -> tuple[str, str]:
        """The code and the detail of the refusal that a write must get."""
        response = self.call("POST", f"/{entity.lower()}", body, **params)
        assert response.status_code == 400, response.text
        return get_first_error(response.json()["Fault"])

    def read(self, entity: str, key: str) -> dict[str, Any]:
        """One object by id."""
        response = self.call("GET", f"/{entity.lower()}/{key}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()[entity]
        return found

    def query(self, statement: str) -> dict[str, Any]:
        """The answer to a statement that must be understood."""
        response = self.call("GET", "/query", query=statement)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()["QueryResponse"]
        return found

    def batch(self, *items: dict[str, Any], **params: str) -> dict[str, dict[str, Any]]:
        """What became of each operation, by its bId."""
        response = self.call("POST", "/batch", {"BatchItemRequest": list(items)}, **params)
        assert response.status_code == 200, response.text
        return {row["bId"]: row for row in response.json()["BatchItemResponse"]}

    def build_library(self) -> QuickBooks:
        """The vendor's library, pointed here."""
        client = QuickBooks(company_id=self.realm, minorversion=75)
        client.api_url_v3 = f"{self.sandbox.url}/intuit/v3"
        client.session = LibrarySession(self.tokens["access_token"])
        return client

    def create_customer(self, name: str = "", **more: Any) -> str:
        """The id of a new customer."""
        return str(self.create("Customer", {"DisplayName": name or f"Bayside Dental {next(numbers)}", **more})["Id"])

    def send_orders(self, **orders: Any) -> Any:
        """Orders of the practice Intuit's own control."""
        return self.sandbox.post("/intuit/_control", orders)


def get_redirect_params(redirect: requests.Response) -> dict[str, str]:
    """The parameters that a redirect carries back to the app."""
    assert redirect.status_code == 303, redirect.text
    return {name: values[0] for name, values in parse_qs(urlsplit(redirect.headers["Location"]).query).items()}


def get_first_error(fault: dict[str, Any]) -> tuple[str, str]:
    """Code and detail of a fault."""
    assert fault["type"]
    return fault["Error"][0]["code"], fault["Error"][0]["Detail"]


def build_line(amount: str, item: str = SERVICES, tax: str | None = OUT_OF_SCOPE, **detail: Any) -> dict[str, Any]:
    """A line that sells one thing."""
    code = {"TaxCodeRef": {"value": tax}} if tax else {}
    return {
        "Amount": float(Decimal(amount)),
        "Description": "Deposit",
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": {"ItemRef": {"value": item}, **code, **detail},
    }


def build_document(customer: str, amount: str = "110.00", item: str = SERVICES, **more: Any) -> dict[str, Any]:
    """An invoice or a credit memo over one line without tax."""
    return {"CustomerRef": {"value": customer}, "TxnDate": "2026-05-01", "Line": [build_line(amount, item)], **more}


def build_linked_line(kind: str, key: str, amount: str) -> dict[str, Any]:
    """A line of a payment."""
    return {"Amount": float(Decimal(amount)), "LinkedTxn": [{"TxnId": key, "TxnType": kind}]}


def build_payment(customer: str, total: str, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A payment into the clearing account."""
    return {
        "CustomerRef": {"value": customer},
        "TotalAmt": float(Decimal(total)),
        "TxnDate": "2026-05-01",
        "DepositToAccountRef": {"value": CLEARING},
        "Line": list(lines),
        **more,
    }
