"""What the tests of the CPQ contract share: merchants without books, problems, and what was stored."""

import json
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from merchants.models import EventNotification, PayNowLink
from merchants.paynow_links import create_paynow_link
from merchants.services import create_merchant, update_event_notifications
from payers.models import CompanyMismatch, PayerCompany
from payments.gateway_accounts import save_gateway_account
from payments.models import Payment
from quotes.models import Callback, IdempotentAnswer, Quote
from quotes.services import get_integration, save_integration
from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenants import PASSWORD, WEBHOOK_SECRET, Tenant, merge_body
from wisepay.models import User

CHECKOUTS = "/api/cpq/v1/checkouts"
PROBLEM_FIELDS = {"type", "title", "status", "detail", "code"}
# The whole of version 1 of the contract, which keeps its answers.
V1_CHECKOUT: dict[str, Any] = {
    "quote": {
        "id": "b1c6",
        "number": 1042,
        "version": 2,
        "name": "Managed services onboarding",
        "currency": "AUD",
        "opportunity_id": "8841",
        "purchase_order_number": "PO-77",
        "expires_at": "2099-01-31T00:00:00Z",
    },
    "customer": {
        "account_name": "Harbour Dental Pty Ltd",
        "contact_name": "Accounts Payable",
        "email": "accounts@harbourdental.example",
        "phone": "+61 2 5550 1234",
        "address": {
            "line1": "1 Quay St",
            "line2": "Level 3",
            "city": "Sydney",
            "state": "NSW",
            "postal_code": "2000",
            "country": "AU",
        },
    },
    "amounts": {"one_time_total": "1250.00", "tax": "113.64", "due_now": "625.00", "full_payment_allowed": True},
    "recurring": {"total": "349.00", "interval": "month", "periods": 12},
    "allowed_methods": ["card", "bank_debit"],
    "return_url": "https://na1.orderporter.com/quote?key=1",
    "callback_url": "https://na1.orderporter.com/wisepay",
}
LINES: list[dict[str, Any]] = [
    {"description": "Onboarding", "quantity": "2", "unit_price": "550.00", "amount": "1210.00", "tax": "110.00"},
    {"description": "Cables", "quantity": 4, "unit_price": "12.50", "amount": "50.00", "tax": "3.64"},
    {"description": "Welcome discount", "quantity": "1", "unit_price": "-10.00", "amount": "-10.00", "tax": "0"},
    {"description": "Care", "quantity": "10", "unit_price": "34.90", "amount": "349.00", "recurs": "month"},
]
TERMS: list[dict[str, Any]] = [
    {"id": "t1", "description": "Support", "total": "300.00", "interval": "month", "periods": 12},
    {"id": 2, "description": "Backup", "total": "49.00", "interval": "month", "starts_on": "2099-01-01"},
]
# Version 1.1 only added fields.
FULL_CHECKOUT: dict[str, Any] = merge_body(
    V1_CHECKOUT,
    {
        "quote": {"psa_opportunity_id": "8841", "lines": LINES},
        "customer": {"id": "c-77", "account_number": "HD-1", "psa_company_id": 250, "psa_contact_id": "311"},
        "acceptance": {
            "signed_at": "2026-11-02T03:04:05Z",
            "signed_by": "Mia Chen",
            "email": "mia@harbourdental.example",
            "ip": "203.0.113.7",
        },
        "recurring": {
            "starts_on": "2099-01-01",
            "ends_on": "2099-12-31",
            "agreement_type": "Managed services",
            "terms": TERMS,
        },
    },
)


def create_cpq_merchant(world: SandboxProcess, *, name: str, email: str) -> Tenant:
    """A merchant who can open checkouts: everything that quotes ask for, and no books."""
    now = timezone.now()
    merchant = create_merchant(name=name, admin_email=email, admin_name="", password=PASSWORD, time_zone="UTC")
    user = User.objects.get(email=email)
    key = f"sk_test_tenant{merchant.reference}"
    update_event_notifications(merchant, events=set(EventNotification.Event.values))
    for kind in PayNowLink.Kind.values:
        create_paynow_link(merchant, kind=kind, acts_as=user)
    publishable = key.replace("sk_", "pk_")
    save_gateway_account(merchant, publishable_key=publishable, secret_key=key, webhook_secret=WEBHOOK_SECRET, now=now)
    save_integration(get_integration(merchant), is_enabled=True, hosts=["*.orderporter.com"], new_key=True, now=now)
    return Tenant(world, merchant, user, key)


def build_change(path: str, value: Any) -> dict[str, Any]:
    """Changes for `merged`: `value` at a dotted path."""
    changes = value
    for name in reversed(path.split(".")):
        changes = {name: changes}
    return dict(changes)


def build_body_without(path: str) -> dict[str, Any]:
    """The full body without the field at a dotted path."""
    body = merge_body(FULL_CHECKOUT, {})
    *parents, last = path.split(".")
    inner = body
    for name in parents:
        inner = inner[name]
    del inner[last]
    return body


def check_problem(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that has to be this problem, with every common member in order."""
    body: dict[str, Any] = json.loads(answer.content)
    assert (answer.status_code, body.get("code")) == (status, code), body
    assert answer["Content-Type"] == "application/problem+json"
    assert body.keys() >= PROBLEM_FIELDS
    assert (body["status"], body["type"]) == (status, f"urn:wisepay:problem:{code}")
    assert body["title"]
    assert_readable(body["detail"])
    return body


def assert_readable(text: str) -> None:
    """Words for a person: a capital letter or a quoted thing first, a full stop last."""
    assert text == text.strip()
    assert text.endswith("."), text
    assert text[:1].isupper() or not text[:1].islower(), text


def get_refused_fields(answer: HttpResponse) -> set[str]:
    """The fields that a 422 names; every one with a sentence."""
    body = check_problem(answer, 422, "invalid")
    assert body.keys() == PROBLEM_FIELDS | {"errors"}
    for error in body["errors"]:
        assert error.keys() == {"field", "message"}
        assert_readable(error["message"])
    return {error["field"] for error in body["errors"]}


def count_stored_rows() -> dict[str, int]:
    """How many rows an opened checkout leaves, by table."""
    tables = (Quote, Payment, PayerCompany, Callback, IdempotentAnswer)
    return {table.__name__: table.objects.count() for table in tables if table.objects.exists()}


def create_mismatch(company: PayerCompany) -> CompanyMismatch:
    """A name that came with the id of a company that is called otherwise."""
    pair = {"merchant": company.merchant, "company": company, "system": "psa", "value": "250", "name": "Another"}
    return CompanyMismatch.objects.get_or_create(**pair, defaults={"subject": "Quote 1 v1"})[0]
