"""Wrong passwords and reset mails: a stranger locks nobody out, guesses are bounded, links lead to our own address."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.sign_in_steps import EMAIL, list_mails, sign_in, submit_password
from tests.tenants import PASSWORD, Tenant

RESET = "/accounts/password/reset/"
CODE = "/accounts/login/code/confirm/"
STRANGER = "nobody@northwind-it.example"
TOO_MANY = "Too many failed login attempts"


def guess(ip: str, *, client: Client | None = None, times: int = 1, password: str = "wrong") -> Any:
    """Wrong passwords from one address; the last answer."""
    browser = client or Client()
    browser.defaults["REMOTE_ADDR"] = ip
    answers = [submit_password(browser, EMAIL, password) for _ in range(times)]
    return answers[-1]


@pytest.mark.parametrize("networks", [1, 4])
def test_five_wrong_passwords_of_a_stranger_lock_nobody_out(tenant: Tenant, networks: int) -> None:
    for number in range(networks):
        refused = guess(f"203.0.113.{number}", times=6)
        assert TOO_MANY in refused.content.decode()
    from_elsewhere = guess("198.51.100.1", password=PASSWORD)
    assert (from_elsewhere.status_code, from_elsewhere["Location"].split("?")[0]) == (302, CODE)


def test_a_known_browser_is_let_in_from_the_strangers_own_network(tenant: Tenant, browser: Client) -> None:
    sign_in(browser, tenant.world)
    browser.post("/accounts/logout/")
    guess("203.0.113.7", times=6)
    assert guess("203.0.113.7", client=browser, password=PASSWORD).status_code == 302
    assert TOO_MANY in guess("203.0.113.7", password=PASSWORD).content.decode()


def test_guesses_from_everywhere_together_are_bounded_and_the_owner_gets_in(
    tenant: Tenant, browser: Client, settings: Settings
) -> None:
    settings.SIGN_IN_FAILURES_PER_ADDRESS_HOUR = 6
    sign_in(browser, tenant.world)
    browser.post("/accounts/logout/")
    for number in range(6):
        guess(f"203.0.113.{number}")
    assert TOO_MANY in guess("198.51.100.1", password=PASSWORD).content.decode()
    assert guess("198.51.100.2", client=browser, password=PASSWORD).status_code == 302


@pytest.mark.parametrize("prefix", [64, 56, 48])
def test_one_network_does_not_go_through_everybodys_accounts(
    tenant: Tenant, browser: Client, settings: Settings, prefix: int
) -> None:
    """Lists of stolen passwords are tried once for each account, from as many addresses as a provider hands out."""
    settings.SIGN_IN_FAILURES_PER_NETWORK_HOUR = 5
    sign_in(browser, tenant.world)
    browser.post("/accounts/logout/")
    addresses = {
        64: "2001:db8:1:1::{:x}", 56: "2001:db8:1:1{:02x}::1", 48: "2001:db8:1:{:x}00::1",
    }  # fmt: skip
    for number in range(1, 6):
        submit_password(Client(REMOTE_ADDR=addresses[prefix].format(number)), f"somebody{number}@example.com", "wrong")
    there = addresses[prefix].format(9)
    assert TOO_MANY in guess(there, password=PASSWORD).content.decode()
    assert guess(there, client=browser, password=PASSWORD).status_code == 302
    assert guess("2001:db8:2::1", password=PASSWORD).status_code == 302


def test_a_known_browser_of_somebody_else_proves_nothing(tenant: Tenant, settings: Settings) -> None:
    settings.SIGN_IN_FAILURES_PER_ADDRESS_HOUR = 1
    other = tenant.access("ada@example.com").user
    settings.ACCOUNT_LOGIN_BY_CODE_REQUIRED = False
    client = Client()
    sign_in(client, tenant.world, other.email)
    client.post("/accounts/logout/")
    guess("203.0.113.1")
    assert TOO_MANY in guess("203.0.113.2", client=client, password=PASSWORD).content.decode()


# ---- mails -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", [EMAIL, STRANGER])
def test_one_address_gets_a_bounded_number_of_reset_mails_from_everywhere(
    tenant: Tenant, settings: Settings, email: str
) -> None:
    settings.MAILS_PER_ADDRESS_HOUR = 3
    answers = [Client(REMOTE_ADDR=f"203.0.113.{n}").post(RESET, {"email": email}) for n in range(5)]
    assert {(a.status_code, a["Location"]) for a in answers} == {(302, f"{RESET}done/")}
    assert len(list_mails(tenant.world, email)) == 3


def test_one_network_has_a_bounded_number_of_reset_mails_sent(tenant: Tenant, settings: Settings) -> None:
    settings.MAILS_PER_NETWORK_HOUR = 3
    codes = [
        Client(REMOTE_ADDR=f"2001:db8:1:{n:x}::1").post(RESET, {"email": f"v{n}@example.com"}).status_code
        for n in range(6)
    ]
    assert codes == [302] * 6
    assert len(tenant.world.get("/mailbox/messages.json").json()["messages"]) == 3


@pytest.mark.parametrize("host", ["testserver", "testserver:9999", "evil.example", "other.example:81"])
def test_links_in_mails_lead_to_our_public_address_whatever_host_was_asked(
    tenant: Tenant, settings: Settings, host: str
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    settings.PUBLIC_URL = "https://pay.northwind.example"
    Client(headers={"Host": host}).post(RESET, {"email": EMAIL})
    tenant.admin.post("/accounts/email/", {"action_add": "", "email": "new@example.com"}, headers={"Host": host})
    for email in (EMAIL, "new@example.com", STRANGER):
        for mail in list_mails(tenant.world, email):
            assert host not in str(mail["text"]) + str(mail.get("html", ""))
    [reset] = [m for m in list_mails(tenant.world, EMAIL) if "/password/reset/key/" in m["text"]]
    assert "https://pay.northwind.example/accounts/password/reset/key/" in reset["text"]


def test_a_reset_link_works_for_an_hour(tenant: Tenant, settings: Settings) -> None:
    assert settings.PASSWORD_RESET_TIMEOUT == 3600
