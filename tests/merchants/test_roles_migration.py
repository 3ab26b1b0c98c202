"""Who worked for a merchant before there were roles may do exactly what they could do."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from merchants.models import Membership
from merchants.rights import ALL_RIGHTS
from tests.tenants import OWN_ROLES, PASSWORD, Tenant
from wisepay.models import User

BEFORE, AFTER = ("merchants", "0011_audit_months"), ("merchants", "0012_roles_and_invitations")


def migrate(target: tuple[str, str] | None = None) -> None:
    """Bring all tables to where this migration leaves them; without one to what they are today."""
    executor = MigrationExecutor(connection)
    executor.migrate([target] if target else executor.loader.graph.leaf_nodes())


@pytest.fixture
def _whole_again() -> Iterator[None]:
    """Whatever happens, the tables are those of today afterwards."""
    yield
    migrate()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_whole_again")
def test_admins_are_administrators_and_users_may_do_what_they_did(tenant: Tenant) -> None:
    people = {name: User.objects.create_user(f"{name.replace(' ', '-')}@x.example", PASSWORD) for name in OWN_ROLES}
    admin = tenant.merchant.roles.get(kind="administrator")
    for user in people.values():
        Membership.objects.create(merchant=tenant.merchant, user=user, role=admin)
    migrate(BEFORE)
    with connection.cursor() as cursor:
        for name, user in people.items():
            values: list[str | bool | int] = ["user", "adds" in name, user.pk]
            cursor.execute("UPDATE merchants_membership SET role = %s, may_add_payers = %s WHERE user_id = %s", values)
    migrate(AFTER)
    migrate()
    rights = {one.user_id: one.role.rights for one in Membership.objects.select_related("role")}
    assert rights == {tenant.user.pk: ALL_RIGHTS, **{user.pk: OWN_ROLES[name] for name, user in people.items()}}
    kinds = tenant.merchant.roles.exclude(kind="own").values_list("kind", flat=True)
    assert set(kinds) == {"administrator", "bookkeeper", "reader"}
