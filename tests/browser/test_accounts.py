"""Signing in, in a real browser: the mailed code, a passkey, another company's account."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.conftest import sign_in
from tests.browser.demo import Demo

pytestmark = pytest.mark.browser
# An address without a name has no passkeys; browsers treat localhost as safe.
KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@contextmanager
def passkeys(page: Page) -> Iterator[None]:
    """Give the browser a passkey that confirms automatically."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    authenticator: dict[str, Any] = session.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    yield
    session.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": authenticator["authenticatorId"]})


def at_localhost(demo: Demo) -> Demo:
    """The same demo under the name at which passkeys work."""
    return replace(demo, web=demo.web.replace("127.0.0.1", "localhost"))


def test_an_app_is_offered_after_the_code(demo: Demo, page: Page) -> None:
    sign_in(demo, page)
    page.goto(f"{demo.web}/accounts/2fa/offer/")
    assert_accessible(page)
    page.get_by_role("link", name="Set up an authenticator app").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert_accessible(page)


def test_a_passkey_is_added_and_signs_in_alone(demo: Demo, page: Page) -> None:
    here = at_localhost(demo)
    with passkeys(page):
        sign_in(here, page)
        page.goto(f"{here.web}/accounts/2fa/")
        assert_accessible(page)
        page.get_by_role("link", name="Add", exact=True).click()
        assert_accessible(page)
        page.get_by_label("Name").fill("Laptop")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        assert_accessible(page)
        page.goto(f"{here.web}/accounts/logout/")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(f"{here.web}/m/*/")
        remove_passkey(here, page)


def remove_passkey(demo: Demo, page: Page) -> None:
    """Through its pages, so that the other tests are asked for a mailed code again."""
    page.goto(f"{demo.web}/accounts/2fa/webauthn/")
    expect(page.get_by_role("heading", name="Laptop")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Remove Laptop").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The passkey is removed.")).to_be_visible()


def test_a_passkey_that_is_refused_says_so(demo: Demo, page: Page) -> None:
    page.goto(f"{at_localhost(demo).web}/accounts/login/")
    with passkeys(page):
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("alert")).to_have_text(re.compile("Nothing was confirmed"))


@pytest.mark.parametrize("provider", ["Xero", "Microsoft"])
def test_an_account_at_another_company_signs_in(demo: Demo, page: Page, provider: str) -> None:
    sign_in(demo, page)
    page.goto(f"{demo.web}/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name=f"Sign on with {provider}").click()
    page.wait_for_url(f"{demo.sandbox}/oidc/{provider.lower()}/authorize**")
    page.get_by_label("E-mail address").fill(demo.merchant["email"])
    page.get_by_label("The provider has asked for a second factor").check()
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{demo.web}/m/*/")


@pytest.mark.parametrize("path", ["email/", "sessions/", "connected/", "2fa/", "2fa/totp/activate/"])
def test_the_pages_of_an_account_are_accessible(demo: Demo, console: Page, path: str) -> None:
    console.goto(f"{demo.web}/accounts/{path}")
    assert_accessible(console)
