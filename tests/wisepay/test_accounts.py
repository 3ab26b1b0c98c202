"""The mailed code, what limits it, resets, changed addresses, and what nobody may learn."""

import re

from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import Settings

from tests.people import PASSWORD, House
from tests.signing_in import CODE, EMAIL, LOGIN, give_code, give_password, is_signed_in, mailed_code, mails, sign_in
from wisepay.accounts import ensure_address
from wisepay.limits import CODES_PER_HOUR, GUESSES_PER_HOUR
from wisepay.mail import linked
from wisepay.models import User

RESET = "/accounts/password/reset/"
STRANGER = "nobody@northwind-it.example"


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 1_000_000:06}"


def addresses_of(user: User) -> list[tuple[str, bool, bool]]:
    """Their addresses: which, whether verified, whether the one to sign in with."""
    return list(EmailAddress.objects.filter(user=user).values_list("email", "verified", "primary"))


def test_without_a_second_factor_a_mailed_code_is_asked_for(house: House, browser: Client) -> None:
    answer = give_password(browser)
    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert not is_signed_in(browser)
    assert browser.get(house.url()).status_code == 302
    page = browser.get(CODE).content.decode()
    assert EMAIL in page
    code = mailed_code(house.world)
    assert code not in page
    give_code(browser, code)
    assert is_signed_in(browser)


def test_the_code_works_only_in_the_browser_where_one_began_and_only_once(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    code = mailed_code(house.world)
    other = Client()
    assert give_code(other, code)["Location"] == LOGIN
    give_password(other)
    give_code(other, code)
    assert not is_signed_in(other)


def test_three_wrong_codes_end_the_attempt(house: House, browser: Client) -> None:
    give_password(browser)
    code = mailed_code(house.world)
    answers = [give_code(browser, wrong(code)) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 302]
    assert answers[-1]["Location"] == LOGIN
    assert give_code(browser, code)["Location"] == LOGIN
    assert not is_signed_in(browser)
    assert "Too many failed login attempts" in browser.get(LOGIN).content.decode()


def test_a_code_expires(house: House, browser: Client, settings: Settings) -> None:
    give_password(browser)
    settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT = -1
    assert give_code(browser, mailed_code(house.world))["Location"] == LOGIN
    assert not is_signed_in(browser)


def test_a_new_code_replaces_the_old_one_and_there_are_two_at_most(house: House, browser: Client) -> None:
    give_password(browser)
    first = mailed_code(house.world)
    for _ in range(4):
        browser.post(CODE, {"action": "resend"})
    assert len(mails(house.world)) == 3
    assert "Send a new code" not in browser.get(CODE).content.decode()
    assert mailed_code(house.world) != first
    give_code(browser, mailed_code(house.world))
    assert is_signed_in(browser)


def test_codes_are_not_mailed_without_end(house: House) -> None:
    answers = [give_password(Client()) for _ in range(CODES_PER_HOUR + 1)]
    assert [a.status_code for a in answers] == [302] * CODES_PER_HOUR + [429]
    assert len(mails(house.world)) == CODES_PER_HOUR
    assert "Too many attempts" in answers[-1].content.decode()


def test_a_right_code_begins_the_count_anew(house: House) -> None:
    for _ in range(CODES_PER_HOUR - 1):
        give_password(Client())
    sign_in(Client(), house.world)
    assert give_password(Client()).status_code == 302


def test_guesses_are_counted_for_the_person_whatever_the_browser(house: House, settings: Settings) -> None:
    settings.ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 1000
    give_password(browser := Client())
    code = mailed_code(house.world)
    for _ in range(GUESSES_PER_HOUR):
        assert b"Incorrect code" in give_code(browser, wrong(code)).content
    answer = give_code(browser, code)
    assert b"Too many failed login attempts" in answer.content
    assert not is_signed_in(browser)


def test_the_offer_of_an_app_comes_once_in_a_browser(house: House, browser: Client) -> None:
    first = sign_in(browser, house.world)
    assert first["Location"].startswith("/accounts/2fa/offer/")
    page = browser.get(first["Location"]).content.decode()
    assert "Set up an authenticator app" in page
    assert 'href="/accounts/2fa/totp/activate/"' in page
    browser.post("/accounts/logout/")
    assert sign_in(browser, house.world)["Location"] == "/"


def test_the_first_code_verifies_the_address(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    assert addresses_of(house.user) == [(EMAIL, True, True)]


def test_an_invitation_verifies_the_address_at_once(house: House) -> None:
    ensure_address(house.user, verified=True)
    ensure_address(house.user)
    assert addresses_of(house.user) == [(EMAIL, True, True)]


def test_a_silent_mail_server_is_said_and_signs_nobody_in(house: House, browser: Client, settings: Settings) -> None:
    settings.MAILERS["default"]["OPTIONS"]["port"] = 1
    answer = give_password(browser)
    assert answer.status_code == 503
    assert b"send mail at the moment" in answer.content
    assert not is_signed_in(browser)


def test_account_mails_say_the_same_as_text_and_in_the_frame_of_our_mails(house: House, settings: Settings) -> None:
    settings.PUBLIC_URL = "http://testserver"
    give_password(Client())
    Client().post(RESET, {"email": EMAIL})
    code, reset = sorted(mails(house.world), key=lambda mail: str(mail["subject"]))
    assert f">{mailed_code(house.world)}</p>" in code["html"]
    assert re.search(r'<a href="http://testserver/accounts/password/reset/key/[^"<> ]+"', reset["html"])
    assert code["html"].count("<table") == reset["html"].count("<table") == 2
    assert "Wise-Pay for" not in code["html"]


def test_a_mail_links_to_nothing_but_our_pages(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://pay.example"
    assert linked('<b> https://evil.example/ https://pay.example/a?b=1&c"') == (
        "&lt;b&gt; https://evil.example/ "
        '<a href="https://pay.example/a?b=1&amp;c&quot;" style="color:#0b5fd0">https://pay.example/a?b=1&amp;c&quot;</a>'
    )


def test_a_reset_answers_and_mails_the_same_way_whoever_is_asked_for(house: House) -> None:
    answers = [Client().post(RESET, {"email": email}) for email in (EMAIL, STRANGER)]
    assert {(a.status_code, a["Location"]) for a in answers} == {(302, f"{RESET}done/")}
    [known], [unknown] = mails(house.world, EMAIL), mails(house.world, STRANGER)
    assert "/password/reset/key/" in known["text"]
    assert "/password/reset/key/" not in unknown["text"]
    assert "signup" not in unknown["text"]


def test_resets_are_limited_for_every_address_alike(house: House) -> None:
    for email in (EMAIL, STRANGER):
        codes = [Client().post(RESET, {"email": email}).status_code for _ in range(6)]
        assert codes == [302] * 5 + [429]
    assert len(mails(house.world)) == 5


def test_reauthentications_are_limited(house: House) -> None:
    house.admin.get("/accounts/reauthenticate/")
    codes = [
        house.admin.post("/accounts/reauthenticate/", {"password": "wrong-password"}).status_code for _ in range(6)
    ]
    assert codes == [200] * 5 + [429]


def change_address(client: Client, email: str) -> None:
    """Ask for another address, after proving who one is."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"email": email, "action_add": ""})


def test_a_changed_address_counts_once_its_link_was_followed(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    change_address(browser, "boss@northwind-it.example")
    house.user.refresh_from_db()
    assert house.user.email == EMAIL
    [mail] = mails(house.world, "boss@northwind-it.example")
    [link] = [word for word in mail["text"].split() if "/confirm-email/" in word]
    assert browser.get(link).status_code == 200
    browser.post(link)
    house.user.refresh_from_db()
    assert house.user.email == "boss@northwind-it.example"
    assert any("boss@" in told["text"] for told in mails(house.world)), "the old address is told"


def test_an_address_that_waits_for_its_link_opens_nothing(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    change_address(browser, "typo@elsewhere.example")
    Client().post(RESET, {"email": "typo@elsewhere.example"})
    assert not any("/password/reset/key/" in mail["text"] for mail in mails(house.world, "typo@elsewhere.example"))
    assert give_password(Client(), "typo@elsewhere.example").status_code == 200


def test_an_address_of_somebody_else_is_answered_like_any_other_and_never_taken(house: House, browser: Client) -> None:
    other = User.objects.create_user("taken@northwind-it.example", PASSWORD)
    sign_in(browser, house.world)
    change_address(browser, other.email)
    page = browser.get("/accounts/email/").content.decode()
    assert "We sent a link to taken@northwind-it.example" in page
    [mail] = mails(house.world, other.email)
    [link] = [word for word in mail["text"].split() if "/confirm-email/" in word]
    answer = browser.post(link, follow=True)
    assert answer.status_code == 200
    house.user.refresh_from_db()
    assert house.user.email == EMAIL


def test_after_an_operator_changed_an_address_the_old_one_opens_nothing(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    User.objects.filter(pk=house.user.pk).update(email="new@northwind-it.example")
    assert give_password(Client()).status_code == 200
    Client().post(RESET, {"email": EMAIL})
    assert "/password/reset/key/" not in mails(house.world)[0]["text"]
    sign_in(Client(), house.world, "new@northwind-it.example")
    assert addresses_of(house.user) == [("new@northwind-it.example", True, True)]


def test_other_sessions_are_seen_and_ended(house: House, browser: Client) -> None:
    sign_in(browser, house.world)
    sign_in(other := Client(headers={"user-agent": "Other browser"}), house.world)
    page = browser.get("/accounts/sessions/").content.decode()
    assert "Other browser" in page
    browser.post("/accounts/sessions/")
    assert other.get(house.url()).status_code == 302
    assert browser.get(house.url()).status_code == 200
