"""Create the customer at the gateway that stands for a payer company."""

from payers.models import PayerCompany
from payments.errors import MerchantNotReady
from payments.gateways import open_gateway
from payments.method_choices import Person
from payments.models import GatewayAccount, GatewayCustomer, Payment
from payments.operations.checks import get_ready_account
from wisepay.errors import Rejected


def ensure_customer(account: GatewayAccount, company: PayerCompany) -> str:
    """Return the company's customer id at the gateway, created once. Raises Unavailable or Rejected.

    If a process dies here, only the id is missing, and the next one creates the same customer by the same key.
    """
    customer, _ = GatewayCustomer.objects.get_or_create(account=account, company=company)
    if not customer.stripe_customer_id:
        gateway = open_gateway(account.secret_key.decrypt())
        customer_id = gateway.create_customer(
            key=f"customer-{account.pk}-{company.reference}",
            name=company.name,
            email=company.email,
            reference=company.reference,
        )
        GatewayCustomer.objects.filter(pk=customer.pk, stripe_customer_id="").update(stripe_customer_id=customer_id)
        customer.refresh_from_db()
    return customer.stripe_customer_id


def get_customer_id(payment: Payment, person: Person) -> str:
    """Return the customer id of the payer's company; guests have none. Raises Unavailable or MerchantNotReady."""
    if person.access is None:
        return ""
    try:
        return ensure_customer(get_ready_account(payment.merchant), payment.company)
    except Rejected as error:
        raise MerchantNotReady(f"{payment.merchant.name} can't take payments at the moment.") from error
