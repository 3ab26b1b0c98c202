"""What a form changed, in words: "Time zone: UTC → Australia/Sydney"."""

from collections.abc import Iterable
from typing import Any

from django import forms

LONGEST_VALUE = 80
NOTHING = "nothing"


def describe_changes(form: forms.BaseForm) -> str:
    """Every field of a valid form whose value is another now, by its label, old → new; secrets only by name."""
    return "; ".join(line for name in form.changed_data if (line := describe_field(form, name)))


def describe_field(form: forms.BaseForm, name: str) -> str:
    """One field's change; empty when both values read the same."""
    field, label = form.fields[name], str(form[name].label)
    if isinstance(field.widget, forms.PasswordInput):
        return f"{label}: replaced"
    old = show_value(field, form.get_initial_for_field(field, name))
    new = show_value(field, get_new_value(form, name))
    return f"{label}: {old} → {new}" if old != new else ""


def get_new_value(form: forms.BaseForm, name: str) -> Any:
    """What the field was set to: cleaned, unless the form's `clean` took it apart."""
    cleaned = getattr(form, "cleaned_data", {})
    return cleaned[name] if name in cleaned else form[name].data


def show_value(field: forms.Field, value: Any) -> str:
    """A value as the page of the form calls it, not too long."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in (None, "", [], ()):
        return NOTHING
    if isinstance(value, str) or not isinstance(value, Iterable):
        text = show_choice(field, value)
    else:
        text = ", ".join(show_choice(field, each) for each in value)
    text = " ".join(", ".join(text.splitlines()).split())
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def show_choice(field: forms.Field, value: Any) -> str:
    """One value, by the label of its choice if there is one."""
    if isinstance(field, forms.ModelChoiceField):
        found = field.queryset.filter(pk=getattr(value, "pk", value)).first() if field.queryset is not None else None
        return str(found or value)
    if isinstance(field, forms.ChoiceField):
        labels = {str(key): str(label) for key, label in field.choices if not isinstance(label, list | tuple)}  # type: ignore[union-attr,misc]
        return labels.get(str(value), str(value))
    return str(value)


def describe_values(**changes: tuple[Any, Any]) -> str:
    """Values that no form holds: `describe_values(name=(old, new))`."""
    shown = {
        name: (show_value(forms.Field(), old), show_value(forms.Field(), new)) for name, (old, new) in changes.items()
    }
    lines = [f"{n.replace('_', ' ').capitalize()}: {old} → {new}" for n, (old, new) in shown.items() if old != new]
    return "; ".join(lines)
