"""The contacts' outbox handler."""

from datetime import datetime

from accounting.contacts.checks import check_contacts
from merchants.models import Merchant
from wisepay.outbox import handler


@handler("accounting.check_contacts")
def check_merchant_contacts(*, merchant_id: int, now: datetime, **_: object) -> None:
    """See to the companies whose contact stands no more."""
    check_contacts(Merchant.objects.get(pk=merchant_id), now=now)
