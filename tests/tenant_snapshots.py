"""A merchant's set-up made once a minute and copied in between: setting one up asks the database 150 questions.

A snapshot holds the rows that `create_tenant` left in the database and what the practice world remembered then.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.apps import apps
from django.db import connection
from django.test import Client

from merchants.models import Merchant
from sandbox.harness.sandbox_process import SandboxProcess
from tests.tenants import Tenant
from wisepay.models import User

Rows = dict[str, list[str]]
snapshots: dict[str, "Snapshot"] = {}
LIFETIME = 60.0  # seconds; its access token lives half an hour, and tests move the clock


@dataclass(frozen=True)
class Snapshot:
    """What one set-up left behind."""

    tenant: Tenant
    rows: Rows
    state: dict[str, Any]
    made_at: float


def get_or_copy_tenant(world: SandboxProcess, name: str, create: Callable[[], Tenant]) -> Tenant:
    """The tenant that `create` makes; from the second test on a copy, with the same keys and references.

    Database and practice world have to be as empty as they were at the first call.
    """
    snapshot = snapshots.get(name)
    if snapshot is None or time.monotonic() - snapshot.made_at > LIFETIME:
        before = list_rows()
        tenant = create()
        snapshots[name] = Snapshot(tenant, list_new_rows(before), world.state(), time.monotonic())
        return copy_people(tenant)
    insert_rows(snapshot.rows)
    world.restore_state(snapshot.state)
    return copy_people(snapshot.tenant)


def copy_people(tenant: Tenant) -> Tenant:
    """The tenant with objects and a browser of its own, so that no test sees what another did to them."""
    admin = Client()
    admin.cookies.load(tenant.admin.cookies.output(header=""))
    merchant, user = Merchant.objects.get(pk=tenant.merchant.pk), User.objects.get(pk=tenant.user.pk)
    return replace(tenant, merchant=merchant, user=user, admin=admin)


def list_rows() -> Rows:
    """Every row of every table, as JSON."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(model._meta.db_table for model in apps.get_models(include_auto_created=True)):
            cursor.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t')  # noqa: S608
            found[table] = [row[0] for row in cursor.fetchall()]
    return found


def list_new_rows(before: Rows) -> Rows:
    """The rows that were not there `before`."""
    new = {table: sorted(set(rows) - set(before[table])) for table, rows in list_rows().items()}
    return {table: rows for table, rows in new.items() if rows}


def insert_rows(rows: Rows) -> None:
    """Write the rows again, keys and all, in one question to the database."""
    statement = 'INSERT INTO "{0}" SELECT * FROM jsonb_populate_recordset(NULL::"{0}", %s)'
    with connection.cursor() as cursor:
        cursor.execute(
            ";".join(statement.format(table) for table in rows),
            [f"[{','.join(each)}]" for each in rows.values()],
        )
