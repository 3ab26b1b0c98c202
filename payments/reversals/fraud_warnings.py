"""Tell the merchant what card issuers report about a payment before anybody disputes it."""

from datetime import datetime

from django_subatomic.db import transaction

from payments import consequences
from payments.gateways import open_gateway
from payments.models import Attempt
from wisepay.errors import retry_refusals


def sync_fraud_warnings(attempt: Attempt, *, now: datetime) -> None:
    """Notify the merchant's people once of each fraud warning of an attempt. Raises Unavailable."""
    with retry_refusals():
        found = open_gateway(attempt.account.secret_key.decrypt()).list_fraud_warnings(attempt.stripe_payment_intent_id)
    payment = attempt.payment
    for warning in found:
        advice = (
            "Refund it now if you do not know the payer: after a dispute it costs a fee as well."
            if warning.is_actionable
            else "It was refunded or disputed already, so there is nothing to do."
        )
        with transaction():
            consequences.notify_merchant_of_payment(
                payment.merchant,
                payment,
                event=consequences.NotificationEvent.PAYMENT_DISPUTED,
                key=f"fraud:{warning.id}",
                title="The card's bank reports possible fraud",
                body=f"{attempt.money} from {payment.company} for {payment.purpose} "
                f"({warning.fraud_type.replace('_', ' ')}). {advice}",
                now=now,
            )
