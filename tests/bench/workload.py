"""Work to measure: many quotes at once, made and paid through the product's own services, and signed webhooks."""

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
from payments.gateways import Method, Outcome
from payments.models import Attempt, GatewayAccount, Payment
from payments.outcomes import settle_attempt
from quotes.intake import receive_checkout
from quotes.models import Quote
from quotes.schemas import CheckoutIn
from tests.accounting.debits import Attempted, try_to_pay
from tests.people import BODY, WEBHOOK_SECRET, House

XERO_BATCH = 50
CALLS_A_QUOTE = 3  # invoice, credit note, payment
numbers = itertools.count(500_000)


def least_calls(*, quotes: int, contacts: int) -> int:
    """What Xero cannot be told with fewer calls: three kinds of documents, and the contacts it doesn't know."""
    return CALLS_A_QUOTE * math.ceil(quotes / XERO_BATCH) + math.ceil(contacts / XERO_BATCH)


def open_quote(house: House, *, company: str = "Harbour Dental Pty Ltd") -> Quote:
    """An open checkout, received as CPQ's would be, without CPQ's limit a minute."""
    number = next(numbers)
    body = copy.deepcopy(BODY)
    body["quote"] |= {"id": f"bench-{number}", "number": number}
    body["customer"]["account_name"] = company
    with transaction.atomic():
        quote, _ = receive_checkout(house.integration, CheckoutIn.model_validate(body), now=timezone.now())
    return quote


def pay_quietly(payment: Payment, account: GatewayAccount, *, now: datetime) -> None:
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
    paid = Outcome("succeeded", f"pi_bench{number}", attempt.money, method=Method("pm_bench", "card", "visa", "4242"))
    settle_attempt(attempt, paid, by="gateway", now=now)


def pay_many(house: House, *, quotes: int, contacts: int) -> None:
    """`quotes` paid quotes of as many companies, `contacts` of which the books don't know."""
    account = GatewayAccount.objects.get(merchant=house.merchant)
    for number in range(quotes):
        quote = open_quote(house, company=f"Payer {number}")
        pay_quietly(quote.payment, account, now=timezone.now())
    know_contacts(house, but=contacts)


def submit_many(house: House, *, debits: int) -> list[Attempted]:
    """`debits` bank debits of as many companies that the books know, which the payers' banks have."""
    found = [try_to_pay(house, open_quote(house, company=f"Payer {number}").payment) for number in range(debits)]
    know_contacts(house)
    for debit in found:
        debit.say("processing")
    return found


def know_contacts(house: House, *, but: int = 0) -> None:
    """The books know every company, `but` the first ones."""
    unlinked = PayerCompany.objects.filter(merchant=house.merchant).order_by("pk")[but:]
    ids = contact_ids(house, len(unlinked))
    for company, contact_id in zip(unlinked, ids, strict=True):
        map_company(company, contact=Contact(house.connection.organisation_id, contact_id))


def contact_ids(house: House, count: int) -> list[str]:
    """Contacts that somebody made in the practice books before."""
    if not count:
        return []
    made = [{"Name": f"Known {number}"} for number in range(count)]
    house.world.post("/xero/_control", {"create": {"organisation": "au", "Contacts": made}})
    headers = {
        "Authorization": f"Bearer {house.connection.access_token.reveal()}",
        "Xero-Tenant-Id": house.connection.organisation_id,
        "Accept": "application/json",
    }
    rows = house.world.get("/xero/api.xro/2.0/Contacts?pageSize=1000&page=1", headers=headers).json()["Contacts"]
    return [found["ContactID"] for found in rows if found["Name"].startswith("Known ")]


def signed_webhook(house: House, *, intent: str = "pi_bench") -> dict[str, Any]:
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
    path = f"/webhooks/stripe/{house.merchant.reference}"
    return {"method": "POST", "path": path, "headers": headers, "body": body}
