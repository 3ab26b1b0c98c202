"""The page before a change of billing terms: what would be charged by it that is not charged now."""

from django.http import HttpResponse
from django.shortcuts import render

from accounting.autopay.decision_context import is_paused
from accounting.autopay.previews import ChargePreview
from merchants.access import MerchantRequest
from merchants.models import Merchant


def must_be_seen(request: MerchantRequest, merchant: Merchant, preview: ChargePreview) -> bool:
    """Whether something would be charged that the person has not seen yet."""
    return bool(preview.rows) and not is_paused(merchant) and request.POST.get("confirmed") != "on"


def render_preview(
    request: MerchantRequest, merchant: Merchant, preview: ChargePreview, *, title: str, back: str, button: str
) -> HttpResponse:
    """What would be charged and when, with the form's fields to send again."""
    hidden = [(name, value) for name, value in request.POST.items() if name not in ("csrfmiddlewaretoken", "confirmed")]
    context = {"merchant": merchant, "title": title, "back": back, "button": button}
    return render(request, "autopay/preview.html", context | {"preview": preview, "hidden": hidden})
