"""The payer companies as customers at the gateway: created once, and created anew when the gateway has lost one."""

from datetime import datetime

from django.db.models import F
from django_subatomic.db import transaction

from payers.models import PayerCompany
from payments import consequences
from payments.gateways import open_gateway
from payments.models import GatewayAccount, GatewayCustomer, SavedMethod
from payments.saved_methods.removal import end_method, list_method_uses, lock_method_uses
from wisepay.errors import Rejected, retry_refusals

REFUSED_EMAIL = "email_invalid"


def find_customer_id(account: GatewayAccount, company: PayerCompany) -> str:
    """Return the company's customer id at the gateway; empty where it has none yet."""
    rows = GatewayCustomer.objects.filter(account=account, company=company)
    return rows.values_list("stripe_customer_id", flat=True).first() or ""


def ensure_customer(account: GatewayAccount, company: PayerCompany, *, now: datetime) -> str:
    """Return the company's customer id at the gateway, created once. Raises Unavailable or Rejected.

    If a process dies here, only the id is missing, and the next one creates the same customer by the same request.
    Without its e-mail address, if the gateway refuses that; the merchant is notified.
    """
    customer, _ = GatewayCustomer.objects.select_related("company").get_or_create(
        account=account, company=company, defaults=build_request(company)
    )
    if customer.stripe_customer_id:
        return customer.stripe_customer_id
    if not customer.requested_name:  # a row of before requests were kept
        renew_request(customer, email=company.email)
    try:
        return create_customer(customer)
    except Rejected as error:
        if error.code != REFUSED_EMAIL or not customer.requested_email:
            raise
        consequences.notify_merchant_of_refused_email(company, error, now=now)
    renew_request(customer, email="")
    return create_customer(customer)


def build_request(company: PayerCompany) -> dict[str, str]:
    """What a request says of the company."""
    return {"requested_name": company.name, "requested_email": company.email}


def create_customer(customer: GatewayCustomer) -> str:
    """Create the customer by the request that its row keeps, and return its id. Raises Unavailable or Rejected."""
    gateway = open_gateway(customer.account.secret_key.decrypt())
    customer_id = gateway.create_customer(
        key=customer.idempotency_key,
        name=customer.requested_name,
        email=customer.requested_email,
        reference=customer.company.reference,
    )
    GatewayCustomer.objects.filter(pk=customer.pk, stripe_customer_id="").update(stripe_customer_id=customer_id)
    customer.refresh_from_db(fields=["stripe_customer_id"])
    return customer.stripe_customer_id


def renew_request(customer: GatewayCustomer, *, email: str) -> None:
    """Let the customer be created by a new request, unless another worker was faster."""
    rows = GatewayCustomer.objects.filter(pk=customer.pk, number=customer.number)
    rows.update(
        number=F("number") + 1,
        stripe_customer_id="",
        requested_name=customer.company.name,
        requested_email=email,
    )
    customer.refresh_from_db()


def replace_customer(account: GatewayAccount, company: PayerCompany, customer_id: str, *, now: datetime) -> str:
    """Create a new customer in place of one that the gateway does not have any more, and return its id.

    The methods that were saved for the old one are gone with it. Raises Unavailable or Rejected.
    """
    customer = GatewayCustomer.objects.select_related("company", "account").get(account=account, company=company)
    if customer.stripe_customer_id == customer_id:
        renew_request(customer, email=customer.company.email)
    end_customer_methods(account, customer_id, now=now)
    return ensure_customer(account, company, now=now)


def end_customer_methods(account: GatewayAccount, customer_id: str, *, now: datetime) -> None:
    """End the methods that were saved for a customer that the gateway does not have any more."""
    gone = SavedMethod.objects.filter(account=account, stripe_customer_id=customer_id).exclude(state="removed")
    for method in gone.select_related("company__merchant").order_by("pk"):
        with transaction():
            lock_method_uses(method)
            uses = list_method_uses(method)
            end_method(method, uses, by="the payment service", reason="customer removed at the gateway", now=now)


def sync_customer(account: GatewayAccount, customer_id: str, *, now: datetime) -> None:
    """Look a customer up; of one that was deleted the methods end, and the next payment makes another one.

    Raises Unavailable.
    """
    known = GatewayCustomer.objects.filter(account=account, stripe_customer_id=customer_id).exclude(
        stripe_customer_id=""
    )
    customer = known.select_related("company").first()
    if customer is None:
        return
    with retry_refusals():
        is_there = open_gateway(account.secret_key.decrypt()).has_customer(customer_id)
    if not is_there:
        end_customer_methods(account, customer_id, now=now)
        renew_request(customer, email=customer.company.email)
