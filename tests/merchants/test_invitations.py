"""Invitations to work for a merchant: mailed, sent again, withdrawn, and accepted once by whom they name.

What goes wrong with them elsewhere is what is tried here: a link that another account accepts (go-gitea/gitea#24491,
getsentry/sentry#30065), that an address alone would open (an account's address proves nothing), or that works twice.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from pytest_django import Settings

from merchants.member_invitations import (
    InvitationRefused,
    accept_invitation,
    build_token,
    delete_old_invitations,
    invite_member,
)
from merchants.models import MemberInvitation, Membership, Notification
from tests.concurrency import run_concurrently
from tests.merchants.test_people import PEOPLE, join, list_audit, prove
from tests.sign_in_steps import enrol_authenticator, get_mailed_code, list_mails, submit_code, submit_password
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay import clock
from wisepay.models import OutboxMessage, User

EMAIL = "bo@northwind-it.example"
NEW_PASSWORD = "a-horse-that-keeps-books"


def invite(tenant: Tenant, role: str = "bookkeeper", email: str = EMAIL, *, client: Client | None = None) -> Any:
    """Send the form of the invitation."""
    form = {"email": email, "role": get_role(tenant.merchant, role).reference}
    return (client or tenant.admin).post(tenant.url(f"{PEOPLE}invite"), form)


def get_link(tenant: Tenant, deliver: Callable[..., int], email: str = EMAIL) -> str:
    """The link of the newest mail to that address."""
    deliver()
    return str(re.findall(r"/join/\S+", list_mails(tenant.world, email)[0]["text"])[0])


def act_on(tenant: Tenant, act: str) -> Any:
    """Press a button of the newest invitation."""
    one = MemberInvitation.objects.latest("pk")
    return tenant.admin.post(tenant.url(f"{PEOPLE}invitations/{one.reference}/{act}"))


def follow(client: Client, link: str) -> Any:
    """Open the link; the page that it leads to."""
    return client.get(client.get(link)["Location"])


def sign_in_with(user: User) -> Client:
    """A browser in which they are signed in."""
    client = Client()
    client.force_login(user)
    return client


def test_somebody_without_an_account_makes_one_and_may_do_their_rights(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    assert invite(tenant, email="Bo@Northwind-IT.example").status_code == 302
    link, client = get_link(tenant, deliver), Client()
    page = follow(client, link).content.decode()
    assert "invites you to work for it as Bookkeeper" in page
    assert link not in page
    short = client.post("/join/", {"name": "Bo", "password": "short"})
    assert (short.status_code, User.objects.filter(email=EMAIL).exists()) == (422, False)
    joined = client.post("/join/", {"name": "Bo Keeper", "password": NEW_PASSWORD})
    assert joined["Location"] == tenant.url()
    assert client.get(tenant.url("reconciliation/")).status_code == 200
    assert client.get(tenant.url(PEOPLE)).status_code == 403
    assert list_audit(tenant) == [
        ("people.invited", "Bo@Northwind-IT.example", "Role: Bookkeeper"),
        ("people.joined", EMAIL, "Role: Bookkeeper"),
    ]
    assert "used already" in follow(Client(), link).content.decode()
    again = Client()
    submit_password(again, EMAIL, NEW_PASSWORD)
    assert submit_code(again, get_mailed_code(tenant.world, EMAIL)).status_code == 302


def test_somebody_with_an_account_signs_in_first_and_is_asked(tenant: Tenant, deliver: Callable[..., int]) -> None:
    user = User.objects.create_user(EMAIL, PASSWORD)
    enrol_authenticator(user)
    invite(tenant, "reader")
    link, client = get_link(tenant, deliver), Client()
    assert follow(client, link)["Location"] == "/accounts/login/?next=%2Fjoin%2F"
    assert client.post("/join/", {"name": "Eve", "password": NEW_PASSWORD})["Location"].startswith("/accounts/login/")
    client.force_login(user)
    follow(client, link)
    assert not user.memberships.exists()
    assert client.post("/join/")["Location"] == tenant.url()
    assert user.memberships.get().role.kind == "reader"
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_a_second_factor_is_still_asked_for_of_whom_the_mail_gives_a_password(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    enrol_authenticator(User.objects.create_user(EMAIL, None))
    invite(tenant, "reader")
    client = Client()
    follow(client, get_link(tenant, deliver))
    assert client.post("/join/", {"name": "Bo", "password": NEW_PASSWORD})["Location"].startswith("/accounts/2fa/")


def be_used(tenant: Tenant, link: str) -> None:
    follow(client := Client(), link)
    client.post("/join/", {"name": "Bo", "password": NEW_PASSWORD})


def be_removed_after(tenant: Tenant, link: str) -> None:
    be_used(tenant, link)
    member = tenant.merchant.memberships.get(user__email=EMAIL)
    tenant.admin.post(tenant.url(f"{PEOPLE}members/{member.user.reference}/remove"))


def be_withdrawn(tenant: Tenant, link: str) -> None:
    assert act_on(tenant, "withdraw").status_code == 302


def be_sent_again(tenant: Tenant, link: str) -> None:
    assert act_on(tenant, "resend").status_code == 302


def run_out(tenant: Tenant, link: str) -> None:
    MemberInvitation.objects.update(expires_at=clock.now() - timedelta(seconds=1))


def lose_its_inviter(tenant: Tenant, link: str) -> None:
    join(tenant, "admin", "second@northwind-it.example")
    tenant.admin.post(tenant.url("my-role/leave"))


def be_changed(tenant: Tenant, link: str) -> None:
    MemberInvitation.objects.update(token_digest="0" * 64)


DEAD = {
    "used": (be_used, "used already"),
    "of somebody who was removed": (be_removed_after, "used already"),
    "withdrawn": (be_withdrawn, "was withdrawn"),
    "with a newer mail": (be_sent_again, "A newer mail"),
    "expired": (run_out, "has expired"),
    "of an inviter who left": (lose_its_inviter, "was withdrawn"),
    "altered": (be_changed, "does not work"),
}


@pytest.mark.parametrize("name", DEAD)
def test_a_link_that_is_over_opens_nothing_and_says_why(tenant: Tenant, deliver: Callable[..., int], name: str) -> None:
    make_over, words = DEAD[name]
    invite(tenant, "reader")
    link, open_before = get_link(tenant, deliver), Client()
    follow(open_before, link)
    make_over(tenant, link)
    people = Membership.objects.count()
    fresh = Client()
    answer = follow(fresh, link)
    assert (answer.status_code, words in answer.content.decode()) == (410, True)
    for client in (fresh, open_before):
        assert client.post("/join/", {"name": "Eve", "password": NEW_PASSWORD}).status_code in (302, 410)
    assert Membership.objects.count() == people


def test_an_older_invitation_brings_nobody_back(tenant: Tenant, deliver: Callable[..., int]) -> None:
    invite(tenant, "reader")
    link, member = get_link(tenant, deliver), join(tenant, "user", EMAIL)
    tenant.admin.post(tenant.url(f"{PEOPLE}members/{member.user.reference}/remove"))
    client = sign_in_with(member.user)
    assert "was withdrawn" in follow(client, link).content.decode()
    assert client.post("/join/").status_code == 410


def test_nobody_else_accepts_an_invitation(tenant: Tenant, stranger: Tenant, deliver: Callable[..., int]) -> None:
    invite(tenant, "reader")
    link = get_link(tenant, deliver)
    other = User.objects.create_user("bo@else.example", PASSWORD)
    for client in (stranger.admin, tenant.payer("x@harbourdental.example"), sign_in_with(other)):
        answer = follow(client, link)
        assert (answer.status_code, f"It is for {EMAIL}" in answer.content.decode()) == (409, True)
        assert client.post("/join/").status_code == 409
    with pytest.raises(InvitationRefused, match=EMAIL):
        accept_invitation(MemberInvitation.objects.get(), user=stranger.user, now=clock.now())
    assert stranger.admin.post("/join/switch")["Location"] == "/join/"
    assert "Your name" in stranger.admin.get("/join/").content.decode()
    assert tenant.merchant.memberships.count() == 1


def test_a_closed_account_is_told_and_let_in_nowhere(tenant: Tenant, deliver: Callable[..., int]) -> None:
    User.objects.create_user(EMAIL, PASSWORD, is_active=False)
    invite(tenant, "reader")
    answer = follow(Client(), get_link(tenant, deliver))
    assert (answer.status_code, "This account is closed" in answer.content.decode()) == (409, True)


@pytest.mark.django_db(transaction=True)
def test_of_two_clicks_at_once_one_joins(tenant: Tenant) -> None:
    user = User.objects.create_user(EMAIL, PASSWORD)
    role = get_role(tenant.merchant, "reader")
    invitation = invite_member(tenant.merchant, email=EMAIL, role=role, by=tenant.user, now=clock.now())

    def accept(_number: int) -> bool:
        try:
            accept_invitation(MemberInvitation.objects.get(pk=invitation.pk), user=user, now=clock.now())
        except InvitationRefused:
            return False
        return True

    assert sorted(run_concurrently(2, accept)) == [False, True]
    assert user.memberships.count() == 1


def test_the_secret_stands_in_the_mail_alone(tenant: Tenant, deliver: Callable[..., int]) -> None:
    invite(tenant, "reader")
    token = build_token(MemberInvitation.objects.get())
    assert token not in str(list(MemberInvitation.objects.values()))
    assert token not in str(list(OutboxMessage.objects.values()))
    assert get_link(tenant, deliver) == f"/join/{token}"


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("", "required"),
        ("bo", "valid email"),
        ("admin@NORTHWIND-it.example", "works here already"),
        ("Bo@northwind-it.example", "is invited already"),
    ],
)
def test_an_address_that_cannot_be_invited_is_refused_at_its_field(tenant: Tenant, email: str, words: str) -> None:
    invite(tenant)
    answer = invite(tenant, email=email)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert MemberInvitation.objects.count() == 1


def test_two_open_invitations_of_one_address_are_held_off_by_the_database(tenant: Tenant) -> None:
    invite(tenant)
    one = MemberInvitation.objects.get()
    one.pk, one.reference, one.token_digest = None, "another", "1" * 64
    with pytest.raises(IntegrityError, match="one_open_invitation"), transaction.atomic():
        one.save(force_insert=True)


def test_invitations_are_limited_for_the_merchant_and_for_the_address(tenant: Tenant, settings: Settings) -> None:
    settings.MEMBER_INVITATIONS_PER_MERCHANT_HOUR, settings.MAILS_PER_ADDRESS_HOUR = 5, 2
    for address in ("a", "b", "c"):
        assert invite(tenant, email=f"{address}@northwind-it.example").status_code == 302
    for words in ("A new link is mailed", "Several mails went to this address"):
        assert words in tenant.admin.get(act_on(tenant, "resend")["Location"]).content.decode()
    assert invite(tenant, email="d@northwind-it.example").status_code == 302
    assert "So many invitations" in invite(tenant, email="e@northwind-it.example").content.decode()


def test_an_administrator_is_invited_after_a_fresh_proof_and_the_others_hear_when_they_join(
    tenant: Tenant, deliver: Callable[..., int]
) -> None:
    assert invite(tenant, "admin")["Location"].startswith("/accounts/reauthenticate/")
    assert not MemberInvitation.objects.exists()
    prove(tenant.admin)
    assert invite(tenant, "admin").status_code == 302
    be_used(tenant, get_link(tenant, deliver))
    warnings = Notification.objects.filter(event="admin_added", title__contains=EMAIL)
    assert set(warnings.values_list("user__email", flat=True)) == {EMAIL, tenant.user.email}


def test_what_was_not_answered_is_deleted_as_the_merchant_says(tenant: Tenant) -> None:
    invite(tenant)
    now = clock.now()
    tenant.merchant.keeps_unproved_days = 10
    tenant.merchant.save()
    assert delete_old_invitations(now=now + timedelta(days=23)) == 0
    assert delete_old_invitations(now=now + timedelta(days=25)) == 1
