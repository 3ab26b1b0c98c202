"""Who works for a merchant and what they may do: changed by admins, written down, and never without an admin left.

PCI DSS v4.0.1 asks for it: rights are assigned by who is responsible (7.2.2), reviewed (7.2.4), and those of people
who leave end at once (8.2.5).
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from merchants.models import Membership, Merchant, Notification
from merchants.services import LastAdmin, delete_membership, update_membership
from tests.concurrency import run_concurrently
from tests.tenants import PASSWORD, Tenant
from wisepay import clock
from wisepay.models import AuditEntry, User

EMAIL = "sam@northwind-it.example"


@pytest.fixture
def colleague(tenant: Tenant) -> Membership:
    """Somebody with the role of a user."""
    user = User.objects.create_user(EMAIL, PASSWORD, name="Sam")
    return Membership.objects.create(merchant=tenant.merchant, user=user)


def path_of(tenant: Tenant, member: Membership, act: str = "") -> str:
    """Where a person's rights are saved."""
    return tenant.url(f"configure/merchants/people/{member.user.reference}{act}")


def prove(client: Client) -> None:
    """The password again, as before keys are shown."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})


def list_audit(tenant: Tenant) -> list[tuple[str, str, str]]:
    """Who was changed, and how."""
    rows = AuditEntry.objects.filter(merchant_id=tenant.merchant.pk, action__startswith="people.").order_by("at")
    return [(row.action, row.subject, row.detail) for row in rows]


def test_the_right_to_add_payers_is_granted_and_taken_in_words(tenant: Tenant, colleague: Membership) -> None:
    browser = Client()
    browser.force_login(colleague.user)
    assert browser.get(tenant.url("payers/add")).status_code == 403
    page = tenant.admin.get(tenant.url("configure/merchants/people")).content.decode()
    assert EMAIL in page
    assert "May add payers" in page
    saved = tenant.admin.post(path_of(tenant, colleague), {"role": "user", "may_add_payers": "on"})
    assert saved.status_code == 302
    assert browser.get(tenant.url("payers/add")).status_code == 200
    tenant.admin.post(path_of(tenant, colleague), {"role": "user"})
    assert browser.get(tenant.url("payers/add")).status_code == 403
    tenant.admin.post(path_of(tenant, colleague), {"role": "user"})
    assert list_audit(tenant) == [
        ("people.rights_changed", EMAIL, "May add payers: off → on"),
        ("people.rights_changed", EMAIL, "May add payers: on → off"),
    ]


def test_an_admin_is_made_after_a_fresh_proof_and_every_admin_is_told(tenant: Tenant, colleague: Membership) -> None:
    form = {"role": "admin"}
    assert tenant.admin.post(path_of(tenant, colleague), form)["Location"].startswith("/accounts/reauthenticate/")
    colleague.refresh_from_db()
    assert colleague.role == "user"
    prove(tenant.admin)
    assert tenant.admin.post(path_of(tenant, colleague), form).status_code == 302
    colleague.refresh_from_db()
    assert colleague.role == "admin"
    assert list_audit(tenant) == [("people.rights_changed", EMAIL, "Role: Merchant user → Merchant admin")]
    warning = Notification.objects.get(event="admin_added", user=tenant.user)
    assert EMAIL in warning.title


def be_user(tenant: Tenant, admin: Membership) -> Any:
    return tenant.admin.post(path_of(tenant, admin), {"role": "user"})


def be_removed(tenant: Tenant, admin: Membership) -> Any:
    return tenant.admin.post(path_of(tenant, admin, "/remove"))


@pytest.mark.parametrize(("act", "status"), [(be_user, 422), (be_removed, 302)])
def test_the_last_admin_stays(
    tenant: Tenant, colleague: Membership, act: Callable[[Tenant, Membership], Any], status: int
) -> None:
    last = tenant.merchant.memberships.get(user=tenant.user)
    gone = User.objects.create_user("gone@northwind-it.example", PASSWORD, is_active=False)
    Membership.objects.create(merchant=tenant.merchant, user=gone, role="admin")
    answer = act(tenant, last)
    assert answer.status_code == status
    last.refresh_from_db()
    assert last.role == "admin"
    shown = answer if status == 422 else tenant.admin.get(answer["Location"])
    assert "The last merchant admin stays one" in shown.content.decode()
    assert list_audit(tenant) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_leave_at_once_one_stays(tenant: Tenant, colleague: Membership) -> None:
    Membership.objects.filter(pk=colleague.pk).update(role="admin")
    members = list(tenant.merchant.memberships.order_by("pk"))

    def leave(number: int) -> bool:
        member = members[number]
        try:
            if number:
                delete_membership(member)
            else:
                update_membership(member, role="user", may_add_payers=False, by=member.user, now=clock.now())
        except LastAdmin:
            return False
        return True

    assert sorted(run_concurrently(2, leave)) == [False, True]
    assert tenant.merchant.memberships.filter(role="admin").count() == 1


def test_whoever_is_removed_is_out_at_once(tenant: Tenant, colleague: Membership) -> None:
    browser = Client()
    browser.force_login(colleague.user)
    browser.get(tenant.url())
    assert tenant.admin.post(path_of(tenant, colleague, "/remove")).status_code == 302
    assert browser.get(tenant.url())["Location"].startswith("/accounts/login/")
    assert list_audit(tenant) == [("people.removed", EMAIL, "Role: Merchant user → nothing")]


@pytest.mark.parametrize("role", ["", "owner", "admin\0", "ADMIN"])
def test_a_role_that_nobody_has_is_refused_at_its_field(tenant: Tenant, colleague: Membership, role: str) -> None:
    answer = tenant.admin.post(path_of(tenant, colleague), {"role": role, "may_add_payers": "on"})
    assert answer.status_code == 422
    assert f'id="id_{colleague.user.reference}_role_error"' in answer.content.decode()
    colleague.refresh_from_db()
    assert (colleague.role, colleague.may_add_payers) == ("user", False)


def test_nobody_else_changes_rights(tenant: Tenant, stranger: Tenant, colleague: Membership) -> None:
    user = Client()
    user.force_login(colleague.user)
    for client, status in ((user, 403), (stranger.admin, 404), (tenant.payer(), 404)):
        for act in ("", "/remove"):
            assert client.post(path_of(tenant, colleague, act), {"role": "admin"}).status_code == status
    elsewhere = stranger.url(f"configure/merchants/people/{colleague.user.reference}")
    assert stranger.admin.post(elsewhere, {"role": "admin"}).status_code == 404
    colleague.refresh_from_db()
    assert colleague.role == "user"


@pytest.mark.parametrize("months", [0, 11, 241])
def test_the_database_holds_how_long_the_audit_log_is_stored(tenant: Tenant, months: int) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Merchant.objects.filter(pk=tenant.merchant.pk).update(keeps_audit_months=months)
