"""Signing in and out: by e-mail in any case, limited, and telling nobody who has an account."""

import pytest
from django.test import Client

from tests.people import PASSWORD, House
from tests.signing_in import LOGIN, give_code, give_password, mailed_code, mails, sign_in
from wisepay.models import User

OFFER = "/accounts/2fa/offer/?next="


def is_in(client: Client, house: House) -> bool:
    """Whether the console opens."""
    return client.get(house.url()).status_code == 200


@pytest.mark.parametrize(
    "email", ["admin@northwind-it.example", "ADMIN@Northwind-IT.Example", " admin@northwind-it.example "]
)
def test_a_person_signs_in_by_e_mail_in_any_case(house: House, browser: Client, email: str) -> None:
    give_password(browser, email)
    answer = give_code(browser, mailed_code(house.world))
    assert (answer.status_code, answer["Location"]) == (302, f"{OFFER}%2F")
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
    answer = give_password(browser, email, password)
    assert answer.status_code == 200
    assert house.world.get("/mailbox/messages.json").json()["messages"] == []
    assert not is_in(browser, house)


def test_a_wrong_password_and_a_wrong_address_look_the_same(house: House) -> None:
    answers = []
    for email in ("admin@northwind-it.example", "nobody@northwind-it.example"):
        answer = give_password(Client(), email, "wrong-password")
        answers.append(answer.content.decode().replace(email, "*").split("<main")[-1])
    fresh = ("csrf", "value=", "nonce=")
    left, right = (" ".join(w for w in a.split() if not any(f in w for f in fresh)) for a in answers)
    assert "are not correct" in left
    assert left == right


def test_a_person_who_was_switched_off_cannot_sign_in(house: House, browser: Client) -> None:
    User.objects.update(is_active=False)
    give_password(browser)
    assert not is_in(browser, house)


def test_five_wrong_passwords_stop_the_guessing_of_an_account(house: House) -> None:
    for _ in range(5):
        give_password(Client(), password="wrong-password")
    answer = give_password(browser := Client())
    assert answer.status_code == 200
    assert not is_in(browser, house)
    elsewhere = Client(REMOTE_ADDR="198.51.100.9")
    give_password(elsewhere)
    assert not is_in(elsewhere, house), "the account is guarded, not only the address"


def test_signing_out_ends_the_session(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    assert is_in(browser, house)
    answer = browser.post("/accounts/logout/")
    assert (answer.status_code, answer["Location"]) == (302, LOGIN)
    assert not is_in(browser, house)


def test_a_link_cannot_sign_anybody_out(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    browser.get("/accounts/logout/")
    assert is_in(browser, house)


def test_signing_in_leads_back_to_where_one_wanted_to_go_and_nowhere_else(house: House, browser: Client) -> None:
    wanted = house.url("payments/")
    asked = browser.get(wanted)
    assert asked["Location"] == f"{LOGIN}?next={wanted}"
    assert sign_in(browser, house.world, to=wanted)["Location"] == OFFER + wanted.replace("/", "%2F")
    offered = browser.get(OFFER + wanted)
    assert f'href="{wanted}"' in offered.content.decode()
    assert is_in(browser, house)


@pytest.mark.parametrize("evil", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_led_to_somewhere_else(house: House, browser: Client, evil: str) -> None:
    assert sign_in(browser, house.world, to=evil)["Location"] == f"{OFFER}%2F"
    assert "evil" not in browser.get(OFFER + evil).content.decode().replace("javascript", "evil")


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
    [mail] = mails(house.world)
    [link] = [word for word in mail["text"].split() if "/password/reset/key/" in word]
    page = browser.get(link, follow=True)
    form = {"password1": "another-horse-battery", "password2": "another-horse-battery"}
    browser.post(page.request["PATH_INFO"], form)
    assert give_password(Client(), password="another-horse-battery").status_code == 302
    house.user.refresh_from_db()
    assert not house.user.check_password(PASSWORD)


def test_a_session_cookie_is_not_for_scripts(house: House, browser: Client) -> None:
    answer = sign_in(browser, house.world)
    cookie = answer.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
