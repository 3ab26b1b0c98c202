"""Build the columns of a gateway operation, with the payer's acceptance of terms."""

from datetime import datetime, timedelta
from typing import Any

from django_subatomic.db import transaction_required

from merchants.models import Terms
from payers.models import PayerCompany, TermsAcceptance
from payers.terms import RequestSource, record_acceptance
from payments.method_choices import PaymentChoice, Person, get_gateway_method_type
from payments.models import GatewayAccount, Payment
from wisepay.references import new_reference


def lock_payment(payment: Payment) -> Payment:
    """The payment, locked, with the merchant that was read before."""
    locked = payment.lock()
    locked.merchant = payment.merchant
    return locked


FIRST_CHECK_AFTER = timedelta(seconds=10)  # when the answer to an attempt is first looked for, if it was lost


RETRY_WINDOW = timedelta(minutes=30)  # how long a payer may be charged after pressing Pay; a key lives a day


@transaction_required
def build_operation_fields(
    account: GatewayAccount,
    choice: PaymentChoice,
    person: Person,
    *,
    company: PayerCompany,
    currency: str,
    now: datetime,
) -> dict[str, Any]:
    """What every talk with the gateway begins with."""
    reference = new_reference()
    kept = choice.saved_method
    return {
        "reference": reference,
        "account": account,
        "state": "processing",
        "state_at": now,
        "created_at": now,
        "idempotency_key": f"attempt-{reference}",
        "confirmation_token": choice.confirmation_token if kept is None else "",
        "stripe_payment_method_id": kept.stripe_payment_method_id if kept else "",
        "stripe_mandate_id": kept.stripe_mandate_id if kept else "",
        "method_types": [kept.kind if kept else get_gateway_method_type(choice.method, currency)],
        "user": person.user,
        "acceptance": kept.acceptance if kept else record_accepted_terms(choice, person, company=company, now=now),
        "payer_name": person.name,
        "payer_email": person.email,
        "payer_phone": person.phone,
        "ip": person.ip,
        "user_agent": person.user_agent[:300],
    }


@transaction_required
def record_accepted_terms(
    choice: PaymentChoice, person: Person, *, company: PayerCompany, now: datetime
) -> TermsAcceptance | None:
    """Keep the proof of what was ticked, if anything was."""
    if choice.accepted_terms is None:
        return None
    return record_acceptance(
        company,
        terms=Terms.objects.get(pk=choice.accepted_terms, merchant=company.merchant_id),
        email=person.email,
        user=person.user if person.is_signed_in else None,
        source=RequestSource(ip=person.ip, user_agent=person.user_agent),
        now=now,
    )
