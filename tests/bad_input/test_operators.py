"""Every page of the operators' admin with every bad value: never a failure, always words, nothing half stored.

Filters and addresses that no query can take fail in many products: baserow/baserow#2492, wagtail/wagtail#12072.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from merchants.member_invitations import invite_member
from merchants.models import MemberInvitation, Membership, Role
from tests.bad_input.cases import Case, Fields
from tests.bad_input.scene import Scene
from tests.bad_input.trials import PageTrial, draw
from tests.bad_input.values import PATH_TEXTS
from tests.merchants.test_access import Page
from tests.sign_in_steps import enrol_authenticator
from tests.tenant_snapshots import list_rows
from tests.tenants import PASSWORD, Tenant, get_role
from wisepay import clock, outbox
from wisepay.models import OutboxMessage, PageFinding, StateChange, User
from wisepay.page_findings import record_page_finding

DRAWN = 12  # requests to each page in a usual run
OF_DJANGO = (
    "q",
    "p",
    "o",
    "e",
    "all",
    "_facets",
    "_popup",
    "_to_field",
    "_changelist_filters",
    "pk__in",
    "no__such",
)
LOOKUPS = ("", "__exact", "__gte", "__isnull", "__in", "__regex")


@dataclass
class OperatorTrial(PageTrial):
    """One address of the admin, asked by an operator."""

    address: str = ""
    operator: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.cookies = self.operator.cookies.output(header="")

    @property
    def path(self) -> str:
        return self.address


@pytest.fixture
def operator(db: None) -> Client:
    """An operator's browser."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("operator@example.com", PASSWORD))
    return client


@pytest.fixture
def rows(tenant: Tenant) -> dict[type[models.Model], models.Model]:
    """One row of everything that operators see."""
    now, user = clock.now(), tenant.user
    enrol_authenticator(user)
    SocialAccount.objects.create(user=user, provider="xero", uid="someone")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    outbox.enqueue("dead", "payments.email_receipt", payment_id=0)
    record_page_finding(source="browser", rule="img-src", subject="https://x.example", page="", now=now)
    tenant.open_checkout().pay()
    invite_member(tenant.merchant, email="x@y.example", role=get_role(tenant.merchant, "reader"), by=user, now=now)
    people = (User, Membership, Role, MemberInvitation, EmailAddress, Authenticator, SocialAccount)
    found = {kind: kind._default_manager.first() for kind in (*people, OutboxMessage, StateChange, PageFinding)}
    return {kind: row for kind, row in found.items() if row is not None}


def list_addresses(row: models.Model) -> Iterator[tuple[str, str]]:
    """The pages about a row: what each is, and its address."""
    name = f"{row._meta.app_label}_{row._meta.model_name}"
    for act in ("changelist", "add"):
        yield act, reverse(f"admin:{name}_{act}")
    for act in ("change", "delete", "history"):
        yield act, reverse(f"admin:{name}_{act}", args=[row.pk])


def read_form(operator: Client, address: str) -> dict[str, Any]:
    """The form that a page shows, as its own button would send it."""
    answer = operator.get(address)
    found = answer.context.get("adminform") if answer.status_code == 200 and answer.context else None
    if found is None or not found.form.fields:
        return {}
    values = {name: found.form[name].value() for name in found.form.fields}
    return {name: "on" if value is True else value for name, value in values.items() if value not in (None, False)}


def list_query(row: models.Model) -> dict[str, str]:
    """Everything that a list's address may hold."""
    kept = [str(one) for one in admin.site.get_model_admin(type(row)).list_filter]
    return dict.fromkeys([*OF_DJANGO, *(f"{name}{how}" for name, how in product([*kept, "id"], LOOKUPS))], "1")


def list_list_forms(row: models.Model) -> dict[str, str]:
    """What the form of a list's actions sends."""
    return {"action": "delete_selected", "_selected_action": str(row.pk), "select_across": "0", "index": "0"}


def answer_always(values: Fields, _: Scene) -> Fields:
    """These fields, whatever the scene."""
    return values


def make_trials(
    operator: Client, row: models.Model, scene: Scene, baseline: dict[str, list[str]]
) -> Iterator[OperatorTrial]:
    """A trial of each page about a row."""
    for act, address in list_addresses(row):
        fixed: dict[str, Fields] = {"changelist": list_list_forms(row), "delete": {"post": "yes"}, "history": {}}
        form = fixed[act] if act in fixed else read_form(operator, address)
        query = list_query(row) if act == "changelist" else {"_popup": "1", "_to_field": "id"}
        case = Case(
            who="operator", form=partial(answer_always, form) if form else None, query=partial(answer_always, query),
            is_quiet=True,
        )  # fmt: skip
        page = Page(f"{row._meta.label} {act}", address, ())
        yield OperatorTrial(page, case, scene, scene, baseline, address, operator)


def test_every_class_of_the_admin_is_walked(rows: dict[type[models.Model], models.Model]) -> None:
    assert set(admin.site._registry) == set(rows)


def test_no_field_of_an_operators_page_takes_what_nobody_means(
    operator: Client, tenant: Tenant, rows: dict[type[models.Model], models.Model], request: pytest.FixtureRequest
) -> None:
    seed, baseline, found = request.config.getoption("randomly_seed", 0), list_rows(), []
    scene: Any = None  # no page of operators is about a scene's things
    for row in rows.values():
        for one in make_trials(operator, row, scene, baseline):
            for attempt in draw(list(one.list_tries()), seed=f"{seed}{one.page.name}", usual=DRAWN):
                found += one.judge(attempt)
    assert found == [], f"seed {seed}\n" + "\n".join(found)


def test_no_part_of_an_operators_address_makes_us_fail(
    operator: Client, rows: dict[type[models.Model], models.Model]
) -> None:
    for row, (label, text) in product(rows.values(), PATH_TEXTS.items()):
        for act in ("change", "delete", "history"):
            address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{act}", args=["nothing"])
            answer = operator.get(address.replace("nothing", text))
            assert answer.status_code in (302, 400, 403, 404), (row._meta.label, act, label)


AUDIT_QUERY = {
    "merchant": "1",
    "first": "2026-11-01",
    "last": "2026-11-30",
    "q": "x",
    "kind": "",
    "person": "",
    "page": "1",
}


def test_no_filter_of_the_operators_log_takes_what_nobody_means(
    operator: Client, tenant: Tenant, request: pytest.FixtureRequest
) -> None:
    scene: Any = None
    case = Case(who="operator", query=lambda _: AUDIT_QUERY | {"merchant": str(tenant.merchant.pk)}, is_quiet=True)
    page = Page("operators_audit", "operators/audit/", ())
    one = OperatorTrial(page, case, scene, scene, list_rows(), reverse("operators_audit"), operator)
    seed = request.config.getoption("randomly_seed", 0)
    found = [text for attempt in draw(list(one.list_tries()), seed=seed, usual=60) for text in one.judge(attempt)]
    assert found == [], f"seed {seed}\n" + "\n".join(found)


def test_operators_remove_factors_and_never_read_or_write_their_secrets(
    operator: Client, rows: dict[type[models.Model], models.Model]
) -> None:
    for kind in (Authenticator, SocialAccount):
        addresses = dict(list_addresses(rows[kind]))
        assert operator.get(addresses["add"]).status_code == 403
        page = operator.get(addresses["change"]).content.decode()
        assert "k1:" not in page
        assert 'name="_save"' not in page
        assert operator.post(addresses["change"], {"data": "{}"}).status_code == 403
        assert operator.post(addresses["delete"], {"post": "yes"}).status_code == 302
        assert not kind._default_manager.exists()


def test_operators_remove_people_but_the_last_administrator_and_change_no_role(
    operator: Client, tenant: Tenant, rows: dict[type[models.Model], models.Model]
) -> None:
    """Roles are given where the merchant sees it; an operator invites an administrator with a command."""
    addresses = dict(list_addresses(rows[Membership]))
    assert operator.post(addresses["change"], {"role": get_role(tenant.merchant, "reader").pk}).status_code == 403
    assert operator.post(addresses["delete"], {"post": "yes"}).status_code == 403
    second, admin_role = User.objects.create_user("second@x.example", PASSWORD), get_role(tenant.merchant, "admin")
    Membership.objects.create(merchant=tenant.merchant, user=second, role=admin_role)
    assert operator.post(addresses["delete"], {"post": "yes"}).status_code == 302
    assert [member.user for member in tenant.merchant.memberships.all()] == [second]


def test_good_forms_of_operators_are_saved(
    operator: Client, tenant: Tenant, rows: dict[type[models.Model], models.Model]
) -> None:
    for kind in (User, EmailAddress):
        address = dict(list_addresses(rows[kind]))["change"]
        assert operator.post(address, read_form(operator, address)).status_code == 302, kind
    query = urlencode({"q": tenant.user.email})
    assert tenant.user.email in operator.get(f"{reverse('admin:wisepay_user_changelist')}?{query}").content.decode()
