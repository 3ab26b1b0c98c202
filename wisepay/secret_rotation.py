"""Re-encrypting every stored secret with the newest key, a row at a time, while everything goes on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import models
from django.db.models import Func, Value
from django.db.models.functions import Cast, Left

from wisepay.accounts.factor_secrets import HASHED, NAMES, PURPOSE, renew_secrets
from wisepay.cursors import read_in_batches
from wisepay.secrets import (
    BOUND,
    Secret,
    SecretField,
    UndecipherableSecret,
    current_key_id,
    list_configured_key_ids,
)

BATCH = 200


@dataclass(slots=True)
class RotationReport:
    """How many secrets were re-encrypted, how many cannot be decrypted, and how many remain under which key."""

    reencrypted: int = 0
    unreadable: int = 0
    changed_meanwhile: int = 0
    remaining: Counter[str] = field(default_factory=Counter)


def list_secret_columns() -> Iterator[tuple[type[models.Model], SecretField]]:
    """List every column that holds secrets, with its model."""
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if isinstance(column, SecretField):
                yield model, column


def rotate_secrets() -> RotationReport:
    """Re-encrypt every secret that is not under the newest key; may be stopped and run again at any time.

    A row is changed only if its text is still the one that was read, so a secret that is replaced meanwhile, such as
    a refreshed token, is never overwritten.
    """
    report = RotationReport()
    for model, column in list_secret_columns():
        rotate_column(model, column, report)
    for batch in read_in_batches(Authenticator.objects.all(), size=BATCH):
        for authenticator in batch:
            rotate_authenticator(authenticator, report)
    report.remaining = count_keys()
    return report


def rotate_column(model: type[models.Model], column: SecretField, report: RotationReport) -> None:
    """Re-encrypt one column, in batches by primary key."""
    last: Any = None
    while batch := list_outdated_secrets(model, column, after=last):
        for row in batch:
            last, secret = row.pk, getattr(row, column.attname)
            try:
                fresh = column.encrypt_for(row, secret.decrypt())
            except UndecipherableSecret:
                report.unreadable += 1
                continue
            same = model._base_manager.filter(pk=row.pk, **{column.attname: secret})
            changed = same.update(**{column.attname: fresh})
            report.reencrypted += changed
            report.changed_meanwhile += 1 - changed


def list_outdated_secrets(model: type[models.Model], column: SecretField, *, after: Any) -> list[models.Model]:
    """List the next rows, by primary key, whose secret is not under the newest key, or not bound to its row."""
    name = column.attname
    prefix = f"{current_key_id()}:{BOUND}:"
    # The column's own lookups would encrypt what it is compared with, so its text is compared as text.
    begins = Left(Cast(name, models.TextField()), len(prefix), output_field=models.CharField())
    rows = model._base_manager.exclude(**{name: ""}).annotate(begins=begins).exclude(begins=prefix)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.order_by("pk")[:BATCH])


def rotate_authenticator(authenticator: Authenticator, report: RotationReport) -> None:
    """Re-encrypt the secrets of one authenticator app or set of recovery codes."""
    before = dict(authenticator.data)
    try:
        after = renew_secrets(before, user_id=authenticator.user_id)
    except UndecipherableSecret:
        report.unreadable += 1
        return
    count = sum(old != new for old, new in zip(list_stored(before), list_stored(after), strict=True))
    if not count:
        return
    if Authenticator.objects.filter(pk=authenticator.pk, data=before).update(data=after):
        report.reencrypted += count
    else:
        report.changed_meanwhile += count


def list_missing_keys() -> Counter[str]:
    """Count the stored secrets by the id of their key, where that key is not configured. A query a column."""
    found: Counter[str] = Counter()
    for model, column in list_secret_columns():
        text = Cast(column.attname, models.TextField())
        key_id = Func(text, Value(":"), Value(1), function="split_part", output_field=models.CharField())
        rows = model._base_manager.exclude(**{column.attname: ""}).annotate(key_id=key_id).order_by()
        found.update(dict(rows.values_list("key_id").annotate(models.Count("pk"))))
    for data in Authenticator.objects.values_list("data", flat=True):
        found.update(list_key_ids(data))
    known = list_configured_key_ids()
    return Counter({key_id: count for key_id, count in found.items() if key_id and key_id not in known})


def count_keys() -> Counter[str]:
    """Count the secrets by the id of their key."""
    found: Counter[str] = Counter()
    for model, column in list_secret_columns():
        stored = model._base_manager.exclude(**{column.attname: ""}).only(column.attname)
        for rows in read_in_batches(stored, size=BATCH):
            found.update(getattr(row, column.attname).key_id for row in rows)
    for authenticators in read_in_batches(Authenticator.objects.only("data"), size=BATCH):
        for authenticator in authenticators:
            found.update(list_key_ids(authenticator.data))
    return found


def list_key_ids(data: dict[str, Any]) -> Iterator[str]:
    """List the key id of every secret in an authenticator's data."""
    for stored in list_stored(data):
        yield Secret(stored, PURPOSE).key_id


def list_stored(data: dict[str, Any]) -> Iterator[str]:
    """List every secret in an authenticator's data, as it is stored."""
    for name in NAMES:
        value = data.get(name, [])
        for each in value if isinstance(value, list) else [value]:
            if not str(each).startswith(HASHED):
                yield str(each)
