"""Writing what planning decided, in a few statements each; every row is changed only if it is still as it was read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django_subatomic.db import transaction_required

from accounting.autopay.decision_context import PlanningInput
from accounting.autopay.decisions import ChargePlan
from accounting.autopay.diff import CancelSchedule, HoldSchedule, UpdateSchedule
from accounting.autopay.payment import cancel_payment
from accounting.models import ScheduledPayment
from merchants.models import Merchant
from wisepay.models import StateChange
from wisepay.references import new_references

ACTOR = "planning"
SUBJECT = ScheduledPayment._meta.label_lower

# The names of the columns that have no default in the database are all here; the unique index of live ones decides.
CREATE_SQL = """
INSERT INTO accounting_scheduledpayment (
    merchant_id, state_at, created_at, tries, presentations, resolution,
    reference, company_id, invoice_id, mapping_id, method_id, amount, run_at, reason, state
)
SELECT %s, %s, %s, 0, 0, '', v.*
FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[],
            %s::text[], %s::text[]) AS v
ON CONFLICT DO NOTHING
"""
UPDATE_SQL = """
UPDATE accounting_scheduledpayment s
SET amount = v.amount, run_at = v.run_at, mapping_id = v.mapping_id, method_id = v.method_id, reason = v.reason
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::text[])
    AS v(id, was, amount, run_at, mapping_id, method_id, reason)
WHERE s.id = v.id AND s.amount = v.was AND s.state IN ('scheduled', 'held')
"""
UPDATE_STATE_SQL = """
WITH was AS (
    SELECT s.id, s.state, s.payment_id, v.reason
    FROM accounting_scheduledpayment s JOIN unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS v(id, reason)
        ON v.id = s.id
    WHERE s.state = ANY(%(sources)s) ORDER BY s.id FOR UPDATE OF s
)
UPDATE accounting_scheduledpayment s SET state = %(state)s, state_at = %(now)s, reason = was.reason
FROM was WHERE s.id = was.id RETURNING s.id, was.state, was.payment_id, was.reason
"""


@transaction_required
def create_scheduled_payments(
    merchant: Merchant, plans: Sequence[tuple[PlanningInput, ChargePlan]], *, now: datetime
) -> int:
    """Schedule these; an invoice that was scheduled meanwhile is left as it is."""
    if not plans:
        return 0
    references = new_references(len(plans))
    columns = zip(
        *(
            (
                reference,
                read.invoice.company_id,
                read.invoice.id,
                plan.mapping_id,
                plan.method_id,
                plan.amount,
                plan.run_at,
                (plan.hold_reason or plan.note)[:300],
                "held" if plan.hold_reason else "scheduled",
            )
            for reference, (read, plan) in zip(references, plans, strict=True)
        ),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(CREATE_SQL, [merchant.pk, now, now, *map(list, columns)])
        return int(cursor.rowcount)


@transaction_required
def update_scheduled_payments(changes: Sequence[UpdateSchedule]) -> int:
    """Change amounts, instants, mappings and methods."""
    if not changes:
        return 0
    columns = zip(
        *((c.id, c.previous_amount, c.amount, c.run_at, c.mapping_id, c.method_id, c.reason[:300]) for c in changes),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_SQL, [list(column) for column in columns])
        return int(cursor.rowcount)


@transaction_required
def cancel_scheduled_payments(changes: Sequence[CancelSchedule], *, now: datetime) -> int:
    """End these before they are charged, with the payments that were promised for them."""
    moved = update_states([(c.id, c.reason) for c in changes], "cancelled", sources=["scheduled", "held"], now=now)
    for payment_id in sorted(payment_id for _, payment_id in moved if payment_id is not None):
        cancel_payment(payment_id, now=now)
    return len(moved)


@transaction_required
def hold_scheduled_payments(changes: Sequence[HoldSchedule], *, now: datetime) -> int:
    """Let these wait for a person."""
    return len(update_states([(c.id, c.reason) for c in changes], "held", sources=["scheduled"], now=now))


def update_states(
    rows: Sequence[tuple[int, str]], state: str, *, sources: list[str], now: datetime
) -> list[tuple[int, int | None]]:
    """Move those that are still in one of the states, and write the steps down; answers id and payment of each."""
    if not rows:
        return []
    asked: dict[str, Any] = {
        "ids": [pk for pk, _ in rows],
        "reasons": [reason[:300] for _, reason in rows],
        "sources": sources,
        "state": state,
        "now": now,
    }
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_STATE_SQL, asked)
        moved = cursor.fetchall()
    StateChange.objects.bulk_create(
        StateChange(subject=SUBJECT, subject_id=pk, from_state=was, to_state=state, reason=reason, by=ACTOR, at=now)
        for pk, was, _, reason in moved
    )
    return [(pk, payment_id) for pk, _, payment_id, _ in moved]
