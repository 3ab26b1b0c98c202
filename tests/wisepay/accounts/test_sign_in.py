"""The mailed code, what limits it, resets, changed addresses, and what nobody may learn."""

import re

from allauth.account.models import EmailAddress
from django.test import Client
from pytest_django import Settings

from tests.sign_in_steps import (
    CODE,
    EMAIL,
    LOGIN,
    get_mailed_code,
    is_signed_in,
    list_mails,
    sign_in,
    submit_code,
    submit_password,
)
from tests.tenants import PASSWORD, Tenant
from wisepay.accounts.services import CODES_PER_HOUR, GUESSES_PER_HOUR, sync_email_address
from wisepay.mail import render_text_as_html
from wisepay.models import User

RESET = "/accounts/password/reset/"
STRANGER = "nobody@northwind-it.example"


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 1_000_000:06}"


def addresses_of(user: User) -> list[tuple[str, bool, bool]]:
    """Their addresses: which, whether verified, whether the one to sign in with."""
    return list(EmailAddress.objects.filter(user=user).values_list("email", "verified", "primary"))


def test_without_a_second_factor_a_mailed_code_is_asked_for(tenant: Tenant, browser: Client) -> None:
    answer = submit_password(browser)
    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert not is_signed_in(browser)
    assert browser.get(tenant.url()).status_code == 302
    page = browser.get(CODE).content.decode()
    assert EMAIL in page
    code = get_mailed_code(tenant.world)
    assert code not in page
    submit_code(browser, code)
    assert is_signed_in(browser)


def test_the_code_works_only_in_the_browser_where_one_began_and_only_once(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    code = get_mailed_code(tenant.world)
    other = Client()
    assert submit_code(other, code)["Location"] == LOGIN
    submit_password(other)
    submit_code(other, code)
    assert not is_signed_in(other)


def test_three_wrong_codes_end_the_attempt(tenant: Tenant, browser: Client) -> None:
    submit_password(browser)
    code = get_mailed_code(tenant.world)
    answers = [submit_code(browser, wrong(code)) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 302]
    assert answers[-1]["Location"] == LOGIN
    assert submit_code(browser, code)["Location"] == LOGIN
    assert not is_signed_in(browser)
    assert "Too many failed login attempts" in browser.get(LOGIN).content.decode()


def test_a_code_expires(tenant: Tenant, browser: Client, settings: Settings) -> None:
    submit_password(browser)
    settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT = -1
    assert submit_code(browser, get_mailed_code(tenant.world))["Location"] == LOGIN
    assert not is_signed_in(browser)


def test_a_new_code_replaces_the_old_one_and_there_are_two_at_most(tenant: Tenant, browser: Client) -> None:
    submit_password(browser)
    first = get_mailed_code(tenant.world)
    for _ in range(4):
        browser.post(CODE, {"action": "resend"})
    assert len(list_mails(tenant.world)) == 3
    assert "Send a new code" not in browser.get(CODE).content.decode()
    assert get_mailed_code(tenant.world) != first
    submit_code(browser, get_mailed_code(tenant.world))
    assert is_signed_in(browser)


def test_codes_are_not_mailed_without_end(tenant: Tenant) -> None:
    answers = [submit_password(Client()) for _ in range(CODES_PER_HOUR + 1)]
    assert [a.status_code for a in answers] == [302] * CODES_PER_HOUR + [429]
    assert len(list_mails(tenant.world)) == CODES_PER_HOUR
    assert "Too many attempts" in answers[-1].content.decode()


def test_a_right_code_begins_the_count_anew(tenant: Tenant) -> None:
    for _ in range(CODES_PER_HOUR - 1):
        submit_password(Client())
    sign_in(Client(), tenant.world)
    assert submit_password(Client()).status_code == 302


def test_guesses_are_counted_for_the_person_whatever_the_browser(tenant: Tenant, settings: Settings) -> None:
    settings.ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = 1000
    submit_password(browser := Client())
    code = get_mailed_code(tenant.world)
    for _ in range(GUESSES_PER_HOUR):
        assert b"Incorrect code" in submit_code(browser, wrong(code)).content
    answer = submit_code(browser, code)
    assert b"Too many failed login attempts" in answer.content
    assert not is_signed_in(browser)


def test_the_offer_of_an_app_comes_once_in_a_browser(tenant: Tenant, browser: Client) -> None:
    first = sign_in(browser, tenant.world)
    assert first["Location"].startswith("/accounts/2fa/offer/")
    page = browser.get(first["Location"]).content.decode()
    assert "Set up an authenticator app" in page
    assert 'href="/accounts/2fa/totp/activate/"' in page
    browser.post("/accounts/logout/")
    assert sign_in(browser, tenant.world)["Location"] == "/"


def test_the_first_code_verifies_the_address(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    assert addresses_of(tenant.user) == [(EMAIL, True, True)]


def test_an_invitation_verifies_the_address_at_once(tenant: Tenant) -> None:
    sync_email_address(tenant.user, verified=True)
    sync_email_address(tenant.user)
    assert addresses_of(tenant.user) == [(EMAIL, True, True)]


def test_a_silent_mail_server_is_said_and_signs_nobody_in(tenant: Tenant, browser: Client, settings: Settings) -> None:
    settings.MAILERS["default"]["OPTIONS"]["port"] = 1
    answer = submit_password(browser)
    assert answer.status_code == 503
    assert b"send mail at the moment" in answer.content
    assert not is_signed_in(browser)


def test_account_mails_say_the_same_as_text_and_in_the_frame_of_our_mails(tenant: Tenant, settings: Settings) -> None:
    settings.PUBLIC_URL = "http://testserver"
    submit_password(Client())
    Client().post(RESET, {"email": EMAIL})
    code, reset = sorted(list_mails(tenant.world), key=lambda mail: str(mail["subject"]))
    assert f">{get_mailed_code(tenant.world)}</p>" in code["html"]
    assert re.search(r'<a href="http://testserver/accounts/password/reset/key/[^"<> ]+"', reset["html"])
    assert code["html"].count("<table") == reset["html"].count("<table") == 2
    assert "Wise-Pay for" not in code["html"]


def test_a_mail_links_to_nothing_but_our_pages(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://pay.example"
    assert render_text_as_html('<b> https://evil.example/ https://pay.example/a?b=1&c"') == (
        "&lt;b&gt; https://evil.example/ "
        '<a href="https://pay.example/a?b=1&amp;c&quot;" style="color:#0b5fd0">https://pay.example/a?b=1&amp;c&quot;</a>'
    )


def test_a_reset_answers_and_mails_the_same_way_whoever_is_asked_for(tenant: Tenant) -> None:
    answers = [Client().post(RESET, {"email": email}) for email in (EMAIL, STRANGER)]
    assert {(a.status_code, a["Location"]) for a in answers} == {(302, f"{RESET}done/")}
    [known], [unknown] = list_mails(tenant.world, EMAIL), list_mails(tenant.world, STRANGER)
    assert "/password/reset/key/" in known["text"]
    assert "/password/reset/key/" not in unknown["text"]
    assert "signup" not in unknown["text"]


def test_resets_are_limited_for_every_address_alike(tenant: Tenant) -> None:
    for email in (EMAIL, STRANGER):
        codes = [Client().post(RESET, {"email": email}).status_code for _ in range(6)]
        assert codes == [302] * 5 + [429]
    assert len(list_mails(tenant.world)) == 5


def test_reauthentications_are_limited(tenant: Tenant) -> None:
    tenant.admin.get("/accounts/reauthenticate/")
    codes = [
        tenant.admin.post("/accounts/reauthenticate/", {"password": "wrong-password"}).status_code for _ in range(6)
    ]
    assert codes == [200] * 5 + [429]


def change_address(client: Client, email: str) -> None:
    """Ask for another address, after proving who one is."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"email": email, "action_add": ""})


def test_a_changed_address_counts_once_its_link_was_followed(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    change_address(browser, "boss@northwind-it.example")
    tenant.user.refresh_from_db()
    assert tenant.user.email == EMAIL
    [mail] = list_mails(tenant.world, "boss@northwind-it.example")
    [link] = [word for word in mail["text"].split() if "/confirm-email/" in word]
    assert browser.get(link).status_code == 200
    browser.post(link)
    tenant.user.refresh_from_db()
    assert tenant.user.email == "boss@northwind-it.example"
    assert any("boss@" in shown["text"] for shown in list_mails(tenant.world)), "the old address is told"


def test_an_address_that_waits_for_its_link_opens_nothing(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    change_address(browser, "typo@elsewhere.example")
    Client().post(RESET, {"email": "typo@elsewhere.example"})
    assert not any(
        "/password/reset/key/" in mail["text"] for mail in list_mails(tenant.world, "typo@elsewhere.example")
    )
    assert submit_password(Client(), "typo@elsewhere.example").status_code == 200


def test_an_address_of_somebody_else_is_answered_like_any_other_and_never_taken(
    tenant: Tenant, browser: Client
) -> None:
    other = User.objects.create_user("taken@northwind-it.example", PASSWORD)
    sign_in(browser, tenant.world)
    change_address(browser, other.email)
    page = browser.get("/accounts/email/").content.decode()
    assert "We sent a link to taken@northwind-it.example" in page
    [mail] = list_mails(tenant.world, other.email)
    [link] = [word for word in mail["text"].split() if "/confirm-email/" in word]
    answer = browser.post(link, follow=True)
    assert answer.status_code == 200
    tenant.user.refresh_from_db()
    assert tenant.user.email == EMAIL


def test_after_an_operator_changed_an_address_the_old_one_opens_nothing(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    User.objects.filter(pk=tenant.user.pk).update(email="new@northwind-it.example")
    assert submit_password(Client()).status_code == 200
    Client().post(RESET, {"email": EMAIL})
    assert "/password/reset/key/" not in list_mails(tenant.world)[0]["text"]
    sign_in(Client(), tenant.world, "new@northwind-it.example")
    assert addresses_of(tenant.user) == [("new@northwind-it.example", True, True)]


def test_other_sessions_are_seen_and_ended(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    sign_in(other := Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/145.0"}), tenant.world)
    page = browser.get("/accounts/sessions/").content.decode()
    assert "Firefox on Linux" in page
    browser.post("/accounts/sessions/")
    assert other.get(tenant.url()).status_code == 302
    assert browser.get(tenant.url()).status_code == 200


# ---- mail servers that refuse ----------------------------------------------------------------------------


def test_a_code_that_cannot_arrive_is_told_to_the_person_and_to_their_admin(tenant: Tenant, browser: Client) -> None:
    """internetee/registry#2671, frappe/erpnext#4957: a refusal that stood in a log only."""
    reply = "550 5.1.1 No such user"
    tenant.world.config(smtp_refusals={tenant.user.email: reply})
    answer = submit_password(browser, tenant.user.email)
    page = answer.content.decode()
    assert (answer.status_code, "refuses our mail" in page, reply in page) == (422, True, False)
    people = tenant.admin.get(tenant.url("configure/people/")).content.decode()
    assert f"Mails to {tenant.user.email} do not arrive" in people
    assert reply in people
    tenant.world.config(smtp_refusals={tenant.user.email: "450 4.2.0 Greylisted"})
    assert submit_password(browser, tenant.user.email).status_code == 503
    tenant.world.config(smtp_refusals={})
    submit_password(browser, tenant.user.email)
    submit_code(browser, get_mailed_code(tenant.world, tenant.user.email))
    assert is_signed_in(browser)
    assert "do not arrive" not in tenant.admin.get(tenant.url("configure/people/")).content.decode()
