"""What payers do with their saved methods, as requests."""

import json
from typing import Any

from django.utils import timezone

from payers.models import PayerCompany
from payments.models import GatewayAccount, SavedMethod
from tests.payments.consent_form import get_saving_terms
from tests.payments.portal.factories import PortalPayer
from tests.tenants import Tenant

GOOD_CARD = "4242424242424242"
JSON = {"Accept": "application/json"}


def create_saved_method(of: PayerCompany, by: PortalPayer, last4: str, **more: Any) -> SavedMethod:
    """A method that the person saved."""
    columns: dict[str, Any] = {
        "account": GatewayAccount.objects.get(merchant=of.merchant),
        "company": of,
        "owner": by.user,
        "stripe_customer_id": "cus_1",
        "stripe_payment_method_id": f"pm_{last4}",
        "kind": "card",
        "brand": "visa",
        "last4": last4,
        "state": "active",
        "state_at": timezone.now(),
    }
    return SavedMethod.objects.create(**columns | more)


def build_form(tenant: Tenant, of: PayerCompany, card: str = GOOD_CARD, **more: Any) -> dict[str, Any]:
    """What the page posts."""
    given = {
        "company": of.reference,
        "method": "card",
        "confirmation_token": tenant.confirmation_token(card),
        "accepted_terms": get_saving_terms(tenant.merchant, more.get("method", "card")),
    }
    return given | more


def post_method(who: PortalPayer, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The answer of the JSON API."""
    answer = who.client.post("/my/methods", given, headers=JSON)
    return answer.status_code, json.loads(answer.content)


def post_action(who: PortalPayer, method: SavedMethod, name: str, **data: str) -> int:
    """The status of an act's answer."""
    return int(who.client.post(f"/my/methods/{method.reference}/{name}", data).status_code)
