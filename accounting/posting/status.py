"""Why postings are waiting, in sentences for the postings page."""

from datetime import datetime

from accounting.models import AccountingSettings
from accounting.posting.services import is_ready_to_post
from connections.models import Connection, Tier
from merchants.models import Merchant


def get_waiting_reason(merchant: Merchant, *, now: datetime) -> str:
    """Why documents are not being sent just now, in a sentence; empty while they are."""
    chosen = AccountingSettings.objects.filter(merchant=merchant).first()
    connection = Connection.objects.filter(merchant=merchant, tier=Tier.WISE_PAY).first()
    if connection is None or connection.state != "connected":
        return "The accounting package is not connected. Nothing is lost: it is posted once you connect."
    if chosen is None or not chosen.is_complete:
        return "Choose the clearing account, the prepayments account and the tax code first."
    if not chosen.is_for(connection.organisation_id):
        return f"Choose the accounts and the tax code of {connection.organisation_name} first: it is another company."
    if not is_ready_to_post(chosen, connection):
        return "The item for prepayments is being made, or has to be chosen under Accounts."
    if connection.is_blocked(now) and connection.blocked_until:
        at = connection.blocked_until.astimezone(merchant.zone)
        return f"{connection.last_error}. The next try is at {at:%H:%M:%S}."
    return ""
