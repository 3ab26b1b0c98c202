"""Pay buttons on online invoices: put there by us, where the accounting package lets our app do that."""

from datetime import datetime

from django.conf import settings

from accounting.ledger_session import get_ledger_info, open_ledger
from accounting.models import LedgerTerm
from connections.availability import find_working_connection
from connections.models import Tier
from merchants.models import Merchant, PayNowLink
from merchants.paynow_links import build_link_address, find_active_link
from wisepay.budgets import count_vendor_call
from wisepay.errors import Disconnected, Rejected, Unavailable


class ButtonRefused(Exception):
    """The button was not put there; the message says why, and what to do."""


def has_pay_buttons(merchant: Merchant) -> bool:
    """Whether our app may put pay buttons on the merchant's online invoices."""
    info = get_ledger_info(merchant)
    return bool(settings.XERO_PAYMENT_SERVICES) and info is not None and info.has_pay_buttons


def list_button_terms(merchant: Merchant) -> list[LedgerTerm]:
    """What invoices are branded by, in the organisation that is connected."""
    connection = find_working_connection(merchant, tier=Tier.WISE_PAY)
    if connection is None:
        return []
    rows = LedgerTerm.objects.filter(merchant=merchant, organisation_id=connection.organisation_id, is_gone=False)
    return list(rows.order_by("name"))


def add_pay_button(merchant: Merchant, term: LedgerTerm, *, now: datetime) -> PayNowLink:
    """Put the button of the merchant's link on the online invoices of a term; answers the link. Raises ButtonRefused.

    That the package refuses our app only this says nothing about the connection, which is left as it is.
    """
    link = find_active_link(merchant, PayNowLink.Kind.XERO)
    connection = find_working_connection(merchant, tier=Tier.WISE_PAY)
    if link is None or connection is None or connection.organisation_id != term.organisation_id:
        raise ButtonRefused("Connect the accounting package and generate the link first.")
    count = merchant.paynow_links.filter(kind=link.kind).count()
    name = "Wise-Pay" if count == 1 else f"Wise-Pay {count}"
    try:
        count_vendor_call()
        ledger = open_ledger(connection, priority="interactive", now=now)
        url = build_link_address(link)["url"]
        ledger.add_pay_button(url, name=name, term_id=term.term_id, key=f"pay-button-{link.pk}")
    except Unavailable as error:
        raise ButtonRefused("The accounting package does not answer at the moment. Please try again.") from error
    except Disconnected as error:
        words = "The accounting package does not let us do this. Connect it again and allow payment services."
        raise ButtonRefused(words) from error
    except Rejected as error:
        raise ButtonRefused(f"The accounting package refused this: {error}") from error
    return link
