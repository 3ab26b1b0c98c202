"""Work to measure: many quotes at once, created and paid through the product's own services, and signed webhooks."""

import copy
import hashlib
import hmac
import itertools
import json
import math
import time
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from payers.companies import Contact, map_company
from payers.models import PayerCompany
from payments.attempts.services import apply_attempt_result
from payments.gateways import OperationResult, RemoteMethod
from payments.models import Attempt, GatewayAccount, Payment
from quotes.intake import receive_checkout
from quotes.models import Quote
from quotes.schemas import CheckoutIn
from tests.accounting.posting.debits import AttemptScenario, create_processing_attempt
from tests.tenants import BODY, WEBHOOK_SECRET, Tenant

XERO_BATCH = 50
CALLS_A_QUOTE = 3  # invoice, credit note, payment
numbers = itertools.count(500_000)


def count_least_calls(*, quotes: int, contacts: int) -> int:
    """The fewest calls to Xero that can post these: three kinds of documents, and the contacts it doesn't have."""
    return CALLS_A_QUOTE * math.ceil(quotes / XERO_BATCH) + math.ceil(contacts / XERO_BATCH)


def create_open_quote(tenant: Tenant, *, company: str = "Harbour Dental Pty Ltd") -> Quote:
    """An open checkout, received as CPQ's would be, without CPQ's limit a minute."""
    number = next(numbers)
    body = copy.deepcopy(BODY)
    body["quote"] |= {"id": f"bench-{number}", "number": number}
    body["customer"]["account_name"] = company
    with transaction.atomic():
        quote, _ = receive_checkout(tenant.integration, CheckoutIn.model_validate(body), now=timezone.now())
    return quote


def record_paid(payment: Payment, account: GatewayAccount, *, now: datetime) -> None:
    """Pay a payment as if the gateway had just said so."""
    number = next(numbers)
    attempt = Attempt.objects.create(
        payment=payment,
        account=account,
        state="processing",
        state_at=now,
        amount=payment.amount,
        idempotency_key=f"bench-{number}",
        confirmation_token="ctoken_bench",
        payer_name="Accounts Payable",
        payer_email="accounts@harbourdental.example",
        ip="127.0.0.1",
    )
    paid = OperationResult(
        "succeeded", f"pi_bench{number}", attempt.money, method=RemoteMethod("pm_bench", "card", "visa", "4242")
    )
    apply_attempt_result(attempt, paid, by="gateway", now=now)


def create_paid_quotes(tenant: Tenant, *, quotes: int, contacts: int) -> None:
    """`quotes` paid quotes of as many companies, `contacts` of which have no contact in the ledger."""
    account = GatewayAccount.objects.get(merchant=tenant.merchant)
    for number in range(quotes):
        quote = create_open_quote(tenant, company=f"Payer {number}")
        record_paid(quote.payment, account, now=timezone.now())
    link_contacts(tenant, but=contacts)


def create_submitted_debits(tenant: Tenant, *, debits: int) -> list[AttemptScenario]:
    """`debits` bank debits of as many companies with a contact, which the payers' banks are processing."""
    found = [
        create_processing_attempt(tenant, create_open_quote(tenant, company=f"Payer {number}").payment)
        for number in range(debits)
    ]
    link_contacts(tenant)
    for debit in found:
        debit.receive_outcome("processing")
    return found


def link_contacts(tenant: Tenant, *, but: int = 0) -> None:
    """Map every company to a contact of the ledger, but the first `but` ones."""
    unlinked = PayerCompany.objects.filter(merchant=tenant.merchant).order_by("pk")[but:]
    ids = create_contacts(tenant, len(unlinked))
    for company, contact_id in zip(unlinked, ids, strict=True):
        map_company(company, contact=Contact(tenant.connection.organisation_id, contact_id))


def create_contacts(tenant: Tenant, count: int) -> list[str]:
    """Create contacts in the sandbox organisation; answers their ids."""
    if not count:
        return []
    contacts = [{"Name": f"Known {number}"} for number in range(count)]
    tenant.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": contacts}})
    headers = {
        "Authorization": f"Bearer {tenant.connection.access_token.decrypt()}",
        "Xero-Tenant-Id": tenant.connection.organisation_id,
        "Accept": "application/json",
    }
    rows = tenant.world.get("/xero/api.xro/2.0/Contacts?pageSize=1000&page=1", headers=headers).json()["Contacts"]
    return [found["ContactID"] for found in rows if found["Name"].startswith("Known ")]


def build_signed_webhook(tenant: Tenant, *, intent: str = "pi_bench") -> dict[str, Any]:
    """A fresh event of Stripe's, signed, as a request for the load."""
    event = {
        "id": f"evt_bench{next(numbers)}",
        "object": "event",
        "type": "payment_intent.succeeded",
        "data": {"object": {"id": intent, "object": "payment_intent"}},
    }
    body, stamp = json.dumps(event), int(time.time())
    digest = hmac.new(WEBHOOK_SECRET.encode(), f"{stamp}.{body}".encode(), hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={stamp},v1={digest}"}
    path = f"/webhooks/stripe/{tenant.merchant.reference}"
    return {"method": "POST", "path": path, "headers": headers, "body": body}
