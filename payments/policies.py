"""Policies of payments that other floors ask: whether a Pay Now page is worth landing on, and what it is for."""

import re
from datetime import datetime

from django.urls import reverse

from merchants.saved_queries import register_list
from payers.access import register_landing_policy
from payments.models import Payment
from wisepay.accounts.sign_in_context import Destination, register_destination_reader

PAY_NOW_PATH = re.compile(r"^/pay/([0-9a-z]{20})(?:[/?].*)?$")


for name, page in (("payments", "list"), ("payouts", "payouts"), ("disputes", "disputes")):
    register_list(name, page=f"payments:{page}")


@register_landing_policy
def is_still_payable(path: str, now: datetime) -> bool | None:
    """Whether the payment of a Pay Now page can still be paid; None for other pages."""
    found = PAY_NOW_PATH.match(path)
    if found is None:
        return None
    payment = Payment.objects.filter(reference=found[1]).first()
    return payment is not None and payment.state == "open" and not payment.is_expired(now)


@register_destination_reader
def describe_pay_now(path: str) -> Destination | None:
    """What a Pay Now page is for; None for other pages."""
    found = PAY_NOW_PATH.match(path)
    payment = Payment.objects.select_related("merchant").filter(reference=found[1]).first() if found else None
    if payment is None:
        return None
    return Destination(
        merchant=payment.merchant.name,
        what=str(payment.details.get("title") or payment.purpose),
        amount=payment.due if payment.amount else None,
        back_path=reverse("payments:pay", args=[payment.reference]),
        register_path=reverse("payments:register", args=[payment.reference]) if payment.is_quote else "",
    )
