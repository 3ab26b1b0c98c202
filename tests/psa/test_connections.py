"""Connecting ConnectWise PSA: keys, sites, each right by its name, codebases, and what breaks a connection."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from merchants.models import Notification
from psa.connectwise.sites import UnknownSite, find_site
from psa.health_checks import check_psa_installation
from psa.models import PsaConnection
from psa.services import get_psa_connection
from sandbox.harness.environment import PSA_SITE
from sandbox.psa.tenant import PRIVATE_KEY, PUBLIC_KEY
from tests.psa.scene import PsaScene, deliver_later
from tests.tenants import PASSWORD, Tenant, deliver_outbox

KEYS = {"site": PSA_SITE, "company": "northwind", "public_key": PUBLIC_KEY, "private_key": PRIVATE_KEY}
PAGE = "configure/merchants/integrations/psa"


def test_an_admin_connects_and_sees_every_right(tenant: Tenant) -> None:
    assert tenant.admin.get(tenant.url(PAGE)).status_code == 200
    assert tenant.admin.post(tenant.url(PAGE), KEYS).status_code == 302
    row = PsaConnection.objects.get()
    assert (row.state, row.name, row.written_by) == ("connected", "Northwind IT", "nobody")
    assert PRIVATE_KEY not in str(PsaConnection.objects.values())
    page = tenant.admin.get(tenant.url(PAGE)).content.decode()
    assert page.count('data-granted="yes"') == 8
    assert PRIVATE_KEY not in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"private_key": "wrong"}, "does not accept these keys"),
        ({"public_key": "wrong"}, "does not accept these keys"),
        ({"company": "nobody"}, "no company of this name"),
        ({"company": "other", "private_key": "of-another-tenant"}, "does not accept these keys"),
        ({"site": "psa.example.com"}, "na.myconnectwise.net"),
        ({"site": "127.0.0.1"}, "na.myconnectwise.net"),
        ({"site": "http://na.myconnectwise.net/"}, "na.myconnectwise.net"),
        ({"company": "north+wind"}, "none of"),
        ({"private_key": "a:b"}, "none of"),
    ],
)
def test_wrong_keys_and_sites_are_refused_in_words(tenant: Tenant, changes: dict[str, str], words: str) -> None:
    """The cloud answers 404 to wrong keys (Developer Guide, April 2025)."""
    answer = tenant.admin.post(tenant.url(PAGE), KEYS | changes)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not PsaConnection.objects.filter(state="connected").exists()


@pytest.mark.parametrize(
    ("right", "role"),
    [
        ("companies", "Company Maintenance"),
        ("contacts", "Contacts"),
        ("invoicing", "Invoicing"),
        ("agreements", "Agreements"),
        ("orders", "Sales Orders"),
        ("opportunities", "Opportunity"),
        ("billing_terms", "Billing Terms"),
        ("callbacks", "callbacks"),
    ],
)
def test_each_missing_right_is_named(scene: PsaScene, right: str, role: str) -> None:
    scene.control(withdraw={"right": f"{right}:inquire"})
    tenant = scene.tenant
    page = tenant.admin.post(tenant.url(f"{PAGE}/verify"), follow=True).content.decode()
    assert "These rights are missing" in page
    assert page.count('data-granted="no"') == 1
    assert role in str([row["role"] for row in get_psa_connection(tenant.merchant).rights if not row["is_granted"]])
    scene.control(grant={})
    page = tenant.admin.post(tenant.url(f"{PAGE}/verify"), follow=True).content.decode()
    assert "The connection works" in page


def test_without_a_client_id_nobody_connects(tenant: Tenant, settings: Settings) -> None:
    settings.PSA_CLIENT_ID = ""
    assert "PSA_CLIENT_ID" in tenant.admin.get(tenant.url(PAGE)).content.decode()
    assert tenant.admin.post(tenant.url(PAGE), KEYS).status_code == 422


def test_one_company_belongs_to_one_merchant(scene: PsaScene, stranger: Tenant) -> None:
    answer = stranger.admin.post(stranger.url(PAGE), KEYS)
    assert answer.status_code == 422
    assert "Another merchant" in answer.content.decode()
    assert stranger.admin.post(stranger.url(PAGE), KEYS | {"company": "other"}).status_code == 302


def test_a_stranger_sees_no_payment_of_another_merchant(scene: PsaScene, stranger: Tenant) -> None:
    checkout = scene.pay(scene.sell())
    deliver_outbox()
    reference = scene.get_row(checkout).reference
    assert stranger.admin.get(stranger.url(f"psa/{reference}")).status_code == 404
    assert stranger.admin.post(stranger.url(f"psa/{reference}/decisions"), {"act": "again"}).status_code == 404
    assert stranger.admin.get(scene.tenant.url(f"psa/{reference}")).status_code == 404


def test_keys_that_stop_working_break_the_connection_and_new_ones_let_everything_go_on(scene: PsaScene) -> None:
    sold = scene.sell()
    scene.control(keys={"private": "rolled"})
    checkout = scene.pay(sold)
    deliver_later()
    assert scene.get_row(checkout).state == "planned"
    assert get_psa_connection(scene.tenant.merchant).state == "broken"
    assert Notification.objects.filter(title="ConnectWise PSA is disconnected").count() == 1
    again = scene.tenant.admin.post(scene.tenant.url(PAGE), KEYS | {"private_key": "rolled"})
    assert again["Location"].startswith("/accounts/reauthenticate/")
    scene.tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert scene.tenant.admin.post(scene.tenant.url(PAGE), KEYS | {"private_key": "rolled"}).status_code == 302
    deliver_later()
    assert scene.get_row(checkout).state == "written"


@pytest.mark.parametrize("alias", [True, False])
def test_a_codebase_that_changes_overnight_is_found_again(scene: PsaScene, alias: bool) -> None:
    """KerkhoffTechnologies/django-connectwise asks /login/companyinfo/ again on an unexpected 404."""
    scene.control(codebase={"codebase": "v2025_9/", "alias": alias})
    checkout = scene.pay(scene.sell())
    deliver_later()
    assert scene.get_row(checkout).state == "written"
    assert (get_psa_connection(scene.tenant.merchant).codebase == "v2025_9/") is not alias


def test_disconnecting_deletes_the_keys_and_the_callback(scene: PsaScene) -> None:
    assert len(scene.control()["callbacks"]) == 1
    tenant = scene.tenant
    assert tenant.admin.post(tenant.url(f"{PAGE}/disconnect")).status_code == 302
    row = get_psa_connection(tenant.merchant)
    assert (row.state, bool(row.private_key), scene.control()["callbacks"]) == ("disconnected", False, [])


@pytest.mark.parametrize("name", ["na", "eu", "au", "aus", "za"])
def test_the_cloud_has_a_host_of_its_own_for_the_api(name: str) -> None:
    """Without `api-` it answers "SSL is required" (Developer Guide)."""
    for written in (f"{name}.myconnectwise.net", f"api-{name}.myconnectwise.net", f" {name.upper()}.MYCONNECTWISE.NET"):
        site = find_site(written)
        assert (site.login_url, site.api_url) == (
            f"https://{name}.myconnectwise.net",
            f"https://api-{name}.myconnectwise.net",
        )


@pytest.mark.parametrize("name", ["localhost", "10.0.0.1", "evilmyconnectwise.net", "a.b.myconnectwise.net", "", "x@y"])
def test_other_sites_are_the_operators_to_add(name: str, settings: Settings) -> None:
    with pytest.raises(UnknownSite):
        find_site(name)
    settings.PSA_SITE_URLS = "psa.msp.example=https://psa.msp.example/"
    assert find_site("PSA.msp.example").api_url == "https://psa.msp.example"


@pytest.mark.parametrize("kind", ["html", "status", "drop_before"])
def test_a_test_that_gets_no_answer_changes_nothing(scene: PsaScene, kind: str) -> None:
    scene.tenant.world.fault("psa", kind, times=None)
    page = scene.tenant.admin.post(scene.tenant.url(f"{PAGE}/verify"), follow=True).content.decode()
    assert "at the moment" in page
    assert get_psa_connection(scene.tenant.merchant).state == "connected"
    scene.tenant.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert scene.tenant.admin.post(scene.tenant.url(PAGE), KEYS).status_code == 422
    assert get_psa_connection(scene.tenant.merchant).state == "connected"


def test_a_model_that_psa_has_no_more_refuses_nothing_and_says_who_can_mend_it(
    scene: PsaScene, settings: Settings
) -> None:
    """covenanttechnologysolutions/connectwise-rest#35: hosted installations stop answering with old models."""
    sold = scene.sell()
    scene.tenant.world.config(psa_ended_models=["2025.8"])
    page = scene.tenant.admin.post(scene.tenant.url(f"{PAGE}/verify"), follow=True).content.decode()
    assert "set PSA_API_VERSION to a newer one" in page
    checkout = scene.pay(sold)
    deliver_later()
    assert (scene.get_row(checkout).state, get_psa_connection(scene.tenant.merchant).state) == ("planned", "connected")
    settings.PSA_API_VERSION = "2026.4"
    deliver_later(timezone.now() + timedelta(hours=2))
    assert scene.get_row(checkout).state == "written"


@pytest.mark.parametrize(
    ("days", "is_fine", "words"),
    [(200, True, "answers with until"), (30, None, "Set PSA_API_VERSION"), (-90, None, "any day. Set PSA_API")],
)
def test_the_doctor_says_in_time_what_to_do_about_the_model(
    settings: Settings, days: int, is_fine: bool | None, words: str
) -> None:
    settings.PSA_CLIENT_ID = "f7f3c6f0-0000-4000-8000-000000000000"
    settings.PSA_API_VERSION_ENDS = (timezone.now() + timedelta(days=days)).date().isoformat()
    [found] = check_psa_installation()
    assert (found.ok, words in found.message) == (is_fine, True), found
