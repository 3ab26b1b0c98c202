"""The OAuth flow: what connects, and everything that must not."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import IntegrityError
from django.db import connection as database
from django.test import Client
from django.utils import timezone
from django_subatomic.db import transaction
from pytest_django import Settings

from connections.models import Authorisation, Connection, LinkedOrganisation
from connections.oauth_flow import delete_old_authorisations
from merchants.models import Membership
from merchants.services import add_merchant
from tests.connections.oauth_steps import (
    CALLBACK,
    CONNECTIONS_PATH,
    allow_access,
    count_token_calls,
    get_journal_end,
    open_callback,
    start_consent,
)
from tests.sign_in_steps import get_mailed_code, submit_code
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay.models import AuditEntry, User


@pytest.fixture
def newcomer(tenant: Tenant) -> Tenant:
    """A second merchant that is connected to nothing yet."""
    with transaction():
        merchant = add_merchant(name="Kauri IT", contact_email="admin@kauri-it.example", time_zone="UTC")
    user = User.objects.create_user("admin@kauri-it.example", PASSWORD)
    Membership.objects.create(merchant=merchant, user=user, role=get_role(merchant, "admin"))
    found = Tenant(tenant.world, merchant, user, "")
    found.admin.force_login(user)
    return found


def page_of(answer: Any) -> str:
    """A page's text."""
    return str(answer.content.decode())


def connections_of(tenant: Tenant) -> list[Connection]:
    """The merchant's connections."""
    return list(Connection.objects.filter(merchant=tenant.merchant))


def test_consent_to_one_organisation_connects_it(newcomer: Tenant) -> None:
    answer = open_callback(newcomer.admin, allow_access(start_consent(newcomer), "nz", login="admin@kauri-it.example"))
    assert (answer.status_code, answer["Location"]) == (302, newcomer.url(CONNECTIONS_PATH))
    connection = newcomer.connection
    assert (connection.state, connection.organisation_name) == ("connected", "Kauri Networks Practice (NZ)")
    assert connection.client_id == "sandbox-client"
    page = page_of(newcomer.admin.get(newcomer.url(CONNECTIONS_PATH)))
    assert "Kauri Networks Practice (NZ)" in page
    assert 'data-state="connected"' in page
    assert AuditEntry.objects.filter(merchant_id=newcomer.merchant.pk, action="connection.authorised").count() == 1


def test_tokens_and_the_verifier_are_encrypted_in_the_database(newcomer: Tenant) -> None:
    open_callback(newcomer.admin, allow_access(start_consent(newcomer), "nz", login="admin@kauri-it.example"))
    connection = newcomer.connection
    plain = [connection.access_token.decrypt(), connection.refresh_token.decrypt()]
    plain += [authorisation.code_verifier.decrypt() for authorisation in Authorisation.objects.all()]
    with database.cursor() as cursor:
        cursor.execute("SELECT row_to_json(c)::text FROM connections_connection c")
        rows = str(cursor.fetchall())
        cursor.execute("SELECT row_to_json(a)::text FROM connections_authorisation a")
        rows += str(cursor.fetchall())
    assert len(plain) >= 3
    assert not [secret for secret in plain if secret in rows]
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", rows)
    assert not Authorisation.objects.get(merchant=newcomer.merchant).tokens


def test_the_consent_page_is_asked_with_pkce_and_the_least_scopes(newcomer: Tenant) -> None:
    url = start_consent(newcomer)
    for part in ("response_type=code", "code_challenge_method=S256", "code_challenge=", "accounting.invoices"):
        assert part in url
    for part in ("accounting.transactions", "code_verifier", "client_secret", "payroll"):
        assert part not in url


def test_a_state_works_once(newcomer: Tenant) -> None:
    brought = allow_access(start_consent(newcomer), "nz", login="admin@kauri-it.example")
    open_callback(newcomer.admin, brought)
    since = get_journal_end(newcomer)
    answer = open_callback(newcomer.admin, brought)
    assert answer.status_code == 400
    assert "used already" in page_of(answer)
    assert count_token_calls(newcomer, since) == 0
    assert newcomer.connection.state == "connected"


def test_a_state_dies_after_ten_minutes(newcomer: Tenant) -> None:
    brought = allow_access(start_consent(newcomer), "nz")
    Authorisation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert open_callback(newcomer.admin, brought).status_code == 400
    assert connections_of(newcomer) == []


def test_another_persons_state_is_worth_nothing(newcomer: Tenant, tenant: Tenant) -> None:
    brought = allow_access(start_consent(newcomer), "nz")
    since = get_journal_end(tenant)
    assert open_callback(tenant.admin, brought).status_code == 400
    assert count_token_calls(tenant, since) == 0
    assert (connections_of(newcomer), tenant.connection.organisation_name) == ([], "Harbour IT Practice (AU)")
    assert open_callback(newcomer.admin, brought).status_code == 302, "the rightful owner may still use it"


@pytest.mark.parametrize("provider", ["quickbooks", "myob"])
def test_a_state_of_one_package_is_worth_nothing_at_another(newcomer: Tenant, provider: str) -> None:
    brought = allow_access(start_consent(newcomer), "nz")
    assert open_callback(newcomer.admin, brought, provider=provider).status_code == 400
    assert connections_of(newcomer) == []


@pytest.mark.parametrize("brought", [{}, {"state": ""}, {"state": "invented", "code": "c"}, {"code": "c"}])
def test_an_invented_state_is_refused(newcomer: Tenant, brought: dict[str, str]) -> None:
    since = get_journal_end(newcomer)
    assert open_callback(newcomer.admin, brought).status_code == 400
    assert count_token_calls(newcomer, since) == 0


def test_a_person_who_denies_access_reads_that_nothing_happened(newcomer: Tenant) -> None:
    start_consent(newcomer)
    answer = open_callback(newcomer.admin, {"error": "access_denied", "state": "x"})
    assert answer.status_code == 400
    assert "Access was not allowed" in page_of(answer)
    assert connections_of(newcomer) == []


def test_what_the_browser_brings_is_never_shown_as_markup(newcomer: Tenant) -> None:
    answer = open_callback(newcomer.admin, {"error": "<script>alert(1)</script>", "error_description": "<b>x</b>"})
    assert "<script>alert" not in page_of(answer)
    assert "<b>x" not in page_of(answer)


def test_a_code_that_was_used_is_refused(newcomer: Tenant) -> None:
    first = allow_access(start_consent(newcomer), "nz", login="admin@kauri-it.example")
    open_callback(newcomer.admin, first)
    second = allow_access(start_consent(newcomer), "nz", login="admin@kauri-it.example")
    answer = open_callback(newcomer.admin, second | {"code": first["code"]})
    assert answer.status_code == 400
    assert "refused the code" in page_of(answer)


def test_a_code_that_is_too_old_is_refused(newcomer: Tenant) -> None:
    brought = allow_access(start_consent(newcomer), "nz")
    newcomer.world.advance(301)
    assert open_callback(newcomer.admin, brought).status_code == 400
    assert connections_of(newcomer) == []


def test_a_code_of_another_authorisation_is_refused_by_pkce(newcomer: Tenant, tenant: Tenant) -> None:
    theirs = allow_access(start_consent(tenant), "us")
    mine = allow_access(start_consent(newcomer), "nz")
    assert open_callback(newcomer.admin, {"state": mine["state"], "code": theirs["code"]}).status_code == 400
    assert connections_of(newcomer) == []


def test_a_browser_without_a_session_signs_in_first_and_goes_on(newcomer: Tenant) -> None:
    brought = allow_access(start_consent(newcomer), "nz", login="admin@kauri-it.example")
    browser = Client()
    answer = open_callback(browser, brought)
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"/accounts/login/?next={CALLBACK}")
    browser.post(answer["Location"], {"login": "admin@kauri-it.example", "password": PASSWORD})
    signed_in = submit_code(browser, get_mailed_code(newcomer.world, "admin@kauri-it.example"))
    offered = parse_qs(urlsplit(signed_in["Location"]).query)["next"][0]  # past the offer of an app
    assert browser.get(offered)["Location"] == newcomer.url(CONNECTIONS_PATH)
    assert newcomer.connection.state == "connected"


def test_of_several_organisations_the_person_chooses_one(newcomer: Tenant, tenant: Tenant) -> None:
    answer = open_callback(
        newcomer.admin, allow_access(start_consent(newcomer), "nz", "us", login="admin@kauri-it.example")
    )
    choice = answer["Location"]
    page = page_of(newcomer.admin.get(choice))
    assert "Kauri Networks Practice (NZ)" in page
    assert "Prairie Systems Practice (US)" in page
    assert connections_of(newcomer) == []
    assert tenant.admin.get(choice).status_code == 404
    wrong = newcomer.admin.post(choice, {"organisation": tenant.connection.organisation_id})
    assert wrong.status_code == 422
    authorisation = Authorisation.objects.get(merchant=newcomer.merchant)
    picked = next(o for o in authorisation.organisations if "Prairie" in o["name"])
    assert newcomer.admin.post(choice, {"organisation": picked["id"]})["Location"] == newcomer.url(CONNECTIONS_PATH)
    assert newcomer.connection.organisation_name == "Prairie Systems Practice (US)"
    again = newcomer.admin.post(choice, {"organisation": authorisation.organisations[0]["id"]})
    assert again.status_code == 422
    assert newcomer.connection.organisation_name == "Prairie Systems Practice (US)"


def test_a_choice_that_comes_too_late_is_refused(newcomer: Tenant) -> None:
    choice = open_callback(newcomer.admin, allow_access(start_consent(newcomer), "nz", "us"))["Location"]
    Authorisation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    authorisation = Authorisation.objects.get(merchant=newcomer.merchant)
    assert newcomer.admin.post(choice, {"organisation": authorisation.organisations[0]["id"]}).status_code == 422
    assert connections_of(newcomer) == []


def test_consent_without_an_organisation_connects_nothing(newcomer: Tenant) -> None:
    brought = allow_access(start_consent(newcomer), "nz", login="nobody@kauri-it.example")
    newcomer.world.fault("xero-identity", "status", status=200, body=[], path="/Connections")
    answer = open_callback(newcomer.admin, brought)
    assert answer.status_code == 400
    assert "No organisation was chosen" in page_of(answer)
    assert connections_of(newcomer) == []


def test_an_organisation_of_another_merchant_is_refused(newcomer: Tenant, tenant: Tenant) -> None:
    answer = open_callback(newcomer.admin, allow_access(start_consent(newcomer), "au", login="admin@kauri-it.example"))
    assert answer.status_code == 400
    assert "already linked to another merchant" in page_of(answer)
    assert tenant.merchant.name not in page_of(answer)
    assert connections_of(newcomer) == []
    assert not Authorisation.objects.get(merchant=newcomer.merchant).tokens, "nobody needs these tokens any more"


@pytest.mark.parametrize("service", ["xero-oauth", "xero-identity"])
@pytest.mark.parametrize(
    "fault", [{"kind": "status", "status": 503}, {"kind": "drop_before"}, {"kind": "html", "status": 200}]
)
def test_a_package_that_is_away_connects_nothing_and_says_so(
    newcomer: Tenant, service: str, fault: dict[str, Any]
) -> None:
    brought = allow_access(start_consent(newcomer), "nz")
    with newcomer.world.inject_fault(service, **fault):
        answer = open_callback(newcomer.admin, brought)
    assert answer.status_code == 400
    assert "does not answer at the moment" in page_of(answer)
    assert connections_of(newcomer) == []


def test_a_server_without_an_app_says_so(newcomer: Tenant, settings: Settings) -> None:
    settings.XERO_CLIENT_ID = ""
    answer = newcomer.admin.post(newcomer.url(f"{CONNECTIONS_PATH}wise_pay/connect"), {"provider": "xero"}, follow=True)
    assert "not set up on this server" in page_of(answer)
    assert Authorisation.objects.filter(merchant=newcomer.merchant).count() == 0


def test_a_package_that_we_do_not_know_is_refused(newcomer: Tenant) -> None:
    answer = newcomer.admin.post(
        newcomer.url(f"{CONNECTIONS_PATH}wise_pay/connect"), {"provider": "ledgerpro"}, follow=True
    )
    assert "do not know this accounting package" in page_of(answer)


@pytest.mark.parametrize("act", ["connect", "verify", "disconnect"])
def test_a_tier_that_does_not_exist_is_not_found(tenant: Tenant, act: str) -> None:
    assert tenant.admin.post(tenant.url(f"{CONNECTIONS_PATH}nonsense/{act}"), {"provider": "xero"}).status_code == 404


def test_connecting_again_replaces_the_tokens(tenant: Tenant) -> None:
    before = tenant.connection.refresh_token.decrypt()
    open_callback(tenant.admin, allow_access(start_consent(tenant), "au"))
    assert tenant.connection.refresh_token.decrypt() != before
    assert Connection.objects.filter(merchant=tenant.merchant).count() == 1


def test_old_authorisations_are_deleted(tenant: Tenant) -> None:
    authorisation = Authorisation.objects.latest("pk")
    authorisation.tokens = "left"
    authorisation.save(update_fields=["tokens"])
    delete_old_authorisations(now=authorisation.expires_at)
    assert not Authorisation.objects.get(pk=authorisation.pk).tokens
    delete_old_authorisations(now=authorisation.expires_at + timedelta(days=31))
    assert not Authorisation.objects.filter(pk=authorisation.pk).exists()


def test_the_database_lets_an_organisation_belong_to_one_merchant(tenant: Tenant, stranger: Tenant) -> None:
    mine = tenant.connection.organisation_id
    with pytest.raises(IntegrityError):
        LinkedOrganisation.objects.create(provider="xero", organisation_id=mine, merchant=stranger.merchant)
