"""Re-encrypting every stored secret with the newest key, a row at a time, while everything goes on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import models
from django.db.models.functions import Cast, Left

from wisepay.accounts.adapters import MFA_PURPOSE
from wisepay.accounts.recovery_codes import HASHED
from wisepay.cursors import read_in_batches
from wisepay.secrets import BOUND, Secret, SecretField, UndecipherableSecret, current_key_id

BATCH = 200
# What allauth keeps in an authenticator's data through our adapter.
MFA_NAMES = ("secret", "seed", "migrated_codes")


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
        after = {name: reencrypt_value(name, value) for name, value in before.items()}
    except UndecipherableSecret:
        report.unreadable += 1
        return
    count = sum(key_id != current_key_id() for key_id in list_key_ids(before))
    if not count:
        return
    if Authenticator.objects.filter(pk=authenticator.pk, data=before).update(data=after):
        report.reencrypted += count
    else:
        report.changed_meanwhile += count


def reencrypt_value(name: str, value: Any) -> Any:
    """Re-encrypt the secrets in one value of an authenticator's data. Raises UndecipherableSecret."""
    if name not in MFA_NAMES or str(value).startswith(HASHED):
        return value
    if isinstance(value, list):
        return [reencrypt_value(name, each) for each in value]
    secret = Secret(str(value), MFA_PURPOSE)
    return value if secret.key_id == current_key_id() else Secret.encrypt(secret.decrypt(), purpose=MFA_PURPOSE).stored


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
    for name in MFA_NAMES:
        value = data.get(name, [])
        for each in value if isinstance(value, list) else [value]:
            if not str(each).startswith(HASHED):
                yield Secret(str(each), MFA_PURPOSE).key_id
