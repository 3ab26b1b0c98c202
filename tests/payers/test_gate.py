"""The portal's gate: who is let in, whose view it is, and that looking changes nothing."""

import pytest
from django.http import Http404
from django.test import Client
from django.utils import timezone

from merchants.models import Membership, Merchant
from payers.access import access_to, accesses_of, company_of, completion_path, local_path
from payers.landing import landing_path
from payers.models import Payer, PayerNotification
from payers.notifications import wants
from tests.payers.desk import DETAILS, EMAIL, invite
from tests.people import PASSWORD, Checkout, House
from wisepay.models import AuditEntry, User
from wisepay.two_factor import needs_second_factor

PAGES = ("/my/details", "/my/notifications")
ROLES = {
    "anonymous": ("/accounts/login/", 302),
    "stranger": ("", 404),
    "invited": ("/welcome/details", 302),
    "merchant admin": ("", 404),
    "payer": ("", 200),
    "payer of another merchant": ("", 200),
}


def client_of(role: str, house: House, stranger: House) -> Client:
    """The browser of somebody in that role."""
    client = Client()
    if role == "stranger":
        client.force_login(User.objects.create_user("nobody@example.com", PASSWORD))
    if role == "invited":
        client.force_login(invite(house).user)
    if role == "merchant admin":
        return house.admin
    if role == "payer":
        return house.payer(EMAIL)
    if role == "payer of another merchant":
        return stranger.payer(EMAIL)
    return client


@pytest.mark.parametrize("role", ROLES)
def test_the_portal_lets_in_registered_payers_alone(house: House, stranger: House, role: str) -> None:
    client = client_of(role, house, stranger)
    start, status = ROLES[role]
    for page in PAGES:
        for method in ("get", "post"):
            answer = getattr(client, method)(page)
            expected = {200: (200, 302, 422)}.get(status, (status,))
            assert answer.status_code in expected, (role, method, page)
            if status == 302:
                assert answer["Location"].startswith(start)
            assert "no-store" in answer.headers.get("Cache-Control", "no-store")


def test_details_are_saved_for_the_one_who_is_signed_in(house: House) -> None:
    client = house.payer(EMAIL)
    other = house.access("bea@harbourdental.example").user
    answer = client.post("/my/details", DETAILS)
    assert (answer.status_code, answer["Location"]) == (302, "/my/details")
    payer = Payer.objects.get(user__email=EMAIL)
    assert (payer.user.name, payer.phone, payer.address["city"]) == ("Ada Lind", DETAILS["phone"], "Sydney")
    assert Payer.objects.get(user=other).phone == ""
    assert client.post("/my/details", DETAILS | {"name": ""}).status_code == 422


def test_payers_choose_what_they_are_told(house: House) -> None:
    client = house.payer(EMAIL)
    user = User.objects.get(email=EMAIL)
    assert all(wants(user, event) for event in PayerNotification.Event.values)
    client.post("/my/notifications", {"events": ["bank_debit_failed", "nonsense"]})
    assert {e: wants(user, e) for e in PayerNotification.Event.values} == {
        "bank_debit_submitted": False,
        "bank_debit_settled": False,
        "bank_debit_failed": True,
        "method_expiring": False,
    }
    assert wants(None, "bank_debit_submitted")
    assert client.get("/my/notifications").content.decode().count(" checked") == 1


def test_companies_are_those_of_ones_active_accesses(house: House, stranger: House) -> None:
    access = house.access(EMAIL)
    stranger.access(EMAIL, company="Foreign Ltd", state="pending")
    removed = house.access(EMAIL, company="Gone Ltd", state="removed")
    assert accesses_of(access.user) == [access]
    assert company_of(access.user, access.company.reference) == access.company
    assert access_to(access.user, removed.company) is None
    for other in (removed.company, stranger.company("Foreign Ltd"), house.company("Unseen Ltd")):
        with pytest.raises(Http404):
            company_of(access.user, other.reference)


def test_only_the_unfinished_are_led_to_the_last_step(house: House) -> None:
    assert completion_path(invite(house).user.payer, "/pay/x") == "/welcome/details?next=%2Fpay%2Fx"
    assert completion_path(house.access("b@harbourdental.example").user.payer, "/pay/x") == ""
    assert completion_path(None, "/pay/x") == ""


@pytest.mark.parametrize("path", ["", "pay/x", "https://evil.example/", "//evil.example", "/\\evil.example", "\n/x"])
def test_a_path_of_somebody_else_is_no_path(path: str) -> None:
    assert local_path(path) == ""


def test_an_open_payment_is_a_place_to_land_and_a_paid_one_is_not(house: House, checkout: Checkout) -> None:
    now = timezone.now()
    assert landing_path(checkout.path, now=now) == checkout.path
    assert landing_path(checkout.path, now=checkout.payment.expires_at) == "/my/"
    assert landing_path("/pay/23456789abcdefghijkm", now=now) == "/my/"
    assert landing_path("/my/details", now=now) == "/my/details"
    checkout.pay()
    assert landing_path(checkout.path, now=now) == "/my/"


# ---- seeing as a payer -----------------------------------------------------------------------------


def see(house: House, client: Client, **form: str) -> str:
    """Start to see as the payer; answers the path it was asked at."""
    path = house.url(f"payers/see/{house.access(EMAIL).reference}")
    answer = client.post(path, form)
    assert (answer.status_code, answer["Location"]) == (302, "/my/")
    return path


def test_an_admin_sees_what_the_payer_sees_and_stops(house: House) -> None:
    house.payer(EMAIL).post("/my/details", DETAILS)
    see(house, house.admin, reason="Asked on the phone")
    page = house.admin.get("/my/details").content.decode()
    assert "You see what <strong>Ada Lind</strong> sees" in page
    assert DETAILS["phone"] in page
    started = AuditEntry.objects.get(act="payer.seen_as")
    assert (started.user, started.subject, started.detail) == (house.user, EMAIL, "Asked on the phone")
    answer = house.admin.post("/my/stop-seeing")
    user = User.objects.get(email=EMAIL)
    assert answer["Location"] == house.url(f"payers/p/{user.reference}")
    assert AuditEntry.objects.get(act="payer.seen_as_ended").user == house.user
    assert house.admin.get("/my/details").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_changed_while_one_sees_as_a_payer(house: House, method: str) -> None:
    see(house, house.admin)
    for page, form in (("/my/details", DETAILS), ("/my/notifications", {"events": "bank_debit_failed"})):
        answer = getattr(house.admin, method)(page, form)
        assert answer.status_code in ((403,) if method == "post" else (403, 405))
    assert Payer.objects.get(user__email=EMAIL).phone == ""
    assert not PayerNotification.objects.exists()


def test_an_admin_who_pays_themselves_changes_nothing_of_their_own_while_seeing(house: House) -> None:
    house.access(house.user.email)
    see(house, house.admin)
    assert house.admin.post("/my/details", DETAILS).status_code == 403
    house.admin.post("/my/stop-seeing")
    assert house.admin.post("/my/details", DETAILS).status_code == 302
    assert Payer.objects.get(user=house.user).phone == DETAILS["phone"]


@pytest.mark.parametrize("change", ["demoted", "left", "removed"])
def test_seeing_ends_with_the_right_to_it(house: House, change: str) -> None:
    see(house, house.admin)
    if change == "demoted":
        house.merchant.memberships.update(role=Membership.Role.USER)
    elif change == "left":
        house.merchant.memberships.all().delete()
    else:
        house.access(EMAIL).company.accesses.update(state="removed")
    assert house.admin.get("/my/details").status_code == 404


def test_only_an_admin_of_the_merchant_sees_and_only_active_payers(house: House, stranger: House) -> None:
    access = house.access(EMAIL)
    path = house.url(f"payers/see/{access.reference}")
    assert stranger.admin.post(path).status_code == 404
    assert stranger.admin.post(stranger.url(f"payers/see/{access.reference}")).status_code == 404
    assert house.payer("eve@harbourdental.example").post(path).status_code == 404
    assert house.admin.get(path).status_code == 405
    pending = invite(house, "new@harbourdental.example")
    assert house.admin.post(house.url(f"payers/see/{pending.reference}")).status_code == 404
    house.merchant.memberships.update(role=Membership.Role.USER)
    assert house.admin.post(path).status_code == 403
    assert not AuditEntry.objects.filter(act="payer.seen_as").exists()


def test_stopping_without_having_started_leads_home(house: House) -> None:
    assert house.admin.post("/my/stop-seeing")["Location"] == "/"
    assert Client().post("/my/stop-seeing")["Location"].startswith("/accounts/login/")


# ---- the second factor, and the way in -------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "needed"),
    [
        ("required", "required", True),
        ("required", "optional", True),
        ("optional", "required", True),
        ("optional", "optional", False),
    ],
)
def test_a_payer_needs_a_second_factor_unless_every_merchant_says_optional(
    house: House, stranger: House, ours: str, theirs: str, needed: bool
) -> None:
    user = house.access(EMAIL).user
    stranger.access(EMAIL, company="Foreign Ltd")
    Merchant.objects.filter(pk=house.merchant.pk).update(two_factor_mode=ours)
    Merchant.objects.filter(pk=stranger.merchant.pk).update(two_factor_mode=theirs)
    assert needs_second_factor(user) is needed


def test_a_person_of_both_kinds_needs_what_the_stricter_says(house: House, stranger: House) -> None:
    Merchant.objects.filter(pk=house.merchant.pk).update(two_factor_mode="optional")
    assert needs_second_factor(house.user) is False
    stranger.access(house.user.email)
    assert needs_second_factor(house.user) is True
    assert needs_second_factor(User.objects.create_user("nobody@example.com", PASSWORD)) is True


def test_the_front_door_leads_payers_to_their_portal(house: House, browser: Client) -> None:
    assert house.payer(EMAIL).get("/")["Location"] == "/my/"
    house.access(house.user.email)
    page = house.admin.get("/").content.decode()
    assert "What you pay yourself" in page
    assert house.url() in page
    assert browser.get("/")["Location"] == "/accounts/login/?next=/"
