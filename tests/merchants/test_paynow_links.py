"""The PayNow Links tab: what Display shows after a proof, settings, and the warning before a link is replaced.

Type, user, API key and URL are what Wise-Pay's own "PayNow Links Details" shows
(merchantadmin.wise-pay.com, 36000138972).
"""

import html
import re

import pytest

from merchants.models import Membership, PayNowLink
from merchants.paynow_links import create_paynow_link, get_link, hash_key
from merchants.services import list_prerequisites
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay.models import AuditEntry, User

LINKS = "configure/merchants/paynow-links"


def prove(tenant: Tenant, path: str) -> str:
    """The page after the admin has typed the password."""
    asked = tenant.admin.get(path)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    tenant.admin.post(asked["Location"], {"password": PASSWORD})
    answer = tenant.admin.get(path)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


@pytest.mark.parametrize("kind", PayNowLink.Kind.values)
def test_display_shows_key_and_url_after_a_proof_and_is_written_down(tenant: Tenant, kind: str) -> None:
    link = tenant.merchant.paynow_links.get(kind=kind, is_active=True)
    key = link.api_key.decrypt()
    page = prove(tenant, tenant.url(f"{LINKS}/{kind}"))
    assert f'value="{key}"' in page
    assert (f"/l/{key}" in page) is (kind != "event_notification")
    assert ("[INVOICENUMBER]" in page) is (kind == "xero")
    assert get_link(key) == link
    assert (link.key_digest, len(key)) == (hash_key(key), 10 if kind == "quick_link" else 32)
    assert AuditEntry.objects.filter(action="paynow_link.displayed", subject=kind).count() == 1


def test_settings_are_saved_written_down_and_go_on_with_the_next_link(tenant: Tenant) -> None:
    other = User.objects.create_user("second@northwind-it.example")
    Membership.objects.create(merchant=tenant.merchant, user=other, role=get_role(tenant.merchant, "user"))
    path = tenant.url(f"{LINKS}/quick_link")
    prove(tenant, path)
    form = {"expires_days": "30", "acts_as": other.reference, "takes_prepayments": "on"}
    assert tenant.admin.post(path, form)["Location"] == tenant.url(LINKS)
    link = tenant.merchant.paynow_links.get(kind="quick_link", is_active=True)
    assert (link.is_enabled, link.expires_days, link.takes_prepayments, link.acts_as) == (False, 30, True, other)
    [entry] = AuditEntry.objects.filter(action="paynow_link.changed")
    assert "Switched on: on → off" in entry.detail
    assert [p.code for p in list_prerequisites(tenant.merchant) if not p.is_met] == ["quick_link"]
    fresh = create_paynow_link(tenant.merchant, kind="quick_link", acts_as=tenant.user)
    assert (fresh.is_enabled, fresh.expires_days, fresh.takes_prepayments) == (False, 30, True)
    assert fresh.key_digest != link.key_digest


@pytest.mark.parametrize(
    "wrong",
    [{"expires_days": "0"}, {"expires_days": "3651"}, {"expires_days": "soon"}, {"acts_as": ""}, {"acts_as": "x" * 20}],
)
def test_settings_that_make_no_sense_are_refused(tenant: Tenant, stranger: Tenant, wrong: dict[str, str]) -> None:
    path = tenant.url(f"{LINKS}/xero")
    prove(tenant, path)
    good = {"is_enabled": "on", "expires_days": "", "acts_as": tenant.user.reference}
    assert tenant.admin.post(path, good | wrong).status_code == 422
    assert tenant.admin.post(path, good | {"acts_as": stranger.user.reference}).status_code == 422
    link = tenant.merchant.paynow_links.get(kind="xero", is_active=True)
    assert (link.expires_days, link.acts_as) == (None, tenant.user)


@pytest.mark.parametrize("kind", PayNowLink.Kind.values)
def test_regenerating_is_warned_of_on_a_page_of_its_own(tenant: Tenant, kind: str) -> None:
    before = tenant.merchant.paynow_links.get(kind=kind, is_active=True)
    answer = tenant.admin.get(tenant.url(f"{LINKS}/{kind}/regenerate"))
    page = answer.content.decode()
    assert "stops working at once, in every place it was copied to" in page
    assert re.search(rf'name="kind" value="{kind}"', page)
    assert tenant.merchant.paynow_links.get(kind=kind, is_active=True) == before


def test_a_link_that_was_never_generated_or_of_no_kind_has_no_page(tenant: Tenant) -> None:
    tenant.merchant.paynow_links.filter(kind="xero").delete()
    for tail in ("xero", "everything", "xero/regenerate", "everything/regenerate"):
        assert tenant.admin.get(tenant.url(f"{LINKS}/{tail}")).status_code == 404
    assert "Not generated" in tenant.admin.get(tenant.url(LINKS)).content.decode()
