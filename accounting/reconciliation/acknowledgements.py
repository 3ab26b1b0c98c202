"""Acknowledge differences: who, when and why. An acknowledgement counts until its difference changes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet
from django_subatomic.db import transaction

from accounting.models import Acknowledgement
from accounting.reconciliation.differences import AcknowledgementSummary, Difference
from merchants.models import Merchant
from wisepay.models import User

SALT = "accounting.difference"
MAX_REASON_LENGTH = 300


def sign_difference(merchant: Merchant, row: Difference) -> str:
    """Return a difference as a page shows it, signed, so that a person acknowledges what they saw."""
    shown = {
        "content_hash": row.content_hash,
        "identity_hash": row.identity_hash,
        "kind": row.kind.value,
        "subject": row.subject[:255],
        "description": row.description,
        "amount": row.gap.amount,
        "currency": row.gap.currency,
        "on": row.day.isoformat(),
    }
    return signing.dumps([merchant.pk, shown], salt=SALT, compress=True)


def record_acknowledgement(merchant: Merchant, *, shown: str, reason: str, by: User, now: datetime) -> Acknowledgement:
    """Record that a difference is known; an earlier acknowledgement of the same stays. Raises BadSignature."""
    merchant_id, fields = signing.loads(shown, salt=SALT)
    if merchant_id != merchant.pk:
        raise signing.BadSignature("another merchant's")
    defaults: dict[str, Any] = fields | {"on": date.fromisoformat(fields["on"])}
    content_hash = defaults.pop("content_hash")
    defaults |= {"reason": reason[:MAX_REASON_LENGTH], "acknowledged_by": by, "acknowledged_at": now}
    with transaction():
        return Acknowledgement.objects.get_or_create(
            merchant=merchant, content_hash=content_hash, retracted_at=None, defaults=defaults
        )[0]


def retract_acknowledgement(acknowledgement: Acknowledgement, *, by: User, now: datetime) -> bool:
    """Count the difference as open again. Returns False when it already was."""
    with transaction():
        return bool(
            list_active_acknowledgements(acknowledgement.merchant)
            .filter(pk=acknowledgement.pk)
            .update(retracted_at=now, retracted_by=by)
        )


def list_active_acknowledgements(merchant: Merchant) -> "QuerySet[Acknowledgement]":
    """Return the acknowledgements that are not retracted."""
    return Acknowledgement.objects.filter(merchant=merchant, retracted_at=None)


def add_acknowledgements(merchant: Merchant, rows: Sequence[Difference]) -> list[Difference]:
    """Return the differences with their acknowledgements, also those of before they changed. One query."""
    current = {row.content_hash for row in rows}
    condition = Q(content_hash__in=current) | Q(identity_hash__in={row.identity_hash for row in rows})
    acknowledgements = (
        list_active_acknowledgements(merchant).filter(condition).select_related("acknowledged_by").order_by("pk")
        if rows
        else []
    )
    known = {each.content_hash: each for each in acknowledgements}
    before = {each.identity_hash: each for each in acknowledgements if each.content_hash not in current}
    return [
        replace(
            row,
            known=build_summary(known.get(row.content_hash)),
            known_before=None if row.content_hash in known else build_summary(before.get(row.identity_hash)),
        )
        for row in rows
    ]


def build_summary(acknowledgement: Acknowledgement | None) -> AcknowledgementSummary | None:
    """Return an acknowledgement as pages show it."""
    if acknowledgement is None:
        return None
    return AcknowledgementSummary(
        acknowledgement.reference,
        str(acknowledgement.acknowledged_by),
        acknowledgement.acknowledged_at,
        acknowledgement.reason,
        acknowledgement.description,
    )
