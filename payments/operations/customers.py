"""The customer at the gateway for whom a payer company pays."""

from payers.models import PayerCompany
from payments.errors import MerchantNotReady
from payments.gateways import open_gateway
from payments.method_choices import Person
from payments.models import GatewayAccount, GatewayCustomer, Payment
from payments.operations.checks import get_ready_account
from wisepay.errors import Rejected


def ensure_customer(account: GatewayAccount, company: PayerCompany) -> str:
    """The company's customer id at the gateway, made once. Raises Unavailable or Rejected.

    Only the id is missing when a process dies here: the next one asks with the same key.
    """
    customer, _ = GatewayCustomer.objects.get_or_create(account=account, company=company)
    if not customer.stripe_customer_id:
        gateway = open_gateway(account.secret_key.decrypt())
        made = gateway.create_customer(
            key=f"customer-{account.pk}-{company.reference}",
            name=company.name,
            email=company.email,
            reference=company.reference,
        )
        GatewayCustomer.objects.filter(pk=customer.pk, stripe_customer_id="").update(stripe_customer_id=made)
        customer.refresh_from_db()
    return customer.stripe_customer_id


def get_customer_id(payment: Payment, person: Person) -> str:
    """The customer at the gateway for whom somebody pays; guests have none. Raises Unavailable or MerchantNotReady."""
    if person.access is None:
        return ""
    try:
        return ensure_customer(get_ready_account(payment.merchant), payment.company)
    except Rejected as error:
        raise MerchantNotReady(f"{payment.merchant.name} can't take payments at the moment.") from error
