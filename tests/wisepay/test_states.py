"""States: only named steps happen, each is written down, and the database knows no other word."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection
from django.db.models import Model
from django_subatomic.db import transaction

from connections.models import Connection
from merchants.models import Merchant
from tests.tenants import Checkout, Tenant
from wisepay.states import IllegalTransition, StateChange, Stateful

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TOKENS = {"refresh_token": "r", "organisation_id": "o"}


@pytest.fixture
def row(db: None) -> Connection:
    """A stateful row that has not moved yet."""
    merchant = Merchant.objects.create(name="Northwind IT")
    return Connection.objects.create(merchant=merchant, tier="wise_pay", state="never", state_at=NOW)


def move(row: Connection, state: str, **changes: Any) -> bool:
    """Move the row in a transaction of its own."""
    with transaction():
        return row.move_to(state, **changes)


def test_a_step_moves_the_row_and_is_written_down(row: Connection) -> None:
    later = NOW + timedelta(minutes=1)
    assert move(row, "connected", now=later, by="somebody", reason="asked to", **TOKENS) is True
    fresh = Connection.objects.get(pk=row.pk)
    for seen in (row, fresh):
        assert (seen.state, seen.state_at, seen.organisation_id) == ("connected", later, "o")
    [step] = row.list_state_changes()
    assert (step.from_state, step.to_state, step.by, step.reason, step.at) == (
        "never",
        "connected",
        "somebody",
        "asked to",
        later,
    )


def test_a_step_to_where_the_row_already_is_changes_nothing(row: Connection) -> None:
    move(row, "connected", now=NOW, by="first", **TOKENS)
    assert move(row, "connected", now=NOW + timedelta(days=1), by="second", organisation_id="other") is False
    row.refresh_from_db()
    assert (row.state_at, row.organisation_id, row.list_state_changes().count()) == (NOW, "o", 1)


@pytest.mark.parametrize("state", ["broken", "disconnected", "nonsense"])
def test_a_step_that_no_table_names_is_illegal(row: Connection, state: str) -> None:
    with pytest.raises(IllegalTransition, match=f"never does not lead to {state}"):
        move(row, state, now=NOW, by="somebody")
    row.refresh_from_db()
    assert (row.state, StateChange.objects.count()) == ("never", 0)


def test_the_row_of_the_database_counts_and_not_the_callers_copy(row: Connection) -> None:
    stale = Connection.objects.get(pk=row.pk)
    move(row, "connected", now=NOW, by="first", **TOKENS)
    move(row, "disconnected", now=NOW, by="first")
    with pytest.raises(IllegalTransition, match="disconnected does not lead to broken"):
        move(stale, "broken", now=NOW, by="second")


@pytest.mark.django_db(transaction=True)
def test_a_state_moves_only_inside_a_transaction(row: Connection) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011 (the library keeps its class private)
        row.move_to("connected", now=NOW, by="somebody", **TOKENS)
    assert "MissingRequiredTransaction" in type(refused.value).__name__


@pytest.mark.django_db(transaction=True)
def test_a_step_that_is_rolled_back_leaves_no_history(row: Connection) -> None:
    with suppress(RuntimeError), transaction():
        row.move_to("connected", now=NOW, by="somebody", **TOKENS)
        raise RuntimeError
    assert StateChange.objects.count() == 0
    assert Connection.objects.get(pk=row.pk).state == "never"


def test_many_rows_move_at_once_where_their_state_leads_there_and_others_stay(row: Connection) -> None:
    other = Connection.objects.create(merchant=row.merchant, tier="company", state="never", state_at=NOW)
    move(other, "connected", now=NOW, by="first", **TOKENS)
    later = NOW + timedelta(minutes=1)
    reasons = {row.pk: "never connected", other.pk: "broke", other.pk + 1: "is not there"}
    with transaction():
        [moved] = Connection.move_all_to(reasons, "broken", now=later, by="somebody")
    other.refresh_from_db()
    row.refresh_from_db()
    assert (moved, other.state, other.state_at, row.state) == (other, "broken", later, "never")
    [_, step] = other.list_state_changes()
    assert (step.from_state, step.to_state, step.by, step.reason) == ("connected", "broken", "somebody", "broke")


def test_the_database_refuses_a_state_that_no_table_names(tenant: Tenant, checkout: Checkout) -> None:
    checkout.pay()
    kinds = [model for model in apps.get_models() if issubclass(model, Stateful)]
    assert {model.__name__ for model in kinds} >= {"Connection", "Payment", "Attempt", "Quote", "Posting", "CreditNote"}
    for model in kinds:
        with pytest.raises(IntegrityError, match="violates check constraint"), transaction():
            write_state(model)


def write_state(model: type[Model]) -> None:
    """Write a state that no table names into a row, without Python's help."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
        if not cursor.fetchone()[0]:
            # The CHECK stands in the table's definition even while it holds no row.
            cursor.execute(
                "SELECT count(*) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c' "
                "AND pg_get_constraintdef(oid) LIKE '%%(state)%%'",
                [table],
            )
            assert cursor.fetchone()[0], f"{table} has no CHECK on its state"
            raise IntegrityError("violates check constraint")
        cursor.execute(f"UPDATE {table} SET state = 'nonsense'")  # noqa: S608


def test_every_state_of_a_table_can_be_reached_or_begins_it() -> None:
    for model in [model for model in apps.get_models() if issubclass(model, Stateful)]:
        assert set(model.TRANSITIONS) <= set(model.list_states())
        assert all(len(state) <= 20 for state in model.list_states())
