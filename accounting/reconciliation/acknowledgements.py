"""Differences that somebody knows of: who said so, when and why, for as long as the difference stays what it was."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django import forms
from django.core import signing
from django.db.models import Q, QuerySet
from django_subatomic.db import transaction

from accounting.models import Acknowledgement
from accounting.reconciliation.differences import AcknowledgementSummary, Difference
from merchants.models import Merchant
from wisepay.models import User

SALT = "accounting.difference"
MAX_REASON_LENGTH = 300


class AcknowledgementForm(forms.Form):
    """Why a difference is known; `shown` is what `shown_as` made of it."""

    shown = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(max_length=MAX_REASON_LENGTH)


def sign_difference(merchant: Merchant, row: Difference) -> str:
    """A difference as a page shows it, signed: what comes back with a reason is what a person saw."""
    said = {
        "content_hash": row.content_hash,
        "identity_hash": row.identity_hash,
        "kind": row.kind.value,
        "subject": row.subject[:255],
        "sentence": row.sentence,
        "amount": row.gap.amount,
        "currency": row.gap.currency,
        "on": row.day.isoformat(),
    }
    return signing.dumps([merchant.pk, said], salt=SALT, compress=True)


def record_acknowledgement(merchant: Merchant, *, shown: str, reason: str, by: User, now: datetime) -> Acknowledgement:
    """Write down that a difference is known. Somebody's earlier word about the same stays. Raises BadSignature."""
    whose, said = signing.loads(shown, salt=SALT)
    if whose != merchant.pk:
        raise signing.BadSignature("another merchant's")
    fresh: dict[str, Any] = said | {"on": date.fromisoformat(said["on"])}
    content_hash = fresh.pop("content_hash")
    fresh |= {"reason": reason[:MAX_REASON_LENGTH], "acknowledged_by": by, "acknowledged_at": now}
    with transaction():
        words = Acknowledgement.objects
        return words.get_or_create(merchant=merchant, content_hash=content_hash, retracted_at=None, defaults=fresh)[0]


def retract_acknowledgement(acknowledgement: Acknowledgement, *, by: User, now: datetime) -> bool:
    """The difference counts as open again. False when it did already."""
    with transaction():
        return bool(
            list_active_acknowledgements(acknowledgement.merchant)
            .filter(pk=acknowledgement.pk)
            .update(retracted_at=now, retracted_by=by)
        )


def list_active_acknowledgements(merchant: Merchant) -> "QuerySet[Acknowledgement]":
    """The words that nobody took back."""
    return Acknowledgement.objects.filter(merchant=merchant, retracted_at=None)


def add_acknowledgements(merchant: Merchant, rows: Sequence[Difference]) -> list[Difference]:
    """Differences with what people said of them, as they are and as they were before. One statement."""
    now_there = {row.content_hash for row in rows}
    asked = Q(content_hash__in=now_there) | Q(identity_hash__in={row.identity_hash for row in rows})
    words = (
        list_active_acknowledgements(merchant).filter(asked).select_related("acknowledged_by").order_by("pk")
        if rows
        else []
    )
    known = {word.content_hash: word for word in words}
    before = {word.identity_hash: word for word in words if word.content_hash not in now_there}
    return [
        replace(
            row,
            known=build_summary(known.get(row.content_hash)),
            known_before=None if row.content_hash in known else build_summary(before.get(row.identity_hash)),
        )
        for row in rows
    ]


def build_summary(acknowledgement: Acknowledgement | None) -> AcknowledgementSummary | None:
    """A word as the pages say it."""
    if acknowledgement is None:
        return None
    return AcknowledgementSummary(
        acknowledgement.reference,
        str(acknowledgement.acknowledged_by),
        acknowledgement.acknowledged_at,
        acknowledgement.reason,
        acknowledgement.sentence,
    )
