"""Who works for a merchant and in which role: given by who has as much, written down, never without an administrator.

PCI DSS v4.0.1 asks for it: rights are assigned by who is responsible (7.2.2), reviewed (7.2.4), and those of people
who leave end at once (8.2.5). Roles made of rights are pretix's team permissions (docs.pretix.eu, User guide: Teams).
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from merchants.giving import RightsRefused
from merchants.member_invitations import invite_member
from merchants.members import LastAdmin, RoleContents, add_role, change_role, delete_role, remove_member, save_role
from merchants.models import MemberInvitation, Membership, Merchant, Notification, PayNowLink, Role
from tests.concurrency import run_concurrently
from tests.sign_in_steps import enrol_authenticator
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay import clock
from wisepay.models import AuditEntry, User

EMAIL = "sam@northwind-it.example"
PEOPLE = "configure/people/"


@pytest.fixture
def colleague(tenant: Tenant) -> Membership:
    """Somebody with the role that users were given."""
    return join(tenant, "user")


def join(tenant: Tenant, role: str, email: str = EMAIL) -> Membership:
    """Somebody more who works for the merchant."""
    user = User.objects.create_user(email, PASSWORD, name=email[:3].capitalize())
    return Membership.objects.create(merchant=tenant.merchant, user=user, role=get_role(tenant.merchant, role))


def sign_in(member: Membership) -> Client:
    """Their browser."""
    client = Client()
    client.force_login(member.user)
    return client


def path_of(tenant: Tenant, member: Membership, act: str = "") -> str:
    """Where a person's role is saved."""
    return tenant.url(f"{PEOPLE}members/{member.user.reference}{act}")


def choose(tenant: Tenant, role: str) -> dict[str, str]:
    """The form that gives this role."""
    return {"role": get_role(tenant.merchant, role).reference}


def prove(client: Client) -> None:
    """The password again, as before keys are shown."""
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})


def list_audit(tenant: Tenant) -> list[tuple[str, str, str]]:
    """Who was changed, and how."""
    rows = AuditEntry.objects.filter(merchant_id=tenant.merchant.pk, action__regex=r"^(people|roles)\.").order_by("at")
    return [(row.action, row.subject, row.detail) for row in rows]


def test_a_role_is_given_and_taken_in_words(tenant: Tenant, colleague: Membership) -> None:
    browser = sign_in(colleague)
    assert browser.get(tenant.url("payers/add")).status_code == 403
    page = tenant.admin.get(tenant.url(PEOPLE)).content.decode()
    assert EMAIL in page
    for role, status in (("bookkeeper", 200), ("reader", 403), ("reader", 403)):
        assert tenant.admin.post(path_of(tenant, colleague), choose(tenant, role)).status_code == 302
        assert browser.get(tenant.url("payers/add")).status_code == status
    assert list_audit(tenant) == [
        ("people.rights_changed", EMAIL, "Role: user → Bookkeeper"),
        ("people.rights_changed", EMAIL, "Role: Bookkeeper → Read-only"),
    ]


def test_an_administrator_is_made_after_a_fresh_proof_and_who_manages_people_is_told(
    tenant: Tenant, colleague: Membership
) -> None:
    form = choose(tenant, "admin")
    assert tenant.admin.post(path_of(tenant, colleague), form)["Location"].startswith("/accounts/reauthenticate/")
    colleague.refresh_from_db()
    assert not colleague.may("people")
    prove(tenant.admin)
    assert tenant.admin.post(path_of(tenant, colleague), form).status_code == 302
    assert Membership.objects.get(pk=colleague.pk).may("people")
    assert list_audit(tenant) == [("people.rights_changed", EMAIL, "Role: user → Administrator")]
    warning = Notification.objects.get(event="admin_added", user=tenant.user)
    assert EMAIL in warning.title


def become_reader(tenant: Tenant, admin: Membership) -> Any:
    return tenant.admin.post(path_of(tenant, admin), choose(tenant, "reader"))


def be_removed(tenant: Tenant, admin: Membership) -> Any:
    return tenant.admin.post(path_of(tenant, admin, "/remove"))


def leave(tenant: Tenant, admin: Membership) -> Any:
    return tenant.admin.post(tenant.url("my-role/leave"))


@pytest.mark.parametrize(("act", "status"), [(become_reader, 422), (be_removed, 302), (leave, 302)])
def test_the_last_administrator_who_can_sign_in_stays(
    tenant: Tenant, act: Callable[[Tenant, Membership], Any], status: int
) -> None:
    """Without such a guard a team is left that nobody leads (precogly/precogly#176)."""
    join(tenant, "books people")  # manages people, and is no administrator
    for email, state in (("gone", {"is_active": False}), ("never", {"password": "!none"})):
        member = join(tenant, "admin", f"{email}@northwind-it.example")
        User.objects.filter(pk=member.user_id).update(**state)
    last = tenant.merchant.memberships.get(user=tenant.user)
    answer = act(tenant, last)
    assert answer.status_code == status
    assert Membership.objects.get(pk=last.pk).role.kind == "administrator"
    shown = answer if status == 422 else tenant.admin.get(answer["Location"])
    assert "The last administrator stays one" in shown.content.decode()
    assert list_audit(tenant) == []


@pytest.mark.django_db(transaction=True)
def test_of_two_administrators_who_leave_at_once_one_stays(tenant: Tenant) -> None:
    join(tenant, "admin")
    members = list(tenant.merchant.memberships.order_by("pk"))
    reader = get_role(tenant.merchant, "reader")

    def go(number: int) -> bool:
        member = members[number]
        try:
            if number:
                remove_member(member, by=member, now=clock.now())
            else:
                change_role(member, role=reader, by=member, now=clock.now())
        except LastAdmin:
            return False
        return True

    assert sorted(run_concurrently(2, go)) == [False, True]
    assert tenant.merchant.memberships.filter(role__kind="administrator").count() == 1


@pytest.mark.parametrize("by_oneself", [False, True])
def test_whoever_is_removed_or_leaves_is_out_at_once(
    tenant: Tenant, colleague: Membership, *, by_oneself: bool
) -> None:
    browser, other = sign_in(colleague), sign_in(colleague)
    tenant.merchant.paynow_links.update(acts_as=colleague.user)
    browser.get(tenant.url())
    if by_oneself:
        assert other.post(tenant.url("my-role/leave")).status_code == 302
    else:
        assert tenant.admin.post(path_of(tenant, colleague, "/remove")).status_code == 302
    assert browser.get(tenant.url())["Location"].startswith("/accounts/login/")
    action = "people.left" if by_oneself else "people.removed"
    assert list_audit(tenant) == [(action, EMAIL, "Role: user → nothing")]
    assert {link.acts_as for link in PayNowLink.objects.filter(merchant=tenant.merchant)} == {tenant.user}


@pytest.mark.parametrize("role", ["", "owner", "admin\0", "ADMIN", "another merchant's"])
def test_a_role_that_nobody_has_is_refused_at_its_field(
    tenant: Tenant, stranger: Tenant, colleague: Membership, role: str
) -> None:
    value = get_role(stranger.merchant, "admin").reference if role.startswith("another") else role
    answer = tenant.admin.post(path_of(tenant, colleague), {"role": value})
    assert answer.status_code == 422
    assert f'id="id_{colleague.user.reference}_role_error"' in answer.content.decode()
    assert Membership.objects.get(pk=colleague.pk).role.name == "user"


def test_nobody_else_changes_roles(tenant: Tenant, stranger: Tenant, colleague: Membership) -> None:
    form = choose(tenant, "reader")
    for client, status in ((sign_in(colleague), 403), (stranger.admin, 404), (tenant.payer(), 404)):
        for act in ("", "/remove"):
            assert client.post(path_of(tenant, colleague, act), form).status_code == status
    elsewhere = stranger.url(f"{PEOPLE}members/{colleague.user.reference}")
    assert stranger.admin.post(elsewhere, form).status_code == 404
    assert Membership.objects.get(pk=colleague.pk).role.name == "user"


def test_the_database_gives_nobody_a_role_of_another_merchant(tenant: Tenant, stranger: Tenant) -> None:
    tenant.merchant.memberships.update(role=get_role(stranger.merchant, "admin"))
    with pytest.raises(IntegrityError, match="role_of_the_same_merchant"), transaction.atomic():
        connection.check_constraints()
    tenant.merchant.memberships.update(role=get_role(tenant.merchant, "admin"))


def save(client: Client, tenant: Tenant, tail: str, **fields: Any) -> Any:
    """Send the form of a role."""
    return client.post(tenant.url(f"{PEOPLE}roles/{tail}"), {"name": "Clerk", "rights": ["books"], **fields})


def test_an_own_role_is_made_changed_and_deleted_once_nobody_has_it(tenant: Tenant) -> None:
    assert save(tenant.admin, tenant, "new").status_code == 302
    role = Role.objects.get(name="Clerk")
    assert role.rights == {"see", "books"}
    member = join(tenant, "user")
    member.role = role
    member.save()
    assert sign_in(member).get(tenant.url("reconciliation/")).status_code == 200
    prove(tenant.admin)
    changed = save(tenant.admin, tenant, role.reference, rights=["refund"], refund_limit="1,500.00")
    assert changed.status_code == 302
    role.refresh_from_db()
    assert (sorted(role.rights), role.refund_limit) == (["refund", "see"], 150_000)
    assert sign_in(member).get(tenant.url("reconciliation/")).status_code == 403
    delete = tenant.url(f"{PEOPLE}roles/{role.reference}/delete")
    shown = tenant.admin.get(tenant.admin.post(delete)["Location"]).content.decode()
    assert "Give them another role first" in shown
    remove_member(member, by=None, now=clock.now())
    tenant.admin.post(delete)
    assert not Role.objects.filter(name="Clerk").exists()
    assert [row[:2] for row in list_audit(tenant)] == [
        ("roles.created", "Clerk"),
        ("roles.changed", "Clerk"),
        ("roles.deleted", "Clerk"),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "required"),
        ({"name": "bookKEEPER"}, "called bookKEEPER already"),
        ({"rights": ["everything"]}, "not one of the available"),
        ({"refund_limit": "500"}, "Only a role with the right Refund"),
        ({"rights": ["refund"], "refund_limit": "0"}, "more than 0"),
        ({"rights": ["refund"], "refund_limit": "6,95"}, "a point before the decimals"),
    ],
)
def test_a_role_that_makes_no_sense_is_refused_in_words(tenant: Tenant, fields: dict[str, Any], words: str) -> None:
    prove(tenant.admin)
    answer = save(tenant.admin, tenant, "new", **fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Role.objects.filter(kind="own").exists()


def test_nobody_gives_or_takes_what_they_do_not_have(tenant: Tenant, colleague: Membership) -> None:
    """Else the right to manage people were every right (BookStackApp/BookStack#2105, formbricks/formbricks#4890)."""
    member = join(tenant, "people refund books", "pam@northwind-it.example")
    Role.objects.filter(pk=member.role_id).update(refund_limit=10_000)
    boss, admin = sign_in(member), tenant.merchant.memberships.get(user=tenant.user)
    prove(boss)
    for form in (choose(tenant, "admin"), choose(tenant, "settings")):
        assert boss.post(path_of(tenant, colleague), form).status_code == 422
        assert boss.post(tenant.url(f"{PEOPLE}invite"), {"email": "x@y.example", **form}).status_code == 422
    assert boss.post(path_of(tenant, admin), choose(tenant, "reader")).status_code == 422
    boss.post(path_of(tenant, admin, "/remove"))
    for fields in ({"rights": ["settings"]}, {"rights": ["refund"]}, {"rights": ["refund"], "refund_limit": "100.01"}):
        assert save(boss, tenant, "new", **fields).status_code == 422
    assert save(boss, tenant, "new", rights=["refund"], refund_limit="100").status_code == 302
    assert tenant.merchant.memberships.get(user=tenant.user).role.kind == "administrator"


def test_nobody_takes_their_own_right_to_manage_people_away_with_their_role(tenant: Tenant) -> None:
    member = join(tenant, "people books")
    answer = save(sign_in(member), tenant, member.role.reference, rights=["books"])
    assert answer.status_code == 422
    assert "you would no longer manage people" in answer.content.decode()
    assert Membership.objects.get(pk=member.pk).may("people")


@pytest.mark.parametrize(
    ("before", "after", "is_asked"),
    [
        ({"rights": ["books"]}, {"rights": ["books", "refund"]}, True),
        ({"rights": ["refund"], "refund_limit": "100"}, {"rights": ["refund"], "refund_limit": "100.01"}, True),
        ({"rights": ["refund"], "refund_limit": "100"}, {"rights": ["refund"]}, True),
        ({"rights": ["people"], "requires_second_factor": "on"}, {"rights": ["people"]}, True),
        ({"rights": ["refund"]}, {"rights": ["refund"], "refund_limit": "100"}, False),
        ({"rights": ["refund", "books"]}, {"rights": ["books", "everyday"]}, False),
        ({"rights": ["books"], "requires_second_factor": "on"}, {"rights": ["books"]}, False),
    ],
)
def test_a_role_is_made_stronger_after_a_fresh_proof(
    tenant: Tenant, before: dict[str, Any], after: dict[str, Any], *, is_asked: bool
) -> None:
    prove(tenant.admin)
    save(tenant.admin, tenant, "new", **before)
    stale = Client()
    stale.force_login(tenant.user)
    answer = save(stale, tenant, Role.objects.get(name="Clerk").reference, **after)
    assert answer["Location"].startswith("/accounts/reauthenticate/") is is_asked


class Meanwhile:
    """What somebody has on their page, while another person takes it away: they act on what they read before."""

    def __init__(self, tenant: Tenant) -> None:
        self.merchant, self.now = tenant.merchant, clock.now()
        self.by = tenant.merchant.memberships.select_related("role", "user", "merchant").get(user=tenant.user)
        self.other, self.role = join(tenant, "user"), get_role(tenant.merchant, "books")
        self.contents = RoleContents("Clerk", frozenset({"see"}), None, requires_second_factor=False)

    def list_all(self) -> list[Any]:
        """The people, the roles and the invitations, as they stand."""
        kinds = (Membership, Role, MemberInvitation)
        return [list(kind._base_manager.order_by("pk").values()) for kind in kinds]


def lose_the_right(m: Meanwhile) -> None:
    Membership.objects.filter(pk=m.by.pk).update(role=get_role(m.merchant, "reader"))


def lose_the_other(m: Meanwhile) -> None:
    Membership.objects.filter(pk=m.other.pk).delete()


def lose_the_role(m: Meanwhile) -> None:
    Role.objects.filter(pk=m.role.pk).delete()


MEANWHILE: dict[str, tuple[Callable[[Meanwhile], None], Callable[[Meanwhile], Any]]] = {
    "a role is given without the right": (
        lose_the_right,
        lambda m: change_role(m.other, role=m.role, by=m.by, now=m.now),
    ),
    "somebody is removed without the right": (lose_the_right, lambda m: remove_member(m.other, by=m.by, now=m.now)),
    "somebody is invited without the right": (
        lose_the_right,
        lambda m: invite_member(m.merchant, email="x@y.example", role=m.role, by=m.by.user, now=m.now),
    ),
    "a role is made without the right": (lose_the_right, lambda m: add_role(m.merchant, m.contents, by=m.by)),
    "a role is saved without the right": (lose_the_right, lambda m: save_role(m.role, m.contents, by=m.by, now=m.now)),
    "a role is deleted without the right": (lose_the_right, lambda m: delete_role(m.role, by=m.by)),
    "a role is given to nobody": (lose_the_other, lambda m: change_role(m.other, role=m.role, by=m.by, now=m.now)),
    "somebody is removed twice": (lose_the_other, lambda m: remove_member(m.other, by=m.by, now=m.now)),
    "somebody leaves who was removed": (lose_the_other, lambda m: remove_member(m.other, by=m.other, now=m.now)),
    "no role is given": (lose_the_role, lambda m: change_role(m.other, role=m.role, by=m.by, now=m.now)),
    "somebody is invited to no role": (
        lose_the_role,
        lambda m: invite_member(m.merchant, email="x@y.example", role=m.role, by=m.by.user, now=m.now),
    ),
    "no role is saved": (lose_the_role, lambda m: save_role(m.role, m.contents, by=m.by, now=m.now)),
    "a role is deleted twice": (lose_the_role, lambda m: delete_role(m.role, by=m.by)),
}


@pytest.mark.parametrize("name", MEANWHILE)
def test_what_was_taken_away_meanwhile_is_refused_in_words(tenant: Tenant, name: str) -> None:
    """Two who manage people at once, as in precogly/precogly#176: the second hears what the first did."""
    meanwhile = Meanwhile(tenant)
    lose, act = MEANWHILE[name]
    lose(meanwhile)
    before = meanwhile.list_all()
    with pytest.raises(RightsRefused, match=r"any more|meanwhile"):
        act(meanwhile)
    assert meanwhile.list_all() == before


def test_invitations_of_a_role_that_manages_people_no_more_are_withdrawn(tenant: Tenant) -> None:
    member, reader = join(tenant, "people books"), get_role(tenant.merchant, "reader")
    invite_member(tenant.merchant, email="x@y.example", role=reader, by=member.user, now=clock.now())
    assert save(tenant.admin, tenant, member.role.reference, rights=["books", "everyday"]).status_code == 302
    assert MemberInvitation.objects.get().withdrawn_at


def test_a_role_that_requires_a_second_factor_opens_nothing_without_one(tenant: Tenant, colleague: Membership) -> None:
    """As organisations ask for it (CartoDB/cartodb#14338): led to setting it up, and nothing else opens until then."""
    browser = sign_in(colleague)
    fields = {"name": "user", "rights": ["everyday"], "requires_second_factor": "on"}
    assert save(tenant.admin, tenant, colleague.role.reference, **fields).status_code == 302
    where = tenant.url("second-factor")
    answer = browser.get(tenant.url("payments/"))
    assert answer["Location"].startswith(where)
    assert "requires an authenticator app" in browser.get(answer["Location"]).content.decode()
    assert browser.post(tenant.url("postings/retry"))["Location"] == where
    assert browser.get(tenant.url("notifications/bell"), headers={"HX-Request": "true"})["HX-Redirect"] == where
    enrol_authenticator(colleague.user)
    assert browser.get(answer["Location"])["Location"] == tenant.url("payments/")
    assert browser.get(tenant.url("payments/")).status_code == 200


@pytest.mark.parametrize("months", [0, 11, 241])
def test_the_database_holds_how_long_the_audit_log_is_stored(tenant: Tenant, months: int) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Merchant.objects.filter(pk=tenant.merchant.pk).update(keeps_audit_months=months)
