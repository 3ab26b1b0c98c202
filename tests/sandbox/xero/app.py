"""An app of the practice Xero as tests use it: consent, tokens, the vendor's own library, bare calls."""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64encode
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3
from xero_python.accounting import AccountingApi
from xero_python.api_client import ApiClient, Configuration
from xero_python.api_client.oauth2 import OAuth2Token

from sandbox.harness.sandbox_process import SandboxProcess

ORGANISATION = "Harbour IT Practice (AU)"
CALLBACK = "http://127.0.0.1:9/callback"
SCOPES = (
    "openid profile email offline_access accounting.invoices accounting.payments accounting.contacts "
    "accounting.settings.read"
)
CLEARING = "615"
PREPAYMENTS = "815"


class XeroApp:
    """One app (client id) that one person connected to organisations."""

    def __init__(self, sandbox: SandboxProcess, client: str = "sandbox-client", secret: str = "sandbox-secret") -> None:
        self.sandbox = sandbox
        self.client = client
        self.secret = secret
        self.verifier = secrets.token_urlsafe(48)
        self.tokens: dict[str, Any] = {}
        self.tenant = ""

    def build_consent_query(self, **changes: str | None) -> dict[str, str]:
        """The query of the consent page; None leaves a parameter out."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client,
            "redirect_uri": CALLBACK,
            "scope": SCOPES,
            "state": "state-1",
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def authorize(self, method: str = "GET", data: Any = None, **changes: str | None) -> requests.Response:
        """The consent page, or its answer."""
        url = f"{self.sandbox.url}/xero/identity/connect/authorize"
        params = self.build_consent_query(**changes)
        return requests.request(method, url, params=params, data=data, allow_redirects=False, timeout=10)

    def request_token(self, **form: str) -> requests.Response:
        """A call to the token endpoint."""
        url = f"{self.sandbox.url}/xero/identity/connect/token"
        return requests.post(url, data=form, auth=(self.client, self.secret), timeout=10)

    def exchange_code(self, code: str) -> requests.Response:
        """Tokens for a code."""
        return self.request_token(
            grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=self.verifier
        )

    def refresh(self, token: str) -> requests.Response:
        """Tokens for a refresh token."""
        return self.request_token(grant_type="refresh_token", refresh_token=token)

    def connect(self, organisation: str = ORGANISATION, **changes: str) -> XeroApp:
        """Consent without a browser, and tokens."""
        answer = get_redirect_params(self.authorize(auto=organisation, **changes))
        self.tokens = self.exchange_code(answer["code"]).json()
        self.tenant = next(row["tenantId"] for row in self.connections() if row["tenantName"] == organisation)
        return self

    def connections(self, **params: str) -> list[dict[str, Any]]:
        """What the token opens."""
        found: list[dict[str, Any]] = self.identity("GET", "/Connections", params=params).json()
        return found

    def identity(self, method: str, path: str, **options: Any) -> requests.Response:
        """A bare call below the identity API's base."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}", "Accept": "application/json"}
        return requests.request(method, f"{self.sandbox.url}/xero{path}", headers=headers, timeout=10, **options)

    def call(
        self, method: str, path: str, body: Any = None, *, params: Any = None, **headers: str
    ) -> requests.Response:
        """A bare call of the accounting API; `headers` are named with underscores."""
        named = {
            "Authorization": f"Bearer {self.tokens.get('access_token')}",
            "xero-tenant-id": self.tenant,
            "Accept": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        url = f"{self.sandbox.url}/xero/api.xro/2.0{path}"
        return requests.request(method, url, json=body, params=params, headers=named, timeout=10)

    def build_library(self) -> AccountingApi:
        """The vendor's library with its traps closed: no retries of its own, these credentials."""
        configuration = Configuration()
        configuration.oauth2_token = OAuth2Token()
        token = {key: self.tokens[key] for key in ("access_token", "token_type", "scope", "expires_in")}
        client = ApiClient(configuration, oauth2_token_getter=lambda: token)
        client.rest_client.pool_manager = urllib3.PoolManager(
            retries=urllib3.Retry(0, respect_retry_after_header=False)
        )
        return AccountingApi(client, base_url=f"{self.sandbox.url}/xero/api.xro/2.0")


def get_redirect_params(redirect: requests.Response) -> dict[str, str]:
    """The parameters that a redirect carries back to the app."""
    assert redirect.status_code == 303, redirect.text
    return {name: values[0] for name, values in parse_qs(urlsplit(redirect.headers["Location"]).query).items()}


def create_elements(app: XeroApp, plural: str, *rows: Any, ok: bool = True) -> list[dict[str, Any]]:
    """Create elements, each judged by itself; the answered elements."""
    response = app.call("PUT", f"/{plural}", {plural: list(rows)}, params={"summarizeErrors": "false"})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()[plural]
    if ok:
        assert [row["StatusAttributeString"] for row in found] == ["OK"] * len(rows), response.text
    return found


def list_errors(row: dict[str, Any]) -> str:
    """What is wrong with an answered element."""
    assert row["StatusAttributeString"] == "ERROR"
    return " ".join(each["Message"] for each in row["ValidationErrors"])


def get_json(app: XeroApp, path: str, **params: str) -> Any:
    """The answer of a list or a look-up."""
    response = app.call("GET", path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def get_document(app: XeroApp, plural: str, key: str) -> dict[str, Any]:
    """One document by id or number."""
    found: dict[str, Any] = get_json(app, f"/{plural}/{key}")[plural][0]
    return found


def build_line(amount: str, account: str = "200", **more: Any) -> dict[str, Any]:
    """A line item of one piece."""
    return {
        "Description": "Deposit",
        "Quantity": 1,
        "UnitAmount": float(Decimal(amount)),
        "AccountCode": account,
        **more,
    }


def build_invoice(number: str, amount: str = "110.00", contact: str = "Bayside Dental", **more: Any) -> dict[str, Any]:
    """An approved invoice over `amount` with tax."""
    return {
        "Type": "ACCREC",
        "InvoiceNumber": number,
        "Contact": {"Name": contact},
        "Date": "2026-05-01",
        "DueDate": "2026-05-15",
        "Reference": "PF",
        "LineAmountTypes": "Inclusive",
        "Status": "AUTHORISED",
        "LineItems": [build_line(amount)],
        **more,
    }


def build_credit_note(
    number: str, amount: str = "110.00", contact: str = "Bayside Dental", **more: Any
) -> dict[str, Any]:
    """An approved credit note over `amount` without tax."""
    return {
        "Type": "ACCRECCREDIT",
        "CreditNoteNumber": number,
        "Contact": {"Name": contact},
        "Date": "2026-05-01",
        "Reference": "PF",
        "LineAmountTypes": "NoTax",
        "Status": "AUTHORISED",
        "LineItems": [build_line(amount, PREPAYMENTS)],
        **more,
    }


def build_payment(number: str, amount: str, **more: Any) -> dict[str, Any]:
    """Money into the clearing account for an invoice."""
    return {
        "Invoice": {"InvoiceNumber": number},
        "Account": {"Code": CLEARING},
        "Date": "2026-05-02",
        "Amount": float(Decimal(amount)),
        **more,
    }
