"""Pay buttons on online invoices, put there by us where the accounting package lets our app.

Xero gives the scope `paymentservices` to partners only (developer.xero.com, "Payment services integration with Xero").
"""

from typing import Any

import pytest
import requests
from django.utils import timezone
from pytest_django import Settings

from accounting.autopay.terms import import_ledger_terms
from accounting.models import LedgerTerm
from merchants.paynow_links import create_paynow_link
from sandbox.harness.sandbox_process import SandboxProcess
from tests.accounting.paynow_links.steps import XERO, get_key_path
from tests.tenants import PASSWORD, Tenant, create_tenant

BUTTONS = "configure/merchants/paynow-links/xero/buttons"


def list_services(tenant: Tenant, path: str) -> list[dict[str, Any]]:
    """Payment services in the practice organisation."""
    headers = {
        "Authorization": f"Bearer {tenant.connection.access_token.decrypt()}",
        "Xero-Tenant-Id": tenant.connection.organisation_id,
        "Accept": "application/json",
    }
    answer = requests.get(f"{tenant.world.url}/xero/api.xro/2.0/{path}", headers=headers, timeout=10)
    found: list[dict[str, Any]] = answer.json()["PaymentServices"]
    return found


def press(tenant: Tenant, term: LedgerTerm) -> str:
    """Press the button of a branding; the page that follows."""
    path = tenant.url(BUTTONS)
    asked = tenant.admin.post(path, {"term": term.term_id})
    if asked["Location"].startswith("/accounts/reauthenticate/"):
        tenant.admin.post(asked["Location"], {"password": PASSWORD})
        asked = tenant.admin.post(path, {"term": term.term_id})
    assert asked["Location"] == path
    return str(tenant.admin.get(path).content.decode())


@pytest.fixture
def partner(db: None, world: SandboxProcess, settings: Settings) -> Tenant:
    """A merchant whose connection may manage payment services."""
    settings.XERO_PAYMENT_SERVICES = True
    tenant = create_tenant(world)
    import_ledger_terms(tenant.merchant, now=timezone.now())
    return tenant


def test_the_button_is_put_on_a_branding_once_and_follows_the_link(partner: Tenant) -> None:
    term = LedgerTerm.objects.get(merchant=partner.merchant, name="Standard")
    for _ in range(2):
        assert "have the pay button now" in press(partner, term)
    [service] = list_services(partner, "PaymentServices")
    assert service["PaymentServiceUrl"].endswith(
        f"{get_key_path(partner, XERO)}?invoice=[INVOICENUMBER]&amount=[AMOUNTDUE]&currency=[CURRENCY]"
    )
    assert list_services(partner, f"BrandingThemes/{term.term_id}/PaymentServices") == [service]
    create_paynow_link(partner.merchant, kind=XERO, acts_as=partner.user)
    press(partner, term)
    [now] = list_services(partner, f"BrandingThemes/{term.term_id}/PaymentServices")
    assert get_key_path(partner, XERO) in now["PaymentServiceUrl"]


def test_without_the_permission_it_says_what_to_do_and_leaves_the_connection(
    tenant: Tenant, settings: Settings
) -> None:
    assert tenant.admin.get(tenant.url(BUTTONS)).status_code == 404
    settings.XERO_PAYMENT_SERVICES = True
    import_ledger_terms(tenant.merchant, now=timezone.now())
    page = press(tenant, LedgerTerm.objects.filter(merchant=tenant.merchant)[0])
    assert "Connect it again and allow payment services" in page
    assert tenant.connection.state == "connected"
