"""Policies of payments that other floors ask: whether a Pay Now page is still worth landing on."""

import re
from datetime import datetime

from payers.access import register_landing_policy
from payments.models import Payment

PAY_NOW_PATH = re.compile(r"^/pay/([0-9a-z]{20})(?:[/?].*)?$")


@register_landing_policy
def is_still_payable(path: str, now: datetime) -> bool | None:
    """Whether the payment of a Pay Now page can still be paid; None for other pages."""
    found = PAY_NOW_PATH.match(path)
    if found is None:
        return None
    payment = Payment.objects.filter(reference=found[1]).first()
    return payment is not None and payment.state == "open" and not payment.is_expired(now)
