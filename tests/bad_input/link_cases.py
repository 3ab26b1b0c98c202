"""What the pages of PayNow Links take."""

from datetime import timedelta
from typing import Any

from accounting.models import LedgerInvoice
from merchants.paynow_links import build_event_url
from tests.bad_input.cases import Case


def get_link_key(scene: Any) -> dict[str, str]:
    """The path of the merchant's Quick Link."""
    return {"key": scene.merchant.paynow_links.get(kind="quick_link", is_active=True).api_key.decrypt()}


def take_prepayments(scene: Any) -> dict[str, str]:
    """The path of the merchant's Quick Link, which takes prepayments."""
    scene.merchant.paynow_links.filter(kind="quick_link").update(takes_prepayments=True)
    return get_link_key(scene)


def get_invoice_token(scene: Any) -> dict[str, str]:
    """The path of the personal link of an invoice that was read a moment ago."""
    LedgerInvoice.objects.filter(pk=scene.invoice.pk).update(read_at=scene.now + timedelta(days=1))
    words = {"subject": "i", "reference": scene.invoice.reference, "otherwise": ""}
    return {"token": build_event_url(scene.merchant, **words, now=scene.now).rpartition("/")[2]}


LINK_CASES: dict[str, Case] = {
    "merchants:paynow_link": Case(
        form=lambda s: {
            "is_enabled": "on",
            "expires_days": "90",
            "acts_as": s.tenant.user.reference,
            "takes_prepayments": "on",
        },
        path=lambda s: {"kind": "quick_link"},
    ),
    "paynow_links:find": Case(
        who="nobody",
        form=lambda s: {"invoice": s.invoice.number, "amount": "500.00", "currency": ""},
        query=lambda s: {"invoice": "", "amount": "", "currency": ""},
        path=get_link_key,
        is_quiet=True,
    ),
    "paynow_links:prepay": Case(
        who="nobody",
        form=lambda s: {"reference": "INV-9", "company": "New Dental", "currency": "AUD", "amount": "80.00"},
        path=take_prepayments,
    ),
    "paynow_links:invoice": Case(
        who="nobody",
        form=lambda s: {"amount": "500.00", "shown": "50000", "way": "guest", "confirmed": "on"},
        query=lambda s: {"said": "500.00"},
        path=get_invoice_token,
    ),
}
