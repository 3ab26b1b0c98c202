"""Signing on with Xero or Microsoft: into one's own account, and for strangers nowhere."""

import html
import re
import time
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from pytest_django import Settings

from tests.sign_in_steps import (
    CODE,
    EMAIL,
    LOGIN,
    enrol_authenticator,
    get_mailed_code,
    is_signed_in,
    list_mails,
    submit_code,
)
from tests.tenants import PASSWORD, Tenant
from wisepay.accounts.services import sync_email_address
from wisepay.models import User

UNKNOWN = "No sign-in here belongs to this account"
UNVERIFIED = "does not say that your address is verified"
FAILED = "did not work. Please try again."


@pytest.fixture
def verified(tenant: Tenant) -> Tenant:
    """The merchant, whose admin's address is verified."""
    sync_email_address(tenant.user, verified=True)
    return tenant


def leave(client: Client, provider: str = "xero", **query: str) -> str:
    """Press the button; answers the provider's address."""
    answer = client.post(f"/accounts/sign-on/{provider}/?{urlencode(query)}")
    assert answer.status_code == 200, answer.content
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', answer.content.decode())
    assert found
    return html.unescape(found[1])


def agree(address: str, email: str = EMAIL, *, verified: bool = True, mfa: bool = False, **form: str) -> str:
    """Answer the provider's page; answers where it leads back to."""
    boxes = {name: "on" for name, ticked in (("verified", verified), ("mfa", mfa)) if ticked}
    data = {"email": email, "decision": "allow", **boxes, **form}
    return requests.post(address, data=data, allow_redirects=False, timeout=10).headers["Location"]


def come_back(client: Client, back: str) -> Any:
    """Follow the provider's redirect."""
    parts = urlsplit(back)
    assert parts.netloc == "testserver"
    return client.get(f"{parts.path}?{parts.query}")


def sign_on(client: Client, email: str = EMAIL, *, provider: str = "xero", **choices: Any) -> Any:
    """There and back."""
    return come_back(client, agree(leave(client, provider), email, **choices))


def said(client: Client, path: str = LOGIN) -> str:
    """The page as a person reads it."""
    return html.unescape(client.get(path).content.decode())


@pytest.mark.parametrize("provider", ["xero", "microsoft"])
def test_a_sign_on_opens_the_account_of_the_same_verified_address(
    verified: Tenant, browser: Client, provider: str
) -> None:
    answer = sign_on(browser, provider=provider)
    assert answer["Location"] == CODE, "the provider asked only for a password"
    submit_code(browser, get_mailed_code(verified.world))
    assert browser.get(verified.url()).status_code == 200
    assert not SocialAccount.objects.exists()


def test_no_code_is_asked_for_when_the_provider_asked_for_a_second_factor(verified: Tenant, browser: Client) -> None:
    assert sign_on(browser, mfa=True)["Location"] == "/"
    assert is_signed_in(browser)
    assert list_mails(verified.world) == []


def test_an_app_asks_all_the_same(verified: Tenant, browser: Client) -> None:
    enrol_authenticator(verified.user)
    assert sign_on(browser, mfa=True)["Location"] == "/accounts/2fa/authenticate/"
    assert not is_signed_in(browser)


def test_one_comes_back_to_where_one_wanted_to_go_and_nowhere_else(verified: Tenant, browser: Client) -> None:
    wanted = verified.url("payments/")
    page = browser.get(f"{LOGIN}?next={wanted}").content.decode()
    assert urlencode({"next": wanted}) in html.unescape(page)
    assert come_back(browser, agree(leave(browser, next=wanted), mfa=True))["Location"] == wanted
    evil = leave(other := Client(), next="https://evil.example/")
    assert come_back(other, agree(evil, mfa=True))["Location"] == "/"


@pytest.mark.parametrize("email", ["nobody@northwind-it.example", "unverified@northwind-it.example"])
def test_strangers_and_unverified_accounts_are_turned_away_alike(verified: Tenant, browser: Client, email: str) -> None:
    sync_email_address(User.objects.create_user("unverified@northwind-it.example", PASSWORD))
    answer = sign_on(browser, email, mfa=True)
    assert (answer.status_code, answer["Location"]) == (302, LOGIN)
    assert UNKNOWN in said(browser)
    assert not is_signed_in(browser)
    assert User.objects.count() == 2


@pytest.mark.parametrize("email", [EMAIL, "nobody@northwind-it.example"])
def test_an_address_that_the_provider_did_not_verify_opens_nothing(
    verified: Tenant, browser: Client, email: str
) -> None:
    answer = sign_on(browser, email, verified=False, mfa=True)
    assert answer["Location"] == LOGIN
    assert UNVERIFIED in said(browser)
    assert not is_signed_in(browser)


def test_a_provider_that_always_verifies_can_be_trusted_to(
    verified: Tenant, browser: Client, settings: Settings
) -> None:
    settings.XERO_OIDC_EMAIL_IS_VERIFIED = True
    sign_on(browser, verified=False, mfa=True)
    assert is_signed_in(browser)


def test_somebody_switched_off_stays_out(verified: Tenant, browser: Client) -> None:
    User.objects.update(is_active=False)
    sign_on(browser, mfa=True)
    assert not is_signed_in(browser)


def test_refusing_at_the_provider_signs_nobody_in(verified: Tenant, browser: Client) -> None:
    assert come_back(browser, agree(leave(browser), decision="cancel"))["Location"] == LOGIN
    assert "Xero was not allowed to sign you in" in said(browser)
    assert not is_signed_in(browser)


def test_a_state_works_once_and_only_in_its_browser(verified: Tenant, browser: Client) -> None:
    back = agree(leave(browser), mfa=True)
    come_back(stranger := Client(), back)
    assert not is_signed_in(stranger)
    assert FAILED in said(stranger)
    come_back(browser, back)
    assert is_signed_in(browser)
    browser.post("/accounts/logout/")
    come_back(browser, back)
    assert not is_signed_in(browser)


def test_a_code_of_somebody_else_does_not_fit(verified: Tenant, browser: Client) -> None:
    stolen = parse_qs(urlsplit(agree(leave(Client()), mfa=True)).query)["code"][0]
    own = parse_qs(urlsplit(leave(browser)).query)["state"][0]
    browser.get("/accounts/sign-on/xero/callback/", {"code": stolen, "state": own})
    assert not is_signed_in(browser)
    assert FAILED in said(browser)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"oidc_claims": {"nonce": "another"}},
        {"oidc_claims": {"nonce": None}},
        {"oidc_claims": {"iss": "https://evil.example"}},
        {"oidc_claims": {"aud": "another-app"}},
        {"oidc_claims": {"exp": int(time.time()) - 3600}},
        {"oidc_key": "another"},
    ],
    ids=["nonce", "no nonce", "issuer", "audience", "expired", "signature"],
)
def test_an_id_token_that_is_not_right_signs_nobody_in(
    verified: Tenant, browser: Client, spoilt: dict[str, Any]
) -> None:
    verified.world.config(**spoilt)
    assert sign_on(browser, mfa=True)["Location"] == LOGIN
    assert FAILED in said(browser)
    assert not is_signed_in(browser)


@pytest.mark.parametrize("where", ["/xero/token", "/xero/keys"])
def test_a_provider_that_is_down_is_said(verified: Tenant, browser: Client, where: str) -> None:
    back = agree(leave(browser), mfa=True)
    with verified.world.inject_fault("oidc", "status", status=503, path=where):
        come_back(browser, back)
        assert not is_signed_in(browser)
        assert FAILED in said(browser)


def test_what_a_provider_says_of_itself_is_read_once_for_everybody(verified: Tenant) -> None:
    for _ in range(30):
        assert Client().post("/accounts/sign-on/xero/").status_code == 200
    asked = [e["path"] for e in verified.world.journal("oidc")]
    assert len([path for path in asked if "well-known" in path]) == 1


def test_a_provider_that_is_down_is_said_before_one_leaves(verified: Tenant, browser: Client) -> None:
    with verified.world.inject_fault("oidc", "drop_before"):
        assert browser.post("/accounts/sign-on/xero/")["Location"] == LOGIN
    assert FAILED in said(browser)


def test_the_address_of_the_page_cannot_change_what_is_asked_for(verified: Tenant, browser: Client) -> None:
    query = {"auth_params": "redirect_uri=https://evil.example/&nonce=1", "scope": "everything"}
    asked = parse_qs(urlsplit(leave(browser, **query)).query)
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    assert "evil" not in str(asked)


def test_a_connected_account_opens_it_whatever_its_address(verified: Tenant, browser: Client) -> None:
    sign_on(browser, mfa=True)
    leaves = leave(browser, process="connect")
    answer = come_back(browser, agree(leaves, "private@elsewhere.example", verified=False))
    assert answer["Location"] == "/accounts/connected/"
    assert "private@elsewhere.example" in said(browser, "/accounts/connected/")
    sign_on(other := Client(), "private@elsewhere.example", verified=False, mfa=True)
    assert is_signed_in(other)
    account = SocialAccount.objects.get()
    browser.post("/accounts/connected/", {"account": account.pk})
    sign_on(third := Client(), "private@elsewhere.example", mfa=True)
    assert not is_signed_in(third)


def test_an_account_connected_to_somebody_else_stays_theirs(
    verified: Tenant, stranger: Tenant, browser: Client
) -> None:
    sign_on(browser, mfa=True)
    come_back(browser, agree(leave(browser, process="connect"), "private@elsewhere.example"))
    sync_email_address(stranger.user, verified=True)
    sign_on(other := Client(), stranger.user.email, mfa=True)
    come_back(other, agree(leave(other, process="connect"), "private@elsewhere.example"))
    assert SocialAccount.objects.get().user == verified.user


def test_without_a_client_id_there_is_no_button_and_no_way(tenant: Tenant, browser: Client, settings: Settings) -> None:
    assert "Sign on with Microsoft" in said(browser)
    settings.MICROSOFT_OIDC_CLIENT_ID = ""
    page = said(browser)
    assert "Sign on with Microsoft" not in page
    assert "Sign on with Xero" in page
    assert browser.post("/accounts/sign-on/microsoft/").status_code == 404
    assert browser.post("/accounts/sign-on/elsewhere/").status_code == 404
