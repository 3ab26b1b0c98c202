"""Differences that somebody knows of: who said so, when and why, for as long as the difference stays what it was."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django import forms
from django.core import signing
from django.db import transaction
from django.db.models import Q, QuerySet

from accounting.models import Acknowledgement
from accounting.reconciliation.words import Difference, Known
from merchants.models import Merchant
from wisepay.models import User

SALT = "accounting.difference"
LONGEST = 300


class ReasonForm(forms.Form):
    """Why a difference is known; `shown` is what `shown_as` made of it."""

    shown = forms.CharField(widget=forms.HiddenInput)
    because = forms.CharField(max_length=LONGEST)


def shown_as(merchant: Merchant, row: Difference) -> str:
    """A difference as a page shows it, signed: what comes back with a reason is what a person saw."""
    said = {
        "mark": row.mark,
        "about": row.about,
        "kind": row.kind.value,
        "subject": row.subject[:255],
        "sentence": row.sentence,
        "amount": row.gap.amount,
        "currency": row.gap.currency,
        "on": row.day.isoformat(),
    }
    return signing.dumps([merchant.pk, said], salt=SALT, compress=True)


def acknowledge(merchant: Merchant, *, shown: str, because: str, by: User, now: datetime) -> Acknowledgement:
    """Write down that a difference is known. Somebody's earlier word about the same stays. Raises BadSignature."""
    whose, said = signing.loads(shown, salt=SALT)
    if whose != merchant.pk:
        raise signing.BadSignature("another merchant's")
    fresh: dict[str, Any] = said | {"on": date.fromisoformat(said["on"])}
    mark = fresh.pop("mark")
    fresh |= {"because": because[:LONGEST], "said_by": by, "said_at": now}
    with transaction.atomic(durable=True):
        words = Acknowledgement.objects
        return words.get_or_create(merchant=merchant, mark=mark, taken_back_at=None, defaults=fresh)[0]


def take_back(word: Acknowledgement, *, by: User, now: datetime) -> bool:
    """The difference counts as open again. False when it did already."""
    with transaction.atomic(durable=True):
        return bool(standing(word.merchant).filter(pk=word.pk).update(taken_back_at=now, taken_back_by=by))


def standing(merchant: Merchant) -> "QuerySet[Acknowledgement]":
    """The words that nobody took back."""
    return Acknowledgement.objects.filter(merchant=merchant, taken_back_at=None)


def with_words(merchant: Merchant, rows: Sequence[Difference]) -> list[Difference]:
    """Differences with what people said of them, as they are and as they were before. One statement."""
    now_there = {row.mark for row in rows}
    asked = Q(mark__in=now_there) | Q(about__in={row.about for row in rows})
    words = standing(merchant).filter(asked).select_related("said_by").order_by("pk") if rows else []
    known = {word.mark: word for word in words}
    before = {word.about: word for word in words if word.mark not in now_there}
    return [
        replace(
            row,
            known=told(known.get(row.mark)),
            was=None if row.mark in known else told(before.get(row.about)),
        )
        for row in rows
    ]


def told(word: Acknowledgement | None) -> Known | None:
    """A word as the pages say it."""
    if word is None:
        return None
    return Known(word.reference, str(word.said_by), word.said_at, word.because, word.sentence)
