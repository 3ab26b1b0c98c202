"""The currencies that a merchant's books can hold: what is in another one is refused before anybody is charged."""

from datetime import datetime

from django.utils.translation import gettext as _

from accounting.ledger_session import get_guide
from accounting.models import AccountingSettings
from connections.models import Connection, Tier
from merchants.models import Merchant
from payments.attempts.services import register_charge_policy
from payments.errors import CurrencyRefused
from payments.models import Payment


def can_book(merchant: Merchant, currency: str) -> bool:
    """Whether the connected books can hold this currency; they can as long as they did not say what they hold."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    if chosen is None or not chosen.currencies or currency in chosen.currencies:
        return True
    # What another organisation holds says nothing of the one that is connected now.
    here = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).values_list("organisation_id", flat=True)
    return chosen.organisation_id not in ("", *here)


def describe_unbookable(merchant: Merchant, currency: str) -> str:
    """Why a quote in this currency is not taken, for whoever made it."""
    package = get_guide(merchant).package
    return (
        f"{merchant.name} keeps its books in {package}, where {currency} is not switched on. Add the currency there "
        "and press Read again under Accounts, or make the quote in another one."
    )


@register_charge_policy
def check_bookable_currency(payment: Payment, *, amount: int, locks: bool, now: datetime) -> None:
    """Check that what would be charged can be booked. Raises CurrencyRefused."""
    if not can_book(payment.merchant, payment.currency):
        raise CurrencyRefused(
            _("%(merchant)s can't take %(currency)s at the moment. Nothing was charged. Please contact them.")
            % {"merchant": payment.merchant.name, "currency": payment.currency}
        )
