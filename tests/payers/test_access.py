"""Access to the portal: who gets in, whose view it is, and that impersonation changes nothing."""

import pytest
from django.http import Http404
from django.test import Client
from django.utils import timezone

from merchants.models import Merchant
from payers.access import (
    find_access,
    get_accessible_company,
    get_completion_path,
    get_landing_path,
    list_active_accesses,
)
from payers.models import Payer, PayerNotification
from payers.notifications import is_subscribed
from tests.payers.welcome_flow import DETAILS, EMAIL, invite
from tests.tenants import PASSWORD, Checkout, Tenant, give_role
from wisepay.accounts.services import needs_second_factor
from wisepay.addresses import get_local_path
from wisepay.models import AuditEntry, User

PAGES = ("/my/details", "/my/notifications")
ROLES = {
    "anonymous": ("/accounts/login/", 302),
    "stranger": ("", 404),
    "invited": ("/welcome/details", 302),
    "merchant admin": ("", 404),
    "payer": ("", 200),
    "payer of another merchant": ("", 200),
}


def create_client(role: str, tenant: Tenant, stranger: Tenant) -> Client:
    """The browser of somebody in that role."""
    client = Client()
    if role == "stranger":
        client.force_login(User.objects.create_user("nobody@example.com", PASSWORD))
    if role == "invited":
        client.force_login(invite(tenant).user)
    if role == "merchant admin":
        return tenant.admin
    if role == "payer":
        return tenant.payer(EMAIL)
    if role == "payer of another merchant":
        return stranger.payer(EMAIL)
    return client


@pytest.mark.parametrize("role", ROLES)
def test_the_portal_lets_in_registered_payers_alone(tenant: Tenant, stranger: Tenant, role: str) -> None:
    client = create_client(role, tenant, stranger)
    start, status = ROLES[role]
    for page in PAGES:
        for method in ("get", "post"):
            answer = getattr(client, method)(page)
            expected = {200: (200, 302, 422)}.get(status, (status,))
            assert answer.status_code in expected, (role, method, page)
            if status == 302:
                assert answer["Location"].startswith(start)
            assert "no-store" in answer.headers.get("Cache-Control", "no-store")


def test_details_are_saved_for_the_one_who_is_signed_in(tenant: Tenant) -> None:
    client = tenant.payer(EMAIL)
    other = tenant.access("bea@harbourdental.example").user
    answer = client.post("/my/details", DETAILS)
    assert (answer.status_code, answer["Location"]) == (302, "/my/details")
    payer = Payer.objects.get(user__email=EMAIL)
    assert (payer.user.name, payer.phone, payer.address["city"]) == ("Ada Lind", DETAILS["phone"], "Sydney")
    assert Payer.objects.get(user=other).phone == ""
    assert client.post("/my/details", DETAILS | {"name": ""}).status_code == 422


def test_payers_choose_what_they_are_told(tenant: Tenant) -> None:
    client = tenant.payer(EMAIL)
    user = User.objects.get(email=EMAIL)
    assert all(is_subscribed(user, event) for event in PayerNotification.Event.values)
    client.post("/my/notifications", {"events": ["bank_debit_failed", "nonsense"]})
    assert {e: is_subscribed(user, e) for e in PayerNotification.Event.values} == {
        "bank_debit_submitted": False,
        "bank_debit_settled": False,
        "bank_debit_failed": True,
        "method_expiring": False,
    }
    assert is_subscribed(None, "bank_debit_submitted")
    assert client.get("/my/notifications").content.decode().count(" checked") == 1


def test_companies_are_those_of_ones_active_accesses(tenant: Tenant, stranger: Tenant) -> None:
    access = tenant.access(EMAIL)
    stranger.access(EMAIL, company="Foreign Ltd", state="pending")
    removed = tenant.access(EMAIL, company="Gone Ltd", state="removed")
    assert list_active_accesses(access.user) == [access]
    assert get_accessible_company(access.user, access.company.reference) == access.company
    assert find_access(access.user, removed.company) is None
    for other in (removed.company, stranger.company("Foreign Ltd"), tenant.company("Unseen Ltd")):
        with pytest.raises(Http404):
            get_accessible_company(access.user, other.reference)


def test_only_the_unfinished_are_led_to_the_last_step(tenant: Tenant) -> None:
    assert get_completion_path(invite(tenant).user.payer, "/pay/x") == "/welcome/details?next=%2Fpay%2Fx"
    assert get_completion_path(tenant.access("b@harbourdental.example").user.payer, "/pay/x") == ""
    assert get_completion_path(None, "/pay/x") == ""


@pytest.mark.parametrize("path", ["", "pay/x", "https://evil.example/", "//evil.example", "/\\evil.example", "\n/x"])
def test_a_path_of_somebody_else_is_no_path(path: str) -> None:
    assert get_local_path(path) == ""


def test_an_open_payment_is_a_place_to_land_and_a_paid_one_is_not(tenant: Tenant, checkout: Checkout) -> None:
    now = timezone.now()
    assert get_landing_path(checkout.path, now=now) == checkout.path
    assert get_landing_path(checkout.path, now=checkout.payment.expires_at) == "/my/"
    assert get_landing_path("/pay/23456789abcdefghijkm", now=now) == "/my/"
    assert get_landing_path("/my/details", now=now) == "/my/details"
    checkout.pay()
    assert get_landing_path(checkout.path, now=now) == "/my/"


# ---- seeing as a payer -----------------------------------------------------------------------------


def start_impersonation(tenant: Tenant, client: Client, **form: str) -> str:
    """Start to see as the payer; answers the path it was asked at."""
    path = tenant.url(f"payers/see/{tenant.access(EMAIL).reference}")
    answer = client.post(path, {"reason": "Asked on the phone"} | form)
    assert (answer.status_code, answer["Location"]) == (302, "/my/")
    return path


def test_an_admin_sees_what_the_payer_sees_and_stops(tenant: Tenant) -> None:
    tenant.payer(EMAIL).post("/my/details", DETAILS)
    start_impersonation(tenant, tenant.admin, reason="Asked on the phone")
    page = tenant.admin.get("/my/details").content.decode()
    assert "You see what <strong>Ada Lind</strong> sees" in page
    assert DETAILS["phone"] in page
    started = AuditEntry.objects.get(action="payer.seen_as")
    assert (started.user, started.subject, started.detail) == (tenant.user, EMAIL, "Asked on the phone")
    answer = tenant.admin.post("/my/stop-seeing")
    user = User.objects.get(email=EMAIL)
    assert answer["Location"] == tenant.url(f"payers/p/{user.reference}")
    assert AuditEntry.objects.get(action="payer.seen_as_ended").user == tenant.user
    assert tenant.admin.get("/my/details").status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_changed_while_one_sees_as_a_payer(tenant: Tenant, method: str) -> None:
    start_impersonation(tenant, tenant.admin)
    for page, form in (("/my/details", DETAILS), ("/my/notifications", {"events": "bank_debit_failed"})):
        answer = getattr(tenant.admin, method)(page, form)
        assert answer.status_code in ((403,) if method == "post" else (403, 405))
    assert Payer.objects.get(user__email=EMAIL).phone == ""
    assert not PayerNotification.objects.exists()


def test_an_admin_who_pays_themselves_changes_nothing_of_their_own_while_seeing(tenant: Tenant) -> None:
    tenant.access(tenant.user.email)
    start_impersonation(tenant, tenant.admin)
    assert tenant.admin.post("/my/details", DETAILS).status_code == 403
    tenant.admin.post("/my/stop-seeing")
    assert tenant.admin.post("/my/details", DETAILS).status_code == 302
    assert Payer.objects.get(user=tenant.user).phone == DETAILS["phone"]


@pytest.mark.parametrize("change", ["demoted", "left", "removed"])
def test_seeing_ends_with_the_right_to_it(tenant: Tenant, change: str) -> None:
    start_impersonation(tenant, tenant.admin)
    if change == "demoted":
        give_role(tenant.merchant, "user")
    elif change == "left":
        tenant.merchant.memberships.all().delete()
    else:
        tenant.access(EMAIL).company.accesses.update(state="removed")
    assert tenant.admin.get("/my/details").status_code == 404


def test_only_an_admin_of_the_merchant_sees_and_only_active_payers(tenant: Tenant, stranger: Tenant) -> None:
    access = tenant.access(EMAIL)
    path = tenant.url(f"payers/see/{access.reference}")
    assert stranger.admin.post(path).status_code == 404
    assert stranger.admin.post(stranger.url(f"payers/see/{access.reference}")).status_code == 404
    assert tenant.payer("eve@harbourdental.example").post(path).status_code == 404
    assert tenant.admin.get(path).status_code == 405
    pending = invite(tenant, "new@harbourdental.example")
    assert tenant.admin.post(tenant.url(f"payers/see/{pending.reference}")).status_code == 404
    give_role(tenant.merchant, "user")
    assert tenant.admin.post(path).status_code == 403
    assert not AuditEntry.objects.filter(action="payer.seen_as").exists()


def test_stopping_without_having_started_leads_home(tenant: Tenant) -> None:
    assert tenant.admin.post("/my/stop-seeing")["Location"] == "/"
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
    tenant: Tenant, stranger: Tenant, ours: str, theirs: str, needed: bool
) -> None:
    user = tenant.access(EMAIL).user
    stranger.access(EMAIL, company="Foreign Ltd")
    Merchant.objects.filter(pk=tenant.merchant.pk).update(two_factor_mode=ours)
    Merchant.objects.filter(pk=stranger.merchant.pk).update(two_factor_mode=theirs)
    assert needs_second_factor(user) is needed


def test_a_person_of_both_kinds_needs_what_the_stricter_says(tenant: Tenant, stranger: Tenant) -> None:
    Merchant.objects.filter(pk=tenant.merchant.pk).update(two_factor_mode="optional")
    assert needs_second_factor(tenant.user) is False
    stranger.access(tenant.user.email)
    assert needs_second_factor(tenant.user) is True
    assert needs_second_factor(User.objects.create_user("nobody@example.com", PASSWORD)) is True


def test_the_front_door_leads_payers_to_their_portal(tenant: Tenant, browser: Client) -> None:
    assert tenant.payer(EMAIL).get("/")["Location"] == "/my/"
    tenant.access(tenant.user.email)
    page = tenant.admin.get("/").content.decode()
    assert "What you pay yourself" in page
    assert tenant.url() in page
    assert browser.get("/")["Location"] == "/accounts/login/?next=/"
