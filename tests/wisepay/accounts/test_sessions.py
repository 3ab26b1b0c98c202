"""Sessions end: after too long without activity, when a person is removed, and when somebody says so."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.test import Client
from django_subatomic.db import transaction

from merchants.models import Membership
from payers.company_access import remove_access
from payers.models import PayerAccess
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay import clock
from wisepay.accounts.adapters import MfaAdapter
from wisepay.accounts.sessions import ACTIVE_KEY, delete_expired_sessions
from wisepay.http import record_rate_limited_use
from wisepay.models import AuditEntry, RateWindow, User
from wisepay.tasks import delete_expired_rows

HTMX = {"HX-Request": "true"}
PAYER = "accounts@harbourdental.example"


def wait(client: Client, idle: timedelta) -> None:
    """Let that much time go by since the person did something."""
    session = client.session
    session[ACTIVE_KEY] = int(clock.now().timestamp() - idle.total_seconds())
    session.save()


def is_in(client: Client) -> bool:
    """Whether the session is somebody's."""
    return "_auth_user_id" in client.session


@pytest.mark.parametrize(("minutes", "idle", "stays"), [(30, 29, True), (30, 31, False), (5, 6, False), (60, 59, True)])
def test_staff_are_signed_out_after_the_merchants_minutes(tenant: Tenant, minutes: int, idle: int, stays: bool) -> None:
    tenant.merchant.staff_idle_minutes = minutes
    tenant.merchant.save()
    tenant.admin.get(tenant.url())
    wait(tenant.admin, timedelta(minutes=idle))
    answer = tenant.admin.get(tenant.url("payments/"))
    assert (answer.status_code == 200) is stays
    assert is_in(tenant.admin) is stays
    if not stays:
        assert answer["Location"] == f"/accounts/login/?next={tenant.url('payments/')}"
        assert b"signed out because nothing was done" in tenant.admin.get(answer["Location"]).content


@pytest.mark.parametrize(("days", "idle", "stays"), [(14, 13, True), (1, 2, False), (14, 15, False)])
def test_payers_are_signed_out_after_the_merchants_days(tenant: Tenant, days: int, idle: int, stays: bool) -> None:
    tenant.merchant.payer_idle_days = days
    tenant.merchant.save()
    payer = tenant.payer()
    payer.get("/my/")
    wait(payer, timedelta(days=idle))
    assert (payer.get("/my/").status_code == 200) is stays


def test_the_shortest_limit_of_a_person_counts(tenant: Tenant, stranger: Tenant) -> None:
    Membership.objects.create(merchant=stranger.merchant, user=tenant.user, role=get_role(stranger.merchant, "user"))
    stranger.merchant.staff_idle_minutes = 10
    stranger.merchant.save()
    tenant.admin.get(tenant.url())
    wait(tenant.admin, timedelta(minutes=11))
    assert tenant.admin.get(tenant.url()).status_code == 302


def test_what_a_page_asks_for_by_itself_is_no_activity(tenant: Tenant) -> None:
    tenant.admin.get(tenant.url())
    wait(tenant.admin, timedelta(minutes=20))
    tenant.admin.get(tenant.url("notifications/bell"), headers=HTMX | {"X-Background": "1"})
    wait_left = tenant.admin.session[ACTIVE_KEY]
    assert clock.now().timestamp() - wait_left > 19 * 60
    tenant.admin.get(tenant.url("payments/"))
    assert clock.now().timestamp() - tenant.admin.session[ACTIVE_KEY] < 60


def test_a_fragment_of_an_ended_session_tells_to_sign_in(tenant: Tenant) -> None:
    tenant.admin.get(tenant.url())
    wait(tenant.admin, timedelta(minutes=31))
    answer = tenant.admin.get(tenant.url("notifications/bell"), headers=HTMX)
    assert answer.status_code == 401
    assert b"Please sign in again" in answer.content
    assert b"<html" not in answer.content
    assert answer["HX-Refresh"] == "true"
    assert not is_in(tenant.admin)
    assert Client().get(tenant.url("notifications/bell"), headers=HTMX).status_code == 401


def test_an_active_session_ends_after_a_month_all_the_same(tenant: Tenant) -> None:
    session = tenant.admin.session
    session["account_authentication_methods"] = [{"method": "password", "at": clock.now().timestamp() - 31 * 86_400}]
    session["account_authentication_methods_user"] = str(tenant.user.pk)
    session.save()
    assert tenant.admin.get(tenant.url()).status_code == 302


def test_a_removed_payers_sessions_end_at_once_unless_there_is_other_access(tenant: Tenant, stranger: Tenant) -> None:
    payer = tenant.payer()
    here, there = tenant.access(PAYER), stranger.access(PAYER, company="Harbour Dental Pty Ltd")
    payer.get("/my/")
    for access, still in ((there, True), (here, False)):
        remove(access, by=tenant.user)
        assert is_in(payer) is still


def remove(access: PayerAccess, *, by: User) -> None:
    """As Payer Admin does."""
    with transaction():
        remove_access(access, by=by, now=clock.now())


def test_a_removed_member_of_staff_is_signed_out(tenant: Tenant) -> None:
    tenant.admin.get(tenant.url())
    Membership.objects.get(merchant=tenant.merchant, user=tenant.user).delete()
    assert not is_in(tenant.admin)


def test_a_person_ends_their_other_sessions(tenant: Tenant) -> None:
    other = Client()
    other.force_login(tenant.user)
    for client in (tenant.admin, other):
        client.get(tenant.url())
    assert tenant.admin.post("/accounts/sessions/").status_code == 302
    assert is_in(tenant.admin)
    assert not is_in(other)


def test_an_admin_ends_the_sessions_of_their_people_and_of_nobody_else(tenant: Tenant, stranger: Tenant) -> None:
    colleague = User.objects.create_user("colleague@northwind-it.example", PASSWORD)
    Membership.objects.create(merchant=tenant.merchant, user=colleague, role=get_role(tenant.merchant, "user"))
    at_work, payer = Client(), tenant.payer()
    at_work.force_login(colleague)
    for client in (at_work, payer, tenant.admin):
        client.get("/")
    assert b"colleague@northwind-it.example" in tenant.admin.get(tenant.url("configure/merchants/privacy")).content
    foreign = stranger.admin.post(stranger.url(f"configure/merchants/sessions/{colleague.reference}/end"))
    assert foreign.status_code == 404
    assert is_in(at_work)
    tenant.admin.post(tenant.url(f"configure/merchants/sessions/{colleague.reference}/end"))
    tenant.admin.post(tenant.url(f"configure/merchants/sessions/{tenant.user.reference}/end"))
    user = tenant.access(PAYER).user
    assert stranger.admin.post(stranger.url(f"payers/p/{user.reference}/sessions/end")).status_code == 404
    assert is_in(payer)
    tenant.admin.post(tenant.url(f"payers/p/{user.reference}/sessions/end"))
    assert [is_in(client) for client in (at_work, payer, tenant.admin)] == [False, False, True]
    assert AuditEntry.objects.filter(action="sessions.ended", merchant_id=tenant.merchant.pk).count() == 3


@pytest.mark.parametrize("minutes", ["4", "721", "", "x", "-5"])
def test_a_limit_out_of_bounds_is_refused_at_its_field(tenant: Tenant, minutes: str) -> None:
    form = {"staff_idle_minutes": minutes, "payer_idle_days": 14, "keeps_unproved_days": 30, "keeps_device_months": 24}
    form |= {"keeps_audit_months": "24"}
    answer = tenant.admin.post(tenant.url("configure/merchants/privacy"), form)
    assert answer.status_code == 422
    tenant.merchant.refresh_from_db()
    assert tenant.merchant.staff_idle_minutes == 30


def test_limits_are_saved_and_written_down(tenant: Tenant) -> None:
    form = {"staff_idle_minutes": 15, "payer_idle_days": 7, "keeps_unproved_days": 14, "keeps_device_months": 12}
    form |= {"keeps_audit_months": 24}
    assert tenant.admin.post(tenant.url("configure/merchants/privacy"), form).status_code == 302
    tenant.merchant.refresh_from_db()
    assert tenant.merchant.staff_idle_minutes == 15
    detail = AuditEntry.objects.get(action="merchant.privacy_saved").detail
    assert "Minutes until your people are signed out: 30 → 15" in detail
    assert "Months that the audit log is stored: 84 → 24" in detail


def test_expired_sessions_and_counts_are_deleted_and_old_codes_hashed(tenant: Tenant) -> None:
    now = clock.now()
    alive = tenant.admin.session.session_key
    other = Client()
    other.force_login(tenant.user)
    Session.objects.filter(session_key=other.session.session_key).update(expire_date=now - timedelta(minutes=1))
    record_rate_limited_use("old", limit=1, per=timedelta(hours=1), now=now - timedelta(days=3))
    record_rate_limited_use("new", limit=1, per=timedelta(hours=1), now=now)
    codes = Authenticator.objects.create(
        user=tenant.user, type="recovery_codes", data={"seed": MfaAdapter().encrypt("a" * 80), "used_mask": 1}
    )
    Authenticator.objects.filter(pk=codes.pk).update(created_at=now - timedelta(days=2))
    delete_expired_rows()
    assert list(Session.objects.values_list("session_key", flat=True)) == [alive]
    assert list(RateWindow.objects.values_list("key", flat=True)) == ["new"]
    codes.refresh_from_db()
    assert len(codes.data["migrated_codes"]) == 9
    assert delete_expired_sessions(now=now) == 0


# ---- what a person's own pages say ---------------------------------------------------------------------


def test_sessions_are_told_in_the_zone_of_the_merchant(tenant: Tenant) -> None:
    tenant.merchant.time_zone = "Pacific/Auckland"
    tenant.merchant.save()
    tenant.admin.get(tenant.url(""))
    payer = tenant.payer()
    payer.get("/my/")
    for client in (tenant.admin, payer):
        page = client.get("/accounts/sessions/").content.decode()
        assert 'title="Pacific/Auckland"' in page
        assert "(UTC)" not in page


def test_people_change_their_own_name_and_it_is_written_down(tenant: Tenant) -> None:
    before = tenant.user.name
    assert tenant.admin.get("/accounts/name/").status_code == 200
    for wrong in ("", " \u200b ", "x" * 121):
        assert tenant.admin.post("/accounts/name/", {"name": wrong}).status_code == 422
    assert tenant.admin.post("/accounts/name/", {"name": "  Ada Ławińska "}).status_code == 302
    tenant.user.refresh_from_db()
    assert tenant.user.name == "Ada Ławińska"
    entry = AuditEntry.objects.get(action="account.renamed")
    assert (entry.user, entry.detail) == (tenant.user, f"Name: {before or 'nothing'} → Ada Ławińska")
    assert Client().post("/accounts/name/", {"name": "x"}).status_code == 302
    assert AuditEntry.objects.filter(action="account.renamed").count() == 1
