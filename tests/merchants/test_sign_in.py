"""Signing in and out: by e-mail in any case, limited, and telling nobody who has an account."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tests.people import PASSWORD, House
from wisepay.models import User

LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """Nobody has tried anything yet."""
    cache.clear()


def sign_in(client: Client, email: str = "admin@northwind-it.example", password: str = PASSWORD) -> Any:
    """Send the form."""
    return client.post(LOGIN, {"login": email, "password": password})


def is_in(client: Client, house: House) -> bool:
    """Whether the console opens."""
    return client.get(house.url()).status_code == 200


@pytest.mark.parametrize(
    "email", ["admin@northwind-it.example", "ADMIN@Northwind-IT.Example", " admin@northwind-it.example "]
)
def test_a_person_signs_in_by_e_mail_in_any_case(house: House, browser: Client, email: str) -> None:
    answer = sign_in(browser, email)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert browser.get("/")["Location"] == house.url()
    assert is_in(browser, house)


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
def test_wrong_words_sign_nobody_in(house: House, browser: Client, email: str, password: str) -> None:
    answer = sign_in(browser, email, password)
    assert answer.status_code in (200, 422)
    assert not is_in(browser, house)


def test_a_wrong_password_and_a_wrong_address_look_the_same(house: House) -> None:
    answers = []
    for email in ("admin@northwind-it.example", "nobody@northwind-it.example"):
        answer = sign_in(Client(), email, "wrong-password")
        answers.append(answer.content.decode().replace(email, "*").split("<main")[-1])
    left, right = (" ".join(line for line in a.split() if "csrf" not in line and "value=" not in line) for a in answers)
    assert left == right


def test_a_person_who_was_switched_off_cannot_sign_in(house: House, browser: Client) -> None:
    User.objects.update(is_active=False)
    sign_in(browser)
    assert not is_in(browser, house)


def test_five_wrong_passwords_stop_the_guessing_of_an_account(house: House) -> None:
    for _ in range(5):
        sign_in(Client(), password="wrong-password")
    answer = sign_in(browser := Client())
    assert answer.status_code in (200, 422, 429)
    assert not is_in(browser, house)
    elsewhere = Client(REMOTE_ADDR="198.51.100.9")
    sign_in(elsewhere)
    assert not is_in(elsewhere, house), "the account is guarded, not only the address"


def test_signing_out_ends_the_session(house: House, browser: Client) -> None:
    sign_in(browser)
    answer = browser.post("/accounts/logout/")
    assert (answer.status_code, answer["Location"]) == (302, LOGIN)
    assert not is_in(browser, house)


def test_a_link_cannot_sign_anybody_out(house: House, browser: Client) -> None:
    sign_in(browser)
    browser.get("/accounts/logout/")
    assert is_in(browser, house)


def test_signing_in_leads_back_to_where_one_wanted_to_go_and_nowhere_else(house: House, browser: Client) -> None:
    wanted = house.url("payments/")
    asked = browser.get(wanted)
    assert asked["Location"] == f"{LOGIN}?next={wanted}"
    form = {"login": house.user.email, "password": PASSWORD}
    assert browser.post(asked["Location"], form)["Location"] == wanted
    evil = Client().post(f"{LOGIN}?next=https://evil.example/", form)
    assert evil["Location"] == "/"


def test_nobody_signs_up_from_the_street(db: None, browser: Client) -> None:
    form = {"email": "new@street.example", "password1": PASSWORD, "password2": PASSWORD}
    answer = browser.post("/accounts/signup/", form)
    assert User.objects.count() == 0
    assert answer.status_code in (200, 403)
    assert 'type="password"' not in browser.get("/accounts/signup/").content.decode()


def test_a_password_reset_tells_nobody_who_has_an_account(house: House) -> None:
    answers = [
        Client().post("/accounts/password/reset/", {"email": email})
        for email in ("admin@northwind-it.example", "nobody@northwind-it.example")
    ]
    assert {(a.status_code, a["Location"]) for a in answers} == {(302, "/accounts/password/reset/done/")}


def test_a_forgotten_password_is_reset_by_mail(house: House, browser: Client) -> None:
    browser.post("/accounts/password/reset/", {"email": "Admin@Northwind-IT.example"})
    [mail] = house.world.get("/mailbox/messages.json", params={"to": house.user.email}).json()["messages"]
    [link] = [word for word in mail["text"].split() if "/password/reset/key/" in word]
    page = browser.get(link, follow=True)
    form = {"password1": "another-horse-battery", "password2": "another-horse-battery"}
    browser.post(page.request["PATH_INFO"], form)
    assert sign_in(Client(), password="another-horse-battery").status_code == 302
    house.user.refresh_from_db()
    assert not house.user.check_password(PASSWORD)


def test_a_session_cookie_is_not_for_scripts(house: House, browser: Client) -> None:
    answer = sign_in(browser)
    cookie = answer.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
