"""The welcome link from the mail to the payment: every step, every way back, and everything that can go wrong."""

from datetime import timedelta

import pytest
from django.core.signing import TimestampSigner
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from merchants.models import Notification
from merchants.terms.services import create_terms_version
from payers.completion import NothingToComplete, PasswordAlreadySet, create_password
from payers.invitations import renew_invitation
from payers.models import Invitation, Payer, PayerAccess, TermsAcceptance
from tests.payers.welcome_flow import (
    DETAILS,
    EMAIL,
    NEW_PASSWORD,
    complete_welcome,
    get_hidden_fields,
    get_welcome_link,
    invite,
    list_mails,
    post_form,
    register,
)
from tests.sign_in_steps import AUTHENTICATE, enrol_authenticator, is_signed_in
from tests.tenants import Checkout, Tenant
from wisepay.models import AuditEntry, OutboxMessage, User


def test_an_invited_payer_walks_from_the_mail_to_an_open_account(tenant: Tenant, browser: Client) -> None:
    access = invite(tenant)
    [mail] = list_mails(tenant)
    assert mail["subject"] == "Welcome to Wise-Pay"
    assert "Northwind IT" in str(mail)
    answer = complete_welcome(browser, get_welcome_link(tenant))
    assert (answer.status_code, answer["Location"]) == (302, "/my/")
    access.refresh_from_db()
    payer = Payer.objects.get(user__email=EMAIL)
    assert (access.state, payer.state, payer.phone) == ("active", "registered", DETAILS["phone"])
    assert payer.address == {k: DETAILS[k] for k in ("line1", "city", "state", "postal_code", "country")}
    assert browser.get("/my/details").status_code == 200
    acceptance = TermsAcceptance.objects.get()
    assert (acceptance.user, acceptance.email) == (payer.user, EMAIL)
    assert (acceptance.terms.version, acceptance.ip) == (1, "127.0.0.1")
    assert Notification.objects.get(event="payer_registered").user == tenant.user
    assert AuditEntry.objects.get(action="payer.registered").user == payer.user
    assert [m["subject"] for m in list_mails(tenant)][-1] == "Your access to Harbour Dental Pty Ltd is open"


def test_who_registered_while_paying_comes_back_to_the_payment(
    tenant: Tenant, checkout: Checkout, browser: Client
) -> None:
    register(tenant, next_path=checkout.path)
    assert complete_welcome(browser, get_welcome_link(tenant))["Location"] == checkout.path


def test_a_payment_that_is_over_is_not_where_one_is_sent(tenant: Tenant, checkout: Checkout, browser: Client) -> None:
    register(tenant, next_path=checkout.path)
    path = get_welcome_link(tenant)
    checkout.pay()
    assert complete_welcome(browser, path)["Location"] == "/my/"


def test_no_mailed_code_is_asked_for_right_after_the_mailed_link(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    complete_welcome(browser, get_welcome_link(tenant))
    assert not [m for m in list_mails(tenant) if "code" in m["subject"].lower()]
    assert browser.session["_auth_user_id"] == str(User.objects.get(email=EMAIL).pk)


def test_the_links_secret_is_in_no_later_address(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    path = get_welcome_link(tenant)
    answer = browser.get(path)
    assert answer["Location"] == "/welcome/"
    assert path.rsplit("/", 1)[1] not in browser.get("/welcome/password").content.decode()
    reference = Invitation.objects.get().reference
    assert not OutboxMessage.objects.filter(kwargs__icontains=reference).exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"password": "short", "confirm": "short"}, "at least 12 characters"),
        ({"password": NEW_PASSWORD, "confirm": NEW_PASSWORD + "x"}, "not the same"),
        ({"password": "q1w2e3r4t5y6", "confirm": "q1w2e3r4t5y6"}, "too common"),
        ({"password": "", "confirm": ""}, "required"),
        ({"password": EMAIL, "confirm": EMAIL}, "similar"),
    ],
)
def test_a_password_that_is_no_good_is_refused(
    tenant: Tenant, browser: Client, fields: dict[str, str], message: str
) -> None:
    invite(tenant)
    browser.get(get_welcome_link(tenant))
    answer = post_form(browser, "/welcome/password", **fields)
    assert (answer.status_code, message in answer.content.decode()) == (422, True)
    assert not User.objects.get(email=EMAIL).has_usable_password()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"agree": ""}, "tick the box"),
        ({"name": ""}, "required"),
        ({"country": "XX"}, "valid choice"),
        ({"phone": "1" * 41}, "at most 40"),
    ],
)
def test_details_that_make_no_sense_open_nothing(
    tenant: Tenant, browser: Client, wrong: dict[str, str], message: str
) -> None:
    access = invite(tenant)
    browser.get(get_welcome_link(tenant))
    post_form(browser, "/welcome/password", password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    answer = post_form(browser, "/welcome/details", **{k: v for k, v in (DETAILS | wrong).items() if v or k != "agree"})
    assert (answer.status_code, message in answer.content.decode()) == (422, True)
    access.refresh_from_db()
    assert (access.state, TermsAcceptance.objects.count()) == ("pending", 0)


# ---- links that open nothing -----------------------------------------------------------------------


def get_invalid_link_page(client: Client, path: str) -> str:
    """The page of a dead link."""
    client.get(path)
    answer = client.get("/welcome/")
    assert answer.status_code == 410
    return str(answer.content.decode())


def test_an_expired_link_opens_nothing(tenant: Tenant, browser: Client) -> None:
    access = invite(tenant)
    path = get_welcome_link(tenant)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "has expired" in get_invalid_link_page(browser, path)
    assert browser.get("/welcome/password")["Location"] == "/welcome/"
    access.refresh_from_db()
    assert access.state == "pending"


def test_a_link_lives_for_two_weeks(tenant: Tenant) -> None:
    now = timezone.now()
    register(tenant, now=now)
    invitation = Invitation.objects.get()
    assert invitation.is_open(now + timedelta(days=14, seconds=-1))
    assert not invitation.is_open(now + timedelta(days=14))


def test_a_link_works_once(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    path = get_welcome_link(tenant)
    complete_welcome(browser, path)
    assert "was used already" in get_invalid_link_page(Client(), path)
    browser.get(path)
    assert browser.get("/welcome/")["Location"] == "/my/"


def test_a_newer_mail_ends_the_older_link(tenant: Tenant, browser: Client) -> None:
    access = invite(tenant)
    older = get_welcome_link(tenant)
    renew_invitation(access, now=timezone.now())
    newer = get_welcome_link(tenant)
    assert newer != older
    assert "newer" in get_invalid_link_page(browser, older)
    assert complete_welcome(browser, newer)["Location"] == "/my/"


@pytest.mark.parametrize("salt", ["payers.invitation", "other"])
def test_a_forged_link_opens_nothing(tenant: Tenant, browser: Client, salt: str, settings: Settings) -> None:
    invite(tenant)
    reference = Invitation.objects.get().reference
    key = "not-our-key" if salt == "payers.invitation" else settings.SECRET_KEY
    token = TimestampSigner(key=key, sep="~", salt=salt).sign(reference)
    assert "does not work" in get_invalid_link_page(browser, f"/welcome/{token}")
    assert "does not work" in get_invalid_link_page(browser, f"/welcome/{reference}")
    assert EMAIL not in get_invalid_link_page(browser, f"/welcome/{token}")


def test_asking_for_a_new_mail_is_answered_alike_whatever_the_link_was(tenant: Tenant) -> None:
    access = invite(tenant)
    path = get_welcome_link(tenant)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    answers = []
    for opened in (path, "/welcome/nonsense", None):
        client = Client()
        if opened:
            client.get(opened)
        answer = client.post("/welcome/again")
        page = client.get(answer["Location"])
        answers.append((answer.status_code, answer["Location"], page.content))
    assert answers[0][:2] == (302, "/welcome/sent")
    assert len({(a[0], a[1]) for a in answers}) == 1
    assert b"Look into your mail" in answers[0][2]
    assert len(list_mails(tenant)) == 2
    assert get_welcome_link(tenant) != path
    assert access.invitations.filter(used_at=None, replaced_at=None).count() == 1


def test_new_mails_of_one_person_are_limited(tenant: Tenant) -> None:
    invite(tenant)
    path = get_welcome_link(tenant)
    client = Client()
    client.get(path)
    answers = {client.post("/welcome/again")["Location"] for _ in range(9)}
    assert answers == {"/welcome/sent"}
    assert Invitation.objects.count() == 6
    assert len(list_mails(tenant)) == 2


def test_a_removed_access_is_not_opened_by_its_link(tenant: Tenant, browser: Client) -> None:
    access = invite(tenant)
    path = get_welcome_link(tenant)
    tenant.admin.post(tenant.url(f"payers/access/{access.reference}/remove"))
    assert "newer" in get_invalid_link_page(browser, path)
    browser.post("/welcome/again")
    access.refresh_from_db()
    assert (access.state, len(list_mails(tenant))) == ("removed", 1)


# ---- going on later, elsewhere, twice --------------------------------------------------------------


def test_the_browser_closes_after_the_password_and_the_link_goes_on_after_a_sign_in(
    tenant: Tenant, browser: Client
) -> None:
    invite(tenant)
    path = get_welcome_link(tenant)
    browser.get(path)
    post_form(browser, "/welcome/password", password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    later = Client()
    later.get(path)
    assert later.get("/welcome/")["Location"] == "/welcome/details"
    assert later.get("/welcome/details")["Location"] == "/accounts/login/?next=%2Fwelcome%2Fdetails"
    later.force_login(User.objects.get(email=EMAIL))
    assert post_form(later, "/welcome/details", **DETAILS)["Location"] == "/my/"
    assert PayerAccess.objects.get().state == "active"


def test_without_the_link_the_next_sign_in_leads_to_the_last_step_and_back(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    browser.get(get_welcome_link(tenant))
    post_form(browser, "/welcome/password", password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    later = Client()
    later.force_login(User.objects.get(email=EMAIL))
    answer = later.get("/my/notifications")
    assert answer["Location"] == "/welcome/details?next=%2Fmy%2Fnotifications"
    assert post_form(later, answer["Location"], **DETAILS)["Location"] == "/my/notifications"
    assert PayerAccess.objects.get().state == "active"
    assert Invitation.objects.get().used_at is not None


def test_the_way_back_leads_nowhere_but_to_us(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    user = User.objects.get(email=EMAIL)
    browser.force_login(user)
    for evil in ("https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"):
        page = browser.get("/welcome/details", {"next": evil})
        assert get_hidden_fields(page)["next"] == "/my/"
    fields = get_hidden_fields(browser.get("/welcome/details")) | DETAILS | {"next": "https://evil.example/"}
    assert browser.post("/welcome/details", fields)["Location"] == "/my/"


def test_two_windows_choose_a_password_and_the_first_one_stands(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    browser.get(get_welcome_link(tenant))
    fields = get_hidden_fields(browser.get("/welcome/password"))
    other = "another-good-one-77"
    browser.post("/welcome/password", fields | {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    answer = browser.post("/welcome/password", fields | {"password": other, "confirm": other})
    assert answer["Location"] == "/welcome/"
    assert User.objects.get(email=EMAIL).check_password(NEW_PASSWORD)


def test_a_password_is_set_once_and_only_by_a_link_that_is_open(tenant: Tenant) -> None:
    invite(tenant)
    invitation = Invitation.objects.select_related("access").get()
    Invitation.objects.update(replaced_at=timezone.now())
    with pytest.raises(NothingToComplete):
        create_password(invitation, password=NEW_PASSWORD, now=timezone.now())
    Invitation.objects.update(replaced_at=None)
    create_password(invitation, password=NEW_PASSWORD, now=timezone.now())
    with pytest.raises(PasswordAlreadySet):
        create_password(invitation, password="another-good-one-77", now=timezone.now())
    assert User.objects.get(email=EMAIL).check_password(NEW_PASSWORD)


def test_register_pressed_twice_registers_once(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    path = get_welcome_link(tenant)
    browser.get(path)
    post_form(browser, "/welcome/password", password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    fields = get_hidden_fields(browser.get("/welcome/details")) | DETAILS
    first, second = (browser.post("/welcome/details", fields) for _ in range(2))
    assert (first["Location"], second["Location"]) == ("/my/", "/my/")
    assert TermsAcceptance.objects.count() == 1
    assert Notification.objects.filter(event="payer_registered").count() == 1


def test_a_form_left_open_for_one_person_changes_nothing_of_another(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    browser.get(get_welcome_link(tenant))
    old = get_hidden_fields(browser.get("/welcome/password"))
    invite(tenant, "bea@harbourdental.example")
    browser.get(get_welcome_link(tenant, "bea@harbourdental.example"))
    answer = browser.post("/welcome/password", old | {"password": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    assert answer.status_code == 200
    assert not User.objects.get(email="bea@harbourdental.example").has_usable_password()


def test_somebody_else_who_is_signed_in_is_told_so_and_may_switch(tenant: Tenant) -> None:
    access = invite(tenant)
    path = get_welcome_link(tenant)
    tenant.admin.get(path)
    answer = tenant.admin.get("/welcome/")
    assert (answer.status_code, b"Somebody else is signed in" in answer.content) == (409, True)
    assert tenant.admin.get("/welcome/details").status_code == 409
    assert tenant.admin.post("/welcome/details", DETAILS).status_code == 409
    switched = tenant.admin.post("/welcome/switch")
    assert switched["Location"] == "/welcome/"
    assert tenant.admin.get("/welcome/")["Location"] == "/welcome/password"
    assert tenant.admin.get(tenant.url()).status_code == 302
    access.refresh_from_db()
    assert access.state == "pending"


def test_the_link_of_a_person_with_a_password_asks_who_opens_it(tenant: Tenant, browser: Client) -> None:
    tenant.access(EMAIL, company="Elsewhere Ltd")
    register(tenant)
    path = get_welcome_link(tenant)
    browser.get(path)
    assert browser.get("/welcome/password")["Location"] == "/welcome/"
    assert browser.get("/welcome/details")["Location"].startswith("/accounts/login/")
    other = tenant.payer("eve@elsewhere.example", company="Elsewhere Ltd")
    other.get(path)
    assert other.get("/welcome/details").status_code == 409
    answer = other.post("/welcome/details", DETAILS)
    assert answer.status_code == 409
    assert PayerAccess.objects.filter(state="pending").count() == 1


def test_a_registered_payer_only_says_that_it_was_them(tenant: Tenant) -> None:
    client = tenant.payer(EMAIL, company="Elsewhere Ltd")
    access = register(tenant)
    [mail] = list_mails(tenant)
    assert mail["subject"] == "You already have an account to pay Northwind IT"
    client.get(get_welcome_link(tenant))
    page = client.get("/welcome/details").content.decode()
    assert "Yes, this was me" in page
    assert "Full name" not in page
    assert post_form(client, "/welcome/details", agree="on")["Location"] == "/my/"
    access.refresh_from_db()
    assert (access.state, access.user.name) == ("active", "Ada Payer")


def test_a_payer_who_has_the_access_already_is_sent_on(tenant: Tenant, checkout: Checkout) -> None:
    client = tenant.payer(EMAIL)
    before = PayerAccess.objects.get()
    register(tenant, next_path=checkout.path)
    client.get(get_welcome_link(tenant))
    assert client.get("/welcome/details")["Location"] == checkout.path
    assert Invitation.objects.get().used_at is not None
    after = PayerAccess.objects.get()
    assert (after.state, after.scope, after.state_at) == ("active", before.scope, before.state_at)


def test_terms_that_change_meanwhile_are_shown_again(tenant: Tenant, browser: Client) -> None:
    access = invite(tenant)
    browser.get(get_welcome_link(tenant))
    post_form(browser, "/welcome/password", password=NEW_PASSWORD, confirm=NEW_PASSWORD)
    fields = get_hidden_fields(browser.get("/welcome/details")) | DETAILS
    create_terms_version(tenant.merchant, kind="user_account", text="New words.", by=tenant.user, now=timezone.now())
    answer = browser.post("/welcome/details", fields)
    assert answer["Location"].startswith("/welcome/details")
    page = browser.get(answer["Location"])
    assert "New words." in page.content.decode()
    access.refresh_from_db()
    assert (access.state, TermsAcceptance.objects.count()) == ("pending", 0)
    assert post_form(browser, "/welcome/details", **DETAILS)["Location"] == "/my/"
    assert TermsAcceptance.objects.get().terms.version == 2


def test_an_enrolled_second_factor_is_not_passed_by_a_link(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    enrol_authenticator(User.objects.get(email=EMAIL))
    answer = complete_welcome(browser, get_welcome_link(tenant))
    assert answer["Location"].startswith(AUTHENTICATE)
    assert not is_signed_in(browser)


def test_nobody_without_a_link_or_a_sign_in_sees_the_steps(tenant: Tenant, browser: Client) -> None:
    invite(tenant)
    assert browser.get("/welcome/").status_code == 410
    assert browser.get("/welcome/password")["Location"] == "/welcome/"
    assert browser.get("/welcome/details")["Location"].startswith("/accounts/login/")
    assert tenant.admin.get("/welcome/details").status_code == 404
