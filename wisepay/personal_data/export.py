"""Export: everything that is stored about one person, as JSON that a person and a program can read."""

from datetime import datetime
from typing import Any

from django.db import models

from wisepay.personal_data.registry import PERSONAL_DATA, PersonalData, Subject
from wisepay.secrets import SecretField


def export_person(subject: Subject, *, now: datetime) -> dict[str, Any]:
    """Everything about the subject, by table. Secrets are left out: they are given to nobody."""
    tables = {entry.model: export_table(entry, subject) for entry in PERSONAL_DATA.values()}
    return {
        "about": subject.email,
        "made_at": now.isoformat(),
        "tables": {name: table for name, table in sorted(tables.items()) if table["rows"]},
    }


def export_table(entry: PersonalData, subject: Subject) -> dict[str, Any]:
    """The rows of one table about the subject, with the reason why they are stored."""
    rows = entry.find_rows(subject).distinct()
    names = [f.attname for f in rows.model._meta.concrete_fields if is_given(f, entry)]
    return {"why": entry.reason, "rows": list(rows.values(*names, *entry.around))}


def is_given(column: "models.Field[Any, Any]", entry: PersonalData) -> bool:
    """Whether a person is given what this column says; where a row points at another, the other table says it."""
    return not (column.is_relation or column.name in entry.hidden or isinstance(column, SecretField))
