"""What a page's form says of consent: the ids of the texts that apply, and what recurs."""

from typing import Any

from django.utils import timezone

from merchants.models import Merchant
from merchants.terms.services import list_current_terms
from payments.consent import Act, Order, build_order
from payments.models import Payment, SavedMethod
from wisepay.clock import get_local_date


def get_consent_fields(
    payment: Payment, *, method: str = "card", saves: bool = False, saved_method: str = ""
) -> dict[str, Any]:
    """Of a checkout: every text that applies is ticked."""
    saved = SavedMethod.objects.filter(reference=saved_method).first() if saved_method else None
    if saved is not None:
        method = "card" if saved.is_card else "bank_debit"
    order = build_order(payment, method=method, amount=payment.amount, saves=saves, saved_method=saved)
    fields: dict[str, Any] = {"accepted_terms": list_needed_ids(order)}
    if payment.recurring is not None:
        today = get_local_date(timezone.now(), payment.merchant.zone)
        fields["agreed_schedule"] = payment.recurring.get_key(today)
    return fields


def get_saving_terms(merchant: Merchant, method: str) -> list[int]:
    """Of a method that is added in the settings."""
    return list_needed_ids(Order(merchant, method, [Act.SAVE]))


def list_needed_ids(order: Order) -> list[int]:
    """The ids of the texts that apply."""
    return [terms.pk for terms in list_current_terms(order.merchant, list(order.acts_by_kind))]
