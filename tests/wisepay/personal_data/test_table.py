"""The table of personal data is whole: a new model, or a new column about people, needs an entry."""

import pytest
from django.apps import apps
from django.db import models

from wisepay.models import User
from wisepay.personal_data.registry import NOT_PERSONAL, PERSONAL_DATA, PersonalData, declare_personal

MODELS = {model._meta.label: model for model in apps.get_models()}
# Columns of these names or kinds are about people.
NAMES = ("email", "phone", "user_agent", "agent", "contact_name", "payer_name", "job_title", "address", "ip")
KINDS = (models.EmailField, models.GenericIPAddressField)


def is_about_people(column: "models.Field[object, object]") -> bool:
    """Whether a column holds something of a person, by its name, its kind, or what it points at."""
    points_at_user = column.is_relation and column.related_model is User
    return column.name in NAMES or isinstance(column, KINDS) or points_at_user


def test_every_model_has_one_entry_and_every_entry_a_model() -> None:
    assert sorted([*PERSONAL_DATA, *NOT_PERSONAL]) == sorted(MODELS)


def test_every_column_about_people_is_named() -> None:
    missing = []
    for label, model in MODELS.items():
        entry = PERSONAL_DATA.get(label)
        known = {*entry.fields, *(lookup.split("__")[0] for lookup in entry.person)} if entry else set()
        missing += [
            f"{label}.{c.name}" for c in model._meta.concrete_fields if is_about_people(c) and c.name not in known
        ]
    assert missing == []


@pytest.mark.parametrize("entry", PERSONAL_DATA.values(), ids=list(PERSONAL_DATA))
def test_an_entry_names_columns_that_exist_and_changes_what_is_personal(entry: PersonalData) -> None:
    columns = {column.name for column in MODELS[entry.model]._meta.concrete_fields}
    assert set(entry.fields) <= columns
    assert set(entry.hidden) <= columns
    assert entry.reason.endswith(".")
    assert entry.person or entry.address
    assert (entry.erasure == "change") == bool(entry.changes)
    assert set(entry.changes) <= set(entry.fields)


def test_a_second_entry_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wisepay\.User has an entry already"):
        declare_personal(PersonalData("wisepay.User", "Twice.", "keep"))
