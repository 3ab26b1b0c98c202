"""Signing in and out: by e-mail in any case, limited, and without revealing who has an account."""

import pytest
from django.test import Client

from tests.sign_in_steps import LOGIN, get_mailed_code, list_mails, sign_in, submit_code, submit_password
from tests.tenants import PASSWORD, Tenant
from wisepay.models import User

OFFER = "/accounts/2fa/offer/?next="


def is_in(client: Client, tenant: Tenant) -> bool:
    """Whether the console opens."""
    return client.get(tenant.url()).status_code == 200


@pytest.mark.parametrize(
    "email", ["admin@northwind-it.example", "ADMIN@Northwind-IT.Example", " admin@northwind-it.example "]
)
def test_a_person_signs_in_by_e_mail_in_any_case(tenant: Tenant, browser: Client, email: str) -> None:
    submit_password(browser, email)
    answer = submit_code(browser, get_mailed_code(tenant.world))
    assert (answer.status_code, answer["Location"]) == (302, f"{OFFER}%2F")
    assert browser.get("/")["Location"] == tenant.url()
    assert is_in(browser, tenant)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("admin@northwind-it.example", "wrong"),
        ("admin@northwind-it.example", PASSWORD.upper()),
        ("admin@northwind-it.example", ""),
        ("nobody@northwind-it.example", PASSWORD),
        ("", ""),
    ],
)
def test_wrong_words_sign_nobody_in(tenant: Tenant, browser: Client, email: str, password: str) -> None:
    answer = submit_password(browser, email, password)
    assert answer.status_code == 200
    assert tenant.world.get("/mailbox/messages.json").json()["messages"] == []
    assert not is_in(browser, tenant)


def test_a_wrong_password_and_a_wrong_address_look_the_same(tenant: Tenant) -> None:
    answers = []
    for email in ("admin@northwind-it.example", "nobody@northwind-it.example"):
        answer = submit_password(Client(), email, "wrong-password")
        answers.append(answer.content.decode().replace(email, "*").split("<main")[-1])
    fresh = ("csrf", "value=", "nonce=")
    left, right = (" ".join(w for w in a.split() if not any(f in w for f in fresh)) for a in answers)
    assert "are not correct" in left
    assert left == right


def test_a_person_who_was_switched_off_cannot_sign_in(tenant: Tenant, browser: Client) -> None:
    User.objects.update(is_active=False)
    submit_password(browser)
    assert not is_in(browser, tenant)


def test_five_wrong_passwords_stop_the_guessing_of_an_account(tenant: Tenant) -> None:
    for _ in range(5):
        submit_password(Client(), password="wrong-password")
    answer = submit_password(browser := Client())
    assert answer.status_code == 200
    assert not is_in(browser, tenant)
    elsewhere = Client(REMOTE_ADDR="198.51.100.9")
    submit_password(elsewhere)
    assert not is_in(elsewhere, tenant), "the account is guarded, not only the address"


def test_signing_out_ends_the_session(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    assert is_in(browser, tenant)
    answer = browser.post("/accounts/logout/")
    assert (answer.status_code, answer["Location"]) == (302, LOGIN)
    assert not is_in(browser, tenant)


def test_a_link_cannot_sign_anybody_out(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    browser.get("/accounts/logout/")
    assert is_in(browser, tenant)


def test_signing_in_leads_back_to_the_page_before_it_and_nowhere_else(tenant: Tenant, browser: Client) -> None:
    page = tenant.url("payments/")
    asked = browser.get(page)
    assert asked["Location"] == f"{LOGIN}?next={page}"
    assert sign_in(browser, tenant.world, to=page)["Location"] == OFFER + page.replace("/", "%2F")
    offered = browser.get(OFFER + page)
    assert f'href="{page}"' in offered.content.decode()
    assert is_in(browser, tenant)


@pytest.mark.parametrize("evil", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_redirected_to_another_site(tenant: Tenant, browser: Client, evil: str) -> None:
    assert sign_in(browser, tenant.world, to=evil)["Location"] == f"{OFFER}%2F"
    assert "evil" not in browser.get(OFFER + evil).content.decode().replace("javascript", "evil")


def test_nobody_signs_up_from_the_street(db: None, browser: Client) -> None:
    form = {"email": "new@street.example", "password1": PASSWORD, "password2": PASSWORD}
    answer = browser.post("/accounts/signup/", form)
    assert User.objects.count() == 0
    assert answer.status_code in (200, 403)
    assert 'type="password"' not in browser.get("/accounts/signup/").content.decode()


def test_a_password_reset_tells_nobody_who_has_an_account(tenant: Tenant) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": email})
        for email in ("admin@northwind-it.example", "nobody@northwind-it.example")
    ]
    assert {(a.status_code, a["Location"]) for a in answers} == {(302, "/accounts/password/reset/done/")}


def test_a_forgotten_password_is_reset_by_mail(tenant: Tenant, browser: Client) -> None:
    browser.post("/accounts/password/reset/", {"email": "Admin@Northwind-IT.example"})
    [mail] = list_mails(tenant.world)
    [link] = [word for word in mail["text"].split() if "/password/reset/key/" in word]
    page = browser.get(link, follow=True)
    form = {"password1": "another-horse-battery", "password2": "another-horse-battery"}
    browser.post(page.request["PATH_INFO"], form)
    assert submit_password(Client(), password="another-horse-battery").status_code == 302
    tenant.user.refresh_from_db()
    assert not tenant.user.check_password(PASSWORD)


def test_a_session_cookie_is_not_for_scripts(tenant: Tenant, browser: Client) -> None:
    answer = sign_in(browser, tenant.world)
    cookie = answer.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
