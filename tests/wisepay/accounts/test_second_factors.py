"""Authenticator apps, recovery codes and passkeys: set up, asked for, used once, taken away."""

import json
import re
from html import unescape
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from tests.passkey import Passkey
from tests.sign_in_steps import (
    AUTHENTICATE,
    LOGIN,
    enrol_authenticator,
    get_authenticator_code,
    is_signed_in,
    list_factors,
    list_mails,
    sign_in,
    submit_password,
)
from tests.tenants import PASSWORD, Tenant
from wisepay.accounts.factor_secrets import PURPOSE, open_secret, secrets_of
from wisepay.accounts.services import sync_email_address
from wisepay.secrets import Secret

ACTIVATE = "/accounts/2fa/totp/activate/"
RECOVERY = "/accounts/2fa/recovery-codes/"
ADD_KEY = "/accounts/2fa/webauthn/add/"
KEY_LOGIN = "/accounts/2fa/webauthn/login/"


def at_localhost() -> Client:
    """A browser at the only host where passkeys work without TLS."""
    return Client(SERVER_NAME="localhost")


def page_data(client: Client, path: str) -> dict[str, Any]:
    """What a page hands its script."""
    found = re.search(r'<script id="js_data"[^>]*>(.*?)</script>', client.get(path).content.decode())
    assert found
    data: dict[str, Any] = json.loads(unescape(found[1]))
    return data


def set_up_app(client: Client) -> str:
    """Through the page; answers the key that it showed."""
    page = client.get(ACTIVATE).content.decode()
    found = re.search(r'value="([A-Z2-7]{32})"', page)
    assert found
    assert "data:image/svg+xml;base64," in page
    answer = client.post(ACTIVATE, {"code": get_authenticator_code(found[1])})
    assert answer["Location"] == RECOVERY
    return found[1]


def recovery_codes(client: Client) -> list[str]:
    """As the page shows them, once."""
    return re.findall(r"<code>(\d{8})</code>", client.get(RECOVERY).content.decode())


def count_left(client: Client) -> int:
    """How many codes the page says are left, once they were shown."""
    found = re.search(r"You have (\d+) codes left", client.get(RECOVERY).content.decode())
    return int(found[1]) if found else 0


def stored_hashes() -> list[str]:
    """What the database has of the codes."""
    return list(Authenticator.objects.get(type="recovery_codes").data["migrated_codes"])


def add_key(client: Client, passkey: Passkey, *, alone: bool = True) -> Any:
    """Through the page."""
    options = page_data(client, ADD_KEY)["creation_options"]
    form = {"name": "Phone", "credential": passkey.create(options, alone=alone)}
    return client.post(ADD_KEY, form | ({"passwordless": "on"} if alone else {}))


def sign_in_with_key(client: Client, passkey: Passkey) -> Any:
    """As the button on the sign-in page does."""
    options = client.get(KEY_LOGIN, headers={"accept": "application/json"}).json()["request_options"]
    return client.post(KEY_LOGIN, {"credential": passkey.answer(options)})


@pytest.fixture
def local(tenant: Tenant) -> Client:
    """The admin's browser at the host where passkeys work, signed in a moment ago."""
    client = at_localhost()
    sign_in(client, tenant.world)
    return client


def test_an_app_is_set_up_right_after_the_code_without_another_password(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    set_up_app(browser)
    assert list_factors(tenant.user) == ["recovery_codes", "totp"]
    assert len(recovery_codes(browser)) == 10


def test_later_the_password_is_asked_for_before_an_app_is_set_up(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 301
    session.save()
    assert browser.get(ACTIVATE)["Location"].startswith("/accounts/reauthenticate/")
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert browser.get(ACTIVATE).status_code == 200


def test_a_wrong_code_sets_no_app_up(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    browser.get(ACTIVATE)
    assert b"Incorrect code" in browser.post(ACTIVATE, {"code": "000000"}).content
    assert list_factors(tenant.user) == []


def test_the_keys_of_apps_are_encrypted(tenant: Tenant) -> None:
    secret = enrol_authenticator(tenant.user)
    locked = json.dumps(Authenticator.objects.get(type="totp").data)
    assert secret not in locked
    assert '"k1:' in locked


def test_the_app_asks_instead_of_the_mail(tenant: Tenant, browser: Client) -> None:
    secret = enrol_authenticator(tenant.user)
    sync_email_address(tenant.user, verified=True)
    assert submit_password(browser, to=tenant.url())["Location"] == AUTHENTICATE
    assert list_mails(tenant.world) == []
    assert not is_signed_in(browser)
    answer = browser.post(AUTHENTICATE, {"code": get_authenticator_code(secret)})
    assert answer["Location"] == tenant.url()
    assert is_signed_in(browser)


def test_the_same_code_of_an_app_does_not_work_twice(tenant: Tenant, browser: Client) -> None:
    secret = enrol_authenticator(tenant.user)
    sync_email_address(tenant.user, verified=True)
    code = get_authenticator_code(secret)
    for client in (browser, other := Client()):
        submit_password(client)
        client.post(AUTHENTICATE, {"code": code})
    assert is_signed_in(browser)
    assert not is_signed_in(other)


def test_the_code_that_sets_an_app_up_does_not_sign_in(tenant: Tenant, browser: Client) -> None:
    """A code works once, whatever it was used for (RFC 6238, 5.2; ASVS 5.0, 6.5.1)."""
    sign_in(browser, tenant.world)
    page = browser.get(ACTIVATE).content.decode()
    found = re.search(r'value="([A-Z2-7]{32})"', page)
    assert found
    code = get_authenticator_code(found[1])
    assert browser.post(ACTIVATE, {"code": code})["Location"] == RECOVERY
    for typed in (code, f"{code[:3]} {code[3:]}", f"{code}\u200b"):
        submit_password(other := Client())
        other.post(AUTHENTICATE, {"code": typed})
        assert not is_signed_in(other), typed


def test_a_code_that_signed_in_confirms_nothing_afterwards(tenant: Tenant, browser: Client) -> None:
    secret = enrol_authenticator(tenant.user)
    sync_email_address(tenant.user, verified=True)
    code = get_authenticator_code(secret)
    submit_password(browser)
    browser.post(AUTHENTICATE, {"code": code})
    assert b"Incorrect code" in browser.post("/accounts/2fa/reauthenticate/", {"code": code}).content


def move_factor(tenant: Tenant, stranger: Tenant) -> str:
    """Put the stranger's app into the row of the tenant's admin, as whoever writes to the database might."""
    own, secret = enrol_authenticator(tenant.user), enrol_authenticator(stranger.user)
    assert own != secret
    theirs = Authenticator.objects.get(user=stranger.user, type="totp").data
    Authenticator.objects.filter(user=tenant.user, type="totp").update(data=theirs)
    sync_email_address(tenant.user, verified=True)
    return secret


def test_an_app_of_somebody_else_is_not_accepted(tenant: Tenant, stranger: Tenant, browser: Client) -> None:
    """A secret is bound to the person whose it is, like any other secret to its row."""
    secret = move_factor(tenant, stranger)
    submit_password(browser)
    answer = browser.post(AUTHENTICATE, {"code": get_authenticator_code(secret)})
    assert (answer.status_code, b"Incorrect code" in answer.content) == (200, True)
    assert not is_signed_in(browser)


def test_a_code_of_ones_own_app_is_none_of_anothers(tenant: Tenant, stranger: Tenant, browser: Client) -> None:
    for each in (tenant.user, stranger.user):
        enrol_authenticator(each)
        sync_email_address(each, verified=True)
    own = Authenticator.objects.get(user=stranger.user, type="totp")
    with secrets_of(stranger.user.pk):
        code = get_authenticator_code(open_secret(own.data["secret"]))
    submit_password(browser)
    browser.post(AUTHENTICATE, {"code": code})
    assert not is_signed_in(browser)


def test_secrets_from_before_they_were_bound_open_and_are_bound_when_saved(tenant: Tenant, browser: Client) -> None:
    secret = enrol_authenticator(tenant.user)
    sync_email_address(tenant.user, verified=True)
    rows = Authenticator.objects.filter(user=tenant.user, type="totp")
    rows.update(data={"secret": Secret.encrypt(secret, purpose=PURPOSE).stored})
    submit_password(browser)
    browser.post(AUTHENTICATE, {"code": get_authenticator_code(secret)})
    assert is_signed_in(browser)
    rows.get().save()
    stored = rows.get().data["secret"]
    assert Secret(stored, PURPOSE).is_bound
    with secrets_of(tenant.user.pk):
        assert open_secret(stored) == secret


def test_codes_of_apps_are_not_guessed_without_end(tenant: Tenant, browser: Client) -> None:
    secret = enrol_authenticator(tenant.user)
    sync_email_address(tenant.user, verified=True)
    submit_password(browser)
    answers = [browser.post(AUTHENTICATE, {"code": "x"}) for _ in range(5)]
    assert all(b"Incorrect code" in a.content for a in answers)
    assert b"Too many failed" in browser.post(AUTHENTICATE, {"code": get_authenticator_code(secret)}).content
    submit_password(elsewhere := Client(REMOTE_ADDR="198.51.100.9"))
    elsewhere.post(AUTHENTICATE, {"code": get_authenticator_code(secret)})
    assert not is_signed_in(elsewhere), "the account is guarded, not only the address"


def test_a_recovery_code_lets_in_once(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    set_up_app(browser)
    code, *others = recovery_codes(browser)
    for client in (first := Client(), second := Client()):
        submit_password(client)
        client.post(AUTHENTICATE, {"code": code})
    assert is_signed_in(first)
    assert not is_signed_in(second)
    assert count_left(browser) == 9
    submit_password(third := Client())
    third.post(AUTHENTICATE, {"code": others[0]})
    assert is_signed_in(third)
    assert count_left(browser) == 8


@pytest.mark.parametrize("path", [RECOVERY, f"{RECOVERY}download/"])
def test_recovery_codes_are_shown_once_and_then_only_hashed(tenant: Tenant, browser: Client, path: str) -> None:
    sign_in(browser, tenant.world)
    set_up_app(browser)
    codes = re.findall(r"\b\d{8}\b", browser.get(path).content.decode())
    assert len(codes) == 10
    stored = Authenticator.objects.get(type="recovery_codes").data
    assert "seed" not in stored
    assert all(each.startswith("scrypt$") for each in stored["migrated_codes"])
    assert not [code for code in codes if code in json.dumps(stored)]
    assert recovery_codes(browser) == []
    assert browser.get(f"{RECOVERY}download/").status_code == 403


def test_a_wrong_recovery_code_lets_nobody_in(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    set_up_app(browser)
    codes = recovery_codes(browser)
    submit_password(other := Client())
    for wrong in ("00000000" if "00000000" not in codes else "00000001", *stored_hashes()[:2], ""):
        other.post(AUTHENTICATE, {"code": wrong})
    assert not is_signed_in(other)
    assert len(stored_hashes()) == 10


def test_new_recovery_codes_end_the_old_ones(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    set_up_app(browser)
    old = recovery_codes(browser)
    browser.post(f"{RECOVERY}generate/")
    assert not set(old) & set(recovery_codes(browser))


def test_recovery_codes_are_not_shown_to_a_session_that_grew_old(tenant: Tenant) -> None:
    enrol_authenticator(tenant.user)
    tenant.admin.force_login(tenant.user)
    answer = tenant.admin.get(RECOVERY)
    assert answer.status_code in (302, 404)


def test_without_the_app_the_mail_asks_again(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    set_up_app(browser)
    browser.post("/accounts/2fa/totp/deactivate/")
    assert list_factors(tenant.user) == []
    assert submit_password(Client())["Location"] == "/accounts/login/code/confirm/"


def test_a_passkey_alone_signs_in(tenant: Tenant, local: Client) -> None:
    passkey = Passkey()
    assert add_key(local, passkey)["Location"] == RECOVERY
    assert list_factors(tenant.user) == ["recovery_codes", "webauthn"]
    shown = list_mails(tenant.world)
    assert "security key has been added" in shown[0]["text"]
    answer = sign_in_with_key(browser := at_localhost(), passkey)
    assert answer["Location"] == "/"
    assert is_signed_in(browser)
    assert list_mails(tenant.world) == shown, "no code is mailed"


def test_a_key_of_a_strange_site_signs_nobody_in(local: Client) -> None:
    add_key(local, passkey := Passkey())
    passkey.origin = "http://localhost.evil.example"
    assert sign_in_with_key(browser := at_localhost(), passkey)["Location"] == LOGIN
    assert not is_signed_in(browser)


def test_a_key_that_nobody_added_signs_nobody_in(local: Client) -> None:
    add_key(local, passkey := Passkey())
    stranger = Passkey(handle=passkey.handle, credential_id=passkey.credential_id)
    assert sign_in_with_key(browser := at_localhost(), stranger)["Location"] == LOGIN
    assert not is_signed_in(browser)


def test_the_answer_of_a_key_does_not_work_twice(local: Client) -> None:
    add_key(local, passkey := Passkey())
    browser = at_localhost()
    options = browser.get(KEY_LOGIN, headers={"accept": "application/json"}).json()["request_options"]
    said = passkey.answer(options)
    browser.post(KEY_LOGIN, {"credential": said})
    browser.post("/accounts/logout/")
    assert browser.post(KEY_LOGIN, {"credential": said})["Location"] == LOGIN
    assert not is_signed_in(browser)


def test_a_key_is_the_second_factor_after_a_password(local: Client) -> None:
    add_key(local, passkey := Passkey(), alone=False)
    browser = at_localhost()
    assert submit_password(browser)["Location"] == AUTHENTICATE
    options = page_data(browser, AUTHENTICATE)["request_options"]
    browser.post(AUTHENTICATE, {"credential": passkey.answer(options)})
    assert is_signed_in(browser)


def test_keys_are_listed_renamed_and_removed(tenant: Tenant, local: Client) -> None:
    add_key(local, Passkey())
    key = Authenticator.objects.get(type="webauthn")
    local.post(f"/accounts/2fa/webauthn/keys/{key.pk}/edit/", {"name": "Key in the safe"})
    assert "Key in the safe" in local.get("/accounts/2fa/webauthn/").content.decode()
    local.post(f"/accounts/2fa/webauthn/keys/{key.pk}/remove/")
    assert list_factors(tenant.user) == []


def test_nobody_touches_the_keys_of_others(tenant: Tenant, stranger: Tenant, local: Client) -> None:
    add_key(local, Passkey())
    key = Authenticator.objects.get(type="webauthn")
    stranger.admin.force_login(stranger.user)
    stranger.admin.post("/accounts/reauthenticate/", {"password": PASSWORD})
    for act in ("edit", "remove"):
        path = f"/accounts/2fa/webauthn/keys/{key.pk}/{act}/"
        assert stranger.admin.get(path).status_code == 404
        assert stranger.admin.post(path, {"name": "Mine"}).status_code == 404
    assert list_factors(tenant.user) == ["recovery_codes", "webauthn"]


def test_the_security_page_says_what_is_set_up(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    assert "Not set up" in browser.get("/accounts/2fa/").content.decode()
    set_up_app(browser)
    page = browser.get("/accounts/2fa/").content.decode()
    assert "Not set up" not in page
    assert "10 left" in page
